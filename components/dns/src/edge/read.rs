//! Reading a query.

use super::opt::{COMPACT_OK, DNSSEC_OK, flags_of};
use crate::name::OwnName;
use domain::base::iana::{Class, Opcode, OptionCode, Rcode};
use domain::base::name::ToLabelIter;
use domain::base::opt::{Cookie, Opt, OptRecord, UnknownOptData};
use domain::base::record::ParsedRecord;
use domain::base::{Message, MessageBuilder, Name, Rtype};
use domain::dep::octseq::Parser;

/// The length of a header (RFC 1035, section 4.1.1).
pub(super) const HEADER_LENGTH: usize = 12;
/// The length of a question's type and class.
const TYPE_AND_CLASS: usize = 4;

/// A message that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub(super) id: u16,
    pub(super) recursion_desired: bool,
    pub(super) opcode: Opcode,
    /// The question section as it came: a name without compression, type and class. Empty in
    /// a query for a cookie alone.
    pub(super) question: Vec<u8>,
    pub(super) rtype: Rtype,
    pub(super) class: Class,
    pub(super) edns: Option<Edns>,
    pub(super) is_signed: bool,
}

/// What the asker's OPT record says (RFC 6891, section 6.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edns {
    /// The largest datagram that the asker takes.
    pub udp_length: u16,
    /// The version of EDNS.
    pub version: u8,
    /// The flags, of which DO and CO are known here.
    pub flags: u16,
    /// The asker's cookie (RFC 7873).
    pub cookie: Option<Cookie>,
    /// Whether the server's name is wanted (RFC 5001).
    pub wants_nsid: bool,
    /// Whether the connection's idle time is wanted (RFC 7828).
    pub wants_keepalive: bool,
}

/// Why a message is not answered as a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It deserves no answer.
    Silence,
    /// It is answered with this, whoever asked and however.
    Answer(Vec<u8>),
}

impl Query {
    /// Reads a message.
    pub fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        // Without a header there is nobody to answer. A response is never answered, or two
        // servers could do so for ever.
        let message = Message::from_slice(bytes).map_err(|_| Refusal::Silence)?;
        if message.header().qr() {
            return Err(Refusal::Silence);
        }
        if !matches!(message.header().opcode(), Opcode::QUERY | Opcode::NOTIFY | Opcode::UPDATE) {
            return Err(refusal(message, Rcode::NOTIMP));
        }
        parse(message).ok_or_else(|| refusal(message, Rcode::FORMERR))
    }

    /// What the message is about. The root in a query for a cookie alone.
    pub fn name(&self) -> OwnName {
        let length = self.question.len().saturating_sub(TYPE_AND_CLASS);
        let name = self.question.get(..length).and_then(|name| Name::from_octets(name.to_vec()).ok());
        name.unwrap_or_else(Name::root_vec)
    }

    /// The type that is asked for.
    pub fn rtype(&self) -> Rtype {
        self.rtype
    }

    /// The class that is asked for.
    pub fn class(&self) -> Class {
        self.class
    }

    /// The operation: a query, an update or a notification.
    pub fn opcode(&self) -> Opcode {
        self.opcode
    }

    /// What the asker's OPT record says; none if there was none.
    pub fn edns(&self) -> Option<&Edns> {
        self.edns.as_ref()
    }

    /// Whether signatures are wanted (RFC 3225).
    pub fn dnssec_ok(&self) -> bool {
        self.edns.as_ref().is_some_and(|edns| edns.flags & DNSSEC_OK != 0)
    }

    /// Whether a name error may come with a compact denial (RFC 9824, section 5.1).
    pub fn compact_ok(&self) -> bool {
        self.edns.as_ref().is_some_and(|edns| edns.flags & COMPACT_OK != 0)
    }

    /// Whether a transfer of a zone is asked for (RFC 5936, RFC 1995).
    pub fn is_transfer(&self) -> bool {
        self.opcode == Opcode::QUERY && matches!(self.rtype, Rtype::AXFR | Rtype::IXFR)
    }

    /// Whether the message says that it is signed, with TSIG (RFC 8945) or SIG(0) (RFC 2931).
    pub fn is_signed(&self) -> bool {
        self.is_signed
    }
}

/// A header with an error code and nothing else (RFC 1035, section 4.1.1).
fn refusal(message: &Message<[u8]>, rcode: Rcode) -> Refusal {
    let mut builder = MessageBuilder::new_vec();
    let header = builder.header_mut();
    header.set_id(message.header().id());
    header.set_qr(true);
    header.set_opcode(message.header().opcode());
    header.set_rd(message.header().rd());
    header.set_rcode(rcode);
    Refusal::Answer(builder.finish())
}

/// Walks the whole message, which shows whether it is well formed.
fn parse(message: &Message<[u8]>) -> Option<Query> {
    let bytes = message.as_slice();
    let mut query = Query {
        id: message.header().id(),
        recursion_desired: message.header().rd(),
        opcode: message.header().opcode(),
        question: Vec::new(),
        rtype: Rtype::ANY,
        class: Class::IN,
        edns: None,
        is_signed: false,
    };
    let mut questions = message.question();
    if let Some(question) = questions.next() {
        let question = question.ok()?;
        query.question = bytes.get(HEADER_LENGTH..questions.pos())?.to_vec();
        // The first name of a message has nothing before it that it could point to.
        if query.question.len() != usize::from(question.qname().compose_len()) + TYPE_AND_CLASS {
            return None;
        }
        (query.rtype, query.class) = (question.qtype(), question.qclass());
    }
    // RFC 9619, section 4: at most one question.
    if questions.next().is_some() {
        return None;
    }
    let mut section = questions.answer().ok()?;
    for _ in 0..2 {
        section.by_ref().try_for_each(|record| record.ok().map(drop))?;
        section = section.next_section().ok()??;
    }
    for record in section.by_ref() {
        query.additional(&record.ok()?)?;
    }
    // RFC 7873, section 5.4: without a question, only a cookie can be asked for. Zones, in
    // updates and notifications, are questions too (RFC 2136, section 2.3; RFC 1996, section 3.7).
    let wants_cookie =
        query.opcode == Opcode::QUERY && query.edns.as_ref().is_some_and(|e| e.cookie.is_some());
    (section.pos() == bytes.len() && (!query.question.is_empty() || wants_cookie)).then_some(query)
}

impl Query {
    fn additional(&mut self, record: &ParsedRecord<'_, [u8]>) -> Option<()> {
        match record.rtype() {
            Rtype::OPT => {
                // RFC 6891, section 6.1.1: one OPT record, at the root.
                if self.edns.is_some() || !record.owner().is_root() {
                    return None;
                }
                let record = record.to_record::<Opt<_>>().ok()??;
                self.edns = Some(Edns::read(&OptRecord::from_record(record))?);
            }
            // A record of the old type SIG covers a message, or what nobody signs with it any more.
            Rtype::TSIG | Rtype::SIG => self.is_signed = true,
            _ => {}
        }
        Some(())
    }
}

impl Edns {
    fn read(record: &OptRecord<&[u8]>) -> Option<Self> {
        let mut edns = Self {
            udp_length: record.udp_payload_size(),
            version: record.version(),
            flags: flags_of(record),
            ..Self::default()
        };
        for option in record.opt().iter::<UnknownOptData<_>>() {
            let option = option.ok()?;
            match option.code() {
                // RFC 7873, section 5: the first one counts; 5.2.2: one of a wrong length is malformed.
                OptionCode::COOKIE if edns.cookie.is_none() => {
                    let mut parser = Parser::from_ref(option.as_slice());
                    edns.cookie = Some(Cookie::parse(&mut parser).ok()?);
                }
                OptionCode::NSID => edns.wants_nsid = true,
                OptionCode::TCP_KEEPALIVE => edns.wants_keepalive = true,
                // RFC 6891, section 6.1.2: what is not known is passed over.
                _ => {}
            }
        }
        Some(edns)
    }
}

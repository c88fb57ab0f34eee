//! DNS messages: from a question's bytes to the answer's (RFC 1035, section 4).
//!
//! The wire format is the `domain` crate's; what is decided here is which answer a
//! message deserves. Nothing that arrives is an error: a message that cannot be
//! answered gets an error message, or silence.

use crate::keys;
use crate::registry::read_world;
use crate::zone::{self, Content, Data, NEGATIVE_TTL_S, OwnName, Place, Zone};
use domain::base::iana::{Class, Opcode, OptRcode, Rcode};
use domain::base::message_builder::{AdditionalBuilder, AnswerBuilder, PushError};
use domain::base::opt::{Opt, OptRecord};
use domain::base::{Message, MessageBuilder, ParsedName, Question, Rtype, StaticCompressor};
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::Entry;

/// The UDP message size that we send at most and offer to take: what crosses the
/// Internet without fragments (RFC 9715, section 3).
pub const UDP_LENGTH_MAX: u16 = 1232;
/// The UDP message size without EDNS (RFC 1035, section 2.3.4).
const UDP_LENGTH_PLAIN: u16 = 512;
/// The bytes of an OPT record without options: root, type, class, TTL, length.
const OPT_LENGTH: usize = 11;

/// How a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// One datagram, with its bounds.
    Udp,
    /// A stream; also over TLS.
    Tcp,
    /// An HTTP exchange (RFC 8484).
    Https,
}

/// The answer to a message.
#[derive(Debug, Default)]
pub struct Reply {
    /// The message to send; empty: send nothing.
    pub message: Vec<u8>,
    /// How long the answer may be cached, in seconds, if it may.
    pub max_age_s: Option<u32>,
    /// What went wrong on our side, for the log; the message is then a SERVFAIL.
    pub fault: Option<Problem>,
}

/// What the sender's OPT record says (RFC 6891, section 6.1).
#[derive(Debug, Clone, Copy)]
struct Edns {
    udp_length: u16,
    version: u8,
    dnssec_ok: bool,
}

/// A message with one question that can be answered.
struct Query<'a> {
    message: &'a Message<[u8]>,
    question: Question<ParsedName<&'a [u8]>>,
    edns: Option<Edns>,
}

/// What goes into an answer.
struct Answer {
    rcode: OptRcode,
    is_authoritative: bool,
    ttl_s: u32,
    records: Vec<Data>,
    /// The apex and its start of authority, for answers that say there is nothing.
    authority: Option<(OwnName, Data)>,
}

type Target = StaticCompressor<Vec<u8>>;

/// Answers a message from the store, with one read at the most.
pub async fn answer<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    message: &[u8],
    transport: Transport,
) -> Reply {
    let query = match read(message) {
        Ok(query) => query,
        Err(message) => return Reply { message, ..Reply::default() },
    };
    let (answer, fault) = match decide(store, environment, &query).await {
        Ok(answer) => (answer, None),
        Err(problem) => (Answer::error(OptRcode::SERVFAIL), Some(problem)),
    };
    match query.build(&answer, transport) {
        Ok(message) => Reply { message, max_age_s: answer.max_age_s(), fault },
        // No answer of ours fails to fit where truncation does not help: a fault.
        Err(_) => Reply { fault: Some(Problem::internal()), ..Reply::default() },
    }
}

/// Reads a message, or says with which message it is refused; empty: with none.
fn read(bytes: &[u8]) -> Result<Query<'_>, Vec<u8>> {
    // Without a header there is nobody to answer. A response is never answered, or two
    // servers could do so for ever.
    let message = Message::from_slice(bytes).map_err(|_| Vec::new())?;
    if message.header().qr() {
        return Err(Vec::new());
    }
    if message.header().opcode() != Opcode::QUERY {
        return Err(refusal(message, Rcode::NOTIMP));
    }
    // RFC 9619, section 4: a query with another number of questions is malformed.
    let question = message.sole_question().map_err(|_| refusal(message, Rcode::FORMERR))?;
    let edns = edns(message).map_err(|()| refusal(message, Rcode::FORMERR))?;
    Ok(Query { message, question, edns })
}

/// A header with an error code and nothing else (RFC 1035, section 4.1.1).
fn refusal(message: &Message<[u8]>, rcode: Rcode) -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec();
    let header = builder.header_mut();
    header.set_id(message.header().id());
    header.set_qr(true);
    header.set_opcode(message.header().opcode());
    header.set_rd(message.header().rd());
    header.set_rcode(rcode);
    builder.finish()
}

/// Walks all records of a message, which shows whether it is well formed, and reads
/// its OPT record.
fn edns(message: &Message<[u8]>) -> Result<Option<Edns>, ()> {
    let (_, answer, authority, additional) = message.sections().map_err(|_| ())?;
    for record in answer.into_iter().chain(authority) {
        record.map_err(|_| ())?;
    }
    let mut edns = None;
    for record in additional {
        let record = record.map_err(|_| ())?;
        if record.rtype() != Rtype::OPT {
            continue;
        }
        let record = record.into_record::<Opt<_>>().map_err(|_| ())?.ok_or(())?;
        // RFC 6891, section 6.1.1: one OPT record, at the root.
        if edns.is_some() || !record.owner().is_root() {
            return Err(());
        }
        let opt = OptRecord::from_record(record);
        edns = Some(Edns {
            udp_length: opt.udp_payload_size(),
            version: opt.version(),
            dnssec_ok: opt.dnssec_ok(),
        });
    }
    Ok(edns)
}

/// Decides what a question is answered with.
async fn decide<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    query: &Query<'_>,
) -> Result<Answer, Problem> {
    let (question, rtype) = (&query.question, query.question.qtype());
    // RFC 6891, section 6.1.3: a version that is not known is answered with ours.
    if query.edns.is_some_and(|edns| edns.version > 0) {
        return Ok(Answer::error(OptRcode::BADVERS));
    }
    // An OPT record is not something to ask for (RFC 6891, section 6.1.1).
    if rtype == Rtype::OPT {
        return Ok(Answer::error(OptRcode::FORMERR));
    }
    // One class; and the zone is not given away as a whole.
    if question.qclass() != Class::IN || matches!(rtype, Rtype::AXFR | Rtype::IXFR) {
        return Ok(Answer::error(OptRcode::REFUSED));
    }
    let zone = Zone::from_settings(environment.settings).ok_or_else(Problem::internal)?;
    let place = zone.locate(question.qname());
    let mut wanted = vec![keys::SERIAL.into()];
    match &place {
        Place::Outside => return Ok(Answer::error(OptRcode::REFUSED)),
        Place::World(name, _) => wanted.push(keys::world(name)),
        Place::Apex | Place::Nameserver | Place::Nowhere => {}
    }
    let mut entries = store.get_many(&wanted).await?.into_iter();
    let serial = serial(entries.next().flatten().as_ref());
    let content = match &place {
        Place::Outside | Place::Nowhere => Content::NameError,
        Place::Apex => zone.apex_content(rtype, serial),
        Place::Nameserver => zone.nameserver_content(rtype),
        Place::World(_, place) => {
            let world = entries.next().flatten().map(|entry| read_world(&entry, environment)).transpose()?;
            let now_s = environment.now_seconds();
            let content = |world| zone::world_content(&world, place, rtype, now_s);
            world.flatten().map_or(Some(Content::NameError), content).ok_or_else(Problem::internal)?
        }
    };
    Ok(Answer::of(content, &zone, serial))
}

/// The zone's serial number: how many registrations there were, from 1 on, in the
/// circle of RFC 1982. It says that the zone changed, not that a record has ended.
fn serial(counter: Option<&Entry>) -> u32 {
    let bytes = counter.and_then(|entry| <[u8; 8]>::try_from(entry.value.as_slice()).ok());
    let count = u64::from_le_bytes(bytes.unwrap_or_default()).wrapping_add(1);
    u32::try_from(count & u64::from(u32::MAX)).unwrap_or_default()
}

impl Answer {
    fn error(rcode: OptRcode) -> Self {
        Self { rcode, is_authoritative: false, ttl_s: 0, records: Vec::new(), authority: None }
    }

    fn of(content: Content, zone: &Zone, serial: u32) -> Self {
        let nothing = |rcode| Self {
            rcode,
            is_authoritative: true,
            ttl_s: 0,
            records: Vec::new(),
            authority: Some((zone.apex().clone(), zone.soa(serial))),
        };
        match content {
            Content::Records(ttl_s, records) => {
                Self { rcode: OptRcode::NOERROR, is_authoritative: true, ttl_s, records, authority: None }
            }
            Content::NoData => nothing(OptRcode::NOERROR),
            Content::NameError => nothing(OptRcode::NXDOMAIN),
        }
    }

    /// RFC 8484, section 5.1: the smallest TTL of the answer, or how long its absence
    /// may be cached.
    fn max_age_s(&self) -> Option<u32> {
        if !self.records.is_empty() {
            return Some(self.ttl_s);
        }
        self.authority.as_ref().map(|_| NEGATIVE_TTL_S)
    }
}

impl Query<'_> {
    /// The answer as a message. What does not fit is left out, and said to be.
    fn build(&self, answer: &Answer, transport: Transport) -> Result<Vec<u8>, PushError> {
        let length_max = self.length_max(transport);
        let opt_length = if self.edns.is_some() { OPT_LENGTH } else { 0 };
        let mut builder = MessageBuilder::from_target(StaticCompressor::new(Vec::with_capacity(512)))
            .map_err(|_| PushError::ShortBuf)?;
        // The limit is the first length that is too long.
        builder.set_push_limit(length_max - opt_length + 1);
        // The question is echoed as it came, in the case of its letters too.
        let mut builder = builder.start_answer(self.message, answer.rcode.rcode())?;
        builder.header_mut().set_aa(answer.is_authoritative);
        let mut builder = match self.push(builder, answer)? {
            Some(builder) => builder,
            None => self.truncated(answer, length_max - opt_length)?,
        };
        builder.set_push_limit(length_max + 1);
        if let Some(edns) = self.edns {
            builder.opt(|opt| {
                opt.set_udp_payload_size(UDP_LENGTH_MAX);
                opt.set_rcode(answer.rcode);
                // RFC 3225, section 3: the bit is copied.
                opt.set_dnssec_ok(edns.dnssec_ok);
                Ok(())
            })?;
        }
        Ok(builder.finish().into_target())
    }

    /// Adds the records; none if they do not all fit.
    fn push(
        &self,
        mut builder: AnswerBuilder<Target>,
        answer: &Answer,
    ) -> Result<Option<AdditionalBuilder<Target>>, PushError> {
        let is_full = |result| match result {
            Ok(()) => Ok(false),
            Err(PushError::LimitExceeded) => Ok(true),
            Err(error) => Err(error),
        };
        for record in &answer.records {
            let record = (self.question.qname(), Class::IN, answer.ttl_s, record);
            if is_full(builder.push(record))? {
                return Ok(None);
            }
        }
        let mut builder = builder.authority();
        if let Some((apex, soa)) = &answer.authority {
            // RFC 2308, section 5: a negative answer lives as long as this record.
            if is_full(builder.push((apex, Class::IN, NEGATIVE_TTL_S, soa)))? {
                return Ok(None);
            }
        }
        Ok(Some(builder.additional()))
    }

    /// An answer without records that says so (RFC 2181, section 9): the asker comes
    /// again over TCP.
    fn truncated(&self, answer: &Answer, length_max: usize) -> Result<AdditionalBuilder<Target>, PushError> {
        let mut builder = MessageBuilder::from_target(StaticCompressor::new(Vec::with_capacity(512)))
            .map_err(|_| PushError::ShortBuf)?;
        builder.set_push_limit(length_max + 1);
        let mut builder = builder.start_answer(self.message, answer.rcode.rcode())?;
        builder.header_mut().set_aa(answer.is_authoritative);
        builder.header_mut().set_tc(true);
        Ok(builder.additional())
    }

    fn length_max(&self, transport: Transport) -> usize {
        match (transport, self.edns) {
            (Transport::Tcp | Transport::Https, _) => usize::from(u16::MAX),
            (Transport::Udp, None) => usize::from(UDP_LENGTH_PLAIN),
            // RFC 6891, section 6.2.3: smaller values count as 512.
            (Transport::Udp, Some(edns)) => {
                usize::from(edns.udp_length.clamp(UDP_LENGTH_PLAIN, UDP_LENGTH_MAX))
            }
        }
    }
}

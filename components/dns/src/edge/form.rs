//! What a query is: its plain form, and the answers that need no zone.

use super::opt::{COMPACT_OK, DNSSEC_OK, append_opt};
use super::read::{HEADER_LENGTH, Query};
use domain::base::header::{Header, HeaderCounts};
use domain::base::iana::{Class, ExtendedErrorCode, Opcode, OptRcode};
use domain::base::opt::{ExtendedError, Opt};
use domain::base::{MessageBuilder, Rtype};

/// What is to be done with a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// The message itself says what it is answered with: a plain answer, to be finished.
    Ready(Vec<u8>),
    /// A question about a zone, as all who ask it share it: the name in lower case, no id, no
    /// option but the flags DO and CO. Its answer, too, is plain, and to be finished.
    Plain(Vec<u8>),
    /// An update, a notification, a transfer, or something signed: its answer depends on every
    /// byte of it, and is sent as it is.
    Whole,
}

impl Query {
    /// What is to be done with the query.
    pub fn form(&self) -> Form {
        let ready = |rcode, why| Form::Ready(refuse(self, rcode, why));
        // RFC 6891, section 6.1.3: a version that is not known is answered with ours.
        if self.edns.as_ref().is_some_and(|edns| edns.version > 0) {
            return ready(OptRcode::BADVERS, None);
        }
        // RFC 7873, section 5.4: a query for a cookie is answered with that alone.
        if self.question.is_empty() {
            return ready(OptRcode::NOERROR, None);
        }
        if self.opcode != Opcode::QUERY {
            return Form::Whole;
        }
        // RFC 9824, section 3.5: NXNAME is nothing to ask for; nor are the records that speak of
        // the message itself (RFC 6895, section 3.1).
        if matches!(self.rtype, Rtype::OPT | Rtype::TSIG | Rtype::NXNAME) {
            return ready(OptRcode::FORMERR, Some(ExtendedErrorCode::INVALID_QUERY_TYPE));
        }
        if self.class != Class::IN {
            return ready(OptRcode::REFUSED, Some(ExtendedErrorCode::NOT_AUTHORITATIVE));
        }
        if self.is_signed || self.is_transfer() {
            return Form::Whole;
        }
        Form::Plain(self.plain())
    }

    /// The plain query. Recursion is not desired in it, and checking (CD) makes no
    /// difference to an authority (RFC 4035, section 3.1.6).
    fn plain(&self) -> Vec<u8> {
        let mut message = self.with_plain_question(Header::new());
        let flags = match (self.dnssec_ok(), self.compact_ok()) {
            // RFC 9824, section 5.1: the flag means something only beside DO.
            (true, true) => DNSSEC_OK | COMPACT_OK,
            (true, false) => DNSSEC_OK,
            (false, _) => 0,
        };
        append_opt(&mut message, OptRcode::NOERROR, flags, &Opt::empty());
        message
    }

    /// A header with the question behind it, its name in lower case.
    pub(crate) fn with_plain_question(&self, header: Header) -> Vec<u8> {
        let mut message = MessageBuilder::new_vec().finish();
        *Header::for_message_slice_mut(&mut message) = header;
        let (name, rest) = self.question.split_at(self.question.len().saturating_sub(4));
        // The length of a label is below 64, which is no letter's number.
        message.extend(name.iter().map(u8::to_ascii_lowercase));
        message.extend(rest);
        let count = u16::from(!self.question.is_empty());
        HeaderCounts::for_message_slice_mut(&mut message).set_qdcount(count);
        message
    }

    /// Whether a plain answer has this query's question.
    pub(super) fn is_answered_by(&self, plain: &[u8]) -> bool {
        let question = plain.get(HEADER_LENGTH..HEADER_LENGTH + self.question.len());
        question.is_some_and(|question| question.eq_ignore_ascii_case(&self.question))
    }
}

/// A plain answer without records: an error, or that there is nothing to say.
pub fn refuse(query: &Query, rcode: OptRcode, why: Option<ExtendedErrorCode>) -> Vec<u8> {
    let mut header = Header::new();
    header.set_qr(true);
    header.set_opcode(query.opcode);
    header.set_rcode(rcode.rcode());
    let mut message = query.with_plain_question(header);
    let mut options = Opt::<Vec<u8>>::empty();
    if let Some(error) = why.and_then(|code| ExtendedError::<Vec<u8>>::new(code, None).ok()) {
        // Two bytes are not too many for an option.
        let _ = options.push(&error);
    }
    append_opt(&mut message, rcode, 0, &options);
    message
}

//! An answer before it is a message.

use crate::edge::{COMPACT_OK, ExtendedErrorCode, PLAIN_LENGTH_MAX, Query, append_opt};
use crate::name::{OwnName, lowercase};
use crate::node::Set;
use domain::base::iana::{Class, Rcode, Rtype as Type};
use domain::base::message_builder::PushError;
use domain::base::opt::{ExtendedError, Opt};
use domain::base::rdata::UnknownRecordData;
use domain::base::{MessageBuilder, Question, Rtype, StaticCompressor};

/// Records of one type at one name, as they go into a message.
#[derive(Debug, Clone)]
pub(super) struct Records {
    owner: OwnName,
    rtype: Rtype,
    ttl_s: u32,
    data: Vec<Vec<u8>>,
}

/// An answer's parts (RFC 1035, section 4.1).
#[derive(Debug, Clone)]
pub(super) struct Sections {
    pub(super) rcode: Rcode,
    pub(super) is_authoritative: bool,
    /// Whether a name error came with a compact denial (RFC 9824, section 5.1).
    pub(super) is_compact: bool,
    pub(super) answer: Vec<Records>,
    pub(super) authority: Vec<Records>,
    pub(super) additional: Vec<Records>,
    pub(super) why: Option<ExtendedErrorCode>,
}

impl Default for Sections {
    fn default() -> Self {
        Self {
            rcode: Rcode::NOERROR,
            is_authoritative: true,
            is_compact: false,
            answer: Vec::new(),
            authority: Vec::new(),
            additional: Vec::new(),
            why: None,
        }
    }
}

/// The records of a set, and those of its signatures if they are wanted.
pub(super) fn records(owner: &OwnName, set: &Set, with_signatures: bool) -> Vec<Records> {
    let mut all =
        vec![Records { owner: owner.clone(), rtype: set.rtype, ttl_s: set.ttl_s, data: set.data.clone() }];
    if with_signatures && !set.signatures.is_empty() {
        all.push(signatures(owner, set));
    }
    all
}

/// The signatures of a set alone. Their TTL is the set's (RFC 4034, section 3).
pub(super) fn signatures(owner: &OwnName, set: &Set) -> Records {
    Records { owner: owner.clone(), rtype: Type::RRSIG, ttl_s: set.ttl_s, data: set.signatures.clone() }
}

impl Sections {
    /// The smallest TTL in it; how long the whole may be kept.
    pub(super) fn least_ttl_s(&self) -> u32 {
        let all = self.answer.iter().chain(&self.authority).chain(&self.additional);
        all.map(|records| records.ttl_s).min().unwrap_or_default()
    }

    /// The plain answer; none if it does not fit into a message.
    pub(super) fn encode(&self, query: &Query) -> Option<Vec<u8>> {
        let mut message = self.message(query).ok()?;
        let mut options = Opt::<Vec<u8>>::empty();
        if let Some(error) = self.why.and_then(|code| ExtendedError::<Vec<u8>>::new(code, None).ok()) {
            // Two bytes are not too many for an option.
            let _ = options.push(&error);
        }
        let flags = if self.is_compact { COMPACT_OK } else { 0 };
        append_opt(&mut message, self.rcode.into(), flags, &options);
        Some(message)
    }

    fn message(&self, query: &Query) -> Result<Vec<u8>, PushError> {
        let target = StaticCompressor::new(Vec::with_capacity(512));
        let mut builder = MessageBuilder::from_target(target).map_err(|_| PushError::ShortBuf)?;
        builder.set_push_limit(PLAIN_LENGTH_MAX);
        let header = builder.header_mut();
        header.set_qr(true);
        header.set_aa(self.is_authoritative);
        header.set_rcode(self.rcode);
        let mut builder = builder.question();
        builder.push(Question::new(lowercase(&query.name()), query.rtype(), query.class()))?;
        let mut builder = builder.answer();
        push(&self.answer, |record| builder.push(record))?;
        let mut builder = builder.authority();
        push(&self.authority, |record| builder.push(record))?;
        let mut builder = builder.additional();
        push(&self.additional, |record| builder.push(record))?;
        Ok(builder.finish().into_target())
    }
}

/// What a section takes: a record whose data is copied as it is.
type Pushed<'a> = (&'a OwnName, Class, u32, UnknownRecordData<&'a [u8]>);

fn push<'a>(
    section: &'a [Records],
    mut push: impl FnMut(Pushed<'a>) -> Result<(), PushError>,
) -> Result<(), PushError> {
    for records in section {
        for data in &records.data {
            let data = UnknownRecordData::from_octets(records.rtype, data.as_slice());
            push((&records.owner, Class::IN, records.ttl_s, data.map_err(|_| PushError::ShortBuf)?))?;
        }
    }
    Ok(())
}

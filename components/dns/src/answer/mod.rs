//! Answers to questions about the zones, from what the store holds (RFC 1034, section 4.3.2;
//! RFC 4035, section 3.1).
//!
//! One read gets everything that a positive answer needs: the node of the name, and those
//! above it, one of which may be a delegation. That something is absent takes one more read,
//! or two, of the names that come before it in DNSSEC's order.
//!
//! # How long an answer stays right
//!
//! An [`Answer`] names its sources: every key that it was made from, also those that were found
//! to be absent. It stays right until one of them is written, because each fact in it is
//! one of these:
//!
//! - A node holds something. It is a source.
//! - A name has no node. Its key is a source; and a node that is added above it, a delegation,
//!   has a key that is a source, too.
//! - Nothing is between a name and the next one in the chain, which is what both a name error
//!   and a name without records (whose next name is under it) come down to. Whatever is added
//!   there, or is removed at its end, changes the next name, and so the node of the name before
//!   it, in the same commit (see [`crate::edit`]). That node is a source.
//! - The start of authority. Its key is a source.
//! - A zone is hosted, or none is, at a name and those above it. Their keys are sources.
//!
//! What was read is of more than one moment. Who keeps an answer has to drop it if a source was
//! written since before the question was handed over, and not only since it was answered.

mod arpa;
mod compact;
mod denial;
mod lookup;
mod sections;

pub use arpa::DesignatedResolver;

use crate::edge::{ExtendedErrorCode, OptRcode, Query, refuse};
use crate::name::lowercase;
use crate::zone::{Policy, Zone};
use crate::{DnsError, zones};
use lookup::Lookup;
use vwp_core::Environment;
use vwp_storage::kv::Key;
use vwp_storage::{Kv, StorageError};

/// How often an answer is begun anew because the zone changed between two reads.
const ATTEMPTS_MAX: usize = 8;

/// What is answered for.
#[derive(Debug, Clone)]
pub struct Answering<'a> {
    /// The port's own zone.
    pub zone: &'a Zone,
    /// The rules that it, and the zones that the port hosts, are kept by.
    pub policy: &'a Policy,
    /// How this server is reached over encrypted transports.
    pub designated: &'a [DesignatedResolver],
}

/// The answer to a plain query.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The plain answer, for [`crate::edge::finish`].
    pub message: Vec<u8>,
    /// The keys that it was made from. None: it is for this question alone.
    pub sources: Vec<Key>,
    /// How long it may be kept, in seconds, even if no source is written.
    pub kept_s: u32,
    /// What went wrong on our side, for the log; the message is then a SERVFAIL.
    pub fault: Option<DnsError>,
}

impl Answer {
    fn unkept(message: Vec<u8>) -> Self {
        Self { message, sources: Vec::new(), kept_s: 0, fault: None }
    }
}

/// Answers a query whose form is [`crate::edge::Form::Plain`].
pub async fn answer<S: Kv>(
    store: &S,
    answering: &Answering<'_>,
    environment: &Environment<'_>,
    query: &Query,
) -> Answer {
    match try_answer(store, answering, environment, query).await {
        Ok(answer) => answer,
        Err(fault) => {
            let message = refuse(query, OptRcode::SERVFAIL, Some(reason(&fault)));
            Answer { fault: Some(fault), ..Answer::unkept(message) }
        }
    }
}

/// What an asker is told of a fault (RFC 8914): that another attempt may succeed, or nothing.
fn reason(fault: &DnsError) -> ExtendedErrorCode {
    match fault {
        DnsError::Storage(StorageError::Unavailable(_) | StorageError::Unknown(_)) | DnsError::Conflict => {
            ExtendedErrorCode::NOT_READY
        }
        _ => ExtendedErrorCode::OTHER,
    }
}

async fn try_answer<S: Kv>(
    store: &S,
    answering: &Answering<'_>,
    environment: &Environment<'_>,
    query: &Query,
) -> Result<Answer, DnsError> {
    let name = lowercase(&query.name());
    if arpa::is_local(&name) {
        let sections = arpa::answer(&name, query.rtype(), answering.designated);
        return Ok(Answer::unkept(sections.encode(query).ok_or(DnsError::Corrupt("an answer that fits"))?));
    }
    for _ in 0..ATTEMPTS_MAX {
        let found = zones::find(store, answering.zone, &name).await?;
        let Some(zone) = found.zone else {
            let message = refuse(query, OptRcode::REFUSED, Some(ExtendedErrorCode::NOT_AUTHORITATIVE));
            let kept_s = answering.policy.negative_ttl_s;
            return Ok(Answer { message, sources: found.read, kept_s, fault: None });
        };
        let mut lookup = Lookup::new(store, &zone, answering.policy, environment, query);
        // The zone changed between two reads where that matters: what was read is of no moment.
        let Some(sections) = lookup.run(name.clone()).await? else {
            continue;
        };
        let message = sections.encode(query).ok_or(DnsError::Corrupt("an answer that fits"))?;
        let mut sources = lookup.into_sources();
        if !sources.is_empty() {
            sources.extend(found.read);
        }
        return Ok(Answer { message, sources, kept_s: sections.least_ttl_s(), fault: None });
    }
    Err(DnsError::Conflict)
}

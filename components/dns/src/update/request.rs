//! What an update message asks for (RFC 2136, section 2).

use crate::canonical;
use crate::name::{OrderedName, OwnName, lowercase};
use domain::base::iana::{Class, Opcode, Rcode};
use domain::base::name::ParsedName;
use domain::base::record::ParsedRecord;
use domain::base::{Message, Rtype};
use domain::rdata::AllRecordData;
use std::collections::BTreeSet;

/// The most records of a message that are looked at, in both of its lists.
pub const RECORDS_MAX: usize = 256;
/// The most names that one message may change, so that the change is one commit.
pub const NAMES_MAX: usize = 24;

/// An update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The zone that it is about.
    pub zone: OwnName,
    /// What must be true for the changes to be made.
    pub prerequisites: Vec<Prerequisite>,
    /// The changes, in order.
    pub changes: Vec<Change>,
}

/// Something that must be true (RFC 2136, section 2.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prerequisite {
    /// A name has a record.
    NameInUse(OrderedName),
    /// A name has none.
    NameNotInUse(OrderedName),
    /// A set exists, whatever is in it.
    SetExists(OrderedName, Rtype),
    /// A set does not exist.
    SetAbsent(OrderedName, Rtype),
    /// A record is in a set that has nothing but the records named in such prerequisites.
    Record(OrderedName, Rtype, Vec<u8>),
}

/// A change (RFC 2136, section 2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A record is added; its time to live becomes that of the whole set.
    Add {
        /// The name.
        name: OrderedName,
        /// The type.
        rtype: Rtype,
        /// How long the set may be cached, in seconds.
        ttl_s: u32,
        /// The data, in DNSSEC's canonical form.
        data: Vec<u8>,
    },
    /// A record is removed.
    Remove {
        /// The name.
        name: OrderedName,
        /// The type.
        rtype: Rtype,
        /// The data, in DNSSEC's canonical form.
        data: Vec<u8>,
    },
    /// A set is removed.
    RemoveSet {
        /// The name.
        name: OrderedName,
        /// The type.
        rtype: Rtype,
    },
    /// All sets of a name are removed.
    RemoveName {
        /// The name.
        name: OrderedName,
    },
}

impl Change {
    /// The name that changes.
    pub fn name(&self) -> &OrderedName {
        match self {
            Self::Add { name, .. }
            | Self::Remove { name, .. }
            | Self::RemoveSet { name, .. }
            | Self::RemoveName { name } => name,
        }
    }

    /// The type that changes; none: all of them.
    pub fn rtype(&self) -> Option<Rtype> {
        match self {
            Self::Add { rtype, .. } | Self::Remove { rtype, .. } | Self::RemoveSet { rtype, .. } => {
                Some(*rtype)
            }
            Self::RemoveName { .. } => None,
        }
    }
}

type Record<'a> = ParsedRecord<'a, [u8]>;

impl Request {
    /// Reads a message that has been shown to come from somebody, without its signature; or
    /// says what it is answered with.
    pub fn read(bytes: &[u8]) -> Result<Self, Rcode> {
        let message = Message::from_slice(bytes).map_err(|_| Rcode::FORMERR)?;
        if message.header().opcode() != Opcode::UPDATE {
            return Err(Rcode::NOTIMP);
        }
        // RFC 2136, section 3.1.1: one zone, named by its start of authority.
        let zone = message.sole_question().map_err(|_| Rcode::FORMERR)?;
        if zone.qtype() != Rtype::SOA || zone.qclass() != Class::IN {
            return Err(Rcode::FORMERR);
        }
        let zone = lowercase(zone.qname());
        let (_, prerequisites, changes, _) = message.sections().map_err(|_| Rcode::FORMERR)?;
        let counts = message.header_counts();
        if usize::from(counts.ancount()) + usize::from(counts.nscount()) > RECORDS_MAX {
            return Err(Rcode::REFUSED);
        }
        let prerequisites: Vec<_> = prerequisites
            .map(|record| prerequisite(&record.map_err(|_| Rcode::FORMERR)?, &zone))
            .collect::<Result<_, _>>()?;
        let changes: Vec<_> = changes
            .map(|record| change(&record.map_err(|_| Rcode::FORMERR)?, &zone))
            .collect::<Result<_, _>>()?;
        if changes.iter().map(Change::name).collect::<BTreeSet<_>>().len() > NAMES_MAX {
            return Err(Rcode::REFUSED);
        }
        Ok(Self { zone, prerequisites, changes })
    }
}

/// Reads a prerequisite (RFC 2136, section 3.2.5).
fn prerequisite(record: &Record<'_>, zone: &OwnName) -> Result<Prerequisite, Rcode> {
    if record.ttl().as_secs() != 0 {
        return Err(Rcode::FORMERR);
    }
    let name = name(record, zone)?;
    let (rtype, is_empty) = (record.rtype(), record.rdlen() == 0);
    match record.class() {
        Class::ANY if is_empty && rtype == Rtype::ANY => Ok(Prerequisite::NameInUse(name)),
        Class::ANY if is_empty => Ok(Prerequisite::SetExists(name, data_type(rtype)?)),
        Class::NONE if is_empty && rtype == Rtype::ANY => Ok(Prerequisite::NameNotInUse(name)),
        Class::NONE if is_empty => Ok(Prerequisite::SetAbsent(name, data_type(rtype)?)),
        Class::IN => Ok(Prerequisite::Record(name, data_type(rtype)?, data(record)?)),
        _ => Err(Rcode::FORMERR),
    }
}

/// Reads a change (RFC 2136, section 3.4.1.3).
fn change(record: &Record<'_>, zone: &OwnName) -> Result<Change, Rcode> {
    let name = name(record, zone)?;
    let (rtype, ttl_s) = (record.rtype(), record.ttl().as_secs());
    let is_empty = record.rdlen() == 0 && ttl_s == 0;
    match record.class() {
        Class::IN => Ok(Change::Add { name, rtype: data_type(rtype)?, ttl_s, data: data(record)? }),
        Class::ANY if is_empty && rtype == Rtype::ANY => Ok(Change::RemoveName { name }),
        Class::ANY if is_empty => Ok(Change::RemoveSet { name, rtype: data_type(rtype)? }),
        Class::NONE if ttl_s == 0 => {
            Ok(Change::Remove { name, rtype: data_type(rtype)?, data: data(record)? })
        }
        _ => Err(Rcode::FORMERR),
    }
}

fn name(record: &Record<'_>, zone: &OwnName) -> Result<OrderedName, Rcode> {
    OrderedName::of(&record.owner(), zone).ok_or(Rcode::NOTZONE)
}

/// A type that records have: not one of questions, and not one of messages (RFC 6895,
/// section 3.1).
fn data_type(rtype: Rtype) -> Result<Rtype, Rcode> {
    let is_meta = matches!(rtype.to_int(), 0 | 41 | 128..=255);
    if is_meta { Err(Rcode::FORMERR) } else { Ok(rtype) }
}

/// The data in DNSSEC's canonical form, with names as they are outside the message.
fn data(record: &Record<'_>) -> Result<Vec<u8>, Rcode> {
    let data = record.to_any_record::<AllRecordData<&[u8], ParsedName<&[u8]>>>();
    canonical::data(data.map_err(|_| Rcode::FORMERR)?.data()).map_err(|_| Rcode::FORMERR)
}

//! The OPT record at the end of a message (RFC 6891).

use super::UDP_LENGTH_MAX;
use domain::base::header::HeaderCounts;
use domain::base::iana::{Class, OptRcode};
use domain::base::opt::{Opt, OptRecord};
use domain::base::{Message, Name, Record, Rtype, Ttl};

/// The flag DO (RFC 3225).
pub(super) const DNSSEC_OK: u16 = 0x8000;
/// The flag CO of EDNS: a name error may come with a compact denial (RFC 9824, section 5.1).
pub const COMPACT_OK: u16 = 0x4000;
/// The bytes of an OPT record without options: root, type, class, TTL, length.
pub(super) const OPT_LENGTH: usize = 11;

/// Ends a message, which has a header, with an OPT record.
pub fn append_opt(message: &mut Vec<u8>, rcode: OptRcode, flags: u16, options: &Opt<Vec<u8>>) {
    let extended = u32::from(rcode.ext()) << 24 | u32::from(flags);
    let class = Class::from_int(UDP_LENGTH_MAX);
    let record = Record::new(Name::root_slice(), class, Ttl::from_secs(extended), options.for_slice_ref());
    // Appending to a vector does not fail, and no message of ours has 65,535 more records.
    let _ = record.compose(message);
    let _ = HeaderCounts::for_message_slice_mut(message).inc_arcount();
}

/// The flags in an OPT record.
pub(super) fn flags_of(opt: &ReadOpt<'_>) -> u16 {
    u16::try_from(opt.as_record().ttl().as_secs() & u32::from(u16::MAX)).unwrap_or_default()
}

/// An OPT record as it is in a message.
pub(super) type ReadOpt<'a> = OptRecord<&'a [u8]>;

/// A message without the OPT record at its end, and that record. None if the bytes are not
/// a message, or one that goes on behind it.
pub(super) fn split_opt(message: &[u8]) -> Option<(&[u8], Option<ReadOpt<'_>>)> {
    let mut additional = Message::from_slice(message).ok()?.additional().ok()?;
    loop {
        let start = additional.pos();
        let Some(record) = additional.next() else {
            return Some((message, None));
        };
        let record = record.ok()?;
        if record.rtype() == Rtype::OPT {
            let opt = OptRecord::from_record(record.to_record::<Opt<_>>().ok()??);
            return (additional.pos() == message.len()).then_some((message.get(..start)?, Some(opt)));
        }
    }
}

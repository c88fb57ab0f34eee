//! Answers that are older than they should be (RFC 8767).

use domain::base::Message;
use domain::base::header::Header;
use domain::base::iana::Rcode;

/// How long a stale answer may be cached, in seconds (RFC 8767, section 4).
pub const STALE_TTL_S: u32 = 30;
/// The bytes of a record's TTL and of its data's length, which are what precedes its data.
const TTL_AND_LENGTH: usize = 6;

/// Whether a plain answer says that the server failed, so that a stale one is better.
pub fn is_failure(plain: &[u8]) -> bool {
    Message::from_slice(plain).map_or(true, |message| {
        let header: Header = message.header();
        header.rcode() == Rcode::SERVFAIL
    })
}

/// Sets the TTL of every record in a message without an OPT record, whose TTL is none.
pub(super) fn set_ttls(message: &mut [u8]) {
    for place in ttl_places(message).unwrap_or_default() {
        if let Some(ttl) = message.get_mut(place..place + 4) {
            ttl.copy_from_slice(&STALE_TTL_S.to_be_bytes());
        }
    }
}

fn ttl_places(message: &[u8]) -> Option<Vec<usize>> {
    let mut places = Vec::new();
    let mut section = Some(Message::from_slice(message).ok()?.answer().ok()?);
    while let Some(mut records) = section {
        while let Some(record) = records.next() {
            places.push(records.pos().checked_sub(usize::from(record.ok()?.rdlen()) + TTL_AND_LENGTH)?);
        }
        section = records.next_section().ok()?;
    }
    Some(places)
}

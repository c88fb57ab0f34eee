//! The record at the end of a message that signs the rest of it: TSIG (RFC 8945) or
//! SIG(0) (RFC 2931).

use crate::name::{OwnName, lowercase};
use domain::base::iana::Class;
use domain::base::rdata::UnknownRecordData;
use domain::base::wire::ParseError;
use domain::base::{Message, Rtype};

/// Where a header counts the records of the additional section (RFC 1035, section 4.1.1).
const ADDITIONAL_COUNT: std::ops::Range<usize> = 10..12;

/// A signature at the end of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailer<'a> {
    /// The type: TSIG or SIG.
    pub rtype: Rtype,
    /// The owner, in lower case.
    pub owner: OwnName,
    /// The class.
    pub class: Class,
    /// The time to live.
    pub ttl_s: u32,
    /// The record data.
    pub data: &'a [u8],
    /// The message without this record, which is what it signs.
    pub covered: Vec<u8>,
}

/// Finds the signature of a message; none if there is none. Fails if the message is not
/// well formed, or if a signature is anywhere but at its end (RFC 8945, section 5.1).
pub fn find(bytes: &[u8]) -> Result<Option<Trailer<'_>>, ParseError> {
    let message = Message::from_slice(bytes).map_err(|_| ParseError::ShortInput)?;
    let (_, answer, authority, mut additional) = message.sections()?;
    for record in answer.chain(authority) {
        if is_signature(record?.rtype()) {
            return Err(ParseError::form_error("a signature is not at the end"));
        }
    }
    let mut found = None;
    loop {
        let start = additional.pos();
        let Some(record) = additional.next() else {
            break;
        };
        let record = record?;
        if found.is_some() {
            return Err(ParseError::form_error("a signature is not at the end"));
        }
        if !is_signature(record.rtype()) {
            continue;
        }
        let data = record.to_record::<UnknownRecordData<&[u8]>>()?.ok_or(ParseError::ShortInput)?.into_data();
        found = Some(Trailer {
            rtype: record.rtype(),
            owner: lowercase(&record.owner()),
            class: record.class(),
            ttl_s: record.ttl().as_secs(),
            data: data.data(),
            covered: without_last(bytes, start)?,
        });
    }
    Ok(found)
}

fn is_signature(rtype: Rtype) -> bool {
    matches!(rtype, Rtype::TSIG | Rtype::SIG)
}

/// The message up to its last record, which its header no longer counts.
fn without_last(bytes: &[u8], start: usize) -> Result<Vec<u8>, ParseError> {
    let mut covered = bytes.get(..start).ok_or(ParseError::ShortInput)?.to_vec();
    adjust_additional(&mut covered, -1).ok_or(ParseError::ShortInput)?;
    Ok(covered)
}

/// Counts records of the additional section in or out.
pub(crate) fn adjust_additional(message: &mut [u8], by: i16) -> Option<()> {
    let field: &mut [u8] = message.get_mut(ADDITIONAL_COUNT)?;
    let count = u16::from_be_bytes([*field.first()?, *field.last()?]);
    field.copy_from_slice(&count.checked_add_signed(by)?.to_be_bytes());
    Some(())
}

//! Where a page ended: the place of its last world in the order of the results.
//!
//! A place is a rank and a document's number, both of which a world keeps while others come and
//! go. So worlds that stay as they are are neither skipped nor repeated.

use crate::error::DiscoveryError;
use vwp_core::jose;

/// A place in the order: ranks first, numbers within a rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) rank: u128,
    pub(super) number: u32,
}

/// The length of a cursor in bytes: a question's fingerprint, a rank, a number.
const LENGTH: usize = 8 + 16 + 4;
/// The length of a cursor in base64url.
const TEXT_LENGTH: usize = LENGTH.div_ceil(3) * 4;

/// What a client is given.
pub(super) fn write(fingerprint: [u8; 8], place: Place) -> String {
    let bytes = [&fingerprint[..], &place.rank.to_be_bytes(), &place.number.to_be_bytes()].concat();
    jose::encode(bytes)
}

/// What a client gives back, for the same question.
pub(super) fn read(fingerprint: [u8; 8], text: &str) -> Result<Place, DiscoveryError> {
    if text.len() > TEXT_LENGTH {
        return Err(DiscoveryError::BadCursor);
    }
    let bytes = jose::decode(text).map_err(|_| DiscoveryError::BadCursor)?;
    let parts = bytes.split_first_chunk::<8>().and_then(|(told, rest)| {
        let (rank, number) = rest.split_first_chunk::<16>()?;
        Some((*told, u128::from_be_bytes(*rank), u32::from_be_bytes(number.try_into().ok()?)))
    });
    match parts {
        Some((told, rank, number)) if told == fingerprint => Ok(Place { rank, number }),
        _ => Err(DiscoveryError::BadCursor),
    }
}

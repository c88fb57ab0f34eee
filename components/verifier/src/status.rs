//! Whether a passport was revoked: Token Status Lists (draft-ietf-oauth-status-list).
//!
//! A passport names a list by its URI and a place in it by an index; the list is a signed
//! array of small numbers, compressed. A verifier fetches a list when it has none that is
//! fresh enough, keeps it, and asks it about as many passports as it likes, so that the
//! issuer does not learn which one was shown.

use crate::keys::KeySet;
use crate::strict_json;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use serde::Deserialize;
use serde_json::{Map, Value};
use vwp_core::environment::{CLOCK_SKEW_MAX_MS, Timestamp};
use vwp_core::jose::{self, JoseError, Unverified};

/// The type of a signed status list (section 5.1).
pub const STATUS_LIST_TYPE: &str = "statuslist+jwt";
/// The longest list after decompression, in bytes. What is longer is not decompressed to its
/// end, so that a small token cannot fill the memory.
pub const LIST_LENGTH_MAX: usize = 1_048_576;
/// The longest URI of a list, in bytes.
pub const URI_LENGTH_MAX: usize = 512;
/// How old a list may be for a verifier that shall see a revocation within five minutes, in
/// seconds.
pub const AGE_MAX_S: u64 = 300;
/// The status of a token that is good (section 7.1).
pub const VALID: u8 = 0;
/// The status of a token that was revoked for good (section 7.1).
pub const INVALID: u8 = 1;

/// Why a status could not be told, or is not a good one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatusError {
    /// The list is not a JWS of a list's kind.
    #[error("the status list: {0}")]
    Header(JoseError),
    /// No key with the id that the list names.
    #[error("the status list was not signed with one of the issuer's keys")]
    UnknownKey,
    /// The issuer's signature.
    #[error("the signature of the status list does not match")]
    Signature,
    /// A claim is missing or has another form.
    #[error("the status list's claims are not those of a status list: {0}")]
    Claims(&'static str),
    /// Another list than the one that the passport names.
    #[error("the status list is another one than the passport names")]
    List,
    /// Too late.
    #[error("the status list has expired, or is older than accepted")]
    Stale,
    /// Made in the future.
    #[error("the status list is not valid yet")]
    NotYetValid,
    /// Not decompressible, or longer than the bound.
    #[error("the status list cannot be decompressed within its bound")]
    Compression,
    /// The list has no such place.
    #[error("the status list has no place with the passport's index")]
    Index,
    /// The passport names no status, where one is required.
    #[error("the passport does not say where its status is")]
    Missing,
    /// The passport was revoked, or suspended.
    #[error("the passport was revoked")]
    Revoked,
}

impl StatusError {
    /// The reason as it stands in a problem's `type`.
    pub fn slug(&self) -> &'static str {
        match self {
            Self::Header(_) => "status-list-header",
            Self::UnknownKey => "status-list-key-unknown",
            Self::Signature => "status-list-signature",
            Self::Claims(_) => "status-list-claims",
            Self::List => "status-list-mismatch",
            Self::Stale => "status-list-stale",
            Self::NotYetValid => "status-list-not-yet-valid",
            Self::Compression => "status-list-compression",
            Self::Index => "status-index",
            Self::Missing => "status-missing",
            Self::Revoked => "passport-revoked",
        }
    }
}

/// Where a token's status is to be found (section 6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusReference {
    /// The list.
    pub uri: String,
    /// The place in the list.
    pub index: u64,
}

impl StatusReference {
    /// Reads the claim `status` of a token. A status that is told in another way than by a
    /// list is not understood, and so not taken for a good one.
    pub fn from_claims(claims: &Map<String, Value>) -> Result<Option<Self>, StatusError> {
        let Some(status) = claims.get("status") else {
            return Ok(None);
        };
        let list = status.get("status_list").ok_or(StatusError::Claims("status"))?;
        let index = list.get("idx").and_then(Value::as_u64);
        let uri = list.get("uri").and_then(Value::as_str).filter(|uri| uri.len() <= URI_LENGTH_MAX);
        match (uri, index) {
            (Some(uri), Some(index)) => Ok(Some(Self { uri: uri.to_owned(), index })),
            _ => Err(StatusError::Claims("status")),
        }
    }
}

/// The claims of a signed status list; others may be there (section 5.1).
#[derive(Deserialize)]
struct Claims {
    sub: String,
    iat: u64,
    exp: Option<u64>,
    ttl: Option<u64>,
    status_list: Compressed,
}

#[derive(Deserialize)]
struct Compressed {
    bits: u8,
    lst: String,
}

/// A status list that was believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusList {
    /// Its URI.
    pub uri: String,
    /// When it was signed, in seconds.
    pub issued_at_s: u64,
    /// When it ends, in seconds, if it does.
    pub expires_at_s: Option<u64>,
    /// How long it may be kept after it was fetched, in seconds, if it says so.
    pub ttl_s: Option<u64>,
    bits: u8,
    bytes: Vec<u8>,
}

/// Whether a list was signed later than a clock that is behind can make of now.
fn is_early(issued_at_s: u64, now: Timestamp) -> bool {
    issued_at_s.saturating_mul(1000) > now.saturating_add(CLOCK_SKEW_MAX_MS)
}

impl StatusList {
    /// Verifies a signed list with its issuer's keys. `uri` is the one that the passport names:
    /// a list that was signed for another place is no answer (section 8.3, step 4).
    pub fn verify(compact: &str, keys: &KeySet, uri: &str, now: Timestamp) -> Result<Self, StatusError> {
        let token = Unverified::parse(compact, STATUS_LIST_TYPE).map_err(StatusError::Header)?;
        let kid = token.header.kid.as_deref().ok_or(StatusError::UnknownKey)?;
        let key = keys.get(kid).and_then(|jwk| jwk.to_key().ok()).ok_or(StatusError::UnknownKey)?;
        let payload = token.verify(&key).map_err(|_| StatusError::Signature)?;
        let claims = strict_json::parse_object(&payload).map_err(|_| StatusError::Claims("not JSON"))?;
        let claims: Claims = serde_json::from_value(Value::Object(claims))
            .map_err(|_| StatusError::Claims("sub, iat and status_list are needed"))?;
        if claims.sub != uri {
            return Err(StatusError::List);
        }
        if claims.exp.is_some_and(|exp| exp.saturating_mul(1000) <= now) {
            return Err(StatusError::Stale);
        }
        if is_early(claims.iat, now) {
            return Err(StatusError::NotYetValid);
        }
        let Compressed { bits, lst } = claims.status_list;
        if !matches!(bits, 1 | 2 | 4 | 8) {
            return Err(StatusError::Claims("bits"));
        }
        Ok(Self {
            uri: claims.sub,
            issued_at_s: claims.iat,
            expires_at_s: claims.exp,
            ttl_s: claims.ttl,
            bits,
            bytes: decompress(&lst)?,
        })
    }

    /// The status at a place (section 4.1: the first one is in the lowest bits of the first
    /// byte).
    pub fn get(&self, index: u64) -> Option<u8> {
        let per_byte = u64::from(8 / self.bits);
        let byte = self.bytes.get(usize::try_from(index / per_byte).ok()?)?;
        let shift = u8::try_from(index % per_byte).ok()? * self.bits;
        let mask = u8::MAX >> (8 - self.bits);
        Some((byte >> shift) & mask)
    }

    /// How old the list is, in seconds.
    pub fn age_s(&self, now: Timestamp) -> u64 {
        (now / 1000).saturating_sub(self.issued_at_s)
    }

    /// Requires that the token at a reference is good, by a list that is at most `age_max_s`
    /// seconds old ([`AGE_MAX_S`], or longer for who rather serves on while the issuer is away).
    pub fn check(
        &self,
        reference: &StatusReference,
        age_max_s: u64,
        now: Timestamp,
    ) -> Result<(), StatusError> {
        if self.uri != reference.uri {
            return Err(StatusError::List);
        }
        if is_early(self.issued_at_s, now) {
            return Err(StatusError::NotYetValid);
        }
        let has_ended = self.expires_at_s.is_some_and(|exp| exp.saturating_mul(1000) <= now);
        if has_ended || self.age_s(now) > age_max_s {
            return Err(StatusError::Stale);
        }
        match self.get(reference.index) {
            None => Err(StatusError::Index),
            Some(VALID) => Ok(()),
            Some(_) => Err(StatusError::Revoked),
        }
    }
}

fn decompress(lst: &str) -> Result<Vec<u8>, StatusError> {
    let compressed = jose::decode(lst).map_err(|_| StatusError::Claims("lst"))?;
    decompress_to_vec_zlib_with_limit(&compressed, LIST_LENGTH_MAX).map_err(|_| StatusError::Compression)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(bits: u8, lst: &str) -> StatusList {
        StatusList {
            uri: String::new(),
            issued_at_s: 0,
            expires_at_s: None,
            ttl_s: None,
            bits,
            bytes: decompress(lst).unwrap(),
        }
    }

    #[test]
    fn the_examples_of_the_draft_are_read_as_it_prints_them() {
        // Section 4.1 with section 4.2: one bit, then two bits for each status.
        let one = list(1, "eNrbuRgAAhcBXQ");
        let statuses: Vec<u8> = (0..16).map(|index| one.get(index).unwrap()).collect();
        assert_eq!(statuses, [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]);
        assert_eq!(one.get(16), None);
        let two = list(2, "eNo76fITAAPfAgc");
        let statuses: Vec<u8> = (0..12).map(|index| two.get(index).unwrap()).collect();
        assert_eq!(statuses, [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]);
        assert_eq!(two.get(u64::MAX), None);
    }

    #[test]
    fn a_list_that_would_fill_the_memory_is_not_decompressed() {
        let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; LIST_LENGTH_MAX + 1], 9);
        assert!(bomb.len() < 2000);
        assert_eq!(decompress(&jose::encode(bomb)), Err(StatusError::Compression));
        let largest = miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; LIST_LENGTH_MAX], 9);
        assert_eq!(decompress(&jose::encode(largest)).unwrap().len(), LIST_LENGTH_MAX);
        assert_eq!(decompress(&jose::encode([0x78, 0x9c, 0xff])), Err(StatusError::Compression));
    }
}

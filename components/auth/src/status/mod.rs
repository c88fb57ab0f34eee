//! Token Status Lists (draft-ietf-oauth-status-list): where it stands which passports were
//! revoked.
//!
//! A list belongs to a day: all passports in it begin and end together, so that a list is
//! dropped as a whole and no place is ever given to a second passport. Within a day lists are
//! filled one after the other. Places are drawn at random and taken by their own records, so
//! that the order of issuance cannot be read from them and concurrent batches do not meet;
//! revocations meet only within a chunk.
//!
//! A list has 2^18 places of one bit: incompressible, which is the worst that revocations can
//! make of it, its token is still shorter than the longest JWS that this port takes, and than
//! the longest value of the store.
//!
//! - [`draw()`]: taking places.
//! - [`revoke()`]: the bits.
//! - [`publish()`]: the signed list.

mod bits;
mod draw;
mod publish;

pub use bits::{is_revoked, revoke};
pub(crate) use draw::draw;
pub use publish::{CACHE_S, TTL_S, compress, publish};

use std::fmt;
use std::str::FromStr;
use vwp_core::Environment;
use vwp_core::environment::{CLOCK_SKEW_MAX_MS, Timestamp};
use vwp_verifier::status::StatusReference;

/// A day, in seconds.
pub const DAY_S: u64 = 86_400;
/// How many places a list has.
pub const LIST_SIZE: u32 = 1 << 18;
/// How many places of a list are taken before the next one begins: as long as some are free,
/// finding them takes few tries.
pub const FILL_MAX: i64 = (LIST_SIZE as i64) / 32 * 31;
/// Where lists are served.
pub const PATH: &str = "/v1/passports/status/";

/// The validity that all passports of a day have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    day: u64,
}

impl Bucket {
    /// The one of passports that are issued now.
    pub fn at(now: Timestamp) -> Self {
        Self { day: now / 1000 / DAY_S }
    }

    /// The day, counted from the Unix epoch.
    pub fn day(self) -> u64 {
        self.day
    }

    /// When it begins, in seconds.
    pub fn begins_at_s(self) -> u64 {
        self.day.saturating_mul(DAY_S)
    }

    /// When it begins.
    pub fn begins_at(self) -> Timestamp {
        self.begins_at_s().saturating_mul(1000)
    }

    /// When passports are issued with the next one.
    pub fn next_day_at(self) -> Timestamp {
        self.begins_at_s().saturating_add(DAY_S).saturating_mul(1000)
    }

    /// When it ends, in seconds.
    pub fn ends_at_s(self) -> u64 {
        self.begins_at_s().saturating_add(crate::passports::LIFETIME_S)
    }

    /// When it ends.
    pub fn ends_at(self) -> Timestamp {
        self.ends_at_s().saturating_mul(1000)
    }
}

/// A list, written `20833-0`: the day, and which one of that day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListId {
    bucket: Bucket,
    number: u32,
}

impl ListId {
    /// When the passports in it end.
    pub fn ends_at(&self) -> Timestamp {
        self.bucket.ends_at()
    }

    /// How long its records are kept: a verifier's clock may be behind.
    pub fn kept_until(&self) -> Timestamp {
        self.ends_at().saturating_add(2 * CLOCK_SKEW_MAX_MS)
    }

    /// Where it is served.
    pub fn uri(&self, environment: &Environment<'_>) -> String {
        format!("{}{PATH}{self}", environment.settings.issuer.trim_end_matches('/'))
    }

    fn version_key(&self) -> Vec<u8> {
        format!("auth/status/version/{self}").into_bytes()
    }

    fn fill_key(&self) -> Vec<u8> {
        format!("auth/status/fill/{self}").into_bytes()
    }
}

impl fmt::Display for ListId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.bucket.day, self.number)
    }
}

impl FromStr for ListId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (day, number) = text.split_once('-').ok_or(())?;
        let bucket = Bucket { day: day.parse().map_err(|_| ())? };
        let list = Self { bucket, number: number.parse().map_err(|_| ())? };
        // Only as it is written here, so that one list has one name.
        if list.to_string() == text { Ok(list) } else { Err(()) }
    }
}

/// A place in a list, written `20833-0-4711`. It names a passport to who may revoke it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    list: ListId,
    index: u32,
}

impl Place {
    /// The place that a passport of this port names, if it names one.
    pub fn of(reference: &StatusReference, environment: &Environment<'_>) -> Option<Self> {
        let (_, list) = reference.uri.rsplit_once('/')?;
        let list: ListId = list.parse().ok()?;
        let index = u32::try_from(reference.index).ok().filter(|index| *index < LIST_SIZE)?;
        (list.uri(environment) == reference.uri).then_some(Self { list, index })
    }

    /// The list.
    pub fn list(&self) -> &ListId {
        &self.list
    }

    /// The index in it.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The key of the record that takes the place.
    pub(crate) fn key(&self) -> Vec<u8> {
        format!("auth/status/entry/{}/{}", self.list, self.index).into_bytes()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.list, self.index)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (list, index) = text.rsplit_once('-').ok_or(())?;
        let index: u32 = index.parse().map_err(|_| ())?;
        let place = Self { list: list.parse()?, index };
        if index < LIST_SIZE && place.to_string() == text { Ok(place) } else { Err(()) }
    }
}

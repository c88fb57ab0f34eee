//! The live state of a world: whether one can enter now, and how many are there.
//!
//! It changes too often for the record, so it is a statement of its own, a compact JWS of
//! type `vwp-live+jws` signed by the world's own key (the record's `live_key`), which a game
//! server may hold without being able to change the record. It lasts five minutes at most:
//! a world that stops speaking has no live state, rather than an old one.

use crate::error::DiscoveryError;
use crate::record::SEQ_MAX;
use crate::record::check::{Checked, bad};
use serde::{Deserialize, Serialize};
use vwp_core::environment::is_current;
use vwp_core::jose::{JoseError, Jwk, Unverified};
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem};

/// The type of a signed live state.
pub const LIVE_TYPE: &str = "vwp-live+jws";
/// The longest signed live state, in bytes.
pub const LIVE_LENGTH_MAX: usize = 2048;
/// The longest time from `iat` to `exp`, in seconds.
pub const LIVE_LIFETIME_MAX_S: u64 = 5 * 60;
/// The largest number of users, capacity or queue: more than there are people on Earth is
/// not a number of people.
pub const COUNT_MAX: u64 = 10_000_000_000;

/// A live state, as signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Live {
    /// The world's name.
    pub name: String,
    /// Larger in every later state of the same world; the time in milliseconds will do.
    pub seq: u64,
    /// When it was signed, in seconds.
    pub iat: u64,
    /// When it ends, in seconds.
    pub exp: u64,
    /// The port's URL.
    pub aud: String,
    /// What the world is doing.
    pub status: Status,
    /// Whether it takes further users now.
    pub accepting: bool,
    /// How many users are in it.
    pub users: u64,
    /// How many it has room for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u64>,
    /// How many wait to enter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<u64>,
}

/// What a world is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It can be entered.
    Open,
    /// It cannot be entered.
    Closed,
    /// It is being worked on and will be back.
    Maintenance,
}

impl Live {
    /// Reads a signed state of a world and verifies it with one of `keys`: the world's own
    /// and its operator's. Whether it is newer than the last one is for the caller to say,
    /// who knows that one's `seq`.
    pub fn verify(
        compact: &str,
        name: &WorldName,
        keys: &[Jwk],
        environment: &Environment<'_>,
    ) -> Result<Self, Problem> {
        if compact.len() > LIVE_LENGTH_MAX {
            return Err(vwp_core::reply::too_large(LIVE_LENGTH_MAX));
        }
        let token = Unverified::parse(compact, LIVE_TYPE)?;
        let verified = keys.iter().find_map(|jwk| token.clone().verify(&jwk.to_key().ok()?).ok());
        let payload = verified.ok_or(JoseError::Signature)?;
        let live: Self = serde_json::from_slice(&payload)
            .map_err(|error| bad(format!("the payload is not a live state: {error}")))?;
        live.check(name, environment)?;
        Ok(live)
    }

    fn check(&self, name: &WorldName, environment: &Environment<'_>) -> Checked {
        let issuer = &environment.settings.issuer;
        if self.aud != *issuer {
            return Err(DiscoveryError::WrongAudience(issuer.clone()));
        }
        if self.exp <= environment.now_seconds() {
            return Err(DiscoveryError::RecordExpired);
        }
        if !is_current(self.iat, environment.now) {
            return Err(DiscoveryError::ClockSkew { now: environment.now_seconds() });
        }
        if self.exp.saturating_sub(self.iat) > LIVE_LIFETIME_MAX_S {
            return Err(bad("exp is more than 300 seconds after iat"));
        }
        if crate::place::world(&self.name, environment.settings)? != *name {
            return Err(bad("the live state is of another world"));
        }
        if self.seq > SEQ_MAX {
            return Err(bad("seq is at most 9007199254740991"));
        }
        let counts = [Some(self.users), self.capacity, self.queue];
        if counts.into_iter().flatten().any(|count| count > COUNT_MAX) {
            return Err(bad("users, capacity and queue are at most 10000000000"));
        }
        if self.accepting && self.status != Status::Open {
            return Err(bad("a world that is not open accepts nobody"));
        }
        Ok(())
    }
}

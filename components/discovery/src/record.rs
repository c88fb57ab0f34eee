//! The world record: what an operator says about its world, and signs.
//!
//! It travels as a compact JWS (RFC 7515, ES256) of type `vwp-world+jws` whose `kid`
//! is the operator's id. The payload is JSON with the fields of [`Record`] and no
//! others. Its bounds are checked here, after the signature; `seq` and the name's
//! holder are checked where the store is at hand, in [`crate::registry`].

use crate::error::DiscoveryError;
use crate::names;
use p256::ecdsa::SigningKey;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use vwp_core::Environment;
use vwp_core::environment::is_current;
use vwp_core::jose::{self, Header, Jwk};
use vwp_core::name::WorldName;

/// The type of a signed world record.
pub const RECORD_TYPE: &str = "vwp-world+jws";
/// The longest signed record, in bytes.
pub const RECORD_LENGTH_MAX: usize = 24_576;
/// The longest title, in characters.
pub const TITLE_LENGTH_MAX: usize = 100;
/// The longest description, in characters.
pub const DESCRIPTION_LENGTH_MAX: usize = 1000;
/// The most endpoints.
pub const ENDPOINTS_MAX: usize = 16;
/// The most tags.
pub const TAGS_MAX: usize = 16;
/// The longest tag, in characters.
pub const TAG_LENGTH_MAX: usize = 32;
/// The longest transport: a service name (RFC 6335, section 5.1).
pub const TRANSPORT_LENGTH_MAX: usize = 15;
/// The longest time from `iat` to `exp`, in seconds: a leap year.
pub const LIFETIME_MAX_S: u64 = 366 * 24 * 60 * 60;
/// The largest sequence number: the largest integer that every JSON reader keeps
/// exactly (RFC 7493, section 2.2).
pub const SEQ_MAX: u64 = (1 << 53) - 1;

/// A world record, as signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The world's name: one label, in any script.
    pub name: String,
    /// What people call the world.
    pub title: String,
    /// What the world is, in a few sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where the world can be entered, 1 to 16 places.
    pub endpoints: Vec<Endpoint>,
    /// Words to find the world by, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Larger in every later record of the same name.
    pub seq: u64,
    /// When it was signed, in seconds.
    pub iat: u64,
    /// When it ends, in seconds.
    pub exp: u64,
    /// The port's URL.
    pub aud: String,
}

/// One place where a world can be entered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// What is spoken there: a service name such as `minecraft` or `https`.
    pub transport: String,
    /// The host's name.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Smaller ones are tried first (RFC 9460 and RFC 2782); at least 1, because 0 is
    /// an alias in SVCB.
    #[serde(default = "first")]
    pub priority: u16,
    /// The share of the traffic among equal priorities (RFC 2782); 0 if it does not
    /// matter.
    #[serde(default)]
    pub weight: u16,
}

fn first() -> u16 {
    1
}

impl Record {
    /// Reads a verified payload and checks everything that needs no store. Gives the
    /// record out with its names in the form that DNS carries.
    pub fn parse(payload: &[u8], environment: &Environment<'_>) -> Result<(WorldName, Self), DiscoveryError> {
        let mut record: Self = serde_json::from_slice(payload)
            .map_err(|error| bad(format!("the payload is not a world record: {error}")))?;
        record.check_claims(environment)?;
        let name = names::registrable(&record.name)?;
        record.check_texts()?;
        record.check_endpoints()?;
        name.as_str().clone_into(&mut record.name);
        Ok((name, record))
    }

    fn check_claims(&self, environment: &Environment<'_>) -> Result<(), DiscoveryError> {
        let issuer = &environment.settings.issuer;
        if self.aud != *issuer {
            return Err(DiscoveryError::WrongAudience(issuer.clone()));
        }
        // An old record is said to have expired, whatever else its times are.
        if self.exp <= environment.now_seconds() {
            return Err(DiscoveryError::RecordExpired);
        }
        if !is_current(self.iat, environment.now) {
            return Err(DiscoveryError::ClockSkew { now: environment.now_seconds() });
        }
        if self.exp.saturating_sub(self.iat) > LIFETIME_MAX_S {
            return Err(bad("exp is more than 366 days after iat"));
        }
        if self.seq > SEQ_MAX {
            return Err(bad("seq is at most 9007199254740991"));
        }
        Ok(())
    }

    fn check_texts(&self) -> Result<(), DiscoveryError> {
        if !is_text(&self.title, TITLE_LENGTH_MAX) {
            return Err(bad("a title has 1 to 100 characters and no control characters"));
        }
        // A line break is the one control character that a description may have.
        let description = self.description.as_deref().map(|text| text.replace('\n', " "));
        if description.is_some_and(|text| !is_text(&text, DESCRIPTION_LENGTH_MAX)) {
            return Err(bad("a description has 1 to 1000 characters and no control characters"));
        }
        if self.tags.len() > TAGS_MAX {
            return Err(bad("a record has at most 16 tags"));
        }
        if !self.tags.iter().all(|tag| is_text(tag, TAG_LENGTH_MAX)) {
            return Err(bad("a tag has 1 to 32 characters and no control characters"));
        }
        Ok(())
    }

    fn check_endpoints(&mut self) -> Result<(), DiscoveryError> {
        if self.endpoints.is_empty() || self.endpoints.len() > ENDPOINTS_MAX {
            return Err(bad("a record has 1 to 16 endpoints"));
        }
        for endpoint in &mut self.endpoints {
            endpoint.check()?;
        }
        // Two equal ones would be two equal DNS records, which a set cannot have
        // (RFC 2181, section 5).
        let mut seen = HashSet::new();
        let place = |endpoint: &Endpoint| (endpoint.transport.clone(), endpoint.host.clone(), endpoint.port);
        if !self.endpoints.iter().all(|endpoint| seen.insert(place(endpoint))) {
            return Err(bad("two endpoints have the same transport, host and port"));
        }
        Ok(())
    }
}

impl Endpoint {
    fn check(&mut self) -> Result<(), DiscoveryError> {
        if !is_service_name(&self.transport) {
            return Err(bad("a transport is a service name: 1 to 15 of a-z, 0-9 and single inner hyphens"));
        }
        self.host = names::host(&self.host)
            .ok_or_else(|| bad("an endpoint's host is a DNS name, and not an address"))?;
        if self.port == 0 {
            return Err(bad("an endpoint's port is 1 to 65535"));
        }
        if self.priority == 0 {
            return Err(bad("an endpoint's priority is 1 to 65535"));
        }
        Ok(())
    }
}

/// Signs a record. The header always carries the key, so that the record is complete
/// for a port that does not know the operator.
pub fn sign(record: &Record, key: &SigningKey) -> String {
    let jwk = Jwk::from_key(key.verifying_key());
    let header = Header::new(RECORD_TYPE).with_kid(jwk.thumbprint()).with_jwk(jwk);
    // A record is a struct of texts and numbers, whose serialisation cannot fail.
    jose::sign(&header, &serde_json::to_vec(record).unwrap_or_default(), key)
}

fn bad(why: impl Into<String>) -> DiscoveryError {
    DiscoveryError::BadRecord(why.into())
}

fn is_text(text: &str, length_max: usize) -> bool {
    // Bytes first: they bound the work of counting characters.
    text.len() <= length_max * 4
        && text.chars().count() <= length_max
        && !text.trim().is_empty()
        && !text.chars().any(char::is_control)
}

/// RFC 6335, section 5.1: letters, digits and inner single hyphens, at least one
/// letter; in lower case here, so that there is one way to write it.
fn is_service_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty()
        && text.len() <= TRANSPORT_LENGTH_MAX
        && text.bytes().all(is_allowed)
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
        // `_vw` is the DNS label of all endpoints together.
        && text != "vw"
}

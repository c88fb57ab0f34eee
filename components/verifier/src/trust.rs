//! Whose passports and tickets are believed: issuers with their keys, pinned in advance.
//!
//! Keys come from a list that somebody signed whose key is pinned, from a DID document, or
//! from a JWK Set, all fetched before and given in as texts. They never come from a token:
//! what a token says of its issuer only chooses among those that are pinned.
//!
//! A key may have a time from which and until which it counts, so that a new one is published
//! before it signs and an old one after it did (rotation with overlap).

use crate::keys::{KeySet, KeySetError};
use crate::strict_json;
use crate::ticket::{self, Ticket, TicketError, Unproven};
use crate::verify::{self, Asking, Passport, PresentationError};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use vwp_core::environment::{CLOCK_SKEW_MAX_MS, Timestamp};
use vwp_core::jose::{Jwk, Unverified};

/// The type of a signed list of issuers.
pub const TRUST_LIST_TYPE: &str = "vwp-trust+jwt";
/// The most issuers of a list.
pub const ISSUERS_MAX: usize = 256;
/// The most keys of an issuer.
pub const KEYS_MAX: usize = 32;
/// The longest DID document, in bytes.
pub const DID_DOCUMENT_LENGTH_MAX: usize = 65_536;

/// Why a list or a document was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Not a JWS of a list's kind, or not signed with the key that is pinned for it.
    #[error("the list was not signed with the key that is pinned for it")]
    Signature,
    /// The list has ended, or begins later.
    #[error("the list has expired, or is not valid yet")]
    Time,
    /// The list or the document has another form, or more in it than the bounds allow.
    #[error("not a list of issuers with their keys, or not a DID document of the issuer, within the bounds")]
    Form,
    /// The JWK Set.
    #[error("{0}")]
    Keys(#[from] KeySetError),
}

/// A key with the time for which it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pinned {
    jwk: Jwk,
    /// In seconds; from the beginning of time, if none.
    from_s: Option<u64>,
    /// In seconds; for ever, if none.
    until_s: Option<u64>,
}

impl Pinned {
    fn counts(&self, now: Timestamp) -> bool {
        let from = self.from_s.unwrap_or(0).saturating_mul(1000);
        let until = self.until_s.map_or(u64::MAX, |until| until.saturating_mul(1000));
        from <= now.saturating_add(CLOCK_SKEW_MAX_MS) && now < until
    }
}

/// Issuers with their keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trust {
    issuers: BTreeMap<String, Vec<Pinned>>,
    /// When what was read ends, in seconds.
    until_s: Option<u64>,
}

#[derive(Deserialize)]
struct List {
    iat: u64,
    exp: u64,
    issuers: Vec<ListedIssuer>,
}

#[derive(Deserialize)]
struct ListedIssuer {
    issuer: String,
    keys: Vec<ListedKey>,
}

#[derive(Deserialize)]
struct ListedKey {
    #[serde(flatten)]
    jwk: Jwk,
    nbf: Option<u64>,
    exp: Option<u64>,
}

impl Trust {
    /// Trusts nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts an issuer by its JWK Set.
    pub fn pin(&mut self, issuer: &str, keys: &KeySet) -> &mut Self {
        let pinned = |jwk: &Jwk| Pinned { jwk: jwk.clone(), from_s: None, until_s: None };
        self.issuers.entry(issuer.to_owned()).or_default().extend(keys.keys().iter().map(pinned));
        self
    }

    /// Reads a list that somebody signed whose key is known: `iat`, `exp`, and `issuers`, each
    /// with `issuer` and `keys`, which are JWKs with `kid` and, where they shall count for a
    /// time only, `nbf` and `exp`.
    pub fn from_list(compact: &str, signer: &Jwk, now: Timestamp) -> Result<Self, TrustError> {
        let token = Unverified::parse(compact, TRUST_LIST_TYPE).map_err(|_| TrustError::Signature)?;
        let key = signer.to_key().map_err(|_| TrustError::Signature)?;
        let payload = token.verify(&key).map_err(|_| TrustError::Signature)?;
        let claims = strict_json::parse_object(&payload).map_err(|_| TrustError::Form)?;
        let list: List = serde_json::from_value(Value::Object(claims)).map_err(|_| TrustError::Form)?;
        let begins_at = list.iat.saturating_mul(1000);
        if begins_at > now.saturating_add(CLOCK_SKEW_MAX_MS) || list.exp.saturating_mul(1000) <= now {
            return Err(TrustError::Time);
        }
        if list.issuers.len() > ISSUERS_MAX {
            return Err(TrustError::Form);
        }
        let mut trust = Self { until_s: Some(list.exp), ..Self::default() };
        for ListedIssuer { issuer, keys } in list.issuers {
            let are_usable = keys.iter().all(|key| key.jwk.kid.is_some() && key.jwk.to_key().is_ok());
            if keys.len() > KEYS_MAX || !are_usable {
                return Err(TrustError::Form);
            }
            let pinned =
                keys.into_iter().map(|key| Pinned { jwk: key.jwk, from_s: key.nbf, until_s: key.exp });
            // An issuer that is listed twice would have the keys of both, so it is an error.
            if trust.issuers.insert(issuer, pinned.collect()).is_some() {
                return Err(TrustError::Form);
            }
        }
        Ok(trust)
    }

    /// Trusts an issuer by its DID document (DID Core 1.0, section 5.2), which was resolved
    /// before: the P-256 keys of `assertionMethod`, under the fragments of their ids.
    pub fn pin_did(&mut self, issuer: &str, did: &str, document: &str) -> Result<&mut Self, TrustError> {
        if document.len() > DID_DOCUMENT_LENGTH_MAX {
            return Err(TrustError::Form);
        }
        let document = strict_json::parse_object(document.as_bytes()).map_err(|_| TrustError::Form)?;
        if document.get("id").and_then(Value::as_str) != Some(did) {
            return Err(TrustError::Form);
        }
        let array = |name: &str| document.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        // Section 5.3: a method is either written out in the relationship, or named by its id.
        let named = |id: &str| array("verificationMethod").iter().find(|method| has_id(method, did, id));
        let methods = array("assertionMethod").iter().take(KEYS_MAX);
        let methods = methods.filter_map(|method| method.as_str().map_or(Some(method), named));
        let keys: Vec<Jwk> = methods.filter_map(|method| method_key(method, did)).collect();
        if keys.is_empty() {
            return Err(TrustError::Form);
        }
        Ok(self.pin(issuer, &KeySet::new(keys)))
    }

    /// The same trust, cut to the issuers that a world's record names (`passports.issuers`).
    /// A record that names none trusts the port that it is registered at, and no other.
    #[must_use]
    pub fn for_world(&self, named: &[String], port: &str) -> Self {
        let is_named = |issuer: &str| match named {
            [] => issuer == port,
            named => named.iter().any(|name| name == issuer),
        };
        let issuers = self.issuers.iter().filter(|(issuer, _)| is_named(issuer));
        Self {
            issuers: issuers.map(|(issuer, keys)| (issuer.clone(), keys.clone())).collect(),
            until_s: self.until_s,
        }
    }

    /// An issuer's keys that count now; none if the issuer is not trusted, or the list that
    /// says so has ended.
    pub fn keys(&self, issuer: &str, now: Timestamp) -> Option<KeySet> {
        if self.until_s.is_some_and(|until| until.saturating_mul(1000) <= now) {
            return None;
        }
        let pinned = self.issuers.get(issuer)?.iter().filter(|key| key.counts(now));
        Some(KeySet::new(pinned.map(|key| key.jwk.clone()).collect()))
    }

    /// Verifies a presentation of a passport of any trusted issuer.
    pub fn verify(&self, presentation: &str, asking: &Asking<'_>) -> Result<Passport, PresentationError> {
        let issuer = verify::claimed_issuer(presentation)?;
        let keys = self.keys(&issuer, asking.now).ok_or(PresentationError::Untrusted)?;
        verify::verify(presentation, &keys, &asking.of(&issuer))
    }

    /// Verifies a ticket of a trusted issuer.
    pub fn verify_ticket(
        &self,
        compact: &str,
        proof: Option<&str>,
        expected: &ticket::Expected<'_>,
    ) -> Result<Ticket, TicketError> {
        let keys = self.keys(expected.issuer, expected.now).ok_or(Unproven::Issuer)?;
        ticket::verify(compact, proof, &keys, expected)
    }
}

/// Whether a verification method has an id, which may be written relative to the DID.
fn has_id(method: &Value, did: &str, id: &str) -> bool {
    let absolute = |id: &str| if id.starts_with('#') { format!("{did}{id}") } else { id.to_owned() };
    method.get("id").and_then(Value::as_str).is_some_and(|given| absolute(given) == absolute(id))
}

/// The key of a verification method that its subject controls, under its fragment as the id.
fn method_key(method: &Value, did: &str) -> Option<Jwk> {
    let text = |name: &str| method.get(name).and_then(Value::as_str);
    let (_, fragment) = text("id")?.split_once('#')?;
    if text("controller") != Some(did) {
        return None;
    }
    let jwk: Jwk = serde_json::from_value(method.get("publicKeyJwk")?.clone()).ok()?;
    jwk.to_key().ok()?;
    Some(jwk.with_kid(fragment))
}

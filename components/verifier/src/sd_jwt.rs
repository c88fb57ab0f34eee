//! Selective disclosure (RFC 9901): a signed object that holds digests in the place of
//! claims, and disclosures beside it that the holder passes on or keeps back.
//!
//! A presentation is `JWT~disclosure~...~key-binding JWT`. A disclosure is base64url of a
//! JSON array: salt, name and value for a member, salt and value for an array's element.
//!
//! The framing is done here and not by a library. Those that build for WebAssembly
//! draw salts from a generator of their own, take digests that occur twice as long as
//! nothing is disclosed for them, read repeated members as the last one, and bound neither
//! the number nor the depth of disclosures; RFC 9901, section 7.1 or this port's rules
//! for what comes from outside forbid each of these. What remains is splitting at tildes
//! and walking a JSON value; hashes, signatures and JSON are done by libraries.

use crate::strict_json::{self, StrictJsonError};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use vwp_core::{Environment, jose};

/// The longest presentation that is looked at, in bytes.
pub const PRESENTATION_LENGTH_MAX: usize = 32_768;
/// The most disclosures in a presentation.
pub const DISCLOSURES_MAX: usize = 64;
/// The longest disclosure, in bytes.
pub const DISCLOSURE_LENGTH_MAX: usize = 4096;
/// The deepest nesting of a processed payload.
pub const DEPTH_MAX: usize = 16;

/// Where an object keeps its digests (section 4.2.4.1).
const DIGESTS: &str = "_sd";
/// Where an array's element keeps its digest (section 4.2.4.2).
const ELEMENT_DIGEST: &str = "...";
/// Which hash the digests were made with (section 4.1.1).
const ALGORITHM: &str = "_sd_alg";

/// Claims that say who issued a credential, to whom and for how long, and therefore are
/// never left to the holder to disclose (SD-JWT VC, section 2.2.2.2; RFC 9901, section 9.7).
const NEVER_DISCLOSED: [&str; 11] =
    ["iss", "sub", "aud", "nbf", "iat", "exp", "cnf", "vct", "vct#integrity", "status", ALGORITHM];

/// Why selectively disclosed claims were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SdJwtError {
    /// Longer than the bound.
    #[error("the presentation is too long")]
    TooLong,
    /// More disclosures than the bound, or one that is too long.
    #[error("there are too many disclosures, or one is too long")]
    TooManyDisclosures,
    /// Claims nested deeper than the bound.
    #[error("the claims are nested too deeply")]
    TooDeep,
    /// Not a signed object, disclosures and a key binding with tildes between them.
    #[error("not a JWT, disclosures and a key-binding JWT, joined by tildes")]
    Malformed,
    /// Not the kind of array that belongs in its place.
    #[error("a disclosure is not an array of salt, name and value, or of salt and value in an array")]
    Disclosure,
    /// A member occurs twice in an object.
    #[error("a member occurs twice in an object")]
    DuplicateMember,
    /// A digest occurs twice.
    #[error("a digest occurs twice, or a disclosure was sent twice")]
    DuplicateDigest,
    /// A disclosure whose digest was not signed.
    #[error("a disclosure belongs to no digest that was signed")]
    Unreferenced,
    /// A disclosure of a claim that must not be one.
    #[error("a disclosure names a claim that must not be disclosed selectively")]
    Forbidden,
    /// A disclosure of a claim that is already there.
    #[error("a disclosure names a claim that is already there")]
    Collision,
    /// Another hash than SHA-256.
    #[error("_sd_alg must be sha-256")]
    Algorithm,
}

impl From<StrictJsonError> for SdJwtError {
    fn from(error: StrictJsonError) -> Self {
        match error {
            StrictJsonError::Malformed => Self::Malformed,
            StrictJsonError::DuplicateMember => Self::DuplicateMember,
        }
    }
}

/// A presentation that was taken apart and not yet believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presentation<'a> {
    /// What the issuer signed, as a compact JWS.
    pub issuer_jwt: &'a str,
    /// The disclosures, as they were sent.
    pub disclosures: Vec<&'a str>,
    /// The key-binding JWT, if there is one.
    pub key_binding: Option<&'a str>,
    /// Everything up to and with the last tilde: what `sd_hash` is over (section 4.3.1).
    pub hashed: &'a str,
}

impl<'a> Presentation<'a> {
    /// Takes a presentation apart (section 4).
    pub fn parse(text: &'a str) -> Result<Self, SdJwtError> {
        if text.len() > PRESENTATION_LENGTH_MAX {
            return Err(SdJwtError::TooLong);
        }
        let (before, key_binding) = text.rsplit_once('~').ok_or(SdJwtError::Malformed)?;
        let hashed = text.strip_suffix(key_binding).ok_or(SdJwtError::Malformed)?;
        let mut parts = before.split('~');
        let issuer_jwt = parts.next().ok_or(SdJwtError::Malformed)?;
        let disclosures: Vec<&str> = parts.by_ref().take(DISCLOSURES_MAX + 1).collect();
        let is_long = |text: &&str| text.len() > DISCLOSURE_LENGTH_MAX;
        if disclosures.len() > DISCLOSURES_MAX || disclosures.iter().any(is_long) {
            return Err(SdJwtError::TooManyDisclosures);
        }
        let key_binding = Some(key_binding).filter(|text| !text.is_empty());
        Ok(Self { issuer_jwt, disclosures, key_binding, hashed })
    }
}

/// The digest of a text: of a disclosure as it was sent (section 4.2.3), or of a presentation.
pub fn digest(text: &str) -> String {
    jose::encode(Sha256::digest(text.as_bytes()))
}

/// A disclosure of a claim, with a salt of 128 bits (section 9.3).
pub fn disclosure(name: &str, value: &Value, environment: &Environment<'_>) -> String {
    let salt = jose::encode(environment.random_bytes::<16>());
    jose::encode(serde_json::json!([salt, name, value]).to_string())
}

/// Puts the digests of disclosures into the claims that are going to be signed.
pub fn conceal(claims: &mut Map<String, Value>, disclosures: &[String]) {
    conceal_among(claims, disclosures, Vec::new());
}

/// A digest that belongs to no disclosure (section 4.2.5): nobody can tell it from those that
/// do, so that their number says nothing.
pub fn decoy(environment: &Environment<'_>) -> String {
    jose::encode(environment.random_bytes::<32>())
}

/// Puts the digests of disclosures, among decoys, into the claims that are going to be signed.
pub fn conceal_among(claims: &mut Map<String, Value>, disclosures: &[String], decoys: Vec<String>) {
    let mut digests = decoys;
    digests.extend(disclosures.iter().map(|disclosure| digest(disclosure)));
    // Section 4.2.4.1: the order of the digests must not give away the claims' order.
    digests.sort_unstable();
    claims.insert(DIGESTS.into(), digests.into());
    claims.insert(ALGORITHM.into(), "sha-256".into());
}

/// Replaces digests by what was disclosed for them (section 7.1, steps 3 to 5).
pub fn process(
    mut claims: Map<String, Value>,
    disclosures: &[&str],
) -> Result<Map<String, Value>, SdJwtError> {
    if claims.remove(ALGORITHM).is_some_and(|algorithm| algorithm != "sha-256") {
        return Err(SdJwtError::Algorithm);
    }
    let mut walk = Walk { open: HashMap::new(), seen: HashSet::new() };
    for encoded in disclosures {
        let bytes = jose::decode(encoded).map_err(|_| SdJwtError::Disclosure)?;
        let parsed = match strict_json::parse(&bytes) {
            Err(StrictJsonError::Malformed) => return Err(SdJwtError::Disclosure),
            other => other?,
        };
        if walk.open.insert(digest(encoded), Disclosure::new(parsed)?).is_some() {
            return Err(SdJwtError::DuplicateDigest);
        }
    }
    let processed = walk.object(claims, 0)?;
    // What no digest asked for is left over.
    if walk.open.is_empty() { Ok(processed) } else { Err(SdJwtError::Unreferenced) }
}

enum Disclosure {
    Member(String, Value),
    Element(Value),
}

impl Disclosure {
    fn new(parsed: Value) -> Result<Self, SdJwtError> {
        let Value::Array(parts) = parsed else {
            return Err(SdJwtError::Disclosure);
        };
        let mut parts = parts.into_iter();
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Value::String(_)), Some(Value::String(name)), Some(value), None) => {
                Ok(Self::Member(name, value))
            }
            (Some(Value::String(_)), Some(value), None, None) => Ok(Self::Element(value)),
            _ => Err(SdJwtError::Disclosure),
        }
    }
}

struct Walk {
    /// Disclosures that no digest has asked for yet.
    open: HashMap<String, Disclosure>,
    /// Every digest that was met, disclosed or not.
    seen: HashSet<String>,
}

impl Walk {
    fn value(&mut self, value: Value, depth: usize) -> Result<Value, SdJwtError> {
        match value {
            Value::Object(object) => Ok(Value::Object(self.object(object, depth + 1)?)),
            Value::Array(array) => Ok(Value::Array(self.array(array, depth + 1)?)),
            other => Ok(other),
        }
    }

    fn object(
        &mut self,
        mut object: Map<String, Value>,
        depth: usize,
    ) -> Result<Map<String, Value>, SdJwtError> {
        if depth > DEPTH_MAX {
            return Err(SdJwtError::TooDeep);
        }
        let digests = match object.remove(DIGESTS) {
            None => Vec::new(),
            Some(Value::Array(digests)) => digests,
            Some(_) => return Err(SdJwtError::Malformed),
        };
        if object.contains_key(ELEMENT_DIGEST) {
            return Err(SdJwtError::Malformed);
        }
        let mut processed = Map::new();
        for (name, value) in object {
            let value = self.value(value, depth)?;
            processed.insert(name, value);
        }
        for digest in digests {
            let Value::String(digest) = digest else {
                return Err(SdJwtError::Malformed);
            };
            let (name, value) = match self.take(digest)? {
                None => continue,
                Some(Disclosure::Member(name, value)) => (name, value),
                Some(Disclosure::Element(_)) => return Err(SdJwtError::Disclosure),
            };
            let is_never = depth == 0 && NEVER_DISCLOSED.contains(&name.as_str());
            if name == DIGESTS || name == ELEMENT_DIGEST || is_never {
                return Err(SdJwtError::Forbidden);
            }
            if processed.contains_key(&name) {
                return Err(SdJwtError::Collision);
            }
            let value = self.value(value, depth)?;
            processed.insert(name, value);
        }
        Ok(processed)
    }

    fn array(&mut self, array: Vec<Value>, depth: usize) -> Result<Vec<Value>, SdJwtError> {
        if depth > DEPTH_MAX {
            return Err(SdJwtError::TooDeep);
        }
        let mut processed = Vec::with_capacity(array.len());
        for element in array {
            let Some(digest) = element_digest(&element)? else {
                processed.push(self.value(element, depth)?);
                continue;
            };
            match self.take(digest)? {
                None => {}
                Some(Disclosure::Element(value)) => processed.push(self.value(value, depth)?),
                Some(Disclosure::Member(..)) => return Err(SdJwtError::Disclosure),
            }
        }
        Ok(processed)
    }

    /// What was disclosed for a digest, which must not have been met before.
    fn take(&mut self, digest: String) -> Result<Option<Disclosure>, SdJwtError> {
        let disclosure = self.open.remove(&digest);
        if self.seen.insert(digest) { Ok(disclosure) } else { Err(SdJwtError::DuplicateDigest) }
    }
}

/// The digest that stands in the place of an array's element, if one does.
fn element_digest(element: &Value) -> Result<Option<String>, SdJwtError> {
    let Some(digest) = element.get(ELEMENT_DIGEST) else {
        return Ok(None);
    };
    match (digest, element.as_object().map(Map::len)) {
        (Value::String(digest), Some(1)) => Ok(Some(digest.clone())),
        _ => Err(SdJwtError::Malformed),
    }
}

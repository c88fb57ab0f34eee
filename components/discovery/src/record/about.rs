//! What a world is: who runs it, for whom it is, what it is made of, where it is.

use super::check::{self, Checked, bad};
use super::texts::{self, Texts};
use crate::names;
use serde::{Deserialize, Serialize};

/// The longest name of an operator, a program or a client, in characters.
pub const LABEL_LENGTH_MAX: usize = 100;
/// The longest DID (Decentralized Identifiers 1.0), in bytes.
pub const DID_LENGTH_MAX: usize = 256;
/// The longest word for programs: a rating's descriptor, a kind of media, an avatar's format.
pub const TOKEN_LENGTH_MAX: usize = 32;
/// The largest age in a rating or a rule.
pub const AGE_MAX: u8 = 21;
/// The most descriptors of a rating.
pub const DESCRIPTORS_MAX: usize = 16;
/// The most languages that are spoken in a world.
pub const SPOKEN_MAX: usize = 16;
/// The most pictures, films and models.
pub const MEDIA_MAX: usize = 16;
/// The most contacts.
pub const CONTACTS_MAX: usize = 8;
/// The most other places that describe the same world.
pub const SAME_AS_MAX: usize = 16;
/// The highest place in metres, and the lowest below zero: what LOC holds, cut to round
/// figures (RFC 1876, section 2).
pub const ALTITUDE_MAX_M: f64 = 1_000_000.0;
/// See [`ALTITUDE_MAX_M`].
pub const ALTITUDE_MIN_M: f64 = -100_000.0;

/// What an operator says of itself. Its id is its key's and stands in the signature.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorProfile {
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its decentralised identifier, such as `did:web:operator.example`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub did: Option<String>,
    /// Its domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
}

impl OperatorProfile {
    pub(super) fn check(&mut self) -> Checked {
        if let Some(name) = &self.name {
            check::text("an operator's name", name, LABEL_LENGTH_MAX)?;
        }
        if self.did.as_deref().is_some_and(|did| !is_did(did)) {
            return Err(bad("an operator's did is a DID of at most 256 bytes"));
        }
        if let Some(domain) = &mut self.domain {
            *domain = names::host(domain).ok_or_else(|| bad("an operator's domain is a DNS name"))?;
        }
        Ok(())
    }
}

/// Decentralized Identifiers 1.0, section 3.1: `did:`, a method and an id of its own.
fn is_did(text: &str) -> bool {
    let Some((method, id)) = text.strip_prefix("did:").and_then(|rest| rest.split_once(':')) else {
        return false;
    };
    let is_method = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'%');
    text.len() <= DID_LENGTH_MAX
        && !method.is_empty()
        && method.bytes().all(is_method)
        && !id.is_empty()
        && !id.ends_with(':')
        && id.bytes().all(is_id)
}

/// For whom the content is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rating {
    /// The age from which it is suitable, in years; 0 is everybody.
    pub level: u8,
    /// What there is in it, such as `violence` or `in-game-purchases`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub descriptors: Vec<String>,
    /// Who rated it, such as `iarc`, `pegi` or `esrb`; without it, the operator itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
}

impl Rating {
    pub(super) fn check(&self) -> Checked {
        check_age("a rating's level", self.level)?;
        let descriptor = |text: &String| check::token("a rating's descriptor", text, TOKEN_LENGTH_MAX);
        check::list("a rating's descriptors", &self.descriptors, DESCRIPTORS_MAX, descriptor)?;
        self.authority.as_deref().map_or(Ok(()), |code| check::token("a rating's authority", code, 16))
    }
}

pub(super) fn check_age(what: &str, age: u8) -> Checked {
    if age <= AGE_MAX { Ok(()) } else { Err(bad(format!("{what} is an age of 0 to {AGE_MAX}"))) }
}

/// The program that a world runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Software {
    /// Its name, such as `paper`.
    pub name: String,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Software {
    pub(super) fn check(&self) -> Checked {
        check::token("a software's name", &self.name, TOKEN_LENGTH_MAX)?;
        self.version.as_deref().map_or(Ok(()), |version| check::text("a software's version", version, 32))
    }
}

/// Where on Earth a world is, or belongs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// Degrees north, -90 to 90 (WGS 84).
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    pub longitude: f64,
    /// Metres above the ellipsoid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altitude: Option<f64>,
}

/// The numbers come from JSON, which has no number that differs from itself.
impl Eq for Location {}

impl Location {
    pub(super) fn check(&self) -> Checked {
        if !(-90.0..=90.0).contains(&self.latitude) || !(-180.0..=180.0).contains(&self.longitude) {
            return Err(bad("a location is a latitude of -90 to 90 and a longitude of -180 to 180 degrees"));
        }
        let is_place = |altitude: f64| (ALTITUDE_MIN_M..=ALTITUDE_MAX_M).contains(&altitude);
        if !self.altitude.is_none_or(is_place) {
            return Err(bad("an altitude is -100000 to 1000000 metres"));
        }
        Ok(())
    }
}

/// A picture, a film or a model of a world.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Media {
    /// What it is for: `icon`, `banner`, `screenshot`, `video`, `model` and so on.
    pub kind: String,
    /// Where it is.
    pub url: String,
    /// The SHA-256 of its bytes, base64url without padding.
    pub sha256: String,
    /// Its media type (RFC 6838), such as `image/png`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

impl Media {
    pub(super) fn check(&self) -> Checked {
        check::token("a kind of media", &self.kind, TOKEN_LENGTH_MAX)?;
        check::web_url("a medium's url", &self.url)?;
        check::sha256("a medium's sha256", &self.sha256)?;
        // RFC 6838, section 4.2 bounds each of the two names.
        self.media_type.as_deref().map_or(Ok(()), |name| check::token("a medium's type", name, 127))
    }
}

/// Somebody who can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// For what: `support`, `abuse`, `security`, `privacy` and so on.
    pub role: String,
    /// How: a `mailto:`, `https:` or other URI.
    pub uri: String,
}

impl Contact {
    pub(super) fn check(&self) -> Checked {
        check::token("a contact's role", &self.role, TOKEN_LENGTH_MAX)?;
        check::uri("a contact's uri", &self.uri)
    }
}

/// Checks the languages that are spoken and writes them in canonical case.
pub(super) fn check_languages(languages: &mut [String]) -> Checked {
    for tag in languages.iter_mut() {
        *tag = texts::language(tag)?;
    }
    check::list("languages", languages, SPOKEN_MAX, |_| Ok(()))
}

/// Checks the language that readers of no other get.
pub(super) fn check_default_language(default: &mut Option<String>, title: &Texts) -> Checked {
    match default {
        Some(tag) => {
            *tag = texts::language(tag)?;
            if title.0.contains_key(tag) {
                Ok(())
            } else {
                Err(bad("default_language is one of the title's"))
            }
        }
        None if title.0.len() == 1 => Ok(()),
        None => Err(bad("a title in several languages needs a default_language")),
    }
}

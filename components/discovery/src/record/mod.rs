//! The world record: what an operator says about its world, and signs.
//!
//! It travels as a compact JWS (RFC 7515, ES256) of type `vwp-world+jws` whose `kid`
//! is the operator's id. The payload is JSON with the fields of [`Record`];
//! `docs/protocol/discovery.md` describes them for operators and readers. Their bounds are
//! checked here, after the signature; `seq` and the name's holder are checked where the
//! store is at hand, in [`crate::registry`].
//!
//! - [`texts`]: texts in several languages.
//! - [`endpoint`]: where the world can be entered.
//! - [`about`]: what it is.
//! - [`entry`]: with what and on which terms it is entered.
//! - [`extensions`]: what this version does not define.

pub mod about;
pub mod check;
pub mod endpoint;
pub mod entry;
pub mod extensions;
pub mod texts;

pub use about::{Contact, Location, Media, OperatorProfile, Rating, Software};
pub use endpoint::{ENDPOINTS_MAX, Endpoint};
pub use entry::{Access, Admission, Client, Economy, EntryPoint, PassportPolicy};
pub use texts::Texts;

use crate::error::DiscoveryError;
use crate::names;
use crate::place;
use check::{Checked, bad};
use p256::ecdsa::SigningKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::IpAddr;
use uuid::Uuid;
use vwp_core::Environment;
use vwp_core::environment::is_current;
use vwp_core::jose::{self, Header, Jwk};
use vwp_core::name::WorldName;

/// The type of a signed world record.
pub const RECORD_TYPE: &str = "vwp-world+jws";
/// The version of the record's schema that this is.
pub const SCHEMA_VERSION: u16 = 1;
/// The longest signed record, in bytes.
pub const RECORD_LENGTH_MAX: usize = 24_576;
/// The longest title, in characters.
pub const TITLE_LENGTH_MAX: usize = 100;
/// The longest description, in characters.
pub const DESCRIPTION_LENGTH_MAX: usize = 1000;
/// The most tags.
pub const TAGS_MAX: usize = 16;
/// The longest tag, in characters.
pub const TAG_LENGTH_MAX: usize = 32;
/// The most protocols.
pub const PROTOCOLS_MAX: usize = 16;
/// The longest protocol with its version, in characters.
pub const PROTOCOL_LENGTH_MAX: usize = 48;
/// The most formats of avatars.
pub const AVATAR_FORMATS_MAX: usize = 16;
/// The longest time from `iat` to `exp`, in seconds: a leap year.
pub const LIFETIME_MAX_S: u64 = 366 * 24 * 60 * 60;
/// The shortest lease, in seconds.
pub const LEASE_MIN_S: u32 = 60;
/// The longest lease, in seconds: a week.
pub const LEASE_MAX_S: u32 = 7 * 24 * 60 * 60;
/// The largest sequence number: the largest integer that every JSON reader keeps
/// exactly (RFC 7493, section 2.2).
pub const SEQ_MAX: u64 = (1 << 53) - 1;

/// A world record, as signed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Record {
    /// The version of the schema: 1.
    pub v: Version,
    /// The world's name: one label in the port's zone, or a domain of the operator's, in
    /// any script.
    pub name: String,
    /// What identifies the world when its name changes. Chosen for the first record, and
    /// the same in all later ones.
    pub uuid: Uuid,
    /// Larger in every later record of the same name.
    pub seq: u64,
    /// When it was signed, in seconds.
    pub iat: u64,
    /// When it ends, in seconds.
    pub exp: u64,
    /// The port's URL.
    pub aud: String,
    /// The language of the title that readers of no other get. May be left out if the title
    /// has one language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_language: Option<String>,
    /// What people call the world.
    pub title: Texts,
    /// What the world is, in a few sentences.
    #[serde(default, skip_serializing_if = "Texts::is_empty")]
    pub description: Texts,
    /// Who runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_profile: Option<OperatorProfile>,
    /// Words to find the world by, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// For whom the content is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rating: Option<Rating>,
    /// The program that the world runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software: Option<Software>,
    /// The protocols that it speaks, with versions, such as `minecraft/1.21.4`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<String>,
    /// Where the world can be entered, 1 to 16 places.
    pub endpoints: Vec<Endpoint>,
    /// The addresses of the world's name (A and AAAA).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// The host that the world's name is another name of (CNAME).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Where on Earth it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The programs to enter with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<Client>,
    /// The languages that are spoken there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// The places at which a traveller can arrive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entry_points: Vec<EntryPoint>,
    /// Pictures, films and models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
    /// The formats of avatars that it takes, such as `vrm/1.0`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub avatar_formats: Vec<String>,
    /// Its money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub economy: Option<Economy>,
    /// Who gets in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// Which passports it wants to see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passports: Option<PassportPolicy>,
    /// Who can be asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<Contact>,
    /// Other places that describe the same world.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub same_as: Vec<String>,
    /// The world's own key, with which it signs live states and renews its lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_key: Option<Jwk>,
    /// How long the world is shown after it was last heard of, in seconds; without it, until
    /// `exp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_s: Option<u32>,
    /// Whether the world would like to be in the zone's list for browsing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub browse: bool,
    /// The extension members that a reader has to understand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crit: Vec<String>,
    /// Members whose names start with `x-`.
    #[serde(flatten, deserialize_with = "extensions::deserialize")]
    pub extensions: BTreeMap<String, Value>,
}

/// The version of a record's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u16);

impl Default for Version {
    fn default() -> Self {
        Self(SCHEMA_VERSION)
    }
}

impl Record {
    /// Reads a verified payload and checks everything that needs no store. Gives the
    /// record out with its names in the form that DNS carries, and its languages in their
    /// canonical case.
    pub fn parse(payload: &[u8], environment: &Environment<'_>) -> Result<(WorldName, Self), DiscoveryError> {
        let mut record: Self = serde_json::from_slice(payload)
            .map_err(|error| bad(format!("the payload is not a world record: {error}")))?;
        record.check_claims(environment)?;
        let name = place::registrable(&record.name, environment.settings)?;
        record.check_texts()?;
        record.check_places(&name)?;
        record.check_entry()?;
        record.check_lists()?;
        extensions::check(&record.extensions, &record.crit)?;
        name.as_str().clone_into(&mut record.name);
        Ok((name, record))
    }

    /// The title that readers of no language in particular get.
    pub fn main_title(&self) -> &str {
        self.title.prefer(self.default_language.as_deref().unwrap_or_default()).unwrap_or_default()
    }

    /// The description in the same language, if there is one.
    pub fn main_description(&self) -> Option<&str> {
        let only = self.title.0.keys().next().map(String::as_str);
        self.description.prefer(self.default_language.as_deref().or(only).unwrap_or_default())
    }

    fn check_claims(&self, environment: &Environment<'_>) -> Checked {
        if self.v.0 != SCHEMA_VERSION {
            return Err(bad("v is 1, the version of the record that this port reads"));
        }
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
        // RFC 9562, sections 5.9 and 5.10: these two identify nothing.
        if self.uuid.is_nil() || self.uuid.is_max() {
            return Err(bad("uuid is neither the nil nor the max UUID"));
        }
        if !self.lease_s.is_none_or(|lease_s| (LEASE_MIN_S..=LEASE_MAX_S).contains(&lease_s)) {
            return Err(bad("lease_s is 60 to 604800 seconds"));
        }
        if self.live_key.as_ref().is_some_and(|key| key.to_key().is_err()) {
            return Err(bad("live_key is a public P-256 key (RFC 7518, section 6.2.1)"));
        }
        Ok(())
    }

    fn check_texts(&mut self) -> Checked {
        if self.title.is_empty() {
            return Err(bad("a record has a title"));
        }
        self.title.check("a title", TITLE_LENGTH_MAX)?;
        self.description.check_lines("a description", DESCRIPTION_LENGTH_MAX)?;
        about::check_default_language(&mut self.default_language, &self.title)?;
        about::check_languages(&mut self.languages)?;
        check::list("tags", &self.tags, TAGS_MAX, |tag| check::text("a tag", tag, TAG_LENGTH_MAX))
    }

    fn check_places(&mut self, name: &WorldName) -> Checked {
        endpoint::check_all(&mut self.endpoints)?;
        endpoint::check_addresses("addresses", &self.addresses)?;
        if let Some(alias) = &mut self.alias {
            *alias = names::host(alias).ok_or_else(|| bad("an alias is a DNS name"))?;
            // RFC 1034, section 3.6.2: a CNAME is alone at its name; and at the apex of a
            // domain of the operator's there are always the zone's own records.
            if !self.addresses.is_empty() || name.as_str().contains('.') {
                return Err(bad("an alias stands alone: without addresses, and not at a domain's own name"));
            }
        }
        self.location.as_ref().map_or(Ok(()), Location::check)
    }

    fn check_entry(&mut self) -> Checked {
        if self.entry_points.len() > entry::ENTRY_POINTS_MAX {
            return Err(bad("a record has at most 32 entry points"));
        }
        for place in &mut self.entry_points {
            place.check()?;
        }
        let ids: Vec<&str> = self.entry_points.iter().map(|place| place.id.as_str()).collect();
        check::list("the ids of entry points", &ids, entry::ENTRY_POINTS_MAX, |_| Ok(()))?;
        check::list("clients", &self.clients, entry::CLIENTS_MAX, Client::check)?;
        self.economy.as_ref().map_or(Ok(()), Economy::check)?;
        self.access.as_ref().map_or(Ok(()), Access::check)?;
        self.passports.as_ref().map_or(Ok(()), PassportPolicy::check)
    }

    fn check_lists(&mut self) -> Checked {
        self.operator_profile.as_mut().map_or(Ok(()), OperatorProfile::check)?;
        self.rating.as_ref().map_or(Ok(()), Rating::check)?;
        self.software.as_ref().map_or(Ok(()), Software::check)?;
        let protocol = |text: &String| check::token("a protocol", text, PROTOCOL_LENGTH_MAX);
        check::list("protocols", &self.protocols, PROTOCOLS_MAX, protocol)?;
        let format = |text: &String| check::token("an avatar format", text, about::TOKEN_LENGTH_MAX);
        check::list("avatar_formats", &self.avatar_formats, AVATAR_FORMATS_MAX, format)?;
        check::list("media", &self.media, about::MEDIA_MAX, Media::check)?;
        check::list("contacts", &self.contacts, about::CONTACTS_MAX, Contact::check)?;
        check::list("same_as", &self.same_as, about::SAME_AS_MAX, |url| check::web_url("a same_as", url))
    }
}

/// Signs a record. The header always carries the key, so that the record is complete
/// for a port that does not know the operator.
pub fn sign(record: &Record, key: &SigningKey) -> String {
    let jwk = Jwk::from_key(key.verifying_key());
    let header = Header::new(RECORD_TYPE).with_kid(jwk.thumbprint()).with_jwk(jwk);
    // A record is a struct of texts and finite numbers, whose serialisation cannot fail.
    jose::sign(&header, &serde_json::to_vec(record).unwrap_or_default(), key)
}

/// A UUID for a world of an operator, the same whenever it is asked for: version 8 (RFC 9562,
/// section 5.8) of a SHA-256. For tools that register many worlds and remember none.
pub fn uuid_of(operator: &str, name: &WorldName) -> Uuid {
    let hash = Sha256::digest(format!("vwp-world:{operator}:{name}"));
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hash).for_each(|(byte, of_hash)| *byte = of_hash);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

//! A traveller's profile: what the traveller says of themselves, to tell it to worlds claim by
//! claim. It is the traveller's own word, the birth date included; only entitlements are
//! checked, with the worlds that granted them.
//!
//! It is sealed at rest, because a birth date and languages are somebody's own business.

use crate::error::AuthError;
use crate::http::{self, Answer};
use ::http::{Request, StatusCode};
use chrono::NaiveDate;
use oxilangtag::LanguageTag;
use serde::{Deserialize, Serialize};
use url::Url;
use vwp_core::name::{AssetName, WorldName};
use vwp_core::seal::{self, Sealed};
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;
use vwp_storage::kv::{Outcome, Write};

/// Where a traveller's profile is.
pub const PATH: &str = "/v1/travellers/me/profile";
/// The longest body, in bytes.
pub const BODY_LENGTH_MAX: usize = 4096;
/// The longest URL of an avatar, in bytes.
pub const AVATAR_LENGTH_MAX: usize = 512;
/// The most languages.
pub const LANGUAGES_MAX: usize = 8;
/// The longest language tag, in bytes.
pub const LANGUAGE_LENGTH_MAX: usize = 35;
/// The most entitlements.
pub const ENTITLEMENTS_MAX: usize = 16;

/// Why a profile was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// The avatar.
    #[error("avatar must be an https URL without a password, of at most 512 bytes")]
    Avatar,
    /// The languages.
    #[error("languages must be at most 8 different language tags (BCP 47)")]
    Languages,
    /// The birth date.
    #[error("birth_date must be a day that has been, as 2001-12-31")]
    BirthDate,
    /// The home world.
    #[error("home_world must be a world's name")]
    HomeWorld,
    /// The entitlements.
    #[error("entitlements must be at most 16 different names as founder@arena")]
    Entitlements,
}

impl ProfileError {
    pub(crate) fn into_problem(self) -> Problem {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Problem::new(status, "profile-unacceptable", "The profile breaks a rule", self.to_string())
    }
}

/// A profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// Where the avatar is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// The languages that the traveller speaks, the best one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// The birth date (RFC 3339, full-date). It is never told; only ages are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<String>,
    /// The world that the traveller calls home.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_world: Option<String>,
    /// Names of entitlements, each `code@world`. Those are told that the world has granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entitlements: Vec<String>,
}

impl Profile {
    fn check(&self, environment: &Environment<'_>) -> Result<(), ProfileError> {
        if !self.avatar.as_deref().is_none_or(is_avatar) {
            return Err(ProfileError::Avatar);
        }
        let is_language =
            |tag: &String| tag.len() <= LANGUAGE_LENGTH_MAX && LanguageTag::parse(tag.as_str()).is_ok();
        if !are_different(&self.languages, LANGUAGES_MAX) || !self.languages.iter().all(is_language) {
            return Err(ProfileError::Languages);
        }
        let now = i64::try_from(environment.now).ok().and_then(chrono::DateTime::from_timestamp_millis);
        let has_been =
            |text: &str| date(text).is_some_and(|date| Some(date) <= now.map(|now| now.date_naive()));
        if !self.birth_date.as_deref().is_none_or(has_been) {
            return Err(ProfileError::BirthDate);
        }
        if self.home_world.as_deref().is_some_and(|name| name.parse::<WorldName>().is_err()) {
            return Err(ProfileError::HomeWorld);
        }
        let is_name = |name: &String| name.parse::<AssetName>().is_ok();
        if !are_different(&self.entitlements, ENTITLEMENTS_MAX) || !self.entitlements.iter().all(is_name) {
            return Err(ProfileError::Entitlements);
        }
        Ok(())
    }
}

/// Reads a date as RFC 3339 writes it, and in no other form.
pub(crate) fn date(text: &str) -> Option<NaiveDate> {
    let is_form = text.len() == 10
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse().ok();
    let year = i32::try_from(number(0..4).filter(|_| is_form)?).ok()?;
    NaiveDate::from_ymd_opt(year, number(5..7)?, number(8..10)?).filter(|_| year >= 1900)
}

fn is_avatar(text: &str) -> bool {
    let url = Url::parse(text).ok().filter(|_| text.len() <= AVATAR_LENGTH_MAX);
    url.is_some_and(|url| url.scheme() == "https" && url.username().is_empty() && url.password().is_none())
}

fn are_different(texts: &[String], count_max: usize) -> bool {
    let is_repeated = |(index, text): (usize, &String)| texts.iter().take(index).any(|other| other == text);
    texts.len() <= count_max && !texts.iter().enumerate().any(is_repeated)
}

/// The profile of a traveller, if there is one.
pub async fn read(
    kv: &impl Kv,
    traveller: &str,
    environment: &Environment<'_>,
) -> Result<Option<Profile>, AuthError> {
    let Some(entry) = kv.get(&key(traveller)).await? else {
        return Ok(None);
    };
    let sealed: Sealed = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    let profile = seal::unseal(&purpose(traveller), &sealed, environment)?;
    Ok(Some(serde_json::from_slice(&profile).map_err(|_| Problem::internal())?))
}

/// Replaces the profile of a traveller. Of two at the same time the later one counts.
pub async fn replace(
    kv: &impl Kv,
    traveller: &str,
    profile: &Profile,
    environment: &Environment<'_>,
) -> Result<(), AuthError> {
    profile.check(environment)?;
    let profile = serde_json::to_vec(profile).map_err(|_| Problem::internal())?;
    let sealed = seal::seal(&purpose(traveller), &profile, environment)?;
    let value = serde_json::to_vec(&sealed).map_err(|_| Problem::internal())?;
    match kv.commit(&[], &[Write::put(key(traveller), value)]).await? {
        Outcome::Committed(_) => Ok(()),
        _ => Err(Problem::internal().into()),
    }
}

/// Answers a request for the caller's profile.
pub(crate) async fn route(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    method: &str,
) -> Answer {
    if !matches!(method, "GET" | "PUT") {
        return Err(Problem::method_not_allowed("GET, HEAD, PUT").into());
    }
    let (traveller, _) = http::traveller(store, environment, request).await?;
    if method == "PUT" {
        let profile: Profile = http::read(request, BODY_LENGTH_MAX)?;
        replace(store, &traveller, &profile, environment).await?;
    }
    let profile = read(store, &traveller, environment).await?.unwrap_or_default();
    Ok(http::cached(reply::json(StatusCode::OK, &profile), http::NO_STORE))
}

/// Where a profile is kept.
pub fn key(traveller: &str) -> Vec<u8> {
    format!("auth/profile/{traveller}").into_bytes()
}

fn purpose(traveller: &str) -> String {
    format!("auth/profile\n{traveller}")
}

//! Passkeys: Web Authentication Level 3, verified by the crate `webauthn-rs`.
//!
//! - [`ceremony`]: challenges, kept here and used once.
//! - [`register`]: linking a passkey to a traveller who has just signed in.
//! - [`authenticate`]: signing in with one, without saying who it is.
//! - [`store`]: a traveller's passkeys; they have names, and can be removed.
//! - [`http`]: the same as HTTP resources.
//!
//! Passkeys are discoverable, verify their user, and sign with ES256 like everything here. They are
//! bound to the domain of the port's URL, so a port that is reached by an address has none.

pub mod authenticate;
pub mod ceremony;
pub mod http;
pub mod register;
pub mod store;

use ::http::StatusCode;
use serde_json::{Value, json};
use url::Url;
use vwp_core::environment::Settings;
use vwp_core::{Environment, Problem};
use webauthn_rs::prelude::{WebauthnError, WebauthnResult};
use webauthn_rs::{Webauthn, WebauthnBuilder};

/// The option with the other origins that may use this port's passkeys: URLs, with commas between.
pub const RELATED_ORIGINS: &str = "related_origins";
/// How many other origins there may be. Browsers look at five names at least (Web Authentication
/// Level 3, section 5.11.1).
pub const RELATED_ORIGINS_MAX: usize = 16;

/// Why a ceremony failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasskeyError {
    /// The port has no domain.
    #[error("passkeys are bound to a domain, and this port's URL has none")]
    Unavailable,
    /// The challenge was used, is too old, or was never given out for this.
    #[error("the ceremony has ended, or was never begun; begin another one")]
    CeremonyEnded,
    /// The answer is not to the challenge of this ceremony.
    #[error("the passkey answered another challenge")]
    Challenge,
    /// The answer was made for another origin, or another relying party.
    #[error("the passkey answered to another origin")]
    Origin,
    /// The authenticator did not verify who used it.
    #[error("the authenticator did not verify its user")]
    UserNotVerified,
    /// The counter went backwards.
    #[error("the passkey's counter went backwards; there may be a copy of it")]
    Counter,
    /// There is no such passkey.
    #[error("no traveller has this passkey")]
    Unknown,
    /// A passkey that signs with something else than ES256.
    #[error("the passkey does not sign with ES256")]
    Algorithm,
    /// The passkey belongs to a traveller already.
    #[error("the passkey is registered already")]
    Registered,
    /// There is no room for another one.
    #[error("a traveller has at most {} passkeys", store::PASSKEYS_MAX)]
    TooMany,
    /// The name breaks a rule.
    #[error("a passkey's name has 1 to {} characters and no control characters", store::NAME_LENGTH_MAX)]
    Name,
    /// Anything else that Web Authentication requires.
    #[error("the passkey's answer is not acceptable")]
    Refused,
}

impl From<WebauthnError> for PasskeyError {
    fn from(error: WebauthnError) -> Self {
        match error {
            WebauthnError::MismatchedChallenge => Self::Challenge,
            WebauthnError::InvalidRPOrigin
            | WebauthnError::InvalidRPIDHash
            | WebauthnError::CredentialCrossOrigin => Self::Origin,
            WebauthnError::UserNotVerified => Self::UserNotVerified,
            WebauthnError::CredentialPossibleCompromise => Self::Counter,
            WebauthnError::CredentialNotFound => Self::Unknown,
            _ => Self::Refused,
        }
    }
}

impl From<PasskeyError> for Problem {
    fn from(error: PasskeyError) -> Self {
        let (status, slug) = match error {
            PasskeyError::Unavailable => (StatusCode::NOT_IMPLEMENTED, "passkeys-unavailable"),
            PasskeyError::CeremonyEnded => (StatusCode::CONFLICT, "ceremony-ended"),
            PasskeyError::Challenge => (StatusCode::UNAUTHORIZED, "wrong-challenge"),
            PasskeyError::Origin => (StatusCode::UNAUTHORIZED, "wrong-origin"),
            PasskeyError::UserNotVerified => (StatusCode::UNAUTHORIZED, "user-not-verified"),
            PasskeyError::Counter => (StatusCode::UNAUTHORIZED, "passkey-counter-regressed"),
            PasskeyError::Unknown => (StatusCode::UNAUTHORIZED, "passkey-unknown"),
            PasskeyError::Algorithm => (StatusCode::UNPROCESSABLE_ENTITY, "passkey-algorithm"),
            PasskeyError::Registered => (StatusCode::CONFLICT, "passkey-registered"),
            PasskeyError::TooMany => (StatusCode::CONFLICT, "too-many-passkeys"),
            PasskeyError::Name => (StatusCode::UNPROCESSABLE_ENTITY, "name-unacceptable"),
            PasskeyError::Refused => (StatusCode::UNAUTHORIZED, "passkey-refused"),
        };
        Self::new(status, slug, "The passkey was not accepted", error.to_string())
    }
}

/// The port as a relying party.
fn relying_party(environment: &Environment<'_>) -> Result<Webauthn, PasskeyError> {
    let build = || -> WebauthnResult<Webauthn> {
        let origin = Url::parse(&environment.settings.issuer).map_err(|_| WebauthnError::Configuration)?;
        let domain = origin.domain().ok_or(WebauthnError::Configuration)?;
        let timeout = std::time::Duration::from_millis(ceremony::LIFETIME_MS);
        let mut builder = WebauthnBuilder::new(domain, &origin)?.rp_name(domain).timeout(timeout);
        for related in related_origins(environment.settings) {
            builder = builder.append_allowed_origin(&related);
        }
        builder.build()
    };
    build().map_err(|_| PasskeyError::Unavailable)
}

/// Other origins that may use the port's passkeys. What is no origin over TLS is left out.
fn related_origins(settings: &Settings) -> Vec<Url> {
    let listed = settings.options.get(RELATED_ORIGINS).map(String::as_str).unwrap_or_default();
    let urls = listed.split(',').filter_map(|text| Url::parse(text.trim()).ok());
    urls.filter(|url| url.scheme() == "https" && url.has_host()).take(RELATED_ORIGINS_MAX).collect()
}

/// What `/.well-known/webauthn` says (Web Authentication Level 3, section 5.11).
pub fn related_origins_document(settings: &Settings) -> Value {
    let origins = related_origins(settings);
    let origins: Vec<String> = origins.iter().map(|url| url.origin().ascii_serialization()).collect();
    json!({ "origins": origins })
}

//! Believing what an ID Token says (OpenID Connect Core 1.0, section 3.1.3.7), once its signature is.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use vwp_core::environment::{CLOCK_SKEW_MAX_MS, Timestamp, is_current};
use vwp_core::jose;
use vwp_verifier::strict_json;

/// The longest subject, in characters of ASCII (section 2).
pub const SUBJECT_LENGTH_MAX: usize = 255;
/// How much of an access token's hash `at_hash` is, in bytes (section 3.1.3.6): half of SHA-256, which
/// both algorithms use.
const HALF: usize = 16;

/// Why an ID Token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// Not an object of claims, or one in which a claim is there twice.
    #[error("it is not an object of claims")]
    Malformed,
    /// Another issuer.
    #[error("it is of another issuer")]
    Issuer,
    /// No subject, or one that breaks the rules.
    #[error("it names no acceptable subject")]
    Subject,
    /// For somebody else.
    #[error("it is for another client")]
    Audience,
    /// It has ended.
    #[error("it has expired")]
    Expired,
    /// It was not made just now.
    #[error("it was not issued just now")]
    Issued,
    /// For another sign-in.
    #[error("it is for another sign-in")]
    Nonce,
    /// Beside another access token.
    #[error("it goes with another access token")]
    AccessToken,
}

/// What an ID Token has to say.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The provider's issuer.
    pub issuer: &'a str,
    /// This port, as the provider calls it.
    pub client_id: &'a str,
    /// Who else it may be for.
    pub trusted_audiences: &'a [String],
    /// What the sign-in was begun with.
    pub nonce: &'a str,
    /// The access token that came with it.
    pub access_token: Option<&'a str>,
    /// The time.
    pub now: Timestamp,
}

/// The subject of a payload whose signature was checked.
pub fn subject(payload: &[u8], expected: &Expected<'_>) -> Result<String, IdTokenError> {
    let claims = strict_json::parse_object(payload).map_err(|_| IdTokenError::Malformed)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err(IdTokenError::Issuer);
    }
    require_audience(&claims, expected)?;
    let seconds = |name: &str| claims.get(name).and_then(number);
    let ends_at = seconds("exp").ok_or(IdTokenError::Expired)?.saturating_mul(1000);
    if ends_at.saturating_add(CLOCK_SKEW_MAX_MS) <= expected.now {
        return Err(IdTokenError::Expired);
    }
    // It was made for the code that was exchanged a moment ago.
    if !seconds("iat").is_some_and(|issued_at| is_current(issued_at, expected.now)) {
        return Err(IdTokenError::Issued);
    }
    let nonce = text("nonce").ok_or(IdTokenError::Nonce)?;
    if !bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())) {
        return Err(IdTokenError::Nonce);
    }
    if let (Some(at_hash), Some(token)) = (claims.get("at_hash"), expected.access_token)
        && at_hash.as_str() != Some(&jose::encode(&Sha256::digest(token.as_bytes())[..HALF]))
    {
        return Err(IdTokenError::AccessToken);
    }
    let subject = text("sub").ok_or(IdTokenError::Subject)?;
    if subject.is_empty() || subject.len() > SUBJECT_LENGTH_MAX || !subject.is_ascii() {
        return Err(IdTokenError::Subject);
    }
    Ok(subject.to_owned())
}

/// Steps 3 to 5: for this client, for nobody whom it does not trust, and made for it.
fn require_audience(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), IdTokenError> {
    let audiences = match claims.get("aud") {
        Some(Value::String(audience)) => vec![audience.as_str()],
        Some(Value::Array(audiences)) => {
            audiences.iter().map(|value| value.as_str().unwrap_or_default()).collect()
        }
        _ => return Err(IdTokenError::Audience),
    };
    let is_trusted = |audience: &&str| {
        *audience == expected.client_id
            || expected.trusted_audiences.iter().any(|trusted| trusted == audience)
    };
    let is_for_us = audiences.contains(&expected.client_id) && audiences.iter().all(is_trusted);
    let is_by_us = match claims.get("azp") {
        Some(party) => party.as_str() == Some(expected.client_id),
        None => audiences.len() == 1,
    };
    if is_for_us && is_by_us { Ok(()) } else { Err(IdTokenError::Audience) }
}

/// A NumericDate in whole seconds (RFC 7519, section 2), which may have a fraction.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what is out of range saturates")]
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().filter(|seconds| *seconds >= 0.0).map(|seconds| seconds as u64))
}

//! Who is calling, and how that was proved. Tokens are verified with keys from the
//! directory, never with what the token itself carries.

use crate::directory::{self, Issuer, Operator};
use crate::environment::{Environment, is_current};
use crate::jose::{JoseError, Unverified};
use crate::problem::Problem;
use base64ct::{Base64, Encoding};
use http::{HeaderMap, StatusCode, header};
use p256::ecdsa::VerifyingKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use vwp_storage::Kv;

/// The type of a traveller's access token (RFC 9068, section 2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";
/// The type of an operator's assertion for requests without a body.
pub const OPERATOR_TOKEN_TYPE: &str = "vwp-operator+jwt";
/// How long an operator's assertion may be valid, in seconds.
pub const OPERATOR_TOKEN_LIFETIME_MAX_S: u64 = 300;

/// Who is calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Nobody said who they are.
    Nobody,
    /// A traveller with a session.
    Traveller {
        /// The traveller's id.
        id: String,
        /// The session's id.
        session: String,
    },
    /// An operator.
    Operator {
        /// The operator's id: the thumbprint of its first key.
        id: String,
    },
    /// Who runs this port.
    Administrator,
}

/// The claims of a traveller's access token (RFC 9068, section 2.2).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The port that issued it.
    pub iss: String,
    /// The port that takes it.
    pub aud: String,
    /// The traveller's id.
    pub sub: String,
    /// The client; always the port itself.
    pub client_id: String,
    /// The session's id.
    pub jti: String,
    /// When it was issued, in seconds.
    pub iat: u64,
    /// When it ends, in seconds.
    pub exp: u64,
}

/// The claims of an operator's assertion.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorClaims {
    /// The operator's id.
    pub iss: String,
    /// The operator's id again (RFC 7523, section 3).
    pub sub: String,
    /// The port's URL.
    pub aud: String,
    /// When it was issued, in seconds.
    pub iat: u64,
    /// When it ends, in seconds; at most five minutes later.
    pub exp: u64,
    /// The body that it is for, as `Content-Digest` names it (RFC 9530, section 2): `sha-256=:…:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_digest: Option<String>,
}

impl From<JoseError> for Problem {
    fn from(error: JoseError) -> Self {
        match error {
            JoseError::Signature => Self::new(
                StatusCode::UNAUTHORIZED,
                "bad-signature",
                "The signature does not match",
                error.to_string(),
            ),
            JoseError::Malformed(_) | JoseError::Header(_) | JoseError::Key => Self::new(
                StatusCode::BAD_REQUEST,
                "bad-jws",
                "The signed object is not acceptable",
                error.to_string(),
            ),
        }
    }
}

/// Finds out who is calling from the `Authorization` header. No header: nobody.
/// A header that proves nothing is a refusal, never nobody.
pub async fn authenticate(
    kv: &impl Kv,
    headers: &HeaderMap,
    environment: &Environment<'_>,
) -> Result<Caller, Problem> {
    identify(kv, headers, environment, None).await
}

/// The same for a request that changes something and whose body nobody signed: an operator's assertion
/// has to be for this body, so that who sees one cannot use it for another.
pub async fn authenticate_with_body(
    kv: &impl Kv,
    headers: &HeaderMap,
    environment: &Environment<'_>,
    body: &[u8],
) -> Result<Caller, Problem> {
    identify(kv, headers, environment, Some(body)).await
}

/// A body as `Content-Digest` names it (RFC 9530, section 2).
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", Base64::encode_string(&Sha256::digest(body)))
}

async fn identify(
    kv: &impl Kv,
    headers: &HeaderMap,
    environment: &Environment<'_>,
    body: Option<&[u8]>,
) -> Result<Caller, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(Caller::Nobody);
    };
    let token = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| Problem::unauthorised("send Authorization: Bearer and a token"))?;
    let expected = environment.settings.admin_token.as_bytes();
    if !expected.is_empty() && bool::from(token.as_bytes().ct_eq(expected)) {
        return Ok(Caller::Administrator);
    }
    let refused = |_| Problem::unauthorised("the token is not one of this port's, or it has ended");
    if let Ok(token) = Unverified::parse(token, OPERATOR_TOKEN_TYPE) {
        return operator(kv, token, environment, body).await;
    }
    traveller(kv, Unverified::parse(token, ACCESS_TOKEN_TYPE).map_err(refused)?, environment).await
}

async fn traveller(
    kv: &impl Kv,
    token: Unverified<'_>,
    environment: &Environment<'_>,
) -> Result<Caller, Problem> {
    let refused = || Problem::unauthorised("the token is not one of this port's, or it has ended");
    let kid = token.header.kid.clone().ok_or_else(refused)?;
    let entry = kv.get(&directory::issuer_key(&kid)).await?.ok_or_else(refused)?;
    let issuer: Issuer = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    let payload = token.verify_once(&issuer.jwk.to_key()?).map_err(|_| refused())?;
    let claims: AccessClaims = serde_json::from_slice(&payload).map_err(|_| refused())?;
    let expected = &environment.settings.issuer;
    let ended = claims.exp <= environment.now_seconds();
    if claims.iss != *expected || claims.aud != *expected || ended {
        return Err(refused());
    }
    let ends = [directory::revoked_session_key(&claims.jti), directory::erased_traveller_key(&claims.sub)];
    if kv.get_many(&ends).await?.iter().any(Option::is_some) {
        return Err(refused());
    }
    Ok(Caller::Traveller { id: claims.sub, session: claims.jti })
}

async fn operator(
    kv: &impl Kv,
    token: Unverified<'_>,
    environment: &Environment<'_>,
    body: Option<&[u8]>,
) -> Result<Caller, Problem> {
    let refused = |why: &'static str| Problem::unauthorised(why);
    let id = token.header.kid.clone().ok_or_else(|| refused("the assertion names no kid"))?;
    let payload = verify_operator(kv, token, &id, Unverified::verify_once).await?;
    let claims: OperatorClaims = serde_json::from_slice(&payload)
        .map_err(|_| refused("the assertion's claims are not the expected ones"))?;
    if claims.iss != id || claims.sub != id {
        return Err(refused("iss and sub must be the operator's id"));
    }
    if claims.aud != environment.settings.issuer {
        return Err(refused("aud is not this port"));
    }
    let lifetime_s = claims.exp.saturating_sub(claims.iat);
    if claims.exp <= environment.now_seconds()
        || lifetime_s > OPERATOR_TOKEN_LIFETIME_MAX_S
        || !is_current(claims.iat, environment.now)
    {
        return Err(refused("the assertion has ended, or is valid for more than five minutes"));
    }
    if body.is_some_and(|body| claims.content_digest != Some(content_digest(body))) {
        return Err(refused("content_digest is not the SHA-256 of this body"));
    }
    Ok(Caller::Operator { id })
}

/// Verifies a body that a registered operator signed, and says who signed it. The
/// caller checks the claims: freshness, audience, and what makes a replay harmless.
pub async fn verify_operator_body(
    kv: &impl Kv,
    compact: &str,
    typ: &str,
) -> Result<(String, Vec<u8>), Problem> {
    let token = Unverified::parse(compact, typ)?;
    let id = token.header.kid.clone().ok_or_else(|| Problem::unauthorised("the header names no kid"))?;
    let payload = verify_operator(kv, token, &id, Unverified::verify).await?;
    Ok((id, payload))
}

async fn verify_operator<'a>(
    kv: &impl Kv,
    token: Unverified<'a>,
    id: &str,
    verify: impl Fn(Unverified<'a>, &VerifyingKey) -> Result<Vec<u8>, JoseError>,
) -> Result<Vec<u8>, Problem> {
    let unknown = || Problem::unauthorised("no operator with this kid is registered here");
    let entry = kv.get(&directory::operator_key(id)).await?.ok_or_else(unknown)?;
    let operator: Operator = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    for jwk in operator.keys.iter().rev() {
        if let Ok(payload) = verify(token.clone(), &jwk.to_key()?) {
            return Ok(payload);
        }
    }
    Err(JoseError::Signature.into())
}

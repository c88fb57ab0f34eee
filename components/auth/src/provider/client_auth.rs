//! Who a client is, at the endpoints that it calls itself: an assertion that it signed (RFC 7523,
//! section 2.2), or nothing but its id for a public client.

use super::clients::{self, AuthMethod, Client};
use super::error::OauthError;
use super::params::Params;
use super::replay;
use serde::Deserialize;
use vwp_core::Environment;
use vwp_core::environment::CLOCK_SKEW_MAX_MS;
use vwp_core::jose::Unverified;
use vwp_storage::Kv;

/// The type of assertion (RFC 7523, section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The types that an assertion's header may name, if it names one: the second one is
/// draft-ietf-oauth-rfc7523bis's.
const ASSERTION_TOKEN_TYPES: [&str; 2] = ["JWT", "client-authentication+jwt"];
/// How long an assertion may hold, in seconds.
const LIFETIME_MAX_S: u64 = 3600;
/// The longest assertion, in bytes.
const ASSERTION_LENGTH_MAX: usize = 4096;
/// The longest id of an assertion or proof, in bytes.
pub(crate) const JTI_LENGTH_MAX: usize = 256;

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: u64,
    iat: Option<u64>,
    nbf: Option<u64>,
    jti: String,
}

/// RFC 7519, section 4.1.3: one, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    /// Whether it is the issuer and nobody else. An assertion for several servers, or for an
    /// endpoint that another server may claim as its own, could be made for another one and
    /// shown here (draft-ietf-oauth-rfc7523bis, section 4).
    fn is_only(&self, issuer: &str) -> bool {
        match self {
            Self::One(audience) => audience == issuer,
            Self::Many(audiences) => matches!(audiences.as_slice(), [audience] if audience == issuer),
        }
    }
}

/// The client that a request is from.
pub(crate) async fn authenticate(
    kv: &impl Kv,
    params: &Params,
    environment: &Environment<'_>,
) -> Result<Client, OauthError> {
    let Some(assertion) = params.get("client_assertion") else {
        let id = params.get("client_id").ok_or(OauthError::Client("the request names no client"))?;
        let client = clients::find(kv, id).await?.ok_or(unknown())?;
        if !client.is_public() {
            return Err(OauthError::Client("this client proves who it is with private_key_jwt"));
        }
        return Ok(client);
    };
    if params.get("client_assertion_type") != Some(ASSERTION_TYPE) {
        return Err(OauthError::Client("client_assertion_type is not jwt-bearer"));
    }
    let client = verify(kv, assertion, environment).await?;
    // RFC 7521, section 4.2: if the id is sent as well, it is the same.
    if params.get("client_id").is_some_and(|id| id != client.client_id) {
        return Err(OauthError::Client("client_id is not the one of the assertion"));
    }
    Ok(client)
}

/// The same, for what no public client may ask.
pub(crate) async fn authenticate_confidential(
    kv: &impl Kv,
    params: &Params,
    environment: &Environment<'_>,
) -> Result<Client, OauthError> {
    let client = authenticate(kv, params, environment).await?;
    if client.is_public() {
        return Err(OauthError::Client("this is for clients that prove who they are"));
    }
    Ok(client)
}

fn unknown() -> OauthError {
    OauthError::Client("no client with this id is registered here, or it is no longer its world's")
}

async fn verify(kv: &impl Kv, assertion: &str, environment: &Environment<'_>) -> Result<Client, OauthError> {
    let malformed = OauthError::Client("the assertion is not a JWT that this port takes");
    if assertion.len() > ASSERTION_LENGTH_MAX {
        return Err(malformed);
    }
    let token = Unverified::parse_any(assertion, &ASSERTION_TOKEN_TYPES).map_err(|_| malformed.clone())?;
    let claimed: Claims = serde_json::from_slice(token.unverified_payload()).map_err(|_| malformed)?;
    let client = clients::find(kv, &claimed.sub).await?.ok_or(unknown())?;
    if client.token_endpoint_auth_method != AuthMethod::PrivateKeyJwt {
        return Err(OauthError::Client("this client is registered without keys"));
    }
    let is_named = |kid: &Option<String>| token.header.kid.is_none() || *kid == token.header.kid;
    // Keys come from the registration; what the header says chooses among them at most.
    let mut candidates = client.jwks.keys.iter().filter(|key| is_named(&key.kid));
    let is_signed = candidates.any(|key| key.to_key().is_ok_and(|key| token.clone().verify(&key).is_ok()));
    if !is_signed {
        return Err(OauthError::Client("the assertion was not signed with one of the client's keys"));
    }
    check(&claimed, environment)?;
    let expires_at = claimed.exp.saturating_mul(1000).saturating_add(CLOCK_SKEW_MAX_MS);
    if !replay::is_new(kv, "assertion", &client.client_id, &claimed.jti, expires_at).await? {
        return Err(OauthError::Client("the assertion was used before"));
    }
    Ok(client)
}

/// The rules of RFC 7523, section 3.
fn check(claims: &Claims, environment: &Environment<'_>) -> Result<(), OauthError> {
    if claims.iss != claims.sub {
        return Err(OauthError::Client("iss and sub of the assertion are both the client's id"));
    }
    if !claims.aud.is_only(&environment.settings.issuer) {
        return Err(OauthError::Client("aud of the assertion is this port's issuer alone"));
    }
    let now = environment.now_seconds();
    let soon = now + CLOCK_SKEW_MAX_MS / 1000;
    if claims.exp <= now || claims.exp > now + LIFETIME_MAX_S + CLOCK_SKEW_MAX_MS / 1000 {
        return Err(OauthError::Client("the assertion has ended, or holds for more than an hour"));
    }
    if claims.iat.is_some_and(|iat| iat > soon) || claims.nbf.is_some_and(|nbf| nbf > soon) {
        return Err(OauthError::Client("the assertion is from the future"));
    }
    if claims.jti.is_empty() || claims.jti.len() > JTI_LENGTH_MAX {
        return Err(OauthError::Client("jti of the assertion has 1 to 256 bytes"));
    }
    Ok(())
}

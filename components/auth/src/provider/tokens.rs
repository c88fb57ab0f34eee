//! Access tokens (RFC 9068) and ID tokens (OpenID Connect Core, section 2), both ES256 with the
//! issuer's keys. An access token is for the world of its client and for this port's UserInfo; it
//! is none of the port's own tokens, which name the port alone as their audience.
//!
//! Worlds may verify an access token by themselves. The port keeps the hash of each until it ends, and so
//! knows one by its hash: what was not issued here, or differs in a single bit, is none, and an ended one
//! is not kept any more. It need not verify its own signatures.

use super::clients::Client;
use super::error::OauthError;
use super::grants::{self, Access, Grant};
use super::scope::{self, Scope};
use super::{clients, hashed, pairwise, resources, url};
use crate::keys;
use crate::openid4vci::{self, details::Details};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use vwp_core::caller::ACCESS_TOKEN_TYPE;
use vwp_core::directory;
use vwp_core::jose::{self, Header, Unverified};
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::Write;

/// How long tokens hold, in seconds.
pub(crate) const LIFETIME_S: u64 = 600;
/// The type of an ID token.
const ID_TOKEN_TYPE: &str = "JWT";
/// The length of a token's id: 16 bytes, base64url.
const JTI_LENGTH: usize = 22;
/// The longest token that is looked at, in bytes.
const LENGTH_MAX: usize = 4096;

/// The answer of the token endpoint (RFC 6749, section 5.1).
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    pub(crate) token_type: &'static str,
    pub(crate) expires_in: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id_token: Option<String>,
    /// OpenID4VCI 1.0, section 6.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authorization_details: Option<Value>,
}

/// The key that a token is bound to (RFC 9449, section 6.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confirmation {
    pub(crate) jkt: String,
}

/// The claims of an access token (RFC 9068, section 2.2).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AccessClaims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) aud: Vec<String>,
    pub(crate) client_id: String,
    pub(crate) jti: String,
    pub(crate) iat: u64,
    pub(crate) exp: u64,
    pub(crate) scope: String,
    pub(crate) auth_time: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cnf: Option<Confirmation>,
}

/// What is kept of an access token while it is good.
#[derive(Serialize, Deserialize)]
struct Issued {
    /// The grant that it is of.
    grant: String,
    /// Its SHA-256, signature and all.
    hash: String,
}

/// The claims of an ID token.
#[derive(Serialize)]
struct IdClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    auth_time: u64,
    amr: &'a [String],
    at_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
}

/// What tokens are made for.
pub(crate) struct For<'a> {
    pub(crate) client: &'a Client,
    pub(crate) grant: &'a str,
    pub(crate) access: &'a Access,
    pub(crate) scopes: &'a [Scope],
    pub(crate) nonce: Option<String>,
    pub(crate) jkt: Option<String>,
}

/// The audience that stands for a world: what its servers look for in an access token.
pub(crate) fn audience_of(world: &str) -> String {
    format!("urn:vwp:world:{world}")
}

/// Makes an access token and, with the scope `openid`, an ID token; and the write that keeps the
/// access token good.
pub(crate) async fn make(
    kv: &impl Kv,
    what: For<'_>,
    environment: &Environment<'_>,
) -> Result<(Tokens, Write), OauthError> {
    let sub = pairwise::subject(kv, &what.client.sector(), &what.access.traveller, environment).await?;
    let iat = environment.now_seconds();
    let mut aud = vec![url(resources::USERINFO_PATH, environment)];
    aud.extend(what.client.world.as_deref().map(audience_of));
    if what.access.passports.is_some() || what.scopes.contains(&Scope::Passport) {
        aud.push(url(openid4vci::CREDENTIAL_PATH, environment));
    }
    let claims = AccessClaims {
        iss: environment.settings.issuer.clone(),
        sub,
        aud,
        client_id: what.client.client_id.clone(),
        jti: jose::encode(environment.random_bytes::<16>()),
        iat,
        exp: iat + LIFETIME_S,
        scope: scope::shown(what.scopes),
        auth_time: what.access.auth_time,
        cnf: what.jkt.map(|jkt| Confirmation { jkt }),
    };
    let key = keys::active(kv, environment).await?;
    let sign = |typ: &str, payload: Vec<u8>| {
        jose::sign(&Header::new(typ).with_kid(key.kid.clone()), &payload, &key.key)
    };
    let access_token = sign(ACCESS_TOKEN_TYPE, to_json(&claims)?);
    let id_token = if what.scopes.contains(&Scope::Openid) {
        let claims = IdClaims {
            iss: &claims.iss,
            sub: &claims.sub,
            aud: &claims.client_id,
            iat,
            exp: claims.exp,
            auth_time: claims.auth_time,
            amr: &what.access.amr,
            // Section 3.1.3.6: the left half of the hash.
            at_hash: jose::encode(&Sha256::digest(access_token.as_bytes())[..16]),
            nonce: what.nonce,
        };
        Some(sign(ID_TOKEN_TYPE, to_json(&claims)?))
    } else {
        None
    };
    let issued = Issued { grant: what.grant.to_owned(), hash: hashed(&access_token) };
    let kept = Write::Put {
        key: token_key(&claims.jti),
        value: to_json(&issued)?,
        expires_at: Some(claims.exp.saturating_mul(1000)),
    };
    let tokens = Tokens {
        access_token,
        token_type: if claims.cnf.is_some() { "DPoP" } else { "Bearer" },
        expires_in: LIFETIME_S,
        scope: claims.scope,
        refresh_token: None,
        id_token,
        authorization_details: what.access.passports.as_ref().map(Details::granted),
    };
    Ok((tokens, kept))
}

fn to_json(claims: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(claims).map_err(|_| Problem::internal())
}

/// An access token that is good now, and what it was made for; none if it is not.
pub(crate) async fn believe(
    kv: &impl Kv,
    token: &str,
    environment: &Environment<'_>,
) -> Result<Option<(AccessClaims, Grant)>, OauthError> {
    if token.len() > LENGTH_MAX {
        return Ok(None);
    }
    let Ok(parsed) = Unverified::parse(token, ACCESS_TOKEN_TYPE) else { return Ok(None) };
    let Some(kid) = &parsed.header.kid else { return Ok(None) };
    // What is claimed is not believed before it is known that the whole token was issued here.
    let Ok(claims) = serde_json::from_slice::<AccessClaims>(parsed.unverified_payload()) else {
        return Ok(None);
    };
    let signed_with = directory::issuer_key(kid);
    // The client is what those who ask look at next.
    let next = clients::client_key(&claims.client_id);
    kv.ahead(&[signed_with.clone(), token_key(&claims.jti), next]).await?;
    if kv.get(&signed_with).await?.is_none() {
        return Ok(None);
    }
    let Some(issued) = issued(kv, &claims.jti).await? else { return Ok(None) };
    if !bool::from(issued.hash.as_bytes().ct_eq(hashed(token).as_bytes())) {
        return Ok(None);
    }
    if claims.iss != environment.settings.issuer || claims.exp <= environment.now_seconds() {
        return Ok(None);
    }
    let found = grants::load(kv, &issued.grant).await?;
    Ok(found.map(|(grant, _)| (claims, grant)))
}

/// The name of the grant that an access token is of.
pub(crate) async fn grant_of(kv: &impl Kv, jti: &str) -> Result<Option<String>, OauthError> {
    Ok(issued(kv, jti).await?.map(|issued| issued.grant))
}

async fn issued(kv: &impl Kv, jti: &str) -> Result<Option<Issued>, OauthError> {
    let entry = kv.get(&token_key(jti)).await?;
    // What is kept in another form was issued before an update, minutes ago, and is asked for anew.
    Ok(entry.and_then(|entry| serde_json::from_slice(&entry.value).ok()))
}

/// The write that ends an access token.
pub(crate) fn end(jti: &str) -> Write {
    Write::delete(token_key(jti))
}

/// Where an access token is kept. An id that is longer than those that are given out names nothing, and
/// is cut so that the store takes the key.
fn token_key(jti: &str) -> Vec<u8> {
    let jti: String = jti.chars().take(JTI_LENGTH).collect();
    format!("auth/oauth/token/{jti}").into_bytes()
}

//! Access tokens (RFC 9068) and ID tokens (OpenID Connect Core, section 2), both ES256 with the
//! issuer's keys. An access token is for the world of its client and for this port's UserInfo; it
//! is none of the port's own tokens, which name the port alone as their audience.

use super::clients::Client;
use super::error::OauthError;
use super::grants::{self, Access, Grant};
use super::scope::{self, Scope};
use super::{pairwise, resources, url};
use crate::keys;
use crate::openid4vci::{self, details::Details};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use vwp_core::caller::ACCESS_TOKEN_TYPE;
use vwp_core::directory::{self, Issuer};
use vwp_core::jose::{self, Header, Unverified};
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::Write;

/// How long tokens hold, in seconds.
pub(crate) const LIFETIME_S: u64 = 600;
/// The type of an ID token.
const ID_TOKEN_TYPE: &str = "JWT";
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
    let kept = Write::Put {
        key: token_key(&claims.jti),
        value: what.grant.as_bytes().to_vec(),
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
    let Ok(token) = Unverified::parse(token, ACCESS_TOKEN_TYPE) else { return Ok(None) };
    let Some(kid) = token.header.kid.clone() else { return Ok(None) };
    let Some(entry) = kv.get(&directory::issuer_key(&kid)).await? else { return Ok(None) };
    let issuer: Issuer = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    let key = issuer.jwk.to_key().map_err(|_| Problem::internal())?;
    let Ok(payload) = token.verify(&key) else { return Ok(None) };
    let Ok(claims) = serde_json::from_slice::<AccessClaims>(&payload) else { return Ok(None) };
    if claims.iss != environment.settings.issuer || claims.exp <= environment.now_seconds() {
        return Ok(None);
    }
    let Some(entry) = kv.get(&token_key(&claims.jti)).await? else { return Ok(None) };
    let grant = String::from_utf8(entry.value).map_err(|_| Problem::internal())?;
    let found = grants::load(kv, &grant).await?;
    Ok(found.map(|(grant, _)| (claims, grant)))
}

/// The name of the grant that an access token is of.
pub(crate) async fn grant_of(kv: &impl Kv, jti: &str) -> Result<Option<String>, OauthError> {
    let Some(entry) = kv.get(&token_key(jti)).await? else { return Ok(None) };
    Ok(Some(String::from_utf8(entry.value).map_err(|_| Problem::internal())?))
}

/// The write that ends an access token.
pub(crate) fn end(jti: &str) -> Write {
    Write::delete(token_key(jti))
}

fn token_key(jti: &str) -> Vec<u8> {
    format!("auth/oauth/token/{jti}").into_bytes()
}

//! What takes tokens: UserInfo (OpenID Connect Core, section 5.3), introspection (RFC 7662) and
//! revocation (RFC 7009).

use super::error::OauthError;
use super::grants::Grant;
use super::params::Params;
use super::scope::Scope;
use super::tokens::AccessClaims;
use super::{client_auth, clients, dpop, grants, tokens, url};
use crate::accounts;
use ::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use serde_json::{Map, Value, json};
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

/// Where a world learns what it may about a traveller.
pub(crate) const USERINFO_PATH: &str = "/oauth/userinfo";

/// Tells the client of an access token about the traveller.
pub(crate) async fn userinfo(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Result<Response<Vec<u8>>, OauthError> {
    let (claims, grant) = authorise(kv, request, USERINFO_PATH, environment).await?;
    let has = |scope: Scope| claims.scope.split(' ').any(|name| name == scope.name());
    if !has(Scope::Openid) {
        return Err(OauthError::InsufficientScope);
    }
    let mut answer = Map::from_iter([("sub".to_owned(), Value::from(claims.sub.clone()))]);
    if has(Scope::Profile) {
        let traveller = accounts::traveller(kv, &grant.access.traveller).await?;
        answer.insert("preferred_username".to_owned(), traveller.handle.into());
    }
    Ok(private(reply::json(StatusCode::OK, &answer)))
}

/// The access token that a request to a path of this port carries, with its grant: a bearer token, or
/// one with the proof of the key that it is bound to.
pub(crate) async fn authorise(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    path: &str,
    environment: &Environment<'_>,
) -> Result<(AccessClaims, Grant), OauthError> {
    let refused = OauthError::Token("the access token is not good here, or has ended");
    let (is_bound, token) = presented(request.headers())?;
    let method = if request.method() == "POST" { "POST" } else { "GET" };
    let proof = dpop::Request {
        headers: request.headers(),
        method,
        url: &url(path, environment),
        access_token: Some(token),
    };
    let proof = dpop::verify(kv, &proof, environment).await?;
    let (claims, grant) = tokens::believe(kv, token, environment).await?.ok_or(refused.clone())?;
    match (&claims.cnf, is_bound, proof) {
        // RFC 9449, section 7.1: the key of the proof is the token's.
        (Some(cnf), true, Some(proof)) => {
            if proof.spend(kv).await? != cnf.jkt {
                return Err(OauthError::Token("the access token is bound to another key"));
            }
        }
        (None, false, _) => {}
        // Section 7.2: a bound token shown as a bearer token is a stolen one.
        _ => return Err(OauthError::Token("the access token is not of the scheme that it is shown with")),
    }
    if clients::find(kv, &grant.client_id).await?.is_none() {
        return Err(refused);
    }
    Ok((claims, grant))
}

/// The access token of a request, and whether it is shown as one that is bound to a key.
fn presented(headers: &HeaderMap) -> Result<(bool, &str), OauthError> {
    let missing = || OauthError::Token("send Authorization: DPoP or Bearer and an access token");
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
    let (scheme, token) = value.split_once(' ').ok_or_else(missing)?;
    if values.next().is_some() {
        return Err(missing());
    }
    match scheme.to_ascii_lowercase().as_str() {
        "dpop" => Ok((true, token.trim())),
        "bearer" => Ok((false, token.trim())),
        _ => Err(missing()),
    }
}

/// Says whether an access token is good, to those whom it was made for: the servers of its world,
/// which prove who they are. Everybody else hears that it is not, which is what they would
/// hear of a token that does not exist (RFC 7662, section 2.2).
pub(crate) async fn introspect(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Result<Response<Vec<u8>>, OauthError> {
    let params = Params::form(request)?;
    let caller = client_auth::authenticate_confidential(kv, &params, environment).await?;
    let token = params.need("token", "token is missing")?;
    let audience = caller.world.as_deref().map(tokens::audience_of);
    let found = tokens::believe(kv, token, environment).await?;
    let found = found.filter(|(claims, _)| audience.is_some_and(|audience| claims.aud.contains(&audience)));
    let Some((claims, grant)) = found else { return Ok(inactive()) };
    // A client that was ended, or whose world changed hands, has no good tokens.
    if clients::find(kv, &grant.client_id).await?.is_none() {
        return Ok(inactive());
    }
    let mut answer = serde_json::to_value(&claims).map_err(|_| Problem::internal())?;
    if let Value::Object(members) = &mut answer {
        let token_type = if claims.cnf.is_some() { "DPoP" } else { "Bearer" };
        members.insert("active".to_owned(), true.into());
        members.insert("token_type".to_owned(), token_type.into());
    }
    Ok(private(reply::json(StatusCode::OK, &answer)))
}

fn inactive() -> Response<Vec<u8>> {
    private(reply::json(StatusCode::OK, &json!({ "active": false })))
}

/// Ends a token of the client that asks: a refresh token with its family, an access token by itself.
/// A token that is not good is as ended as can be (RFC 7009, section 2.2).
pub(crate) async fn revoke(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Result<Response<Vec<u8>>, OauthError> {
    let params = Params::form(request)?;
    let client = client_auth::authenticate(kv, &params, environment).await?;
    let token = params.need("token", "token is missing")?;
    if let Some(grant) = grants::of_refresh_token(kv, &client, token).await? {
        grants::revoke(kv, &grant).await?;
    } else if let Some((claims, _)) = tokens::believe(kv, token, environment).await?
        && claims.client_id == client.client_id
    {
        kv.commit(&[], &[tokens::end(&claims.jti)]).await?;
    }
    Ok(private(reply::empty(StatusCode::OK)))
}

/// For answers about somebody (RFC 9111, section 5.2.2.5).
fn private(mut response: Response<Vec<u8>>) -> Response<Vec<u8>> {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

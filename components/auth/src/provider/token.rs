//! The token endpoint (RFC 6749, section 3.2).

use super::clients::{Client, GrantType};
use super::error::OauthError;
use super::params::Params;
use super::tokens::Tokens;
use super::{client_auth, codes, device, dpop, grants, pre_authorized, url};
use ::http::{HeaderValue, Request, Response, StatusCode, header};
use vwp_core::{Environment, reply};
use vwp_storage::Kv;

/// Where tokens are asked for.
pub(crate) const PATH: &str = "/oauth/token";

/// Answers with tokens.
pub(crate) async fn answer(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Result<Response<Vec<u8>>, OauthError> {
    let tokens = grant(kv, request, environment).await?;
    let mut response = reply::json(StatusCode::OK, &tokens);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn grant(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Result<Tokens, OauthError> {
    let params = Params::form(request)?;
    let proof = dpop::Request {
        headers: request.headers(),
        method: "POST",
        url: &url(PATH, environment),
        access_token: None,
    };
    // Before the assertion is used up, so that a client can send both again with the nonce.
    let proof = dpop::verify(kv, &proof, environment).await?;
    let client = client_auth::authenticate(kv, &params, environment).await?;
    let jkt = match proof {
        Some(proof) => Some(proof.spend(kv).await?),
        None if client.dpop_bound_access_tokens => {
            return Err(OauthError::DpopProof("this client's tokens are bound to a key: send a DPoP proof"));
        }
        None => None,
    };
    match params.need("grant_type", "grant_type is missing")? {
        "authorization_code" => {
            require(&client, GrantType::AuthorizationCode)?;
            Ok(codes::redeem(kv, &client, &params, jkt, environment).await?.tokens)
        }
        "refresh_token" => {
            require(&client, GrantType::RefreshToken)?;
            grants::refresh(kv, &client, &params, jkt.as_deref(), environment).await
        }
        "urn:ietf:params:oauth:grant-type:device_code" => {
            require(&client, GrantType::DeviceCode)?;
            device::redeem(kv, &client, &params, jkt, environment).await
        }
        "urn:ietf:params:oauth:grant-type:pre-authorized_code" => {
            require(&client, GrantType::PreAuthorizedCode)?;
            pre_authorized::redeem(kv, &client, &params, jkt, environment).await
        }
        _ => Err(OauthError::GrantType),
    }
}

fn require(client: &Client, grant_type: GrantType) -> Result<(), OauthError> {
    if client.grant_types.contains(&grant_type) {
        return Ok(());
    }
    Err(OauthError::UnauthorisedClient("the client is not registered for this grant type"))
}

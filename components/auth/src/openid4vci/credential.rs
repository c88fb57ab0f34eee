//! The credential endpoint (OpenID4VCI 1.0, section 8): passports for proofs, in a batch.

use super::details::Details;
use super::error::CredentialError;
use super::{CONFIGURATION, CREDENTIAL_PATH};
use crate::error::AuthError;
use crate::passports::http::PROOFS_BODY_LENGTH_MAX;
use crate::passports::{Order, issue};
use crate::provider::error::OauthError;
use crate::provider::grants::Access;
use crate::provider::scope::Scope;
use crate::provider::{resources, tokens, url};
use ::http::{HeaderValue, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

/// What a wallet asks for (section 8.2); members that are not known are ignored.
#[derive(Deserialize)]
struct Wanted {
    credential_identifier: Option<String>,
    credential_configuration_id: Option<String>,
    proofs: Option<Proofs>,
    credential_response_encryption: Option<Value>,
}

/// Section 8.2: proofs of one type, and here that is `jwt`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proofs {
    jwt: Vec<String>,
}

/// Gives passports out.
pub(crate) async fn answer(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Result<Response<Vec<u8>>, CredentialError> {
    let (claims, grant) = resources::authorise(kv, request, CREDENTIAL_PATH, environment).await?;
    if !claims.aud.contains(&url(CREDENTIAL_PATH, environment)) {
        return Err(OauthError::InsufficientScope.into());
    }
    // Whoever sees a bearer token has it. With this one passports could be bound to other keys, so
    // it is good together with the wallet's key alone.
    if claims.cnf.is_none() {
        return Err(OauthError::Token("passports take an access token that is bound to a key").into());
    }
    let id =
        tokens::grant_of(kv, &claims.jti).await?.ok_or(OauthError::Token("the access token has ended"))?;
    let wanted = read(request)?;
    let world = chosen(&wanted, &grant.access, &claims.scope)?;
    let proofs = wanted.proofs.map(|proofs| proofs.jwt).unwrap_or_default();
    let order = Order { proofs, world, claims: None };
    let owner = (grant.access.traveller.as_str(), id.as_str());
    let copies = issue::issue_to_client(kv, owner, &claims.client_id, &order, environment).await?;
    let credentials: Vec<Value> =
        copies.into_iter().map(|copy| json!({ "credential": copy.passport })).collect();
    let mut response = reply::json(StatusCode::OK, &json!({ "credentials": credentials }));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn read(request: &Request<Vec<u8>>) -> Result<Wanted, CredentialError> {
    let shared = |problem: Problem| CredentialError::from(AuthError::from(problem));
    reply::require_media_type(request.headers(), "application/json").map_err(shared)?;
    if request.body().len() > PROOFS_BODY_LENGTH_MAX {
        return Err(shared(reply::too_large(PROOFS_BODY_LENGTH_MAX)));
    }
    let malformed = CredentialError::Request("the body is not a credential request");
    if !request.body().trim_ascii_start().starts_with(b"{") {
        return Err(malformed);
    }
    let wanted: Wanted = serde_json::from_slice(request.body()).map_err(|_| malformed)?;
    if wanted.credential_response_encryption.is_some() {
        return Err(CredentialError::Encryption);
    }
    Ok(wanted)
}

/// The world that the passports are for, as the traveller agreed to it. Section 8.2: who was
/// granted details names one of their identifiers, and who was not names the configuration.
fn chosen(wanted: &Wanted, access: &Access, scope: &str) -> Result<Option<WorldName>, CredentialError> {
    let has_scope = scope.split(' ').any(|name| name == Scope::Passport.name());
    match (&wanted.credential_identifier, &wanted.credential_configuration_id) {
        (Some(identifier), None) => {
            let granted = access.passports.as_ref().filter(|details| details.identifier() == *identifier);
            world_of(granted.ok_or(CredentialError::Identifier)?)
        }
        (None, Some(configuration)) if configuration != CONFIGURATION => Err(CredentialError::Configuration),
        // Many wallets name the configuration all the same, and details here have one identifier.
        (None, Some(_)) => match &access.passports {
            Some(details) => world_of(details),
            None if has_scope => Ok(None),
            None => Err(CredentialError::Configuration),
        },
        _ => Err(CredentialError::Request(
            "name a credential_identifier or a credential_configuration_id, and not both",
        )),
    }
}

fn world_of(details: &Details) -> Result<Option<WorldName>, CredentialError> {
    let internal = |_| CredentialError::from(AuthError::from(Problem::internal()));
    details.world.as_deref().map(str::parse).transpose().map_err(internal)
}

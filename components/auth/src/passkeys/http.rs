//! Passkeys as HTTP resources, under `/v1/passkeys`.

use super::{authenticate, register, store};
use crate::http::{Answer, NO_STORE, cached, read, signed_in, traveller};
use crate::limits::Client;
use http::{Request, StatusCode};
use serde::Deserialize;
use serde_json::json;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;
use webauthn_rs::prelude::{PublicKeyCredential, RegisterPublicKeyCredential};

/// The longest body of a ceremony, in bytes.
const BODY_LENGTH_MAX: usize = 16_384;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finished<T> {
    ceremony: String,
    credential: T,
}

/// Answers a request below `/v1/passkeys`; `rest` is the path from there on.
pub(crate) async fn route(
    kv: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    method: &str,
    rest: &str,
) -> Answer {
    match (rest, method) {
        ("", "GET") => {
            let (owner, _) = traveller(kv, environment, request).await?;
            let passkeys = json!({ "passkeys": store::list(kv, &owner).await? });
            Ok(cached(reply::json(StatusCode::OK, &passkeys), NO_STORE))
        }
        ("/options", "POST") => {
            let (owner, session) = traveller(kv, environment, request).await?;
            let body: Named = read(request, BODY_LENGTH_MAX)?;
            let options = register::begin(kv, &owner, &session, &body.name, environment).await?;
            Ok(cached(reply::json(StatusCode::OK, &options), NO_STORE))
        }
        ("", "POST") => {
            let (owner, session) = traveller(kv, environment, request).await?;
            let body: Finished<RegisterPublicKeyCredential> = read(request, BODY_LENGTH_MAX)?;
            let Finished { ceremony, credential } = body;
            let passkey = register::finish(kv, &owner, &session, &ceremony, &credential, environment).await?;
            Ok(cached(reply::json(StatusCode::CREATED, &passkey), NO_STORE))
        }
        ("/sessions/options", "POST") => {
            let options = authenticate::begin(kv, environment).await?;
            Ok(cached(reply::json(StatusCode::OK, &options), NO_STORE))
        }
        ("/sessions", "POST") => {
            let body: Finished<PublicKeyCredential> = read(request, BODY_LENGTH_MAX)?;
            let client = Client::of(request.headers(), environment.settings);
            let Finished { ceremony, credential } = body;
            signed_in(&authenticate::finish(kv, &ceremony, &credential, &client, environment).await?)
        }
        (path, method) => one(kv, environment, request, method, path).await,
    }
}

/// One passkey of the caller.
async fn one(
    kv: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    method: &str,
    path: &str,
) -> Answer {
    match path {
        "" => return Err(Problem::method_not_allowed("GET, HEAD, POST").into()),
        "/options" | "/sessions" | "/sessions/options" => {
            return Err(Problem::method_not_allowed("POST").into());
        }
        _ => {}
    }
    let id = path.strip_prefix('/').filter(|id| !id.contains('/'));
    let id = id.ok_or_else(|| Problem::not_found("no resource has this path"))?;
    if !matches!(method, "POST" | "DELETE") {
        return Err(Problem::method_not_allowed("POST, DELETE").into());
    }
    let (owner, session) = traveller(kv, environment, request).await?;
    if method == "POST" {
        let body: Named = read(request, BODY_LENGTH_MAX)?;
        store::rename(kv, &owner, id, &body.name).await?;
    } else {
        store::remove(kv, &owner, &session, id, environment).await?;
    }
    Ok(cached(reply::empty(StatusCode::NO_CONTENT), NO_STORE))
}

//! Recovery as HTTP resources, under `/v1/recovery`.

use super::{codes, delayed};
use crate::http::{Answer, NO_STORE, cached, read, signed_in, traveller};
use crate::limits::Client;
use http::{Request, StatusCode};
use serde::Deserialize;
use serde_json::json;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

const BODY_LENGTH_MAX: usize = 2048;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WithCode {
    handle: String,
    code: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    handle: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Completed {
    request: String,
}

/// Answers a request below `/v1/recovery`; `rest` is the path from there on.
pub(crate) async fn route(
    kv: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    method: &str,
    rest: &str,
) -> Answer {
    let client = Client::of(request.headers(), environment.settings);
    match (rest, method) {
        ("", "GET") => {
            let (owner, _) = traveller(kv, environment, request).await?;
            let pending = delayed::notice(kv, &owner, environment).await?;
            let state = json!({ "codes_left": codes::left(kv, &owner).await?, "pending": pending });
            Ok(cached(reply::json(StatusCode::OK, &state), NO_STORE))
        }
        ("/codes", "POST") => {
            let (owner, session) = traveller(kv, environment, request).await?;
            let codes = codes::make(kv, &owner, &session, environment).await?;
            Ok(cached(reply::json(StatusCode::CREATED, &json!({ "codes": codes })), NO_STORE))
        }
        ("/sessions", "POST") => {
            let body: WithCode = read(request, BODY_LENGTH_MAX)?;
            signed_in(&codes::sign_in(kv, &body.handle, &body.code, &client, environment).await?)
        }
        ("/requests", "POST") => {
            let body: Asked = read(request, BODY_LENGTH_MAX)?;
            let requested = delayed::request(kv, &body.handle, &client, environment).await?;
            Ok(cached(reply::json(StatusCode::ACCEPTED, &requested), NO_STORE))
        }
        ("/requests/complete", "POST") => {
            let body: Completed = read(request, BODY_LENGTH_MAX)?;
            signed_in(&delayed::complete(kv, &body.request, &client, environment).await?)
        }
        ("/requests/current", "DELETE") => {
            let (owner, _) = traveller(kv, environment, request).await?;
            if !delayed::cancel(kv, &owner, environment).await? {
                return Err(Problem::not_found("no recovery was asked for").into());
            }
            Ok(cached(reply::empty(StatusCode::NO_CONTENT), NO_STORE))
        }
        ("", _) => Err(Problem::method_not_allowed("GET, HEAD").into()),
        ("/codes" | "/sessions" | "/requests" | "/requests/complete", _) => {
            Err(Problem::method_not_allowed("POST").into())
        }
        ("/requests/current", _) => Err(Problem::method_not_allowed("DELETE").into()),
        _ => Err(Problem::not_found("no resource has this path").into()),
    }
}

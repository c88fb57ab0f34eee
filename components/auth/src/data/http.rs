//! What a traveller may ask for, as HTTP resources.
//!
//! | path | methods | who may call it |
//! |---|---|---|
//! | `/v1/travellers/me/export` | GET | the traveller |
//! | `/v1/travellers/me` | DELETE | the traveller, with the password or a recent session |

use super::{erase, export};
use crate::error::AuthError;
use crate::http::{CREDENTIALS_LENGTH_MAX, cached, read, traveller};
use crate::limits::Client;
use ::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Deserialize;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

type Answer = Result<Response<Vec<u8>>, AuthError>;

/// How a traveller proves to be there.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Presence {
    password: String,
}

/// Answers a request, if it is one of these.
pub(crate) async fn route(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Option<Answer> {
    match (request.uri().path(), request.method()) {
        ("/v1/travellers/me/export", &Method::GET | &Method::HEAD) => {
            Some(everything(store, environment, request).await)
        }
        ("/v1/travellers/me/export", _) => Some(Err(Problem::method_not_allowed("GET, HEAD").into())),
        ("/v1/travellers/me", &Method::DELETE) => Some(end(store, environment, request).await),
        _ => None,
    }
}

async fn everything(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    let (id, _) = traveller(store, environment, request).await?;
    let export = export::export(store, &id, environment).await?;
    let mut response = cached(reply::json(StatusCode::OK, &export), "no-store");
    let name = HeaderValue::from_static("attachment; filename=\"traveller.json\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    Ok(response)
}

async fn end(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    let (id, session) = traveller(store, environment, request).await?;
    let given: Option<Presence> =
        if request.body().is_empty() { None } else { Some(read(request, CREDENTIALS_LENGTH_MAX)?) };
    let password = given.as_ref().map(|given| given.password.as_str());
    let client = Client::of(request.headers(), environment.settings);
    let proof = erase::Proof { session: &session, password, client: &client };
    erase::require_presence(store, &id, proof, environment).await?;
    erase::erase(store, &id, environment).await?;
    Ok(cached(reply::empty(StatusCode::NO_CONTENT), "no-store"))
}

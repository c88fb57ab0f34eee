//! Endpoints and deliveries as HTTP resources. Whoever runs a world, or the port, has its own.
//!
//! | path | methods |
//! |---|---|
//! | `/v1/webhooks/endpoints` | GET, POST |
//! | `/v1/webhooks/endpoints/<id>` | GET, PUT, DELETE |
//! | `/v1/webhooks/endpoints/<id>/rotate` | POST |
//! | `/v1/webhooks/endpoints/<id>/test` | POST |
//! | `/v1/webhooks/endpoints/<id>/replay` | POST |
//! | `/v1/webhooks/endpoints/<id>/deliveries` | GET |
//! | `/v1/webhooks/endpoints/<id>/deliveries/<webhook-id>` | GET |
//! | `/v1/webhooks/endpoints/<id>/deliveries/<webhook-id>/replay` | POST |
//! | `/v1/webhooks/run`, `/v1/webhooks/reseal` | POST, by the administrator |

use crate::deliveries::State;
use crate::endpoints::{self, Wanted, is_id};
use crate::run::{self, Clock};
use crate::{WebhookError, replay, roster};
use ::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use vwp_core::caller::{self, Caller};
use vwp_core::outbound::Outbound;
use vwp_core::{Environment, Problem, outbox, reply};
use vwp_storage::Kv;

/// The longest body, in bytes.
pub const BODY_LENGTH_MAX: usize = 8192;

type Answer = Result<Response<Vec<u8>>, WebhookError>;

/// A body that says nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Which deliveries that were given up are replayed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    since: u64,
}

/// Which deliveries are listed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    state: String,
    cursor: Option<String>,
    limit: Option<u32>,
}

/// Answers a request.
pub async fn handle<S: Kv>(
    store: &S,
    (outbound, clock): (&impl Outbound, &impl Clock),
    environment: &Environment<'_>,
    request: Request<Vec<u8>>,
) -> Response<Vec<u8>> {
    reply::finish(request.method(), route(store, (outbound, clock), environment, &request).await)
}

async fn route<S: Kv>(
    store: &S,
    network: (&impl Outbound, &impl Clock),
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Answer {
    // No path of ours has more parts, and a longer one has one too many.
    let segments: Vec<&str> = request.uri().path().splitn(9, '/').skip(1).collect();
    let is_post = request.method() == Method::POST;
    match segments.as_slice() {
        ["v1", "webhooks", "endpoints", path @ ..] => {
            let caller = Asking { environment, request };
            match path {
                [] => of_all(store, &caller).await,
                [id, rest @ ..] if is_id(id) => of_endpoint(store, &caller, id, rest).await,
                [_, ..] => Err(WebhookError::UnknownEndpoint),
            }
        }
        ["v1", "webhooks", "run"] if is_post => {
            require_administrator(store, environment, request).await?;
            Ok(private(reply::json(StatusCode::OK, &run::run(store, network, environment).await?)))
        }
        ["v1", "webhooks", "reseal"] if is_post => {
            require_administrator(store, environment, request).await?;
            let resealed = roster::reseal(store, environment).await?;
            Ok(private(reply::json(StatusCode::OK, &json!({ "resealed": resealed }))))
        }
        ["v1", "webhooks", "run" | "reseal"] => Err(Problem::method_not_allowed("POST").into()),
        _ => Err(Problem::not_found("no resource has this path").into()),
    }
}

/// What is asked, and with what.
struct Asking<'a> {
    environment: &'a Environment<'a>,
    request: &'a Request<Vec<u8>>,
}

impl Asking<'_> {
    /// Who wants to read.
    async fn reader(&self, store: &impl Kv) -> Result<String, WebhookError> {
        owner(&caller::authenticate(store, self.request.headers(), self.environment).await?)
    }

    /// Who wants to change something. An operator's assertion is for the body.
    async fn writer(&self, store: &impl Kv) -> Result<String, WebhookError> {
        let (headers, body) = (self.request.headers(), self.request.body());
        if body.len() > BODY_LENGTH_MAX {
            return Err(reply::too_large(BODY_LENGTH_MAX).into());
        }
        owner(&caller::authenticate_with_body(store, headers, self.environment, body).await?)
    }

    fn json<T: DeserializeOwned>(&self) -> Result<T, WebhookError> {
        Ok(reply::read_json(self.request.headers(), self.request.body(), BODY_LENGTH_MAX)?)
    }

    fn is(&self, method: &Method) -> bool {
        // HEAD is answered wherever GET is.
        let asked = self.request.method();
        asked == method || *method == Method::GET && asked == Method::HEAD
    }
}

fn owner(caller: &Caller) -> Result<String, WebhookError> {
    match outbox::owner_of(caller) {
        Some(owner) => Ok(owner),
        None if *caller == Caller::Nobody => {
            Err(Problem::unauthorised("send an operator's assertion, or the administrator's token").into())
        }
        None => Err(WebhookError::Forbidden("webhooks are operators' and the administrator's")),
    }
}

async fn of_all(store: &impl Kv, asking: &Asking<'_>) -> Answer {
    let environment = asking.environment;
    if asking.is(&Method::POST) {
        let owner = asking.writer(store).await?;
        let made = endpoints::register(store, environment, &owner, asking.json::<Wanted>()?).await?;
        let mut response = private(reply::json(StatusCode::CREATED, &made));
        let location = format!("/v1/webhooks/endpoints/{}", made.endpoint.endpoint_id);
        if let Ok(location) = HeaderValue::from_str(&location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        return Ok(response);
    }
    if asking.is(&Method::GET) {
        let owner = asking.reader(store).await?;
        let items = endpoints::list(store, environment, &owner).await?;
        return Ok(private(reply::json(StatusCode::OK, &json!({ "items": items }))));
    }
    Err(Problem::method_not_allowed("GET, HEAD, POST").into())
}

async fn of_endpoint(store: &impl Kv, asking: &Asking<'_>, id: &str, path: &[&str]) -> Answer {
    let environment = asking.environment;
    let (is_get, is_post) = (asking.is(&Method::GET), asking.is(&Method::POST));
    match path {
        [] if is_get => {
            let owner = asking.reader(store).await?;
            Ok(shown(&endpoints::get(store, environment, &owner, id).await?))
        }
        [] if asking.is(&Method::PUT) => {
            let owner = asking.writer(store).await?;
            let wanted = asking.json::<Wanted>()?;
            Ok(shown(&endpoints::update(store, environment, (&owner, id), wanted).await?))
        }
        [] if asking.is(&Method::DELETE) => {
            let owner = asking.writer(store).await?;
            endpoints::delete(store, environment, (&owner, id)).await?;
            Ok(reply::empty(StatusCode::NO_CONTENT))
        }
        ["rotate"] if is_post => {
            let owner = asking.writer(store).await?;
            let Nothing {} = asking.json()?;
            Ok(shown(&endpoints::rotate(store, environment, (&owner, id)).await?))
        }
        ["test"] if is_post => {
            let owner = asking.writer(store).await?;
            let Nothing {} = asking.json()?;
            let made = replay::test(store, environment, (&owner, id)).await?;
            Ok(private(reply::json(StatusCode::CREATED, &made)))
        }
        ["replay"] if is_post => {
            let owner = asking.writer(store).await?;
            let Since { since } = asking.json()?;
            Ok(shown(&replay::replay_dead(store, environment, (&owner, id), since).await?))
        }
        ["deliveries", rest @ ..] => of_deliveries(store, asking, id, rest).await,
        [] => Err(Problem::method_not_allowed("GET, HEAD, PUT, DELETE").into()),
        ["rotate" | "test" | "replay"] => Err(Problem::method_not_allowed("POST").into()),
        _ => Err(Problem::not_found("no resource has this path").into()),
    }
}

async fn of_deliveries(store: &impl Kv, asking: &Asking<'_>, id: &str, path: &[&str]) -> Answer {
    match path {
        [] if asking.is(&Method::GET) => {
            let owner = asking.reader(store).await?;
            let Listed { state, cursor, limit } = reply::read_query(asking.request.uri())?;
            let state = State::parse(&state)
                .ok_or_else(|| WebhookError::Invalid("state is pending, delivered or dead".to_owned()))?;
            Ok(shown(&replay::list(store, (&owner, id), state, (cursor.as_deref(), limit)).await?))
        }
        [delivery] if asking.is(&Method::GET) => {
            let owner = asking.reader(store).await?;
            Ok(shown(&replay::get(store, (&owner, id), delivery).await?))
        }
        [delivery, "replay"] if asking.is(&Method::POST) => {
            let owner = asking.writer(store).await?;
            let Nothing {} = asking.json()?;
            Ok(shown(&replay::replay(store, asking.environment, (&owner, id), delivery).await?))
        }
        [] | [_] => Err(Problem::method_not_allowed("GET, HEAD").into()),
        [_, "replay"] => Err(Problem::method_not_allowed("POST").into()),
        _ => Err(Problem::not_found("no resource has this path").into()),
    }
}

async fn require_administrator(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<(), WebhookError> {
    match caller::authenticate(store, request.headers(), environment).await? {
        Caller::Administrator => Ok(()),
        Caller::Nobody => Err(Problem::unauthorised("send the administrator's token").into()),
        _ => Err(WebhookError::Forbidden("only the administrator has this done")),
    }
}

fn shown(body: &impl serde::Serialize) -> Response<Vec<u8>> {
    private(reply::json(StatusCode::OK, body))
}

/// For answers about somebody (RFC 9111, section 5.2.2.5).
fn private(mut response: Response<Vec<u8>>) -> Response<Vec<u8>> {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

//! Quotes as HTTP resources.
//!
//! | path | method | who |
//! |---|---|---|
//! | `/v1/quotes` | POST | anybody who has what the provider signed |
//! | `/v1/quotes` | GET | a traveller, an operator: what they signed, and what is for them |
//! | `/v1/quotes/<id>` | GET | anybody who is known; the taker and the provider, if there is a taker |
//! | `/v1/quotes/<id>/accept` | POST | who pays |
//! | `/v1/quotes/<id>/withdraw` | POST | the provider |

use super::actions::{self, Acceptance};
use crate::Error;
use crate::amount::Amount;
use crate::http::{Answer, Nothing, about, asked, jose_body, known_caller, made, private, status};
use ::http::{Method, Request};
use serde::Deserialize;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::{Kv, Machines};

/// What a quote is asked about.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    amount: Option<Amount>,
}

/// Answers a request for what is below `/v1/quotes`; `path` are the parts after it.
pub(crate) async fn handle<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    path: &[&str],
) -> Answer {
    // HEAD is answered wherever GET is.
    let is_get = request.method() == Method::GET || request.method() == Method::HEAD;
    let is_post = request.method() == Method::POST;
    match path {
        [] if is_post => publish(store, environment, request).await,
        [] if is_get => {
            let caller = known_caller(store, environment, request).await?;
            let page = reply::read_query(request.uri())?;
            Ok(about(&actions::list(store, environment, &caller, &page).await?))
        }
        [id] if is_get => {
            let caller = known_caller(store, environment, request).await?;
            let Query { amount } = reply::read_query(request.uri())?;
            Ok(about(&actions::get(store, environment, &caller, id, amount).await?))
        }
        [id, "accept"] if is_post => {
            let (caller, wanted) = asked::<S, Acceptance>(store, environment, request).await?;
            let (fill, repeated) = actions::accept(store, environment, &caller, id, &wanted).await?;
            Ok(private(reply::json(status(repeated), &fill)))
        }
        [id, "withdraw"] if is_post => {
            let (caller, Nothing {}) = asked(store, environment, request).await?;
            Ok(about(&actions::withdraw(store, environment, &caller, id).await?))
        }
        [] => Err(Problem::method_not_allowed("GET, HEAD, POST").into()),
        [_, "accept" | "withdraw"] => Err(Problem::method_not_allowed("POST").into()),
        [_] => Err(Problem::method_not_allowed("GET, HEAD").into()),
        _ => Err(Error::from(Problem::not_found("no resource has this path"))),
    }
}

async fn publish<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Answer {
    let (info, repeated) = actions::publish(store, environment, jose_body(request)?).await?;
    Ok(made(repeated, &format!("/v1/quotes/{}", info.quote_id), &info))
}

//! Escrows as HTTP resources.
//!
//! | path | method | who |
//! |---|---|---|
//! | `/v1/escrows` | POST | who pays |
//! | `/v1/escrows/<id>` | GET | whom the terms name |
//! | `/v1/escrows/<id>/release`, `/v1/escrows/<id>/refund` | POST | see [`super::actions`] |
//! | `/v1/escrows/<id>/dispute` | POST | the payer, the payee |

use super::actions::{self, Actor, Choice};
use super::approval;
use super::terms::Terms;
use super::votes::Decision;
use crate::Error;
use crate::http::{Answer, about, asked, jose_body, known_caller, made};
use ::http::{Method, Request};
use vwp_core::{Environment, Problem, reply};
use vwp_storage::{Kv, Machines};

/// Answers a request for what is below `/v1/escrows`; `path` are the parts after it.
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
        [] if is_post => create(store, environment, request).await,
        [id] if is_get => {
            let caller = known_caller(store, environment, request).await?;
            Ok(about(&actions::get(store, environment, &caller, id).await?))
        }
        [id, "release"] if is_post => decide(store, environment, request, id, Decision::Release).await,
        [id, "refund"] if is_post => decide(store, environment, request, id, Decision::Refund).await,
        [id, "dispute"] if is_post => {
            let (caller, choice) = asked::<S, Choice>(store, environment, request).await?;
            if choice != Choice::default() {
                return Err(Error::Invalid("a dispute is about all that waits".to_owned()));
            }
            Ok(about(&actions::dispute(store, environment, &caller, id).await?))
        }
        [] | [_, "release" | "refund" | "dispute"] => Err(Problem::method_not_allowed("POST").into()),
        [_] => Err(Problem::method_not_allowed("GET, HEAD").into()),
        _ => Err(Problem::not_found("no resource has this path").into()),
    }
}

async fn create<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Answer {
    let (caller, wanted) = asked::<S, Terms>(store, environment, request).await?;
    let (info, repeated) = actions::create(store, environment, &caller, wanted).await?;
    Ok(made(repeated, &format!("/v1/escrows/{}", info.escrow_id), &info))
}

async fn decide<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    id: &str,
    decision: Decision,
) -> Answer {
    if reply::require_media_type(request.headers(), "application/jose").is_ok() {
        let vote = jose_body(request)?;
        return Ok(about(&approval::decide_signed(store, environment, vote, id, decision).await?));
    }
    let (caller, choice) = asked::<S, Choice>(store, environment, request).await?;
    let actor = Actor::Caller(caller);
    Ok(about(&actions::decide(store, environment, &actor, id, decision, &choice).await?))
}

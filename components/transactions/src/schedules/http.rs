//! Schedules as HTTP resources.
//!
//! | path | method | who |
//! |---|---|---|
//! | `/v1/schedules` | POST | who pays |
//! | `/v1/schedules` | GET | a traveller, an operator: their own |
//! | `/v1/schedules/<id>` | GET | who asked for it |
//! | `/v1/schedules/<id>/cancel` | POST | who asked for it |
//! | `/v1/schedules/run` | POST | the administrator, where the host has no timer |

use super::actions;
use super::terms::Terms;
use crate::http::{Answer, Nothing, about, asked, known_caller, made};
use crate::{Error, upkeep};
use ::http::{Method, Request};
use vwp_core::caller::Caller;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::{Kv, Machines};

/// Answers a request for what is below `/v1/schedules`; `path` are the parts after it.
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
        [] if is_post => {
            let (caller, wanted) = asked::<S, Terms>(store, environment, request).await?;
            let (info, repeated) = actions::create(store, environment, &caller, wanted).await?;
            Ok(made(repeated, &format!("/v1/schedules/{}", info.schedule_id), &info))
        }
        [] if is_get => {
            let caller = known_caller(store, environment, request).await?;
            Ok(about(&actions::list(store, &caller, &reply::read_query(request.uri())?).await?))
        }
        ["run"] if is_post => match known_caller(store, environment, request).await? {
            Caller::Administrator => Ok(about(&upkeep::run(store, environment).await?)),
            _ => Err(Error::Forbidden("only the administrator has what is due done".to_owned())),
        },
        [id] if is_get && *id != "run" => {
            let caller = known_caller(store, environment, request).await?;
            Ok(about(&actions::get(store, environment, &caller, id).await?))
        }
        [id, "cancel"] if is_post => {
            let (caller, Nothing {}) = asked(store, environment, request).await?;
            Ok(about(&actions::cancel(store, &caller, id).await?))
        }
        [] => Err(Problem::method_not_allowed("GET, HEAD, POST").into()),
        ["run"] | [_, "cancel"] => Err(Problem::method_not_allowed("POST").into()),
        [_] => Err(Problem::method_not_allowed("GET, HEAD").into()),
        _ => Err(Problem::not_found("no resource has this path").into()),
    }
}

//! Escrows as HTTP resources.
//!
//! | path | method | who |
//! |---|---|---|
//! | `/v1/escrows` | POST | who pays |
//! | `/v1/escrows/<id>` | GET | whom the terms name |
//! | `/v1/escrows/<id>/release`, `/v1/escrows/<id>/refund` | POST | see [`super::actions`] |
//! | `/v1/escrows/<id>/dispute` | POST | the payer, the payee |

use super::actions::{self, Actor, Choice};
use super::terms;
use super::terms::{Approver, Terms};
use super::votes::Decision;
use crate::Error;
use crate::http::{Answer, about, asked, jose_body, known_caller, made};
use crate::reference::parse_id;
use ::http::{Method, Request};
use serde::Deserialize;
use vwp_core::environment::is_current;
use vwp_core::jose::Unverified;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::{Kv, Machines};

/// The type of what an approver signs with a key that the terms name.
const VOTE_TYPE: &str = "vwp-escrow-vote+jws";

/// What an approver signs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vote {
    /// The escrow's id.
    escrow: String,
    /// What is decided.
    decision: Decision,
    /// About which milestone; about all that wait if it is left out.
    #[serde(default)]
    milestone: Option<usize>,
    /// When it was signed, in seconds since the Unix epoch.
    iat: u64,
    /// The port's URL.
    aud: String,
}

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
    let (actor, choice) = if reply::require_media_type(request.headers(), "application/jose").is_ok() {
        voted(store, environment, jose_body(request)?, (id, decision)).await?
    } else {
        let (caller, choice) = asked::<S, Choice>(store, environment, request).await?;
        (Actor::Caller(caller), choice)
    };
    Ok(about(&actions::decide(store, environment, &actor, id, decision, &choice).await?))
}

/// A vote that was signed with a key of the terms.
async fn voted<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    compact: &str,
    (id, decision): (&str, Decision),
) -> Result<(Actor, Choice), Error> {
    let token = Unverified::parse(compact, VOTE_TYPE).map_err(Problem::from)?;
    let unknown = || Problem::unauthorised("the header's kid is no thumbprint of an approver's key");
    let kid = token.header.kid.clone().ok_or_else(unknown)?;
    let terms = terms::stored(store, parse_id(id)?).await?.ok_or(Error::UnknownEscrow)?;
    let key = terms.approvers.iter().find_map(|approver| match approver {
        Approver::Key(key) if key.thumbprint() == kid => Some(key),
        _ => None,
    });
    let key = key.ok_or_else(unknown)?.to_key().map_err(Problem::from)?;
    let payload = token.verify(&key).map_err(Problem::from)?;
    let vote: Vote = serde_json::from_slice(&payload)
        .map_err(|error| Problem::bad_request(format!("the payload is not the expected JSON: {error}")))?;
    if vote.aud != environment.settings.issuer {
        return Err(Error::WrongAudience);
    }
    if !is_current(vote.iat, environment.now) {
        return Err(Error::ClockSkew);
    }
    if vote.escrow != id || vote.decision != decision {
        return Err(Error::Invalid("the vote is about another escrow, or for something else".to_owned()));
    }
    Ok((Actor::Key(kid), Choice { milestone: vote.milestone, preimage: None }))
}

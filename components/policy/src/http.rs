//! The component's HTTP API.
//!
//! | path | methods | who may call it |
//! |---|---|---|
//! | `/v1/policies/schema` | GET | anybody |
//! | `/v1/policies/base` | GET | anybody |
//! | `/v1/policies/check` | POST | whoever proves who they are |
//! | `/v1/policies/decide` | POST | an operator about its own, the administrator about all |
//! | `/v1/policies/{owner}` | GET, PUT | the operator, its team, the administrator |
//! | `/v1/policies/{owner}/versions/{version}` | GET | the same |
//! | `/v1/policies/{owner}/decisions{?cursor}` | GET | the same |
//! | `/v1/teams/{operator}` | GET, PUT | the same |
//!
//! An owner is `port`, or an operator's id. What an operator puts is signed: a compact JWS of type
//! `vwp-policies+jws` or `vwp-team+jws` whose claims are `iat`, `aud`, `operator`, `replaces`, and
//! `policies` or `members`. The administrator and travellers put the last two as JSON.

use crate::decide::Request as Question;
use crate::decider::{self, Policies};
use crate::error::PolicyError;
use crate::set::{self, SCHEMA, Texts};
use crate::store::Owner;
use crate::teams::{self, Member, Team};
use crate::{authority, limits};
use ::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vwp_core::caller::{self, Caller};
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

/// The type of signed policies.
pub const POLICIES_TYPE: &str = "vwp-policies+jws";
/// The type of a signed team.
pub const TEAM_TYPE: &str = "vwp-team+jws";
/// The longest body, in bytes: a set in base64url with its signature fits, and so it does, as JSON,
/// into a value of the store.
pub const BODY_LENGTH_MAX: usize = 61_440;
/// The longest request to decide about, in bytes.
const QUESTION_LENGTH_MAX: usize = 16_384;
/// The longest cursor, in bytes.
const CURSOR_LENGTH_MAX: usize = 64;

type Answer = Result<Response<Vec<u8>>, PolicyError>;

/// Policies that replace a version.
#[derive(Serialize, Deserialize)]
struct NewPolicies {
    replaces: u64,
    #[serde(deserialize_with = "set::each_once")]
    policies: Texts,
}

/// A team that replaces a version.
#[derive(Serialize, Deserialize)]
struct NewTeam {
    replaces: u64,
    members: Vec<Member>,
}

/// Policies to be checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Checked {
    #[serde(deserialize_with = "set::each_once")]
    policies: Texts,
}

/// Answers a request.
pub async fn handle<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: Request<Vec<u8>>,
) -> Response<Vec<u8>> {
    reply::finish(request.method(), route(store, environment, &request).await)
}

async fn route(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    // No path of ours has more parts, and a longer one has one too many.
    let segments: Vec<&str> = request.uri().path().splitn(7, '/').skip(1).collect();
    let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_post = request.method() == Method::POST;
    let is_put = request.method() == Method::PUT;
    match segments.as_slice() {
        ["v1", "policies", "schema"] if is_get => {
            let schema = SCHEMA.as_bytes().to_vec();
            Ok(reply::with_type(StatusCode::OK, "text/plain; charset=utf-8", schema))
        }
        ["v1", "policies", "base"] if is_get => {
            Ok(reply::json(StatusCode::OK, &Policies { policies: set::base_texts() }))
        }
        ["v1", "policies", "check"] if is_post => check(store, environment, request).await,
        ["v1", "policies", "decide"] if is_post => decide(store, environment, request).await,
        ["v1", "policies", "schema" | "base"] => Err(Problem::method_not_allowed("GET, HEAD").into()),
        ["v1", "policies", "check" | "decide"] => Err(Problem::method_not_allowed("POST").into()),
        ["v1", "policies", name] if is_get => {
            let owner = reader(store, environment, request, name, "read_policies").await?;
            Ok(private(reply::json(StatusCode::OK, &decider::policies(store, &owner).await?)))
        }
        ["v1", "policies", name] if is_put => put_policies(store, environment, request, name).await,
        ["v1", "policies", name, "versions", version] if is_get => {
            let owner = reader(store, environment, request, name, "read_policies").await?;
            let unknown = || Problem::not_found("there is no such version, or it is no longer kept");
            let version = version.parse().map_err(|_| unknown())?;
            let found = decider::version(store, &owner, version).await?.ok_or_else(unknown)?;
            Ok(private(reply::json(StatusCode::OK, &found)))
        }
        ["v1", "policies", name, "decisions"] if is_get => {
            let owner = reader(store, environment, request, name, "read_policies").await?;
            let page = decider::decisions(store, &owner, cursor(request)?).await?;
            Ok(private(reply::json(StatusCode::OK, &page)))
        }
        ["v1", "teams", name] if is_get => {
            let operator = operator(name)?;
            reader(store, environment, request, name, "read_team").await?;
            Ok(private(reply::json(StatusCode::OK, &teams::team(store, &operator).await?)))
        }
        ["v1", "teams", name] if is_put => put_team(store, environment, request, name).await,
        ["v1", "policies" | "teams", _] => Err(Problem::method_not_allowed("GET, HEAD, PUT").into()),
        ["v1", "policies", _, "versions", _] | ["v1", "policies", _, "decisions"] => {
            Err(Problem::method_not_allowed("GET, HEAD").into())
        }
        _ => Err(Problem::not_found("no resource has this path").into()),
    }
}

async fn check(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    // Checking costs more than reading, so nobody has it done without saying who they are.
    if caller::authenticate(store, request.headers(), environment).await? == Caller::Nobody {
        return Err(Problem::unauthorised("sign in, or send an operator's assertion").into());
    }
    let body: Checked = reply::read_json(request.headers(), request.body(), BODY_LENGTH_MAX)?;
    let diagnostics = set::check(&body.policies);
    Ok(reply::json(StatusCode::OK, &serde_json::json!({ "diagnostics": diagnostics })))
}

async fn decide(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    let caller = caller::authenticate(store, request.headers(), environment).await?;
    if caller == Caller::Nobody {
        return Err(Problem::unauthorised("send an operator's assertion").into());
    }
    let question: Question = reply::read_json(request.headers(), request.body(), QUESTION_LENGTH_MAX)?;
    let by = authority::require_asker(store, &caller, &question.resource).await?;
    let decision = decider::decide_and_log(store, &question, &by, environment).await?;
    Ok(private(reply::json(StatusCode::OK, &decision)))
}

async fn put_policies(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    name: &str,
) -> Answer {
    let owner = owner(name)?;
    let (new, by): (NewPolicies, _) =
        written(store, environment, request, &owner, POLICIES_TYPE, "write_policies").await?;
    let policies = Policies { policies: new.policies };
    let kept = decider::replace(store, &owner, new.replaces, policies, &by, environment).await?;
    Ok(private(reply::json(status(kept.version), &kept)))
}

async fn put_team(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    name: &str,
) -> Answer {
    let operator = operator(name)?;
    let owner = Owner::Operator(operator.clone());
    let (new, by): (NewTeam, _) =
        written(store, environment, request, &owner, TEAM_TYPE, "write_team").await?;
    let team = Team { members: new.members };
    let kept = teams::replace(store, &operator, new.replaces, team, &by, environment).await?;
    Ok(private(reply::json(status(kept.version), &kept)))
}

/// What somebody who may do it puts, and who that is.
async fn written<T: DeserializeOwned>(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    owner: &Owner,
    typ: &str,
    action: &'static str,
) -> Result<(T, String), PolicyError> {
    if reply::require_media_type(request.headers(), "application/jose").is_ok() {
        if request.body().len() > BODY_LENGTH_MAX {
            return Err(reply::too_large(BODY_LENGTH_MAX).into());
        }
        let compact = std::str::from_utf8(request.body())
            .map_err(|_| Problem::bad_request("the body is not a compact JWS"))?;
        let matter = authority::signed(store, compact.trim_ascii(), typ, owner, environment).await?;
        return Ok((matter, format!("operator:{}", owner.as_str())));
    }
    let caller = caller::authenticate(store, request.headers(), environment).await?;
    if matches!(caller, Caller::Operator { .. }) {
        // An assertion does not say what it is for, so it does not change anything.
        return Err(Problem::unauthorised("an operator signs what it puts, as application/jose").into());
    }
    let by = authority::require(store, &caller, action, owner, environment).await?;
    Ok((reply::read_json(request.headers(), request.body(), BODY_LENGTH_MAX)?, by))
}

/// The owner that a path names, if the caller may read it.
async fn reader(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    name: &str,
    action: &'static str,
) -> Result<Owner, PolicyError> {
    let owner = owner(name)?;
    let caller = caller::authenticate(store, request.headers(), environment).await?;
    authority::require(store, &caller, action, &owner, environment).await?;
    Ok(owner)
}

fn owner(name: &str) -> Result<Owner, PolicyError> {
    let unknown = || Problem::not_found("policies are the port's, or an operator's by its id").into();
    Owner::parse(name).ok_or_else(unknown)
}

fn operator(name: &str) -> Result<String, PolicyError> {
    match owner(name)? {
        Owner::Operator(id) => Ok(id),
        Owner::Port => Err(Problem::not_found("the port has no team").into()),
    }
}

fn cursor(request: &Request<Vec<u8>>) -> Result<Option<&str>, PolicyError> {
    let Some(query) = request.uri().query().filter(|query| !query.is_empty()) else {
        return Ok(None);
    };
    let is_plain = |text: &&str| {
        text.len() <= CURSOR_LENGTH_MAX
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/'))
    };
    let cursor = query.strip_prefix("cursor=").filter(is_plain);
    cursor.map(Some).ok_or_else(|| Problem::bad_request("the parameter is cursor, once").into())
}

/// RFC 9110, section 15.3.2: 201 says that something new is there.
fn status(version: u64) -> StatusCode {
    if version == 1 { StatusCode::CREATED } else { StatusCode::OK }
}

/// For answers about somebody (RFC 9111, section 5.2.2.5).
fn private(mut response: Response<Vec<u8>>) -> Response<Vec<u8>> {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

// A set that keeps every bound fits into a value of the store only if its policies are short, so
// the length of the body is the bound that matters.
const _: () = assert!(BODY_LENGTH_MAX < 65_536 && limits::POLICIES_MAX * 512 < BODY_LENGTH_MAX);

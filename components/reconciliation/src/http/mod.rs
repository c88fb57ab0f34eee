//! The functions as HTTP resources below `/v1/reconciliations`. The component that serves them says
//! who calls, whose an account is, and what the ledger holds: [`Port`].

mod body;
mod lists;

use crate::actions;
use crate::ledger::LedgerEntries;
use crate::matches::{self, Actor};
use crate::source::{self, Account, Definition, Source};
use crate::{Error, import, report, run};
use ::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use chrono::{DateTime, NaiveDate};
use serde::{Deserialize, Serialize};
use std::future::Future;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

/// The longest body that is not a statement, in bytes.
pub const BODY_LENGTH_MAX: usize = 32_768;
/// How many days a report has unless it is told.
const REPORT_DAYS: u64 = 31;

/// What the component that serves these resources knows.
pub trait Port: LedgerEntries {
    /// Who is calling, as records name it.
    fn caller(&self) -> String;
    /// Requires that the caller may see and change what concerns an account.
    fn require_access(&self, account: &Account) -> impl Future<Output = Result<(), Problem>>;
    /// How many decimal places an asset's minor unit stands for.
    fn scale(&self, account: &Account) -> impl Future<Output = Result<u8, Problem>>;
}

pub(crate) type Answer = Result<Response<Vec<u8>>, Error>;

/// What a source is put as, and which version it replaces.
#[derive(Debug, Deserialize)]
struct Put {
    #[serde(default)]
    replaces: Option<u64>,
    #[serde(flatten)]
    definition: serde_json::Map<String, serde_json::Value>,
}

/// Sources, and where the next ones start.
#[derive(Serialize)]
struct Sources {
    sources: Vec<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What became of a file.
#[derive(Serialize)]
struct Statements {
    statements: Vec<import::Imported>,
    left_out: u32,
}

/// Answers a request for what is below `/v1/reconciliations`; `path` are the parts after it.
pub async fn handle<K: Kv, P: Port>(
    kv: &K,
    port: &P,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    path: &[&str],
) -> Answer {
    let mut response = route(kv, port, environment, request, path).await?;
    // It is about somebody's money (RFC 9111, section 5.2.2.5).
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn route<K: Kv, P: Port>(
    kv: &K,
    port: &P,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    path: &[&str],
) -> Answer {
    let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let [name, rest @ ..] = path else {
        require_method(method, &[Method::GET], "GET, HEAD")?;
        return sources(kv, port, request).await;
    };
    if rest.is_empty() && method == Method::PUT {
        return put(kv, port, environment, request, name).await;
    }
    let source = source::get(kv, name).await?;
    port.require_access(&source.definition.account).await?;
    let by = port.caller();
    let actor = Actor { by: &by, at: environment.now };
    match (rest, method) {
        ([], &Method::GET) => Ok(reply::json(StatusCode::OK, &source)),
        (["statements"], &Method::POST) => {
            let (format, bytes) = body::statement(request)?;
            let file = import::read(&source, format, &bytes)?;
            let statements = import::import(kv, environment, &by, &source, format, &file).await?;
            let is_new = statements.iter().any(|imported| !imported.repeated);
            let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
            Ok(reply::json(status, &Statements { statements, left_out: file.left_out }))
        }
        (["runs"], &Method::POST) => {
            let Asked { as_of } = reply::read_query(request.uri())?;
            let as_of = as_of.unwrap_or_else(|| today(environment));
            Ok(reply::json(StatusCode::OK, &run::run(kv, port, &source, actor, as_of).await?))
        }
        (["matches"], &Method::POST) => {
            let wanted = reply::read_json(request.headers(), request.body(), BODY_LENGTH_MAX)?;
            let made = actions::match_by_hand(kv, &source, actor, wanted).await?;
            Ok(reply::json(StatusCode::CREATED, &made))
        }
        (["matches", id], &Method::DELETE) => {
            Ok(reply::json(StatusCode::OK, &matches::undo(kv, &source, actor, id).await?))
        }
        (["breaks", id], &Method::GET) => {
            Ok(reply::json(StatusCode::OK, &actions::get(kv, &source, id).await?))
        }
        (["breaks", id], &Method::POST) => {
            let step = reply::read_json(request.headers(), request.body(), BODY_LENGTH_MAX)?;
            let broken = actions::step(kv, port, &source, actor, id, step).await?;
            Ok(reply::json(StatusCode::OK, &broken))
        }
        (["report"], &Method::GET) => reported(kv, environment, &source, request).await,
        ([list @ ("statements" | "lines" | "entries" | "matches" | "breaks")], &Method::GET) => {
            lists::answer(kv, &source, list, reply::read_query(request.uri())?).await
        }
        _ => Err(refused(rest)),
    }
}

/// What a path takes, if there is such a path.
fn refused(rest: &[&str]) -> Error {
    let allowed = match rest {
        [] => "GET, HEAD, PUT",
        ["statements" | "matches"] | ["breaks", _] => "GET, HEAD, POST",
        ["runs"] => "POST",
        ["lines" | "entries" | "breaks" | "report"] => "GET, HEAD",
        ["matches", _] => "DELETE",
        _ => return Problem::not_found("no resource has this path").into(),
    };
    Problem::method_not_allowed(allowed).into()
}

fn require_method(method: &Method, allowed: &[Method], text: &'static str) -> Result<(), Error> {
    if allowed.contains(method) { Ok(()) } else { Err(Problem::method_not_allowed(text).into()) }
}

/// The sources of which the caller may see the account.
async fn sources<K: Kv, P: Port>(kv: &K, port: &P, request: &Request<Vec<u8>>) -> Answer {
    let lists::Page { cursor, limit } = reply::read_query(request.uri())?;
    let (found, has_more) = source::list(kv, &cursor.unwrap_or_default(), lists::limit(limit)?).await?;
    let next = found.last().filter(|_| has_more).map(|source| source.name.clone());
    let mut sources = Vec::with_capacity(found.len());
    for source in found {
        match port.require_access(&source.definition.account).await {
            Ok(()) => sources.push(source),
            // Nobody in particular sees nothing in particular, and is told so.
            Err(problem)
                if problem.status == StatusCode::FORBIDDEN || problem.status == StatusCode::NOT_FOUND => {}
            Err(problem) => return Err(problem.into()),
        }
    }
    Ok(reply::json(StatusCode::OK, &Sources { sources, next }))
}

async fn put<K: Kv, P: Port>(
    kv: &K,
    port: &P,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    name: &str,
) -> Answer {
    let Put { replaces, definition } = reply::read_json(request.headers(), request.body(), BODY_LENGTH_MAX)?;
    // Flattened members are not checked for unknown ones; so they are read for themselves.
    let definition: Definition = serde_json::from_value(definition.into())
        .map_err(|error| Error::Invalid(format!("the source is not as expected: {error}")))?;
    port.require_access(&definition.account).await?;
    match source::get(kv, name).await {
        Ok(before) => port.require_access(&before.definition.account).await?,
        Err(Error::UnknownSource(_)) => {}
        Err(error) => return Err(error),
    }
    let scale = port.scale(&definition.account).await?;
    let by = port.caller();
    let (source, is_new) = source::put(kv, environment, &by, name, (definition, scale), replaces).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(reply::json(status, &source))
}

/// What a run is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    as_of: Option<NaiveDate>,
}

/// What a report is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    as_of: Option<NaiveDate>,
    format: Option<ReportFormat>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum ReportFormat {
    Json,
    Csv,
}

async fn reported(
    kv: &impl Kv,
    environment: &Environment<'_>,
    source: &Source,
    request: &Request<Vec<u8>>,
) -> Answer {
    let Wanted { from, to, as_of, format } = reply::read_query(request.uri())?;
    let as_of = as_of.unwrap_or_else(|| today(environment));
    let to = to.unwrap_or(as_of);
    let from = from.unwrap_or_else(|| report::days_before(to, REPORT_DAYS - 1));
    let made = report::report(kv, source, from, to, as_of).await?;
    if format == Some(ReportFormat::Csv) {
        return Ok(reply::with_type(StatusCode::OK, "text/csv; charset=utf-8", made.to_csv()?));
    }
    Ok(reply::json(StatusCode::OK, &made))
}

fn today(environment: &Environment<'_>) -> NaiveDate {
    let now = i64::try_from(environment.now).unwrap_or(i64::MAX);
    DateTime::from_timestamp_millis(now).map_or(NaiveDate::MIN, |now| now.date_naive())
}

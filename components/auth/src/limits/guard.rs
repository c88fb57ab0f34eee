//! The limits around every resource of this component, and what answers say of them
//! (draft-ietf-httpapi-ratelimit-headers-10).

use super::bucket::{self, Charge, Rule, Standing};
use super::network::{Client, Network};
use crate::error::AuthError;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;

/// The option with how many passwords everybody together may have hashed in a second.
pub const HASHES_PER_SECOND: &str = "hashes_per_second";
/// Its default: what a few cores do at most.
const HASHES_PER_SECOND_DEFAULT: u32 = 100;

/// Passwords and recovery codes: each costs 19 MiB of memory and tens of milliseconds.
const HASH_NETWORK: Rule = Rule { name: "hash-network", burst: 60, period_us: 2_000_000, shares: 1 };
/// Ceremonies that are begun: each keeps something for minutes, before anybody is known. Also what
/// makes the port ask a provider.
const START_NETWORK: Rule = Rule { name: "start-network", burst: 120, period_us: 500_000, shares: 1 };
const START_ALL: Rule = Rule { name: "start", burst: 16_000, period_us: 250, shares: 32 };
/// Changes that were refused: wrong tokens, codes, challenges and signatures.
const REFUSED_NETWORK: Rule = Rule { name: "refused-network", burst: 300, period_us: 1_000_000, shares: 1 };

const POLICY: &str = "ratelimit-policy";
const LIMIT: &str = "ratelimit";

/// What a request costs before anybody is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cost {
    /// A password or a code is hashed.
    Hash,
    /// Something is kept until a ceremony ends.
    Start,
    /// Only a refusal costs.
    Refusal,
    /// It only reads: a guess is not worth a limit that neighbours in the network would share.
    Nothing,
}

fn cost(method: &Method, path: &str) -> Cost {
    match (method.as_str(), path) {
        ("POST", "/v1/travellers" | "/v1/sessions" | "/v1/recovery/sessions" | "/v1/recovery/requests") => {
            Cost::Hash
        }
        (
            "POST",
            "/v1/passkeys/sessions/options"
            | "/v1/dids/challenges"
            | "/v1/upstream/authorizations"
            | "/v1/upstream/sessions",
        ) => Cost::Start,
        ("GET" | "HEAD", _) => Cost::Nothing,
        _ => Cost::Refusal,
    }
}

/// How many hashes everybody may have, spread over shares so that few meet at one.
fn hash_all(environment: &Environment<'_>) -> Rule {
    let given = environment.settings.options.get(HASHES_PER_SECOND);
    let rate: u32 = given.and_then(|text| text.trim().parse().ok()).unwrap_or(HASHES_PER_SECOND_DEFAULT);
    let rate = rate.clamp(1, 1000);
    // Four seconds' worth at once, because people come in waves.
    Rule { name: "hash", burst: rate.saturating_mul(4), period_us: u64::from(1_000_000 / rate), shares: 16 }
}

/// Answers a request within the limits, and says in the answer how they stand.
pub async fn within<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    answer: impl AsyncFnOnce() -> Response<Vec<u8>>,
) -> Response<Vec<u8>> {
    let network = Client::of(request.headers(), environment.settings).network;
    let cost = cost(request.method(), request.uri().path());
    let standings = match admit(store, environment, cost, network).await {
        Ok(standings) => standings,
        Err(refusal) => return refuse(refusal),
    };
    let mut response = answer().await;
    let standings = match (cost, network, is_refusal(response.status())) {
        // The answer is right whether or not it could be counted: a store that fails now has
        // failed the next request too.
        (Cost::Refusal, Some(network), true) => {
            let charge = Charge::network(REFUSED_NETWORK, network);
            bucket::charge(store, &[charge], environment).await.unwrap_or(standings)
        }
        _ => standings,
    };
    describe(&mut response, &standings);
    response
}

async fn admit(
    store: &impl Kv,
    environment: &Environment<'_>,
    cost: Cost,
    network: Option<Network>,
) -> Result<Vec<Standing>, AuthError> {
    let (all, each) = match cost {
        Cost::Hash => (hash_all(environment), HASH_NETWORK),
        Cost::Start => (START_ALL, START_NETWORK),
        Cost::Nothing => return Ok(Vec::new()),
        Cost::Refusal => {
            let Some(network) = network else { return Ok(Vec::new()) };
            let charge = Charge::network(REFUSED_NETWORK, network);
            let standing = bucket::standing(store, &charge, environment).await?;
            return if standing.wait_ms > 0 { Err(AuthError::Throttled(standing)) } else { Ok(Vec::new()) };
        }
    };
    let network = network.map(|network| Charge::network(each, network));
    let charges: Vec<Charge> = network.into_iter().chain([Charge::all(all)]).collect();
    bucket::charge(store, &charges, environment).await
}

/// Whether an answer is one that a guess gets. What nobody can have guessed (another method, a
/// body that is too large) is none.
fn is_refusal(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 401 | 403 | 409 | 422)
}

fn refuse(refusal: AuthError) -> Response<Vec<u8>> {
    let standing = match &refusal {
        AuthError::Throttled(standing) => Some(*standing),
        _ => None,
    };
    let mut response = Problem::from(refusal).into_response();
    describe(&mut response, standing.as_slice());
    response
}

/// Writes how limits stand. Another refusal for being too early says how long to wait, and is
/// described by that.
fn describe(response: &mut Response<Vec<u8>>, standings: &[Standing]) {
    let is_too_early = response.status() == StatusCode::TOO_MANY_REQUESTS;
    let headers = response.headers_mut();
    for standing in standings {
        let Rule { name, burst, .. } = standing.rule;
        let window_s = standing.rule.window_ms().div_ceil(1000).max(1);
        let reset_s = standing.reset_s.max(standing.wait_ms.div_ceil(1000));
        append(headers, POLICY, &format!("\"{name}\";q={burst};w={window_s}"));
        append(headers, LIMIT, &format!("\"{name}\";r={};t={reset_s}", standing.remaining));
    }
    let refused = standings.iter().any(|standing| standing.wait_ms > 0);
    let wait = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    if let Some(wait) = wait.filter(|_| is_too_early && !refused) {
        let account = format!("\"account\";r=0;t={wait}");
        append(headers, LIMIT, &account);
    }
}

/// A list may be written as several fields (RFC 9651, section 3.1).
fn append(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.append(name, value);
    }
}

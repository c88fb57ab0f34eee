//! DIDs as HTTP resources, under `/v1/dids`.

use super::link;
use crate::http::{Answer, NO_STORE, cached, read, signed_in, traveller};
use crate::limits::Client;
use http::{Request, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::json;
use vwp_core::{Environment, Outbound, Problem, reply};
use vwp_storage::Kv;

const BODY_LENGTH_MAX: usize = 8192;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proof {
    proof: String,
}

/// Answers a request below `/v1/dids`; `rest` is the path from there on.
pub(crate) async fn route(
    kv: &impl Kv,
    outbound: &impl Outbound,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    method: &str,
    rest: &str,
) -> Answer {
    match (rest, method) {
        ("", "GET") => {
            let (owner, _) = traveller(kv, environment, request).await?;
            let dids = json!({ "dids": link::list(kv, &owner).await? });
            Ok(cached(reply::json(StatusCode::OK, &dids), NO_STORE))
        }
        ("", "POST") => {
            let (owner, session) = traveller(kv, environment, request).await?;
            let body: Proof = read(request, BODY_LENGTH_MAX)?;
            let client = Client::of(request.headers(), environment.settings);
            let (owner, proof) = ((owner.as_str(), session.as_str()), (body.proof.as_str(), &client));
            let linked = link::link(kv, outbound, owner, proof, environment).await?;
            Ok(cached(reply::json(StatusCode::CREATED, &linked), NO_STORE))
        }
        ("/challenges", "POST") => {
            let challenge = link::challenge(kv, environment).await?;
            Ok(cached(reply::json(StatusCode::CREATED, &challenge), NO_STORE))
        }
        ("/sessions", "POST") => {
            let body: Proof = read(request, BODY_LENGTH_MAX)?;
            let client = Client::of(request.headers(), environment.settings);
            signed_in(&link::sign_in(kv, outbound, &body.proof, &client, environment).await?)
        }
        ("", _) => Err(Problem::method_not_allowed("GET, HEAD, POST").into()),
        ("/challenges" | "/sessions", _) => Err(Problem::method_not_allowed("POST").into()),
        (path, "DELETE") => {
            let (owner, session) = traveller(kv, environment, request).await?;
            // An identifier's own escapes are escaped in a path (RFC 3986, section 2.4).
            let did = percent_decode_str(path.strip_prefix('/').unwrap_or_default()).decode_utf8_lossy();
            link::unlink(kv, &owner, &session, &did, environment).await?;
            Ok(cached(reply::empty(StatusCode::NO_CONTENT), NO_STORE))
        }
        _ => Err(Problem::method_not_allowed("DELETE").into()),
    }
}

//! Pushed authorization requests (RFC 9126): the client sends the request itself, and the browser
//! only carries its name.

use super::authorize::{self, Refusal};
use super::error::OauthError;
use super::params::{LENGTH_MAX, Params};
use super::quota::Quota;
use super::{client_auth, dpop, hashed, url};
use ::http::{HeaderValue, Request, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use vwp_core::{Environment, Problem, jose, reply};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Outcome, Write};

/// Where requests are pushed to.
pub(crate) const PATH: &str = "/oauth/par";
/// How long a pushed request is kept, in seconds: as long as a person may take to sign in.
const LIFETIME_S: u64 = 600;
/// What the name of a pushed request starts with (section 2.2).
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
/// The parameters that prove who the client is, which are not part of the request.
const PROOFS: [&str; 2] = ["client_assertion", "client_assertion_type"];
/// How many requests a client pushes. For public clients anybody can, so it is plenty.
const QUOTA: Quota = Quota { name: "par", count_max: 6000, window_ms: 10 * 60 * 1000 };

#[derive(Serialize, Deserialize)]
struct Pushed {
    client_id: String,
    form: String,
}

/// Takes a request.
pub(crate) async fn push(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Result<Response<Vec<u8>>, OauthError> {
    let params = Params::form(request)?;
    let proof = dpop::Request {
        headers: request.headers(),
        method: "POST",
        url: &url(PATH, environment),
        access_token: None,
    };
    let proof = dpop::verify(kv, &proof, environment).await?;
    let client = client_auth::authenticate(kv, &params, environment).await?;
    let proved = match proof {
        Some(proof) => Some(proof.spend(kv).await?),
        None => None,
    };
    if params.get("request_uri").is_some() {
        return Err(OauthError::Request("a pushed request names no other one"));
    }
    let client_id = client.client_id.clone();
    let checked = authorize::check(client, &params, "").map_err(|refusal| match refusal {
        Refusal::Page(error) => error,
        Refusal::Answer { error, .. } => *error,
    })?;
    let mut form = params.without(&PROOFS);
    match (&checked.jkt, proved) {
        // RFC 9449, section 10.1: both may be there, and then they agree.
        (Some(jkt), Some(proved)) if *jkt != proved => {
            return Err(OauthError::DpopProof("dpop_jkt is not the key of the DPoP proof"));
        }
        (None, Some(proved)) => {
            form.push_str("&dpop_jkt=");
            form.push_str(&proved);
        }
        _ => {}
    }
    if form.len() > LENGTH_MAX {
        return Err(OauthError::Request("the request is too long"));
    }
    if !QUOTA.take(kv, &client_id, environment).await? {
        return Err(OauthError::Busy);
    }
    let name = jose::encode(environment.random_bytes::<32>());
    let key = key(&name);
    let put = Write::Put {
        key: key.clone(),
        value: serde_json::to_vec(&Pushed { client_id, form }).map_err(|_| Problem::internal())?,
        expires_at: Some(environment.now.saturating_add(LIFETIME_S * 1000)),
    };
    let Outcome::Committed(_) = kv.commit(&[Check::absent(key)], &[put]).await? else {
        return Err(Problem::internal().into());
    };
    let body = serde_json::json!({ "request_uri": format!("{PREFIX}{name}"), "expires_in": LIFETIME_S });
    let mut response = reply::json(StatusCode::CREATED, &body);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Finds what a client pushed. It is there until it is answered or ends.
pub(crate) async fn load(
    kv: &impl Kv,
    request_uri: &str,
    client_id: &str,
) -> Result<(Vec<u8>, Entry, Params), OauthError> {
    let unknown = OauthError::Request("the pushed request is not known, was answered, or has ended");
    let name = request_uri.strip_prefix(PREFIX).ok_or(unknown.clone())?;
    let key = key(name);
    let entry = kv.get(&key).await?.ok_or(unknown.clone())?;
    let pushed: Pushed = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    if pushed.client_id != client_id {
        return Err(unknown);
    }
    let params = Params::parse(pushed.form.as_bytes())?;
    Ok((key, entry, params))
}

fn key(name: &str) -> Vec<u8> {
    format!("auth/oauth/pushed/{}", hashed(name)).into_bytes()
}

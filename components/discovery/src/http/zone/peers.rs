//! `/v1/zone/secondaries` and `/v1/zone/tsig-keys`: other name servers, and the secrets that the
//! port shares with them and with those who update names.

use super::{Call, method_not_allowed, no_store, removed};
use http::{Method, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use vwp_core::{Problem, reply};
use vwp_dns::secondaries::{self, Secondary};
use vwp_dns::tsig::keys::{self as tsig_keys, NewKey};
use vwp_storage::Kv;

/// The longest body, in bytes.
const BODY_LENGTH_MAX: usize = 8192;

pub(super) async fn secondaries<S: Kv>(
    call: &Call<'_, S>,
    rest: &[&str],
) -> Result<Response<Vec<u8>>, Problem> {
    match rest {
        [] if call.is_get() => list_secondaries(call).await,
        [] => method_not_allowed("GET, HEAD"),
        [name] if call.is_get() => show_secondary(call, name).await,
        [name] if call.method() == Method::PUT => put_secondary(call, name).await,
        [name] if call.method() == Method::DELETE => {
            removed(secondaries::delete(call.store, name).await?, "secondary")
        }
        [_] => method_not_allowed("GET, HEAD, PUT, DELETE"),
        _ => Err(Problem::not_found("no resource has this path")),
    }
}

async fn list_secondaries<S: Kv>(call: &Call<'_, S>) -> Result<Response<Vec<u8>>, Problem> {
    let mut shown = Vec::new();
    for (name, secondary) in secondaries::list(call.store).await? {
        shown.push(show(call, &name, &secondary).await?);
    }
    Ok(reply::json(StatusCode::OK, &json!({ "secondaries": shown })))
}

async fn show_secondary<S: Kv>(call: &Call<'_, S>, name: &str) -> Result<Response<Vec<u8>>, Problem> {
    let all = secondaries::list(call.store).await?;
    let found = all.iter().find(|(known, _)| known == name);
    let (name, secondary) = found.ok_or_else(|| Problem::not_found("there is no such secondary"))?;
    Ok(reply::json(StatusCode::OK, &show(call, name, secondary).await?))
}

async fn put_secondary<S: Kv>(call: &Call<'_, S>, name: &str) -> Result<Response<Vec<u8>>, Problem> {
    let secondary: Secondary =
        reply::read_json(call.request.headers(), call.request.body(), BODY_LENGTH_MAX)?;
    let is_new = secondaries::put(call.store, call.environment, name, &secondary).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(reply::json(status, &show(call, name, &secondary).await?))
}

/// A secondary, and the serial number of the zone that it took last.
async fn show<S: Kv>(call: &Call<'_, S>, name: &str, secondary: &Secondary) -> Result<Value, Problem> {
    let taken = secondaries::state(call.store, secondary, &call.zone).await?;
    Ok(json!({
        "name": name,
        "address": secondary.address,
        "key": secondary.key,
        "zone": call.zone.apex().to_string(),
        "serial": taken.map(|taken| taken.serial),
        "transferred_at": taken.map(|taken| taken.at),
    }))
}

pub(super) async fn tsig_keys<S: Kv>(
    call: &Call<'_, S>,
    rest: &[&str],
) -> Result<Response<Vec<u8>>, Problem> {
    match rest {
        [] if call.is_get() => {
            let keys = tsig_keys::list(call.store).await?;
            Ok(reply::json(StatusCode::OK, &json!({ "keys": keys })))
        }
        [] if call.method() == Method::POST => create_key(call).await,
        [] => method_not_allowed("GET, HEAD, POST"),
        [name] if call.method() == Method::DELETE => {
            let name = percent_decode_str(name).decode_utf8_lossy();
            removed(tsig_keys::delete(call.store, &name).await?, "key")
        }
        [_] => method_not_allowed("DELETE"),
        _ => Err(Problem::not_found("no resource has this path")),
    }
}

/// Makes a key. The answer is the only place where its secret is shown.
async fn create_key<S: Kv>(call: &Call<'_, S>) -> Result<Response<Vec<u8>>, Problem> {
    let new: NewKey = reply::read_json(call.request.headers(), call.request.body(), BODY_LENGTH_MAX)?;
    let (info, secret) = tsig_keys::create(call.store, call.environment, new).await?;
    let mut body = serde_json::to_value(&info).map_err(|_| Problem::internal())?;
    if let Some(body) = body.as_object_mut() {
        body.insert("secret".into(), secret.into());
    }
    Ok(no_store(reply::json(StatusCode::CREATED, &body)))
}

//! `/v1/zone/keys`: the keys that sign a zone.

use super::{Call, method_not_allowed};
use http::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;
use vwp_core::{Problem, reply};
use vwp_dns::keys::{self, Role};
use vwp_storage::Kv;

/// The longest body, in bytes.
const BODY_LENGTH_MAX: usize = 256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Roll {
    role: Role,
}

pub(super) async fn route<S: Kv>(call: &Call<'_, S>, rest: &[&str]) -> Result<Response<Vec<u8>>, Problem> {
    match rest {
        [] if call.is_get() => list(call).await,
        [] => method_not_allowed("GET, HEAD"),
        ["roll"] if call.method() == Method::POST => roll(call).await,
        [tag, "ds-seen"] if call.method() == Method::POST => ds_seen(call, tag).await,
        ["roll"] | [_, "ds-seen"] => method_not_allowed("POST"),
        _ => Err(Problem::not_found("no resource has this path")),
    }
}

async fn list<S: Kv>(call: &Call<'_, S>) -> Result<Response<Vec<u8>>, Problem> {
    // The zone, and with it the keys, are made by whoever needs them first.
    call.authority.publish(call.store, &call.zone, call.environment).await?;
    let keys = keys::list(call.store, &call.zone).await?;
    let zone = call.zone.apex().to_string();
    Ok(reply::json(StatusCode::OK, &json!({ "zone": zone, "keys": keys })))
}

async fn roll<S: Kv>(call: &Call<'_, S>) -> Result<Response<Vec<u8>>, Problem> {
    let Roll { role } = reply::read_json(call.request.headers(), call.request.body(), BODY_LENGTH_MAX)?;
    let policy = call.authority.policy(&call.zone);
    let key = keys::roll(call.store, &call.zone, policy, call.environment, role).await?;
    Ok(reply::json(StatusCode::CREATED, &key))
}

async fn ds_seen<S: Kv>(call: &Call<'_, S>, tag: &str) -> Result<Response<Vec<u8>>, Problem> {
    let tag = tag.parse().map_err(|_| Problem::not_found("a key's tag is a number"))?;
    let policy = call.authority.policy(&call.zone);
    keys::ds_seen(call.store, &call.zone, policy, call.environment, tag).await?;
    list(call).await
}

//! What a traveller let a client learn, so that nobody is asked twice.

use super::authorize::AuthorizationRequest;
use super::error::OauthError;
use super::redirect_uri;
use super::scope::Scope;
use crate::audit::{Event, Kind};
use url::Url;
use vwp_core::Problem;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, KeyRange, Write};

/// How many agreements are forgotten at once.
const FORGOTTEN_MAX: u32 = 80;

/// Whether a traveller agreed to what a request asks for.
pub(crate) async fn covers(
    kv: &impl Kv,
    traveller: &str,
    request: &AuthorizationRequest,
) -> Result<bool, OauthError> {
    // Any program on the traveller's machine can listen there and use a public client's id, so
    // the traveller is asked every time (RFC 8252, section 8.6).
    let is_native = Url::parse(&request.redirect_uri).is_ok_and(|url| redirect_uri::is_loopback(&url));
    if is_native && request.client.is_public() {
        return Ok(false);
    }
    let agreed = load(kv, traveller, &request.client.client_id).await?.0;
    Ok(request.scopes.iter().all(|scope| agreed.contains(scope)))
}

/// The check and the write that note the agreement to a request beside earlier ones.
pub(crate) async fn noted(
    kv: &impl Kv,
    traveller: &str,
    request: &AuthorizationRequest,
) -> Result<(Check, Write), OauthError> {
    let client_id = &request.client.client_id;
    let (mut agreed, check) = load(kv, traveller, client_id).await?;
    agreed.extend(&request.scopes);
    agreed.sort_unstable();
    agreed.dedup();
    let value = serde_json::to_vec(&agreed).map_err(|_| Problem::internal())?;
    Ok((check, Write::put(key(traveller, client_id), value)))
}

/// What the log tells of an agreement, or of its end.
pub(crate) fn event(kind: Kind, traveller: &str, client_id: &str) -> Event {
    Event::traveller(kind, traveller).with("client", client_id)
}

/// The write that forgets what a client may learn.
pub(crate) fn forget(traveller: &str, client_id: &str) -> Write {
    Write::delete(key(traveller, client_id))
}

/// The writes that forget some of what a traveller agreed to; none if there is nothing left.
pub(crate) async fn forget_some(kv: &impl Kv, traveller: &str) -> Result<Vec<Write>, OauthError> {
    let range = KeyRange::prefix(key(traveller, ""));
    let page = kv.scan(&range, FORGOTTEN_MAX, Direction::Forward).await?;
    Ok(page.items.into_iter().map(|item| Write::delete(item.key)).collect())
}

async fn load(kv: &impl Kv, traveller: &str, client_id: &str) -> Result<(Vec<Scope>, Check), OauthError> {
    let key = key(traveller, client_id);
    let entry = kv.get(&key).await?;
    let agreed = match &entry {
        Some(entry) => serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?,
        None => Vec::new(),
    };
    Ok((agreed, Check::unchanged(key, entry.as_ref())))
}

fn key(traveller: &str, client_id: &str) -> Vec<u8> {
    format!("auth/oauth/consent/{traveller}/{client_id}").into_bytes()
}

//! Devices without a browser or a keyboard (RFC 8628): the device shows a short code, a person
//! types it into a page on something else, and meanwhile the device asks for its tokens.

use super::clients::{Client, GrantType};
use super::consents;
use super::error::OauthError;
use super::grants::{self, Access};
use super::params::Params;
use super::quota::Quota;
use super::scope::Scope;
use super::tokens::Tokens;
use super::{authorize, client_auth, hashed, url};
use crate::audit::{self, Kind};
use ::http::{HeaderValue, Request, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem, jose, reply};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Outcome, Write};

/// Where a device asks for its codes.
pub(crate) const PATH: &str = "/oauth/device_authorization";
/// The page for the person.
pub(crate) const PAGE_PATH: &str = "/device";
/// How long the codes are good, in seconds.
const LIFETIME_S: u64 = 600;
/// How long ended codes are remembered, in milliseconds, so that a device hears what became of them.
const REMEMBERED_MS: u64 = 60 * 60 * 1000;
/// How long a device waits between two questions, in seconds, and by how much more if it did not
/// (section 3.5).
const INTERVAL_S: u64 = 5;
/// The letters of user codes: no vowels, so that no words come up, and none that look alike
/// (section 6.1). Eight of 20 are 34 bits, of which nobody guesses many (see [`super::devices`]).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// How many letters a user code has.
const CODE_LENGTH: usize = 8;
/// How often a free user code is looked for.
const TRIES_MAX: usize = 4;
/// How many devices of a client ask. For public clients anybody can, so it is plenty.
const QUOTA: Quota = Quota { name: "device", count_max: 6000, window_ms: 10 * 60 * 1000 };

/// What a device asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) client_id: String,
    pub(crate) scopes: Vec<Scope>,
    expires_at: Timestamp,
    interval_s: u64,
    next_at: Timestamp,
    decision: Decision,
}

/// What the person said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Decision {
    /// Nothing yet.
    Pending,
    /// Yes.
    Allowed(Access),
    /// No.
    Denied,
}

/// Gives a device its codes (section 3.1).
pub(crate) async fn authorize(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Result<Response<Vec<u8>>, OauthError> {
    let params = Params::form(request)?;
    let client = client_auth::authenticate(kv, &params, environment).await?;
    if !client.grant_types.contains(&GrantType::DeviceCode) {
        return Err(OauthError::UnauthorisedClient("this client is not registered for device_code"));
    }
    let scopes = authorize::scopes(&client, &params)?;
    if !QUOTA.take(kv, &client.client_id, environment).await? {
        return Err(OauthError::Busy);
    }
    let device_code = jose::encode(environment.random_bytes::<32>());
    let asked = Asked {
        client_id: client.client_id,
        scopes,
        expires_at: environment.now.saturating_add(LIFETIME_S * 1000),
        interval_s: INTERVAL_S,
        next_at: environment.now,
        decision: Decision::Pending,
    };
    let user_code = keep(kv, &device_code, &asked, environment).await?;
    let page = url(PAGE_PATH, environment);
    let body = serde_json::json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={user_code}"),
        "expires_in": LIFETIME_S,
        "interval": INTERVAL_S,
    });
    let mut response = reply::json(StatusCode::OK, &body);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Keeps a request under its device code and a user code that is free; gives out the latter.
async fn keep(
    kv: &impl Kv,
    device_code: &str,
    asked: &Asked,
    environment: &Environment<'_>,
) -> Result<String, OauthError> {
    let key = device_key(device_code);
    for _ in 0..TRIES_MAX {
        let code = user_code(environment);
        let named =
            Write::Put { key: code_key(&code), value: key.clone(), expires_at: Some(asked.expires_at) };
        let checks = [Check::absent(key.clone()), Check::absent(code_key(&code))];
        if let Outcome::Committed(_) = kv.commit(&checks, &[put(&key, asked)?, named]).await? {
            return Ok(shown(&code));
        }
    }
    Err(OauthError::Busy)
}

/// Eight letters, each as likely as the others.
fn user_code(environment: &Environment<'_>) -> String {
    let mut code = String::new();
    while code.len() < CODE_LENGTH {
        // 240 is the largest multiple of 20 in a byte; what is above it would favour some letters.
        let fair = environment.random_bytes::<32>().into_iter().filter(|byte| *byte < 240);
        let letters = fair.map(|byte| char::from(LETTERS[usize::from(byte % 20)]));
        code.extend(letters.take(CODE_LENGTH - code.len()));
    }
    code
}

/// A user code as it is shown, with a hyphen in the middle.
pub(crate) fn shown(code: &str) -> String {
    let (first, second) = code.split_at_checked(CODE_LENGTH / 2).unwrap_or((code, ""));
    format!("{first}-{second}")
}

/// A user code as somebody typed it: case and punctuation do not count (section 6.1).
pub(crate) fn typed(text: &str) -> Option<String> {
    let letters = text.chars().filter(char::is_ascii_alphabetic).take(CODE_LENGTH + 1);
    let code: String = letters.map(|letter| letter.to_ascii_uppercase()).collect();
    let is_code = code.len() == CODE_LENGTH && code.bytes().all(|letter| LETTERS.contains(&letter));
    is_code.then_some(code)
}

/// The request that waits under a user code.
pub(crate) async fn find(
    kv: &impl Kv,
    code: &str,
    environment: &Environment<'_>,
) -> Result<Option<(Vec<u8>, Asked)>, OauthError> {
    let Some(named) = kv.get(&code_key(code)).await? else { return Ok(None) };
    let Some(entry) = kv.get(&named.value).await? else { return Ok(None) };
    let asked: Asked = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    let waits = asked.decision == Decision::Pending && asked.expires_at > environment.now;
    Ok(waits.then_some((named.value, asked)))
}

/// Notes what the person said; whether it was still open.
pub(crate) async fn decide(
    kv: &impl Kv,
    code: &str,
    key: &[u8],
    decision: &Decision,
    environment: &Environment<'_>,
) -> Result<bool, OauthError> {
    // A device that asks meanwhile changes the record, too, so the note is tried again.
    for _ in 0..TRIES_MAX {
        let Some(entry) = kv.get(key).await? else { return Ok(false) };
        let mut asked: Asked = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
        if asked.decision != Decision::Pending {
            return Ok(false);
        }
        asked.decision = decision.clone();
        let writes = [put(key, &asked)?, Write::delete(code_key(code))];
        let check = [Check::unchanged(key, Some(&entry))];
        let outcome = if let Decision::Allowed(access) = decision {
            let event = consents::event(Kind::ConsentGiven, &access.traveller, &asked.client_id);
            audit::commit(kv, &event, &check, &writes, environment).await?
        } else {
            kv.commit(&check, &writes).await?
        };
        if let Outcome::Committed(_) = outcome {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Gives a device its tokens, when the person has said yes (section 3.4). The device code is used up
/// in the commit that opens the grant.
pub(crate) async fn redeem(
    kv: &impl Kv,
    client: &Client,
    params: &Params,
    jkt: Option<String>,
    environment: &Environment<'_>,
) -> Result<Tokens, OauthError> {
    let unknown = OauthError::Grant("the device code is not known, or was used");
    let device_code = params.need("device_code", "device_code is missing")?;
    let key = device_key(device_code);
    let entry = kv.get(&key).await?.ok_or(unknown.clone())?;
    let mut asked: Asked = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    if asked.client_id != client.client_id {
        return Err(unknown);
    }
    if asked.expires_at <= environment.now {
        return Err(OauthError::ExpiredToken);
    }
    let check = [Check::unchanged(key.clone(), Some(&entry))];
    match asked.decision.clone() {
        Decision::Denied => Err(OauthError::AccessDenied),
        Decision::Allowed(access) => {
            let mut granted = grants::open(kv, client, access, None, jkt, environment).await?;
            let mut writes = std::mem::take(&mut granted.writes);
            writes.push(Write::delete(key));
            match kv.commit(&check, &writes).await? {
                Outcome::Committed(_) => Ok(granted.tokens),
                _ => Err(unknown),
            }
        }
        Decision::Pending => {
            let is_early = environment.now < asked.next_at;
            if is_early {
                asked.interval_s = asked.interval_s.saturating_add(INTERVAL_S);
            }
            asked.next_at = environment.now.saturating_add(asked.interval_s * 1000);
            let is_noted = kv.commit(&check, &[put(&key, &asked)?]).await?;
            let is_alone = matches!(is_noted, Outcome::Committed(_));
            Err(if is_early || !is_alone { OauthError::SlowDown } else { OauthError::AuthorizationPending })
        }
    }
}

fn put(key: &[u8], asked: &Asked) -> Result<Write, Problem> {
    let value = serde_json::to_vec(asked).map_err(|_| Problem::internal())?;
    let expires_at = Some(asked.expires_at.saturating_add(REMEMBERED_MS));
    Ok(Write::Put { key: key.to_vec(), value, expires_at })
}

fn device_key(device_code: &str) -> Vec<u8> {
    format!("auth/oauth/device/{}", hashed(device_code)).into_bytes()
}

fn code_key(code: &str) -> Vec<u8> {
    format!("auth/oauth/user-code/{code}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_code_is_read_however_it_is_typed() {
        assert_eq!(typed("wdjb-mjht").as_deref(), Some("WDJBMJHT"));
        assert_eq!(typed(" W D J B M J H T ").as_deref(), Some("WDJBMJHT"));
        assert_eq!(shown("WDJBMJHT"), "WDJB-MJHT");
        for wrong in ["", "WDJB-MJH", "WDJB-MJHTT", "ADJB-MJHT", "1234-5678"] {
            assert_eq!(typed(wrong), None, "{wrong}");
        }
    }
}

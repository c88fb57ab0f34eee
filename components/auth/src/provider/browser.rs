//! Browsers: who is signed in there, proved by an opaque cookie.
//!
//! The cookie's value is random and only its hash is kept. A browser in which nobody is signed in
//! has one too, so that forms can be bound to it, and nothing is kept for it. Signing in always
//! makes a new value: whoever planted the old one (fixation) holds a cookie that is worth nothing.
//!
//! A browser keeps a `__Host-` cookie away from other hosts, other paths and plain connections (RFC
//! 6265bis, section 4.1.3.2). Plain `http` is for development on the loopback interface alone;
//! there the cookie goes without the prefix and `Secure`, because not every browser takes these
//! there. A port whose issuer is `http` elsewhere opens no sessions at all.

use super::error::OauthError;
use super::{hashed, quota, redirect_uri};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use url::Url;
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, KeyRange, Write};

/// How long somebody stays signed in, in milliseconds.
pub const LIFETIME_MS: u64 = 12 * 60 * 60 * 1000;
/// In how many browsers a traveller is signed in at once; the oldest one is signed out.
pub const SESSIONS_MAX: u32 = 32;
/// The name of the cookie behind `https`.
const COOKIE: &str = "__Host-vwp-session";
/// The name of the cookie on the loopback interface.
const COOKIE_PLAIN: &str = "vwp-session";
/// The bytes of a cookie's value before they are written as base64url.
const VALUE_BYTES: usize = 32;

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The traveller.
    pub(crate) traveller: String,
    /// When the traveller proved who it is, in seconds.
    pub(crate) auth_time: u64,
    /// How (RFC 8176).
    pub(crate) amr: Vec<String>,
    /// When it was opened, in milliseconds.
    pub(crate) created_at: Timestamp,
    /// When it ends, in milliseconds.
    pub(crate) expires_at: Timestamp,
    /// The request that made the traveller sign in, as its hash: a client that asks for a new
    /// sign-in is satisfied by one that was made for it.
    pub(crate) answers: String,
}

/// A browser, as its request shows it.
pub(crate) struct Browser {
    /// The cookie's value; made now if there was none.
    value: String,
    /// Whether it was made now and must be sent.
    is_new: bool,
    /// Who is signed in.
    pub(crate) session: Option<Session>,
}

/// A session that was just opened.
pub struct Opened {
    /// The cookie to set.
    pub(crate) cookie: HeaderValue,
    /// The writes that open it.
    pub(crate) writes: Vec<Write>,
}

impl Browser {
    /// Reads the cookie of a request.
    pub(crate) async fn of(
        kv: &impl Kv,
        headers: &HeaderMap,
        environment: &Environment<'_>,
    ) -> Result<Self, OauthError> {
        let name = cookie_name(environment)?;
        let given = cookie(headers, name).filter(|value| is_value(value));
        let session = match given {
            Some(value) => load(kv, &hashed(value)).await?,
            None => None,
        };
        let value = match given {
            Some(value) => value.to_owned(),
            None => jose::encode(environment.random_bytes::<VALUE_BYTES>()),
        };
        Ok(Self { is_new: given.is_none(), value, session })
    }

    /// Under which name the session is kept and listed.
    pub(crate) fn id(&self) -> String {
        hashed(&self.value)
    }

    /// What a form of this browser carries, for one purpose. It follows from the cookie, which
    /// no other site can read or set.
    pub(crate) fn csrf(&self, purpose: &str) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(self.value.as_bytes());
        // HMAC takes keys of every length.
        mac.map(|mac| jose::encode(mac.chain_update(purpose.as_bytes()).finalize().into_bytes()))
            .unwrap_or_default()
    }

    /// Requires that a form was made by this port for this browser and purpose.
    pub(crate) fn require_csrf(
        &self,
        headers: &HeaderMap,
        given: Option<&str>,
        purpose: &str,
    ) -> Result<(), Problem> {
        // What the browser itself says of where the form came from (W3C Fetch Metadata).
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        let is_own = site.is_none_or(|site| site == b"same-origin" || site == b"none");
        let is_right = given.unwrap_or_default().as_bytes().ct_eq(self.csrf(purpose).as_bytes());
        if self.is_new || !is_own || !bool::from(is_right) {
            return Err(Problem::forbidden("the form is not of this browser's session; open the page again"));
        }
        Ok(())
    }

    /// The cookie to send with a page, if the browser has none.
    pub(crate) fn cookie(&self, environment: &Environment<'_>) -> Result<Option<HeaderValue>, OauthError> {
        if self.is_new { set_cookie(&self.value, environment).map(Some) } else { Ok(None) }
    }
}

/// Signs a traveller in who has just proved who it is, with methods of RFC 8176, in this browser,
/// whose former session ends.
pub(crate) async fn open(
    kv: &impl Kv,
    browser: &Browser,
    traveller: &str,
    amr: &[&str],
    answers: String,
    environment: &Environment<'_>,
) -> Result<Opened, OauthError> {
    let value = jose::encode(environment.random_bytes::<VALUE_BYTES>());
    let id = hashed(&value);
    let session = Session {
        traveller: traveller.to_owned(),
        auth_time: environment.now_seconds(),
        amr: amr.iter().map(|&method| method.to_owned()).collect(),
        created_at: environment.now,
        expires_at: environment.now.saturating_add(LIFETIME_MS),
        answers,
    };
    let expires_at = Some(session.expires_at);
    let mut writes = vec![
        Write::Put {
            key: session_key(&id),
            value: serde_json::to_vec(&session).map_err(|_| Problem::internal())?,
            expires_at,
        },
        Write::Put { key: session_of_key(&session, &id), value: id.into_bytes(), expires_at },
    ];
    let mut ended = Vec::new();
    if let Some(former) = &browser.session {
        ended.push((session_of_key(former, &browser.id()), browser.id()));
    }
    for item in quota::surplus(kv, &sessions_prefix(traveller), SESSIONS_MAX).await? {
        let id = String::from_utf8_lossy(&item.entry.value).into_owned();
        if !ended.iter().any(|(key, _)| *key == item.key) {
            ended.push((item.key, id));
        }
    }
    for (key, id) in ended {
        writes.extend([Write::delete(key), Write::delete(session_key(&id))]);
    }
    Ok(Opened { cookie: set_cookie(&value, environment)?, writes })
}

/// The sessions of a traveller with their ids, oldest first.
pub(crate) async fn list(kv: &impl Kv, traveller: &str) -> Result<Vec<(String, Session)>, OauthError> {
    let range = KeyRange::prefix(sessions_prefix(traveller));
    let page = kv.scan(&range, 2 * SESSIONS_MAX, Direction::Forward).await?;
    let mut sessions = Vec::new();
    for item in page.items {
        let id = String::from_utf8_lossy(&item.entry.value).into_owned();
        if let Some(session) = load(kv, &id).await? {
            sessions.push((id, session));
        }
    }
    Ok(sessions)
}

/// The writes that end a session of a traveller; none if there is no such session.
pub(crate) async fn end(kv: &impl Kv, traveller: &str, id: &str) -> Result<Option<Vec<Write>>, OauthError> {
    let Some(session) = load(kv, id).await?.filter(|session| session.traveller == traveller) else {
        return Ok(None);
    };
    Ok(Some(vec![Write::delete(session_key(id)), Write::delete(session_of_key(&session, id))]))
}

async fn load(kv: &impl Kv, id: &str) -> Result<Option<Session>, OauthError> {
    match kv.get(&session_key(id)).await? {
        Some(entry) => Ok(Some(serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?)),
        None => Ok(None),
    }
}

fn cookie_name(environment: &Environment<'_>) -> Result<&'static str, OauthError> {
    let issuer = &environment.settings.issuer;
    match Url::parse(issuer) {
        Ok(url) if url.scheme() == "https" => Ok(COOKIE),
        Ok(url) if redirect_uri::is_loopback(&url) || url.host_str() == Some("localhost") => Ok(COOKIE_PLAIN),
        // RFC 6749, section 3.1: the authorization endpoint needs TLS.
        _ => Err(Problem::unavailable("people can sign in here only when the port's issuer is https").into()),
    }
}

fn set_cookie(value: &str, environment: &Environment<'_>) -> Result<HeaderValue, OauthError> {
    let name = cookie_name(environment)?;
    let secure = if name == COOKIE { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}");
    Ok(HeaderValue::from_str(&cookie).map_err(|_| Problem::internal())?)
}

/// The value of a cookie, if it was sent once: of two, one may be planted (RFC 6265, section 4.2.2).
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(given, _)| *given == name).map(|(_, value)| value);
    values.next().filter(|_| values.next().is_none())
}

fn is_value(text: &str) -> bool {
    jose::decode(text).is_ok_and(|bytes| bytes.len() == VALUE_BYTES)
}

fn session_key(id: &str) -> Vec<u8> {
    format!("auth/browser/{id}").into_bytes()
}

fn sessions_prefix(traveller: &str) -> String {
    format!("auth/browser-of/{traveller}/")
}

fn session_of_key(session: &Session, id: &str) -> Vec<u8> {
    format!("{}{:016x}-{id}", sessions_prefix(&session.traveller), session.created_at).into_bytes()
}

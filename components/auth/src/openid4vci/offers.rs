//! Credential offers (OpenID4VCI 1.0, section 4.1): a traveller who is signed in somewhere has a
//! wallet elsewhere get passports, with a link or a picture of it that the wallet reads.
//!
//! An offer carries a code that stands for the traveller's word, and whoever sees the picture sees
//! the code. So it is good for five minutes and once, in registered wallets alone, and together with
//! a transaction code that is shown apart from it (section 13, “Replay Prevention”). The redemption is
//! [`crate::provider`]'s.
//!
//! The code is derived from the name of the offer, by which a wallet fetches it. Therefore what is
//! kept has neither of them: a hash of the code finds it, and one of both codes checks the other.

use super::details::Details;
use super::{CONFIGURATION, OFFERS_PATH};
use crate::error::AuthError;
use crate::provider::grants::Access;
use crate::provider::quota::Quota;
use crate::provider::scope::Scope;
use crate::provider::{error::OauthError, hashed, secret, url};
use crate::sessions;
use ::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;
use vwp_core::environment::Timestamp;
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Outcome, Write};

/// How long an offer is good, in milliseconds.
pub(crate) const LIFETIME_MS: u64 = 5 * 60 * 1000;
/// How many wrong transaction codes end an offer. One of so many guesses is right in 20 million.
pub(crate) const FAILURES_MAX: u32 = 5;
/// How many digits a transaction code has.
const DIGITS: usize = 8;
/// The longest code or name that is looked up, in bytes.
const LENGTH_MAX: usize = 64;
/// The name of the offer that everybody may have: it has no code.
const PUBLIC: &str = "authorization-code";
/// How wallets are called, where nothing else is known of them (section 12.1.1).
const SCHEME: &str = "openid-credential-offer://";
/// How many offers a traveller makes.
const QUOTA: Quota = Quota { name: "offer", count_max: 20, window_ms: 60 * 60 * 1000 };

/// An offer as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Offer {
    pub(crate) traveller: String,
    session: String,
    auth_time: u64,
    world: Option<String>,
    /// The hash of the code and the transaction code.
    tx_code: String,
    /// How many transaction codes were wrong.
    pub(crate) failures: u32,
    expires_at: Timestamp,
}

/// An offer that was just made, for whoever shows it to the traveller.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Made {
    /// The offer itself.
    credential_offer: Value,
    /// Where a wallet fetches it.
    credential_offer_uri: String,
    /// The link that calls a wallet with the offer.
    by_value: String,
    /// The same with its place, which is short enough for a picture.
    by_reference: String,
    /// What the traveller types into the wallet. It is shown apart from the rest.
    tx_code: String,
    /// When it ends, in milliseconds since the Unix epoch.
    expires_at: Timestamp,
}

impl Offer {
    /// The offer with a code, if it is good now.
    pub(crate) async fn find(
        kv: &impl Kv,
        code: &str,
        environment: &Environment<'_>,
    ) -> Result<Option<(Self, Entry)>, OauthError> {
        if code.len() > LENGTH_MAX {
            return Ok(None);
        }
        let Some(entry) = kv.get(&key(code)).await? else { return Ok(None) };
        let offer: Self = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
        // What the traveller said at a place where it signed out since is said no longer.
        let is_signed_in = sessions::opened_at(kv, &offer.session).await?.is_some();
        Ok(Some((offer, entry)).filter(|(offer, _)| is_signed_in && offer.expires_at > environment.now))
    }

    /// Whether a transaction code is the one that belongs to the code.
    pub(crate) fn is_right(&self, code: &str, tx_code: &str) -> bool {
        bool::from(together(code, tx_code).as_bytes().ct_eq(self.tx_code.as_bytes()))
    }

    /// What the wallet is granted. Details that it sends along ask for no more than was offered.
    pub(crate) fn access(&self, asked: Option<Details>) -> Result<Access, OauthError> {
        let passports = match (&self.world, asked) {
            (Some(offered), Some(Details { world: Some(world) })) if *offered != world => {
                return Err(OauthError::AuthorizationDetails("passports for this world were not offered"));
            }
            (Some(_), _) => Some(Details { world: self.world.clone() }),
            (None, asked) => asked,
        };
        Ok(Access {
            traveller: self.traveller.clone(),
            scopes: if passports.is_none() { vec![Scope::Passport] } else { Vec::new() },
            auth_time: self.auth_time,
            amr: Vec::new(),
            passports,
        })
    }

    /// The write that keeps it under its code.
    pub(crate) fn put(&self, code: &str) -> Result<Write, Problem> {
        let value = serde_json::to_vec(self).map_err(|_| Problem::internal())?;
        Ok(Write::Put { key: key(code), value, expires_at: Some(self.expires_at) })
    }
}

/// Makes an offer of a traveller's in one of its sessions.
pub(super) async fn make(
    kv: &impl Kv,
    (traveller, session): (&str, &str),
    world: Option<&WorldName>,
    environment: &Environment<'_>,
) -> Result<Made, AuthError> {
    let signed_out = || Problem::unauthorised("the session has ended");
    let opened_at = sessions::opened_at(kv, session).await?.ok_or_else(signed_out)?;
    if !QUOTA.take(kv, traveller, environment).await.map_err(OauthError::shared)? {
        return Err(too_many());
    }
    let name = jose::encode(environment.random_bytes::<32>());
    let code = code_of(kv, &name, environment).await?;
    let tx_code = digits(environment);
    let offer = Offer {
        traveller: traveller.to_owned(),
        session: session.to_owned(),
        auth_time: opened_at / 1000,
        world: world.map(ToString::to_string),
        tx_code: together(&code, &tx_code),
        failures: 0,
        expires_at: environment.now.saturating_add(LIFETIME_MS),
    };
    let Outcome::Committed(_) = kv.commit(&[Check::absent(key(&code))], &[offer.put(&code)?]).await? else {
        return Err(Problem::internal().into());
    };
    let credential_offer = object(&pre_authorised(&code), environment);
    let credential_offer_uri = url(&format!("{OFFERS_PATH}{name}"), environment);
    Ok(Made {
        by_value: link("credential_offer", &credential_offer.to_string()),
        by_reference: link("credential_offer_uri", &credential_offer_uri),
        credential_offer,
        credential_offer_uri,
        tx_code,
        expires_at: offer.expires_at,
    })
}

/// The offer with a name, for a wallet that fetches it (section 4.1.3).
pub(super) async fn fetch(
    kv: &impl Kv,
    name: &str,
    environment: &Environment<'_>,
) -> Result<Option<Value>, AuthError> {
    if name == PUBLIC {
        return Ok(Some(object(&json!({ "authorization_code": {} }), environment)));
    }
    if name.len() > LENGTH_MAX {
        return Ok(None);
    }
    let code = code_of(kv, name, environment).await?;
    let found = Offer::find(kv, &code, environment).await.map_err(OauthError::shared)?;
    Ok(found.map(|_| object(&pre_authorised(&code), environment)))
}

/// Section 4.1.1.
fn object(grants: &Value, environment: &Environment<'_>) -> Value {
    json!({
        "credential_issuer": environment.settings.issuer,
        "credential_configuration_ids": [CONFIGURATION],
        "grants": grants,
    })
}

fn pre_authorised(code: &str) -> Value {
    json!({ "urn:ietf:params:oauth:grant-type:pre-authorized_code": {
        "pre-authorized_code": code,
        "tx_code": {
            "input_mode": "numeric",
            "length": DIGITS,
            "description": "The digits that are shown to you beside the offer",
        },
    } })
}

fn link(parameter: &str, value: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    format!("{SCHEME}?{}", query.append_pair(parameter, value).finish())
}

async fn code_of(kv: &impl Kv, name: &str, environment: &Environment<'_>) -> Result<String, AuthError> {
    let mac = secret::mac(kv, "pre-authorized_code", &[name.as_bytes()], environment).await;
    Ok(jose::encode(mac.map_err(OauthError::shared)?))
}

/// Digits of which each is as likely as the others.
fn digits(environment: &Environment<'_>) -> String {
    let mut code = String::new();
    while code.len() < DIGITS {
        // 250 is the largest multiple of 10 in a byte; what is above it would favour some digits.
        let fair = environment.random_bytes::<32>().into_iter().filter(|byte| *byte < 250);
        code.extend(fair.map(|byte| char::from(b'0' + byte % 10)).take(DIGITS - code.len()));
    }
    code
}

/// A transaction code has few digits, and its hash alone would be guessed. With the code, which is
/// not kept, it cannot.
fn together(code: &str, tx_code: &str) -> String {
    hashed(format!("{code}\n{tx_code}"))
}

fn too_many() -> AuthError {
    let detail = "a traveller makes at most 20 offers in an hour";
    let title = "Too many offers were made";
    let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-offers", title, detail);
    problem.retry_after_s = Some(3600);
    problem.into()
}

/// Where an offer is kept.
pub(crate) fn key(code: &str) -> Vec<u8> {
    format!("auth/openid4vci/offer/{}", hashed(code)).into_bytes()
}

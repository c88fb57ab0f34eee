//! The cookie that binds a sign-in to the browser in which it began, so that nobody can have somebody
//! else's browser end a sign-in that is not theirs (RFC 9700, section 4.7).
//!
//! Its value is a secret of 256 bits that is kept nowhere but in the browser. The store has its
//! hash; the PKCE verifier and the nonce are made of it, so that whoever reads the store could not
//! use a code that they also got.

use super::UpstreamError;
use super::providers::is_secure;
use crate::provider::hashed;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue, header};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use url::Url;
use vwp_core::environment::Settings;
use vwp_core::{Environment, Problem, jose};

/// How long the cookie lasts, in seconds: as long as a sign-in, and what follows it.
pub const LIFETIME_S: u64 = 2 * super::transactions::LIFETIME_S;
/// The name of the cookie behind `https`. The prefix binds it to this host and to TLS (RFC 6265bis,
/// section 4.1.3.2).
const COOKIE: &str = "__Host-vwp-upstream";
/// Its name on the loopback interface, where not every browser takes the prefix.
const COOKIE_PLAIN: &str = "vwp-upstream";
/// How many cookies of a request are looked at.
const COOKIES_MAX: usize = 64;
/// The length of its value: 256 bits, base64url.
const LENGTH: usize = 43;

/// A browser in which a sign-in began.
#[derive(Clone)]
pub struct Browser {
    secret: String,
}

impl Browser {
    /// A browser that is given a new secret: nobody can have planted it.
    pub fn new(environment: &Environment<'_>) -> Self {
        Self { secret: jose::encode(environment.random_bytes::<32>()) }
    }

    /// The browser of a request, if a sign-in began there.
    pub fn of(headers: &HeaderMap, settings: &Settings) -> Result<Self, UpstreamError> {
        let (name, _) = name(settings)?;
        let fields = headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
        let pairs = fields.flat_map(|field| field.split(';')).take(COOKIES_MAX);
        let mut values = pairs.filter_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='));
        let secret = values.find(|value| value.len() == LENGTH).ok_or(UpstreamError::Ended)?;
        Ok(Self { secret: secret.to_owned() })
    }

    /// What is kept of it.
    pub(super) fn binding(&self) -> String {
        hashed(&self.secret)
    }

    /// Whether it is the one of which this was kept.
    pub(super) fn is(&self, binding: &str) -> bool {
        self.binding().as_bytes().ct_eq(binding.as_bytes()).into()
    }

    /// The PKCE verifier of a sign-in (RFC 7636, section 4.1).
    pub(super) fn verifier(&self, state: &str) -> String {
        self.derived("pkce", state)
    }

    /// The nonce of a sign-in (OpenID Connect Core 1.0, section 15.5.2).
    pub(super) fn nonce(&self, state: &str) -> String {
        self.derived("nonce", state)
    }

    fn derived(&self, purpose: &str, state: &str) -> String {
        // A key of any length is one of HMAC (RFC 2104, section 3), so that this cannot fail.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()) else {
            return String::new();
        };
        mac.update(format!("vwp/auth/upstream/{purpose}/{state}").as_bytes());
        jose::encode(mac.finalize().into_bytes())
    }

    /// The cookie to set.
    pub fn cookie(&self, settings: &Settings) -> Result<HeaderValue, Problem> {
        written(settings, &self.secret, LIFETIME_S)
    }
}

/// The cookie that takes the one of a sign-in away.
pub(super) fn no_cookie(settings: &Settings) -> Result<HeaderValue, Problem> {
    written(settings, "", 0)
}

fn written(settings: &Settings, value: &str, age_s: u64) -> Result<HeaderValue, Problem> {
    let (name, secure) = name(settings)?;
    // Only the port's own page sends it back, so it goes with no request of another site.
    let cookie = format!("{name}={value}; Max-Age={age_s}; Path=/;{secure} HttpOnly; SameSite=Strict");
    HeaderValue::from_str(&cookie).map_err(|_| Problem::internal())
}

fn name(settings: &Settings) -> Result<(&'static str, &'static str), UpstreamError> {
    match Url::parse(&settings.issuer) {
        Ok(url) if url.scheme() == "https" => Ok((COOKIE, " Secure;")),
        Ok(url) if is_secure(&url) => Ok((COOKIE_PLAIN, "")),
        _ => Err(UpstreamError::Insecure),
    }
}

//! Cookies: a proof that who asks can receive at the address it names (RFC 7873), in the
//! form that all servers of a name can share (RFC 9018).

use super::{Query, Service};
use domain::base::Serial;
use domain::base::opt::Cookie;
use domain::base::opt::cookie::{ServerCookie, StandardServerCookie};
use std::net::IpAddr;
use subtle::ConstantTimeEq;

/// The length of the secret (RFC 9018, section 4.4: a key of SipHash-2-4).
pub const COOKIE_SECRET_LENGTH: usize = 16;
/// How old a cookie may be, and how far ahead of our clock, in seconds (RFC 9018, section 4.3).
const AGE_MAX_S: i64 = 3600;
const AHEAD_MAX_S: i64 = 300;
/// From which age on a new one is given out.
const RENEW_AFTER_S: i64 = 1800;

/// What a query's cookie proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieState {
    /// The asker sent none, or the server has no cookies.
    Absent,
    /// The asker knows cookies and has none of ours yet, or one that no longer counts.
    Unproven,
    /// The asker can receive at its address.
    Proven,
}

impl Query {
    /// What the query's cookie proves.
    pub fn cookie_state(&self, service: &Service<'_>) -> CookieState {
        match self.cookie_parts(service) {
            None => CookieState::Absent,
            Some((cookie, client, secret)) => match age_s(cookie, client, secret, service.now_s) {
                Some(_) => CookieState::Proven,
                None => CookieState::Unproven,
            },
        }
    }

    /// The cookie to answer with; none if there is nothing to say.
    pub(super) fn answering_cookie(&self, service: &Service<'_>) -> Option<Cookie> {
        let (cookie, client, secret) = self.cookie_parts(service)?;
        if age_s(cookie, client, secret, service.now_s).is_some_and(|age_s| age_s < RENEW_AFTER_S) {
            return Some(cookie.clone());
        }
        Some(cookie.create_response(timestamp(service.now_s), client, secret))
    }

    fn cookie_parts<'a>(
        &'a self,
        service: &Service<'a>,
    ) -> Option<(&'a Cookie, IpAddr, &'a [u8; COOKIE_SECRET_LENGTH])> {
        let cookie = self.edns.as_ref()?.cookie.as_ref()?;
        Some((cookie, service.client_address?, service.cookie_secret?))
    }
}

/// How old a cookie of ours is; none if it is not one, or no longer counts.
fn age_s(cookie: &Cookie, client: IpAddr, secret: &[u8; COOKIE_SECRET_LENGTH], now_s: u64) -> Option<i64> {
    let theirs = cookie.server()?.try_to_standard()?;
    let ours = StandardServerCookie::calculate(cookie.client(), theirs.timestamp(), client, secret);
    // Whole, because the hash covers a version and reserved bytes that are always the same.
    let is_ours = ServerCookie::from(ours).as_ref().ct_eq(ServerCookie::from(theirs).as_ref());
    let age_s = since(timestamp(now_s), theirs.timestamp());
    (bool::from(is_ours) && (-AHEAD_MAX_S..=AGE_MAX_S).contains(&age_s)).then_some(age_s)
}

/// The time as cookies carry it: a number in the circle of RFC 1982.
fn timestamp(now_s: u64) -> Serial {
    Serial::from(u32::try_from(now_s & u64::from(u32::MAX)).unwrap_or_default())
}

/// How long after `before` a time is, negative if it is earlier, in that circle.
fn since(now: Serial, before: Serial) -> i64 {
    let ahead = now.into_int().wrapping_sub(before.into_int());
    i64::from(ahead.cast_signed())
}

//! The page on which a person signs in: passkeys first, with a password beside them.
//!
//! It has no script or style in itself and loads none from elsewhere, and no other page may frame
//! it. Its token is in the memory of its script alone.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use vwp_core::reply;

const HTML: &str = include_str!("signin.html");
const SCRIPT: &str = include_str!("signin.js");
const STYLE: &str = include_str!("signin.css");
/// Everything that the page does is with its own origin. Forms are sent by the script.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'";

/// The page.
pub fn page() -> Response<Vec<u8>> {
    let mut response = asset("text/html; charset=utf-8", HTML);
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, CONTENT_POLICY);
    set(header::X_FRAME_OPTIONS, "DENY");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    let permissions = "publickey-credentials-create=(self), publickey-credentials-get=(self)";
    set(HeaderName::from_static("permissions-policy"), permissions);
    response
}

/// Its script.
pub fn script() -> Response<Vec<u8>> {
    asset("text/javascript; charset=utf-8", SCRIPT)
}

/// Its style.
pub fn style() -> Response<Vec<u8>> {
    asset("text/css; charset=utf-8", STYLE)
}

fn asset(media_type: &'static str, text: &str) -> Response<Vec<u8>> {
    let mut response = reply::with_type(StatusCode::OK, media_type, text.as_bytes().to_vec());
    // The parts of the page belong together, so each is asked for again.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

//! The port as a verifier for worlds (OpenID for Verifiable Presentations 1.0): a world says what it
//! wants to see of a traveller, any wallet answers, and the world gets claims that were verified. It
//! needs no endpoint of its own, no key that wallets know, and no library for SD-JWT.
//!
//! The flow is the one that the specification outlines in section 13.3. The port is the Response
//! Endpoint; what it calls `transaction-id` and `request-id` are here the transaction's id, which only
//! the world has, and the state, which wallets have too and which is derived from it.
//!
//! - [`identity`]: who asks, as wallets find out: a DID of the world's at this port.
//! - [`certificate`]: the same where the port was given a certificate: that.
//! - [`transaction`]: what is kept while an answer is awaited.
//! - [`start`]: a world asks.
//! - [`request`]: what a wallet reads: a signed request object (RFC 9101).
//! - [`encryption`], [`jwe`]: the key that one answer is encrypted to, and opening what is.
//! - [`said`]: what it answers, by `direct_post` or `direct_post.jwt`.
//! - [`answer`]: whether that is believed.
//! - [`outcome`]: what the world fetches then.
//! - [`http`]: the paths.

mod answer;
mod certificate;
mod encryption;
pub(crate) mod http;
mod identity;
mod jwe;
mod outcome;
mod request;
mod said;
mod start;
mod transaction;

pub(crate) use certificate::{CERTIFICATES, KEY};
pub(crate) use encryption::AnswerError;

/// Where worlds begin.
pub(crate) const START_PATH: &str = "/oauth/presentations";
/// Where worlds fetch what came of it.
pub(crate) const RESULT_PATH: &str = "/oauth/presentations/result";
/// Where wallets send their answers (section 8.2).
pub(crate) const RESPONSE_PATH: &str = "/oauth/presentations/response";
/// Below this wallets fetch request objects (section 5.10).
pub(crate) const REQUESTS_PATH: &str = "/oauth/presentations/requests/";
/// Below this the worlds' DID documents are.
pub(crate) const VERIFIERS_PATH: &str = "/oauth/verifiers/";
/// The response mode of answers as they are (section 8.2).
const DIRECT_POST: &str = "direct_post";
/// The response mode of encrypted ones (section 8.3.1).
const DIRECT_POST_JWT: &str = "direct_post.jwt";

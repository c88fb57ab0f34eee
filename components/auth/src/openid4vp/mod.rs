//! The port as a verifier for worlds (OpenID for Verifiable Presentations 1.0): a world says what it
//! wants to see of a traveller, any wallet answers, and the world gets claims that were verified. It
//! needs no endpoint of its own, no key that wallets know, and no library for SD-JWT.
//!
//! The flow is the one that the specification outlines in section 13.3. The port is the Response
//! Endpoint; what it calls `transaction-id` and `request-id` are here the transaction's id, which only
//! the world has, and the state, which wallets have too and which is derived from it.
//!
//! - [`identity`]: who asks, as wallets find out: a DID of the world's at this port.
//! - [`transaction`]: what is kept while an answer is awaited.
//! - [`start`]: a world asks.
//! - [`request`]: what a wallet reads: a signed request object (RFC 9101).
//! - [`answer`]: what it answers with, by `direct_post`.
//! - [`outcome`]: what the world fetches then.
//! - [`http`]: the paths.

mod answer;
pub(crate) mod http;
mod identity;
mod outcome;
mod request;
mod start;
mod transaction;

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

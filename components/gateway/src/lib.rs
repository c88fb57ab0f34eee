//! HTTP middleware in front of every handler: request ids, a bound on bodies, CORS,
//! security headers, and problem documents for refusals that have none.
//!
//! - [`policy`]: what becomes of requests and answers.
//! - [`trace`]: which trace context goes on.
//! - [`version`]: which version of the API a request is made for, and what ends.
//!
//! All of it is natively tested; the component beside this crate passes requests and answers on.

pub mod policy;
pub mod trace;
pub mod version;

//! HTTP middleware in front of every handler: request ids, a bound on bodies, CORS,
//! security headers, and problem documents for refusals that have none.
//!
//! What it decides is in [`policy`], natively tested; the component beside this crate passes requests
//! and answers on.

pub mod policy;

//! HTTP middleware for handlers that know nothing of caches: entity tags, conditional requests, and how long
//! answers may be kept. It keeps none itself.
//!
//! - [`settings`]: what an integrator says of paths.
//! - [`directives`]: what `Cache-Control` an answer gets (RFC 9111, section 5.2; RFC 5861).
//! - [`tag`]: entity tags (RFC 9110, section 8.8.3).
//! - [`condition`]: what a request depends on (RFC 9110, section 13).
//! - [`policy`]: which answers are read for their tag, and what becomes of each.
//!
//! All of it is natively tested; the component beside this crate passes requests and answers on.

pub mod condition;
pub mod directives;
pub mod policy;
pub mod settings;
pub mod tag;

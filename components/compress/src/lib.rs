//! HTTP middleware that compresses answers for those who take them so.
//!
//! - [`negotiation`]: which coding a request takes (RFC 9110, section 12.5.3).
//! - [`policy`]: which answers are compressed, and what is said of it.
//! - [`gzip`]: the coding (RFC 1952), part by part.
//!
//! There is one coding, which every client takes.
//!
//! All of it is natively tested; the component beside this crate passes requests and answers on.

pub mod gzip;
pub mod negotiation;
pub mod policy;

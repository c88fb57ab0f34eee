//! What happens on a port, told to those who want to know (docs/webhooks.md), as the specification Standard
//! Webhooks 1.0.0 says.
//!
//! Components write what happens into the outbox, in the commit that does it ([`vwp_core::outbox`]). From there it
//! goes to the endpoints of those whom it is for:
//!
//! - [`http`]: endpoints and deliveries as HTTP resources.
//! - [`endpoints`]: where somebody wants to be told, of what, and the secret that tells it was us.
//! - [`roster`]: what is kept of them.
//! - [`fan_out`]: an event becomes a delivery to each endpoint, in the commit that takes it out of the outbox.
//! - [`deliveries`]: what is kept of a delivery, and where it is listed.
//! - [`claims`]: a host takes what is due for a while, so that no other one sends it at the same time.
//! - [`attempts`]: a delivery is sent, and what becomes of it.
//! - [`run`]: all of that, again and again.
//! - [`replay`]: deliveries that were given up, or made, are made again.
//! - [`destination`]: where the port sends at all.
//! - [`retries`]: when it tries again.
//! - [`signature`]: secrets and signatures.
//!
//! An event gets into the outbox once and out of it once. What follows is repeated until the endpoint answers: so
//! it gets there once at least, always with the same `webhook-id`, and in any order.

pub mod attempts;
pub mod claims;
pub mod deliveries;
pub mod destination;
pub mod endpoints;
pub mod error;
pub mod fan_out;
pub mod http;
pub mod replay;
pub mod retries;
pub mod roster;
pub mod run;
pub mod signature;

pub use error::WebhookError;

/// The options that a host reads for this component.
pub const OPTIONS: &[&str] = &[destination::HOSTS, retries::RETRIES, vwp_core::resolver::URL];

//! What every component shares. No I/O and no clock: values come in, values go out.
//!
//! - [`problem`]: errors as RFC 9457 problem documents, turned into HTTP once.
//! - [`jose`]: ES256 signatures in JWS compact form, and P-256 keys as JWKs.
//! - `currency`: the currencies of ISO 4217 and their scales, with the feature of that name.
//! - [`name`]: the names of worlds and assets.
//! - [`directory`]: what components believe about each other, in the shared space.
//! - [`caller`]: who is calling, and how that was proved.
//! - [`keyring`]: the port's own signing keys, sealed at rest.
//! - [`seal`]: secrets at rest.
//! - [`digest`]: ids that follow from what they name.
//! - [`environment`]: what a request needs from outside besides storage.
//! - [`network`]: where a request comes from.
//! - [`duration`]: spans of time as people write them.
//! - [`addresses`]: which addresses are on the public Internet.
//! - [`resolver`]: looking names up over HTTP, with the feature of that name.
//! - [`outbound`]: requests to others, as far as a component may send them.
//! - [`outbox`]: what happened, for those who want to be told of it.
//! - [`reply`]: small helpers that read HTTP requests and build answers.

pub mod addresses;
pub mod caller;
#[cfg(feature = "currency")]
pub mod currency;
pub mod digest;
pub mod directory;
pub mod duration;
pub mod environment;
pub mod jose;
pub mod keyring;
pub mod name;
pub mod network;
pub mod outbound;
pub mod outbox;
pub mod problem;
pub mod reply;
#[cfg(feature = "resolver")]
pub mod resolver;
pub mod seal;

pub use environment::Environment;
pub use outbound::Outbound;
pub use problem::Problem;

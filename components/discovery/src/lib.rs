//! The registry of worlds, and the answers to DNS questions about them.
//!
//! - [`names`]: the names that worlds and hosts may have.
//! - [`confusables`]: names that look alike.
//! - [`record`]: the world record that an operator signs; [`live`]: what changes by the minute.
//! - [`projection`] and [`parameters`]: what a record says in DNS; [`browsing`]: the zone's list.
//! - [`registry`]: registering a world in one commit, and looking it up.
//! - [`lease`]: how long a world is shown without being heard of.
//! - [`actions`] and [`operators`]: what operators do besides, and their keys.
//! - [`place`], [`control`] and [`delegation`]: names in the zone, domains of operators, and
//!   subtrees of other ports.
//! - [`maintenance`]: what falls due without anybody asking.
//! - [`dns`] and [`doh`]: DNS messages, and DNS messages over HTTP.
//! - [`designated`]: how the port is reached over encrypted transports.
//! - [`secondaries`] and [`update`]: the service to other name servers, and changes by DNS.
//! - [`zone_import`]: names from a master file.
//! - [`terms`] and [`index`]: what a world can be found by, and where that is kept.
//! - [`search`]: finding worlds.
//! - [`changes`]: what has changed, for those who watch.
//! - [`http`]: the component's HTTP API.
//! - [`minecraft_networks`]: worlds to import from a list of Minecraft networks.
//! - [`error`]: every refusal, by name.
//! - [`options`]: the component's own variables.
//! - [`keys`]: where the component's state is in the store.

pub mod actions;
pub mod browsing;
pub mod changes;
mod commit;
pub mod confusables;
pub mod control;
pub mod delegation;
pub mod designated;
pub mod dns;
pub mod doh;
pub mod error;
pub mod http;
pub mod index;
pub mod keys;
pub mod lease;
pub mod live;
pub mod maintenance;
pub mod minecraft_networks;
pub mod names;
pub mod operators;
pub mod options;
pub mod parameters;
pub mod place;
pub mod projection;
pub mod record;
pub mod registry;
pub mod search;
pub mod secondaries;
pub mod terms;
pub mod update;
pub mod zone_import;

//! An authoritative DNS zone in the storage contract (`vwp:storage/kv`), signed at write.
//!
//! It knows nothing of worlds: whoever keeps something in a zone says which records a name
//! shall have, and commits them together with its own state.
//!
//! - [`name`] and [`node`]: names in DNSSEC's order, and what is at one of them.
//! - [`zone`]: where a zone's parts are in the store, and the rules that it is kept by.
//! - [`edit`] and [`journal`]: changing names, and what changed.
//! - [`canonical`] and [`sign`]: record data as it is signed, and signatures.
//! - [`keys`], [`publish`]: who signs, and the serial number that secondaries see.
//! - [`refresh`]: what a zone needs without anybody asking.
//! - [`edge`] and [`answer`]: messages as they come in and go out, and what they are answered.
//! - [`authority`], [`zones`] and [`catalog`]: all zones of a port, and the list of them.
//! - [`trailer`], [`tsig`] and [`sig0`]: who sent a message.
//! - [`transfer`] and [`secondaries`]: the service to other name servers.
//! - [`update`]: changes that arrive as DNS messages.
//! - [`refusal`]: the answers of these when they do not do what was asked.
//! - [`master`]: zones as text.
//! - [`error`]: what can go wrong.

pub mod answer;
pub mod authority;
pub mod canonical;
pub mod catalog;
pub mod edge;
pub mod edit;
pub mod error;
pub mod journal;
pub mod keys;
pub mod master;
pub mod name;
pub mod node;
pub mod publish;
pub mod refresh;
pub mod refusal;
pub mod secondaries;
pub mod sig0;
pub mod sign;
pub mod trailer;
pub mod transfer;
pub mod tsig;
pub mod update;
pub mod zone;
pub mod zones;

pub use error::DnsError;

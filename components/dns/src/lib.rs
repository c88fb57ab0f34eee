//! An authoritative DNS zone in the storage contract (`vwp:storage/kv`), signed at write.
//!
//! It knows nothing of worlds: whoever keeps something in a zone says which records a name
//! shall have, and commits them together with its own state.
//!
//! - [`name`] and [`node`]: names in DNSSEC's order, and what is at one of them.
//! - [`zone`]: where a zone's parts are in the store, and the rules that it is kept by.
//! - [`edit`] and [`journal`]: changing names, and what changed.
//! - [`canonical`] and [`sign`]: record data as it is signed, and signatures.
//! - [`edge`]: DNS messages as they come in and go out, without looking at any zone.
//! - [`keys`], [`publish`]: who signs, and the serial number that secondaries see.
//! - [`error`]: what can go wrong.

pub mod canonical;
pub mod edge;
pub mod edit;
pub mod error;
pub mod journal;
pub mod keys;
pub mod name;
pub mod node;
pub mod publish;
pub mod sign;
pub mod zone;

pub use error::DnsError;

//! An example of a world server: an arena that travellers enter for a fee and leave, half of them, with
//! a prize.
//!
//! It uses the port's components by their typed interfaces, without HTTP: it registers itself and looks
//! up other worlds (`vwp:discovery/registry`), believes passports (`vwp:auth/verifier`), and takes and
//! pays money (`vwp:transactions/ledger`). It keeps no state of its own: what has to be remembered, who
//! has paid and who has won, is what the ledger knows anyway.
//!
//! - [`settings`]: what somebody who runs the arena says about it.
//! - [`statements`]: what the arena signs as its operator.
//! - [`rules`]: who may enter, who wins, and when the arena registers itself again.
//!
//! These are tested natively; the module `component` connects them to the interfaces, and exists on
//! WebAssembly alone.

pub mod rules;
pub mod settings;
pub mod statements;

#[cfg(target_family = "wasm")]
mod component;

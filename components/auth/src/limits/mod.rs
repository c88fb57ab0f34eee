//! How much one account, one network and everybody together may ask for.
//!
//! - [`network`]: where a request comes from.
//! - [`bucket`]: how often something may happen.
//! - [`guard`]: the limits around every resource of this component.
//!
//! What is expensive before anybody is known (hashing a password, keeping a challenge) is
//! charged before it is done: to the network, and to one of several shares of a limit for all,
//! so that those who come at once rarely meet at one key. Everything else is charged only when
//! it was refused, so a request that succeeds writes nothing here. Guesses at one account are
//! counted in [`crate::attempts`].
//!
//! A limit for all would be a lever for strangers if it counted refusals: it counts expensive
//! work alone.

pub mod bucket;
pub mod guard;
pub mod network;

pub use bucket::{Charge, Rule, Standing, charge};
pub use network::{Client, Network};

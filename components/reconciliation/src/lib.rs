//! What banks and payment processors say happened, beside what the ledger says.
//!
//! - [`source`]: who sends statements, which ledger account mirrors theirs, and the rules.
//! - [`formats`]: camt.053, MT940 and tables, each read into a [`statement`].
//! - [`import`]: storing statements, each line once.
//! - [`ledger`]: reading the entries of the mirrored account, each once.
//! - [`matching`]: finding what belongs together, as a pure function of [`item`]s.
//! - [`matches`], [`breaks`]: what was found, and what people do about the rest: [`actions`].
//! - [`run`], [`report`]: comparing, and saying how it stands.
//! - [`http`]: all of it as HTTP resources, for a component that knows the ledger and the caller.
//! - [`money`], [`text`]: amounts and texts. [`store`]: where records are. [`error`]: refusals.

pub mod actions;
pub mod breaks;
pub mod error;
pub mod formats;
pub mod http;
pub mod import;
pub mod item;
pub mod ledger;
pub mod matches;
pub mod matching;
pub mod money;
pub mod report;
pub mod run;
pub mod source;
pub mod statement;
pub mod store;
pub mod text;

pub use error::Error;

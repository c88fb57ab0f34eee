//! Exchange: one asset for another, at a rate that a provider signed.
//!
//! A provider is the operator of a world. It keeps what it exchanges on the world's liquidity accounts,
//! one for each asset, and signs quotes: a rate, bounds, and when they end. Who accepts a quote pays into
//! one liquidity account and is paid out of another, in one chain of transfers that the ledger carries out
//! whole or not at all.
//!
//! *Once.* A quote is filled once, unless it is a standing one, which is filled once for each key of a
//! payer. The ids of the chain follow from the fill and the number of the attempt, whoever the payer is and
//! whatever the amount, so of two acceptances at the same time the ledger carries out one. There is another
//! attempt only after the ledger has refused one, which it does for ever.
//!
//! *Rounding.* The payer gets what its amount buys, rounded down; if that loses a fraction of a unit, the
//! provider gives the whole unit nevertheless, to its own rounding account. So no unit is lost or
//! made, a payer that splits an amount gets no more than one that does not, and a provider parts with
//! less than a unit beyond the rate, to itself. A fee is rounded up, for the same reason.
//!
//! - [`terms`]: what is quoted, how it is bounded, and what an amount buys.
//! - [`fill`]: the chain of transfers, and what has become of it.
//! - [`actions`]: who may do what.
//! - [`prune`]: what ended is forgotten.

pub mod actions;
pub mod fill;
pub(crate) mod http;
pub mod prune;
pub mod terms;

//! The storage contract (`wit/storage`) as Rust values and traits, so that domain
//! logic compiles and tests natively. The documentation of each item is in the
//! WIT; the names here are the same.
//!
//! [`ahead`] reads for a request what it will need, in one call.
//! [`memory`] is a model of the contract: small, obviously right, and not durable.
//! [`limits`] is where every implementation checks the contract's bounds, and
//! [`conformance`] is the suite that the model and every engine and adapter pass.

pub mod ahead;
pub mod conformance;
pub mod counter;
pub mod kv;
pub mod limits;
mod local;
pub mod machine;
pub mod memory;

pub use kv::Kv;
pub use machine::Machines;

/// Why a storage call did not do what was asked. See `vwp:storage/types.error`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The component was not granted this key, prefix or machine.
    #[error("not granted: {0}")]
    Denied(String),
    /// The request breaks a bound or is malformed; repeating it cannot succeed.
    #[error("invalid storage request: {0}")]
    Invalid(String),
    /// The store cannot serve now; nothing was written.
    #[error("storage unavailable: {0}")]
    Unavailable(String),
    /// The write may or may not be durable; resolve it by reading.
    #[error("storage outcome unknown: {0}")]
    Unknown(String),
}

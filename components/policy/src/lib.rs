//! Who may do what: policies in Cedar, operators' teams, and decisions.
//!
//! - [`set`]: sets of policies, validated strictly against the schema.
//! - [`limits`]: what a policy may cost.
//! - [`decide`]: deciding about a request, pure.
//! - [`file`](mod@file): policies as people write them.
//! - [`store`]: the sets, their versions, the teams and the decisions, in the store.
//! - [`teams`]: who is in an operator's team, and as what.
//! - [`authority`]: who may read and change them.
//! - [`decider`]: deciding with what the store has.
//! - [`http`]: the component's HTTP API.
//! - [`error`]: every refusal, by name.

pub mod authority;
pub mod decide;
pub mod decider;
pub mod error;
#[cfg(not(target_family = "wasm"))]
pub mod file;
pub mod http;
pub mod limits;
pub mod set;
pub mod store;
pub mod teams;

pub use decide::{Decision, Request};
pub use error::PolicyError;

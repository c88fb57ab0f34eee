//! What the port's HTTP API is: every operation with its parameters, bodies, answers and refusals.
//!
//! - [`operation`]: one operation, and how it is written down.
//! - [`schema`]: what JSON looks like (JSON Schema 2020-12, which is what OpenAPI 3.1 takes).
//! - [`refusals`]: the problems that several operations share.
//! - [`transactions`], [`escrows`], [`exchange`], [`schedules`], [`payments`], [`reconciliations`], [`discovery`], [`zone`],
//!   [`auth`], [`policy`], [`webhooks`], [`port`]: the tables.
//! - [`document`]: a table as an OpenAPI document.
//! - [`page`]: the same for people.
//! - [`check`]: whether an answer is one of those that the table has.
//!
//! The tables are written by hand, beside the handlers and not derived from their types: many answers
//! are made of several types, most bounds are checked in the domain, and a derivation would be linked
//! into the components. What keeps them true is [`check`]: every request that a component's own tests
//! send, and every answer that they get, is held against them.
//!
//! The crate is native only. No component links it.

pub mod auth;
pub mod check;
pub mod discovery;
pub mod document;
pub mod escrows;
pub mod exchange;
pub mod operation;
pub mod page;
pub mod payments;
pub mod policy;
pub mod port;
pub mod reconciliations;
pub mod refusals;
pub mod schedules;
pub mod schema;
pub mod transactions;
pub mod webhooks;
pub mod zone;

use operation::Operation;
use schema::Schema;

/// A part of the HTTP API: what one component serves.
#[derive(Debug, Clone)]
pub struct Api {
    /// Its name, as spin.toml has it.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// Its operations.
    pub operations: Vec<Operation>,
    /// The schemas that its operations refer to, by name.
    pub schemas: Vec<(&'static str, Schema)>,
}

/// Every part, in the order in which people read them.
pub fn all() -> Vec<Api> {
    vec![discovery::api(), auth::api(), transactions::api(), policy::api(), webhooks::api(), port::api()]
}

//! The store over SQLite and over PostgreSQL: the contract's own suites, faults, crashes,
//! and money.

mod conformance;
mod faults;
mod faulty;
mod model;
mod money;
mod postgres;
mod server;
mod snapshots;
mod sqlite;
mod support;
mod tree;
mod upkeep;

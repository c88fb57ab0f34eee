//! The host: runs the components of a `spin.toml` on Wasmtime.
//!
//! The way of a request: [`server`] accepts its connection, under [`tls`] if asked to and
//! behind [`proxy`] if there is one;
//! [`http`] routes it, [`http_cache`] may have its answer already, [`admission`] says when it runs, and [`handler`] gives it to an
//! instance of a component that [`compose`] put together and [`host`] serves. DNS
//! messages go through [`dns`], and [`timer`] does work that nobody asks for. State lives in `vwp-store`; [`machine`] runs a
//! component as one of its state machines. [`telemetry`] is what is told of all this. [`manifest`] is what a `spin.toml` says, and
//! [`application`] makes it ready to be served. [`up`], [`check`] and [`audit`] are the commands, and
//! [`operate`] has what whoever runs a deployment needs besides.

pub mod admission;
pub mod application;
pub mod arguments;
pub mod audit;
pub mod body;
pub mod chain;
pub mod check;
pub mod compiled;
pub mod compose;
pub mod databases;
pub mod dns;
pub mod engine;
pub mod files;
mod flights;
pub mod handler;
pub mod host;
pub mod hosts;
pub mod http;
pub mod http_cache;
pub mod machine;
pub mod manifest;
mod memory;
pub mod networks;
pub mod operate;
pub mod proxy;
pub mod runtime_config;
pub mod secrets;
pub mod server;
pub mod settle;
pub mod telemetry;
pub mod timer;
pub mod tls;
pub mod up;
pub mod variables;

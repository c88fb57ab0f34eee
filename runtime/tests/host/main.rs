//! The host as its users meet it: the `vwp` program serves a guest that was built for
//! these tests, over real sockets.

mod chain;
mod drain;
mod files;
mod key_value;
mod manifest;
mod misbehaviour;
mod outbound;
mod portable;
mod postgres;
mod postgres_server;
mod runtime_config;
mod settings;
mod sqlite;
mod support;
mod upstream;

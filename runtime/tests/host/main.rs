//! The host as its users meet it: the `vwp` program serves guests that were built for
//! these tests, over real sockets.

mod activation;
mod chain;
mod descriptors;
mod dns;
mod dns_cache;
mod dns_client;
mod dns_limits;
mod dns_notify;
mod dns_streams;
mod doctor;
mod drain;
mod edges;
mod fields;
mod files;
mod health;
mod key_value;
mod manifest;
mod metrics;
mod misbehaviour;
mod options;
mod outbound;
mod portable;
mod postgres;
mod postgres_server;
mod proxy;
mod raw;
mod runtime_config;
mod settings;
mod sqlite;
mod streams;
mod support;
mod timer;
mod tls;
mod tls_reload;
mod upstream;

//! The host as its users meet it: the `vwp` program serves guests that were built for
//! these tests, over real sockets.

mod descriptors;
mod drain;
mod edges;
mod fields;
mod key_value;
mod manifest;
mod misbehaviour;
mod options;
mod raw;
mod settings;
mod streams;
mod support;
mod tls;

//! What resolvers can rely on: answers about a zone in the storage model, read, and their
//! signatures verified, by a DNS library that the crate does not use.

mod compact;
mod denial;
mod kept;
mod positive;
mod proof;
mod properties;
mod support;

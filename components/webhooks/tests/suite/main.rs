//! What callers and endpoints see, natively: one program, because each links all that it tests.
#![allow(missing_docs, clippy::unwrap_used, unreachable_pub)]

mod described;
mod endpoints;
mod races;
mod retrying;
mod sending;
mod support;

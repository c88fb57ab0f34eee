//! Statements read, compared with a ledger, and what people do about the rest, natively.
#![allow(missing_docs, clippy::unwrap_used, unreachable_pub)]

mod flow;
mod formats;
mod matching;
mod support;

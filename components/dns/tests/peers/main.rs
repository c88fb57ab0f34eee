//! The service to other name servers, as they see it. Signatures are made and verified with
//! the implementation of TSIG in `domain`, which this crate itself does not use.

mod master;
mod secondaries;
mod signatures;
mod support;
mod transfer;
mod update;

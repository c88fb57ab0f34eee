//! The password hasher as a component. It imports nothing, not even WASI; its memory has a
//! maximum (build.rs); and its functions are synchronous, so an instance hashes one password at a
//! time, whoever calls it.
//!
//! A crate of its own, and built by a cargo invocation of its own, because it links `vwp-bare`.
//!
//! Empty for other targets than WebAssembly.
#![cfg(target_family = "wasm")]
#![no_std]
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "wit-bindgen generates the canonical ABI's entry points, which take raw pointers"
)]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;
use exports::vwp::auth::password_hasher::{Fault, Guest, Verdict};
use vwp_bare::State;
use vwp_password::Argon2id;

wit_bindgen::generate!({
    path: "../../../wit/auth",
    world: "password",
});

static HASHER: State<Argon2id> = State::new();

struct Component;

impl Guest for Component {
    fn hash(password: String, salt: Vec<u8>) -> Result<String, Fault> {
        let salt = salt.as_slice().try_into().map_err(|_| Fault::Unusable)?;
        HASHER.with(|hasher| hasher.hash(&password, salt)).map_err(|_| Fault::Unusable)
    }

    fn verify(password: String, phc: Option<String>) -> Result<Verdict, Fault> {
        match HASHER.with(|hasher| hasher.verify(&password, phc.as_deref())) {
            Ok(vwp_password::Verdict::Wrong) => Ok(Verdict::Wrong),
            Ok(vwp_password::Verdict::Right { outdated: false }) => Ok(Verdict::Right),
            Ok(vwp_password::Verdict::Right { outdated: true }) => Ok(Verdict::Outdated),
            Err(vwp_password::Fault) => Err(Fault::Unusable),
        }
    }
}

export!(Component);

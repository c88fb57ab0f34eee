//! The hasher that a component is composed with, as a component of its own has it bounded in memory.
//! Here and not with the component of this crate, because signing in calls it from within.
#![allow(unsafe_code, reason = "wit-bindgen generates the calls, which pass raw pointers")]

use bindings::vwp::auth::password_hasher;
use vwp_password::{Fault, Hasher, SALT_LENGTH, Verdict};

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    wit_bindgen::generate!({
        path: "../../wit/auth",
        inline: "
            package vwp:password-client@0.1.0;
            world password-client {
                import vwp:auth/password-hasher@0.1.0;
            }
        ",
        world: "vwp:password-client/password-client",
        generate_all,
    });
}

/// The hasher behind `vwp:auth/password-hasher`.
pub(crate) struct Composed;

impl Hasher for Composed {
    fn hash(&self, password: &str, salt: &[u8; SALT_LENGTH]) -> Result<String, Fault> {
        password_hasher::hash(password, salt).map_err(|_| Fault)
    }

    fn verify(&self, password: &str, phc: Option<&str>) -> Result<Verdict, Fault> {
        match password_hasher::verify(password, phc) {
            Ok(password_hasher::Verdict::Wrong) => Ok(Verdict::Wrong),
            Ok(password_hasher::Verdict::Right) => Ok(Verdict::Right { outdated: false }),
            Ok(password_hasher::Verdict::Outdated) => Ok(Verdict::Right { outdated: true }),
            Err(_) => Err(Fault),
        }
    }
}

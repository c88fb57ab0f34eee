//! Passwords: Argon2id (RFC 9106) with the parameters that OWASP's Password Storage
//! Cheat Sheet gives first: 19 MiB of memory, two passes, one lane. Hashes are kept as
//! PHC strings, which name their parameters, so parameters can rise later: a password is
//! hashed anew when its owner next signs in.
//!
//! The rules are those of NIST SP 800-63B, section 3.1.1.2: length, and none of the passwords that
//! are tried first ([`common`]); no others. Passwords are compared as RFC 8265 says, section 4.2
//! (OpaqueString): every printable character is allowed, every space is one, and Unicode is
//! normalised (form C).

mod common;

use crate::handle::Handle;
use argon2::password_hash::phc::PasswordHash;
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::PrecisFastInvocation;
use std::cell::Cell;
use std::fmt;
use vwp_core::{Environment, Problem};

/// The fewest characters of a password.
pub const LENGTH_MIN: usize = 8;
/// The most characters of a password.
pub const LENGTH_MAX: usize = 128;
/// The most bytes that are normalised at all; no acceptable password is longer.
const INPUT_BYTES_MAX: usize = 2048;

const PARAMS: Params = match Params::new(19_456, 2, 1, None) {
    Ok(params) => params,
    Err(_) => panic!("the parameters are not Argon2's"),
};

/// The salt of the work that is done when there is nothing to compare with. It need
/// not be secret or unique, because the result is thrown away.
const SALT_OF_NOBODY: &[u8; 16] = b"no such handle--";

/// Why a text cannot be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long.
    #[error("a password has {LENGTH_MIN} to {LENGTH_MAX} characters")]
    Length,
    /// The first thing that anybody would try.
    #[error("a password is not the handle")]
    IsHandle,
    /// Among the next things that anybody would try.
    #[error("this password is among those that are tried first; choose one that others do not have")]
    IsCommon,
    /// A character that cannot be typed everywhere, if it is one at all.
    #[error("a password has no control characters")]
    Character,
}

/// A password in the form that is hashed: an OpaqueString (RFC 8265, section 4.2).
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl fmt::Debug for Password {
    /// Shows nothing, so that no log can hold a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(..)")
    }
}

impl Password {
    /// A new password, which must keep the rules.
    pub fn chosen(text: &str, handle: &Handle) -> Result<Self, PasswordError> {
        let password = Self::given(text)?;
        if password.0.chars().count() < LENGTH_MIN {
            return Err(PasswordError::Length);
        }
        if Handle::new(&password.0).is_ok_and(|same| same.folded() == handle.folded()) {
            return Err(PasswordError::IsHandle);
        }
        if common::is_common(&password.0) {
            return Err(PasswordError::IsCommon);
        }
        Ok(password)
    }

    /// A password to compare. Only its size is bounded: rules that came later must not
    /// keep out those who chose before.
    pub fn given(text: &str) -> Result<Self, PasswordError> {
        if text.len() > INPUT_BYTES_MAX {
            return Err(PasswordError::Length);
        }
        if text.is_empty() {
            return Err(PasswordError::Length);
        }
        let enforced = OpaqueString::enforce(text).map_err(|_| PasswordError::Character)?;
        let normalised = enforced.into_owned();
        if normalised.chars().count() > LENGTH_MAX {
            return Err(PasswordError::Length);
        }
        Ok(Self(normalised))
    }
}

/// What became of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not the password.
    Wrong,
    /// The password.
    Right {
        /// Whether its hash was made with weaker parameters than today's.
        outdated: bool,
    },
}

thread_local! {
    static HASHES: Cell<u64> = const { Cell::new(0) };
}

/// How many passwords this thread has hashed with today's parameters or weaker ones: for whoever
/// compares the work that answers take, which a clock does badly.
pub fn hashes() -> u64 {
    HASHES.get()
}

/// Hashes a password into a PHC string.
pub fn hash(password: &Password, environment: &Environment<'_>) -> Result<String, Problem> {
    let salt = environment.random_bytes::<16>();
    HASHES.set(HASHES.get().wrapping_add(1));
    hasher()
        .hash_password_with_salt(password.0.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(|_| Problem::internal())
}

/// Compares a password with a hash. Without a hash it does the same work and says no,
/// so that the time taken does not tell whether there was one.
pub fn verify(password: &Password, phc: Option<&str>) -> Result<Verdict, Problem> {
    HASHES.set(HASHES.get().wrapping_add(1));
    let Some(phc) = phc else {
        let work = hasher().hash_password_with_salt(password.0.as_bytes(), SALT_OF_NOBODY);
        return work.map(|_| Verdict::Wrong).map_err(|_| Problem::internal());
    };
    let stored = PasswordHash::new(phc).map_err(|_| Problem::internal())?;
    let params = Params::try_from(&stored).map_err(|_| Problem::internal())?;
    if hasher().verify_password(password.0.as_bytes(), &stored).is_err() {
        return Ok(Verdict::Wrong);
    }
    let outdated = stored.algorithm != ARGON2ID_IDENT
        || params.m_cost() < PARAMS.m_cost()
        || params.t_cost() < PARAMS.t_cost()
        || params.p_cost() < PARAMS.p_cost();
    Ok(Verdict::Right { outdated })
}

fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, PARAMS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle() -> Handle {
        Handle::new("Ada.Lovelace").unwrap()
    }

    #[test]
    fn any_eight_characters_are_a_password_and_no_fewer() {
        assert!(Password::chosen("        ", &handle()).is_ok());
        assert!(Password::chosen("пароль-日本", &handle()).is_ok());
        assert_eq!(Password::chosen("seven77", &handle()), Err(PasswordError::Length));
        assert!(Password::chosen(&"x".repeat(128), &handle()).is_ok());
        assert_eq!(Password::chosen(&"x".repeat(129), &handle()), Err(PasswordError::Length));
    }

    #[test]
    fn a_password_that_is_tried_first_is_refused_but_whoever_has_it_may_sign_in() {
        assert_eq!(Password::chosen("PassWord1", &handle()), Err(PasswordError::IsCommon));
        assert!(Password::given("PassWord1").is_ok());
    }

    #[test]
    fn a_space_is_a_space_and_a_control_character_is_none() {
        assert_eq!(Password::given("a\u{a0}b\u{3000}c"), Password::given("a b c"));
        for text in ["tab\there", "null\0", "escape\u{1b}[0m"] {
            assert_eq!(Password::given(text), Err(PasswordError::Character), "{text:?}");
        }
    }

    #[test]
    fn the_handle_is_no_password() {
        assert_eq!(Password::chosen("ADA.LOVELACE", &handle()), Err(PasswordError::IsHandle));
    }

    #[test]
    fn a_password_typed_on_another_keyboard_is_the_same() {
        let composed = Password::given("caf\u{e9}-caf\u{e9}").unwrap();
        let decomposed = Password::given("cafe\u{301}-cafe\u{301}").unwrap();
        assert_eq!(composed, decomposed);
    }

    #[test]
    fn hashes_name_the_parameters_of_owasp_and_never_the_password() {
        let salted = hasher().hash_password_with_salt(b"correct horse", &[7; 16]).unwrap().to_string();
        assert!(salted.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{salted}");
        assert_eq!(format!("{:?}", Password::given("correct horse").unwrap()), "Password(..)");
    }

    #[test]
    fn a_password_of_weaker_parameters_is_right_and_outdated() {
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(64, 1, 1, None).unwrap());
        let weak = weak.hash_password_with_salt(b"correct horse", &[7; 16]).unwrap().to_string();
        let right = Password::given("correct horse").unwrap();
        let wrong = Password::given("wrong horse").unwrap();
        assert_eq!(verify(&right, Some(&weak)), Ok(Verdict::Right { outdated: true }));
        assert_eq!(verify(&wrong, Some(&weak)), Ok(Verdict::Wrong));
        assert_eq!(verify(&right, None), Ok(Verdict::Wrong));
        let today = hasher().hash_password_with_salt(b"correct horse", &[7; 16]).unwrap().to_string();
        assert_eq!(verify(&right, Some(&today)), Ok(Verdict::Right { outdated: false }));
    }
}

//! Passwords: which texts are some, and in which form they are hashed. Hashing itself is apart, in
//! `vwp-password`, and in the component of that when this one runs as a component ([`Composed`]), so
//! that its memory is bounded. A password whose hash has weaker parameters than today's is hashed anew
//! when its owner next signs in.
//!
//! The rules are those of NIST SP 800-63B, section 3.1.1.2: length, and none of the passwords that
//! are tried first ([`common`]); no others. Passwords are compared as RFC 8265 says, section 4.2
//! (OpaqueString): every printable character is allowed, every space is one, and Unicode is
//! normalised (form C).

mod common;
#[cfg(target_family = "wasm")]
mod composed;

use crate::handle::Handle;
use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::PrecisFastInvocation;
use std::fmt;
use vwp_core::{Environment, Problem};
pub use vwp_password::{Hasher, Verdict};

#[cfg(target_family = "wasm")]
pub(crate) use composed::Composed;
#[cfg(not(target_family = "wasm"))]
pub(crate) use vwp_password::Native as Composed;

/// The fewest characters of a password.
pub const LENGTH_MIN: usize = 8;
/// The most characters of a password.
pub const LENGTH_MAX: usize = 128;
/// The most bytes that are normalised at all; no acceptable password is longer.
const INPUT_BYTES_MAX: usize = 2048;

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

/// Hashes a password into a PHC string.
pub fn hash(
    hasher: &impl Hasher,
    password: &Password,
    environment: &Environment<'_>,
) -> Result<String, Problem> {
    hasher.hash(&password.0, &environment.random_bytes()).map_err(|_| Problem::internal())
}

/// Compares a password with a hash. Without a hash it does the same work and says no,
/// so that the time taken does not tell whether there was one.
pub fn verify(hasher: &impl Hasher, password: &Password, phc: Option<&str>) -> Result<Verdict, Problem> {
    hasher.verify(&password.0, phc).map_err(|_| Problem::internal())
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
    fn a_password_shows_in_no_log() {
        assert_eq!(format!("{:?}", Password::given("correct horse").unwrap()), "Password(..)");
    }
}

//! Whether a password is one of those that are tried first.
//!
//! What it covers: the 100,000 passwords that the crate `passwords` lists from breaches, of which
//! about 47,000 are long enough to be accepted otherwise, as they are and in capitals. What it does
//! not cover: the hundreds of millions of other passwords that have leaked somewhere, and common
//! ones with something added. NIST SP 800-63B, section 3.1.1.2, asks for such a list, and for no
//! other rule.

use passwords::analyzer::is_common_password;

/// Whether a password is common.
pub(super) fn is_common(password: &str) -> bool {
    is_common_password(password) || is_common_password(password.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_that_are_tried_first_are_common_in_any_case() {
        for common in ["password1", "Password1", "PASSWORD1", "12345678", "qwertyuiop", "!QAZ2wsx"] {
            assert!(is_common(common), "{common}");
        }
    }

    #[test]
    fn passwords_that_nobody_else_has_are_not() {
        let mut others = (0..1_000).map(|number| format!("a password of my own, {number}"));
        assert!(!others.any(|password| is_common(&password)));
        assert!(!is_common("\",\""), "what stands between two passwords is none");
    }
}

//! The names that worlds and hosts may have.
//!
//! People write names in their own script; DNS carries A-labels. Both forms are
//! accepted and become the A-label, by UTS 46 (non-transitional, STD3 rules), which
//! also checks that a label that starts with `xn--` decodes to a valid U-label whose
//! A-label it is.

use crate::confusables;
use crate::error::DiscoveryError;
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use vwp_core::name::WorldName;

/// The longest name that is looked at, in bytes: a label of 63 characters, each of
/// four bytes in UTF-8.
pub const INPUT_LENGTH_MAX: usize = 252;
/// The longest host name, in its A-label form and without the final dot (RFC 1035,
/// section 3.1: 255 bytes with the length bytes and the root).
pub const HOST_LENGTH_MAX: usize = 253;

/// Labels that software or people take for part of the port itself: a world of this
/// name could pass for the port, receive its mail, or configure its users' software
/// (`changes` is a path of the API; RFC 2142 for the mailboxes' counterparts, `wpad` and `autoconfig` by convention).
const RESERVED: [&str; 20] = [
    "admin",
    "api",
    "auth",
    "autoconfig",
    "autodiscover",
    "changes",
    "dns",
    "hostmaster",
    "localhost",
    "login",
    "mail",
    "ns",
    "ns1",
    "ns2",
    "port",
    "postmaster",
    "root",
    "smtp",
    "wpad",
    "www",
];

/// The name of a world, from what a person wrote.
pub fn world(text: &str) -> Result<WorldName, DiscoveryError> {
    let bad = |why: &str| DiscoveryError::BadName(why.to_owned());
    if text.is_empty() || text.len() > INPUT_LENGTH_MAX {
        return Err(bad("a world's name has 1 to 63 characters"));
    }
    let label = Uts46::new()
        .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify)
        .map_err(|_| {
            bad("a world's name is a DNS label or a domain by the rules of IDNA (letters, digits, hyphens)")
        })?;
    label.parse().map_err(|error: vwp_core::name::NameError| bad(error.0))
}

/// The name of a world that may be registered: not one that the port keeps, nor one that
/// looks like those, nor one that mixes scripts.
pub fn registrable(text: &str) -> Result<WorldName, DiscoveryError> {
    let name = world(text)?;
    if RESERVED.binary_search(&name.as_str()).is_ok() {
        return Err(DiscoveryError::NameReserved);
    }
    if !confusables::is_written_together(&name) {
        let why = "a world's name has letters of scripts that are written together (UTS 39, section 5.2)";
        return Err(DiscoveryError::BadName(why.to_owned()));
    }
    if RESERVED.iter().any(|reserved| confusables::looks_like(&name, reserved)) {
        return Err(DiscoveryError::NameReserved);
    }
    Ok(name)
}

/// The name as people read it: with U-labels where they are valid.
pub fn to_unicode(name: &WorldName) -> String {
    let (text, _) = Uts46::new().to_unicode(name.as_str().as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
    text.into_owned()
}

/// The name of a host, from what a person wrote: A-labels in lower case, without a
/// final dot. An address is not a name.
pub fn host(text: &str) -> Option<String> {
    if text.is_empty() || text.len() > HOST_LENGTH_MAX * 4 {
        return None;
    }
    let ascii = Uts46::new()
        .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify)
        .ok()?;
    // A name whose last label is a number is taken for an IPv4 address by clients
    // (RFC 3696, section 2: top-level names are not all digits).
    let last = ascii.rsplit('.').next()?;
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    (!is_number).then(|| ascii.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world_name(text: &str) -> Option<String> {
        world(text).ok().map(|name| name.as_str().to_owned())
    }

    #[test]
    fn names_in_any_script_become_a_labels() {
        assert_eq!(world_name("arena").as_deref(), Some("arena"));
        assert_eq!(world_name("ARENA").as_deref(), Some("arena"));
        assert_eq!(world_name("Bücher").as_deref(), Some("xn--bcher-kva"));
        assert_eq!(world_name("xn--bcher-kva").as_deref(), Some("xn--bcher-kva"));
        assert_eq!(world_name("XN--BCHER-KVA").as_deref(), Some("xn--bcher-kva"));
        assert_eq!(world_name("世界").as_deref(), Some("xn--rhqv96g"));
        // Non-transitional processing keeps the sharp s (UTS 46, section 4).
        assert_eq!(world_name("straße").as_deref(), Some("xn--strae-oqa"));
    }

    #[test]
    fn what_is_no_label_and_no_domain_is_refused() {
        let too_long = "a".repeat(64);
        let far_too_long = "ü".repeat(200);
        let cases = [
            "",
            "a..b",
            "a.",
            "a.1",
            "-a",
            "a-",
            "a b",
            "a_b",
            "_vw",
            "ab--cd",
            "xn--a",
            "xn--",
            "*",
            "a\0b",
            "a/b",
            &too_long,
            &far_too_long,
        ];
        for case in cases {
            assert!(matches!(world(case), Err(DiscoveryError::BadName(_))), "{case:?} was accepted");
        }
        assert!(world(&"a".repeat(63)).is_ok());
        // The ideographic full stop is a dot in IDNA (UTS 46, section 2.3).
        assert_eq!(world_name("a。B").as_deref(), Some("a.b"));
    }

    #[test]
    fn an_a_label_that_no_u_label_has_is_refused() {
        // It decodes to plain ASCII, of which it is not the A-label.
        assert_eq!(world_name("xn--abc-"), None);
        // They decode to a capital and to a full-width letter, which no U-label has.
        assert_eq!(world_name("xn--wca"), None);
        assert_eq!(world_name("xn--ni7c"), None);
    }

    #[test]
    fn names_that_could_pass_for_the_port_are_reserved() {
        for name in RESERVED {
            assert_eq!(registrable(name), Err(DiscoveryError::NameReserved));
        }
        // In capitals; with a one for a letter; with Cyrillic letters only.
        for look_alike in ["WWW", "1ogin", "арі"] {
            assert_eq!(registrable(look_alike), Err(DiscoveryError::NameReserved), "{look_alike}");
        }
        assert!(matches!(registrable("аdmin"), Err(DiscoveryError::BadName(_))));
        assert!(registrable("arena").is_ok());
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn hosts_are_names_and_not_addresses() {
        assert_eq!(host("Play.Example.COM").as_deref(), Some("play.example.com"));
        assert_eq!(host("bücher.example").as_deref(), Some("xn--bcher-kva.example"));
        assert_eq!(host("localhost").as_deref(), Some("localhost"));
        let too_long = format!("{}example", "abcdefghi.".repeat(30));
        for case in
            ["", ".", "a..b", "127.0.0.1", "a.1", "::1", "a_b.example", "a b", "-a.example", &too_long]
        {
            assert_eq!(host(case), None, "{case:?} was accepted");
        }
    }
}

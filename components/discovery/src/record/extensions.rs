//! Members of a record that this version does not define.
//!
//! A member whose name starts with `x-` is an extension: it is kept, shown and signed over.
//! Other names are refused, so that a misspelt field is noticed by whoever can mend it.
//! Readers ignore what they do not know, unless `crit` names it (as in RFC 7515, section
//! 4.1.11): then the record is not for them.

use super::check::{Checked, bad};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// The most extension members.
pub const EXTENSIONS_MAX: usize = 16;
/// The most of them that a reader has to understand. Each endpoint's record in DNS names them.
pub const CRIT_MAX: usize = 4;
/// The longest name of an extension member.
pub const EXTENSION_LENGTH_MAX: usize = 64;
/// What names of extension members start with.
const MARK: &str = "x-";

/// Reads the members that are left over. One that occurs twice is refused, so that no two
/// readers of one signature can disagree about what was signed.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Value>, D::Error> {
    deserializer.deserialize_map(Members)
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = BTreeMap<String, Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("extension members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if !is_extension(&name) {
                return Err(A::Error::custom(format_args!("unknown field `{}`", shown(&name))));
            }
            if members.contains_key(&name) {
                return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
            }
            members.insert(name, map.next_value()?);
        }
        Ok(members)
    }
}

/// Checks how many members there are, and that `crit` names only those.
pub(super) fn check(members: &BTreeMap<String, Value>, crit: &[String]) -> Checked {
    if members.len() > EXTENSIONS_MAX {
        return Err(bad("a record has at most 16 extension members"));
    }
    // RFC 7515, section 4.1.11 wants the same of a header's: names that occur, each once.
    super::check::list("crit", crit, CRIT_MAX, |name| {
        if members.contains_key(name) {
            Ok(())
        } else {
            Err(bad("crit names members of the record that start with x-"))
        }
    })
}

fn is_extension(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= EXTENSION_LENGTH_MAX
        && name.strip_prefix(MARK).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(is_allowed))
}

/// A name as a refusal may repeat it.
fn shown(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(EXTENSION_LENGTH_MAX).collect()
}

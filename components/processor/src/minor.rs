//! Minor units as JSON: decimal strings, because many readers turn numbers into floating point.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

/// As [`serde`] wants it of a function.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it writes by reference")]
pub(crate) fn serialize<S: Serializer>(amount: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

/// As [`serde`] wants it of a function.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// The same for an amount that may be missing.
pub(crate) mod option {
    use super::{Deserialize, Deserializer, Serializer};
    use serde::de::Error as _;

    #[expect(clippy::ref_option, reason = "serde passes what it writes by reference")]
    pub(crate) fn serialize<S: Serializer>(amount: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        match amount {
            Some(amount) => serializer.collect_str(amount),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

//! JSON objects in which no member occurs twice, at any depth.
//!
//! RFC 8259, section 4 leaves open what a repeated member means, and RFC 7519, section 4
//! lets a verifier refuse it. Signed objects are refused, so that no two readers of one
//! signature can disagree about what was signed.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::fmt;

/// Why a text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StrictJsonError {
    /// Not JSON.
    #[error("not JSON")]
    Malformed,
    /// A member occurs twice in an object.
    #[error("a member occurs twice")]
    DuplicateMember,
}

/// Reads JSON. Its depth is bounded by `serde_json`, at 128.
pub fn parse(json: &[u8]) -> Result<Value, StrictJsonError> {
    let duplicate = Cell::new(false);
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = Strict { duplicate: &duplicate }.deserialize(&mut deserializer);
    if duplicate.get() {
        return Err(StrictJsonError::DuplicateMember);
    }
    let value = value.map_err(|_| StrictJsonError::Malformed)?;
    deserializer.end().map_err(|_| StrictJsonError::Malformed)?;
    Ok(value)
}

/// Reads a JSON object.
pub fn parse_object(json: &[u8]) -> Result<Map<String, Value>, StrictJsonError> {
    match parse(json)? {
        Value::Object(object) => Ok(object),
        _ => Err(StrictJsonError::Malformed),
    }
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    /// Set before the error is raised, because the error carries only a text.
    duplicate: &'a Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                self.duplicate.set(true);
                return Err(A::Error::custom("a member occurs twice"));
            }
            let value = members.next_value_seed(self)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_without_repeated_members_is_read_as_it_is() {
        let json = r#"{"a":[1,-2,2.5,null,true,{"b":"c"}],"b":{}}"#;
        assert_eq!(parse(json.as_bytes()), Ok(serde_json::from_str(json).unwrap()));
    }

    #[test]
    fn a_repeated_member_is_refused_at_any_depth() {
        for json in [r#"{"a":1,"a":1}"#, r#"[{"a":{"b":1,"b":2}}]"#, r#"{"a":1,"\u0061":2}"#] {
            assert_eq!(parse(json.as_bytes()), Err(StrictJsonError::DuplicateMember), "{json}");
        }
    }

    #[test]
    fn what_is_not_one_json_object_is_refused() {
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        for json in ["", "[]", "1", "{} {}", "{", "{'a':1}", deep.as_str()] {
            assert_eq!(parse_object(json.as_bytes()), Err(StrictJsonError::Malformed));
        }
    }
}

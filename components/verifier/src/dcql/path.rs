//! Claims path pointers (OpenID4VP 1.0, section 7).

use crate::sd_jwt::DEPTH_MAX;
use serde_json::Value;

/// A step from what is selected to what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// The member of this name.
    Member(String),
    /// The element at this place.
    Element(usize),
    /// All elements.
    All,
}

/// Where claims are in a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<Step>);

impl Path {
    /// Reads a pointer: a non-empty array of names, places and nulls. None if it is something else,
    /// or goes deeper than a credential can.
    pub fn read(value: &Value) -> Option<Self> {
        let steps = value.as_array().filter(|steps| (1..=DEPTH_MAX).contains(&steps.len()))?;
        let step = |step: &Value| match step {
            Value::String(name) => Some(Step::Member(name.clone())),
            Value::Null => Some(Step::All),
            // A negative or fractional number is no place in an array.
            Value::Number(place) => place.as_u64()?.try_into().ok().map(Step::Element),
            _ => None,
        };
        steps.iter().map(step).collect::<Option<_>>().map(Self)
    }

    /// The member of the credential in which it points somewhere.
    pub fn member(&self) -> Option<&str> {
        match self.0.first() {
            Some(Step::Member(name)) => Some(name),
            _ => None,
        }
    }

    /// What it points to (section 7.1.1); none if there is nothing, or if a step does not fit what
    /// it is taken from.
    pub fn select<'a>(&self, credential: &'a Value) -> Option<Vec<&'a Value>> {
        let mut selected = vec![credential];
        for step in &self.0 {
            let mut next = Vec::new();
            for value in selected {
                match step {
                    Step::Member(name) => next.extend(value.as_object()?.get(name)),
                    Step::Element(place) => next.extend(value.as_array()?.get(*place)),
                    Step::All => next.extend(value.as_array()?),
                }
            }
            selected = next;
        }
        Some(selected).filter(|selected| !selected.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn selected(path: &Value) -> Option<Value> {
        let credential = json!({
            "name": "Ada", "address": {"street": "Main 1"}, "languages": ["en", "de"],
            "degrees": [{"type": "BSc", "year": 1}, {"type": "MSc"}],
        });
        let selected = Path::read(path)?.select(&credential)?.into_iter().cloned().collect();
        Some(Value::Array(selected))
    }

    #[test]
    fn a_pointer_selects_members_elements_and_all_elements() {
        assert_eq!(selected(&json!(["name"])), Some(json!(["Ada"])));
        assert_eq!(selected(&json!(["address", "street"])), Some(json!(["Main 1"])));
        assert_eq!(selected(&json!(["languages", 1])), Some(json!(["de"])));
        assert_eq!(selected(&json!(["degrees", null, "type"])), Some(json!(["BSc", "MSc"])));
        assert_eq!(selected(&json!(["degrees", null, "year"])), Some(json!([1])), "the other one has none");
    }

    #[test]
    fn a_pointer_that_does_not_fit_selects_nothing() {
        for path in [
            json!(["none"]),
            json!(["languages", 2]),
            json!(["languages", "en"]),
            json!(["name", 0]),
            json!(["address", null]),
        ] {
            assert_eq!(selected(&path), None, "{path}");
        }
        let deep = vec!["a"; DEPTH_MAX + 1];
        for path in [json!([]), json!("name"), json!([-1]), json!([1.5]), json!([true]), json!(deep)] {
            assert_eq!(Path::read(&path), None, "{path}");
        }
    }
}

//! Schemas (JSON Schema 2020-12), written as Rust.

use serde_json::{Map, Value, json};

/// What a value looks like.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema(Value);

/// A member of an object.
#[derive(Debug, Clone)]
pub struct Member {
    name: &'static str,
    schema: Schema,
    is_required: bool,
}

impl Schema {
    /// The schema as JSON.
    pub fn to_json(&self) -> Value {
        self.0.clone()
    }

    /// Sets a keyword.
    #[must_use]
    pub fn with(mut self, keyword: &str, value: impl Into<Value>) -> Self {
        if let Some(keywords) = self.0.as_object_mut() {
            keywords.insert(keyword.to_owned(), value.into());
        }
        self
    }

    /// Says what it is.
    #[must_use]
    pub fn about(self, text: &str) -> Self {
        self.with("description", text)
    }

    /// Shows one.
    #[must_use]
    pub fn example(self, value: impl Into<Value>) -> Self {
        let value = value.into();
        self.with("examples", json!([value]))
    }

    /// Bounds a text's length, in characters.
    #[must_use]
    pub fn length(self, min: u64, max: u64) -> Self {
        self.with("minLength", min).with("maxLength", max)
    }

    /// Requires a regular expression (ECMA-262) of a text.
    #[must_use]
    pub fn pattern(self, pattern: &str) -> Self {
        self.with("pattern", pattern)
    }

    /// Bounds a number, both ends inclusive.
    #[must_use]
    pub fn within(self, min: impl Into<Value>, max: impl Into<Value>) -> Self {
        self.with("minimum", min).with("maximum", max)
    }

    /// Bounds how many items a list has.
    #[must_use]
    pub fn items(self, min: u64, max: u64) -> Self {
        self.with("minItems", min).with("maxItems", max)
    }

    /// What it is if it is left out.
    #[must_use]
    pub fn default(self, value: impl Into<Value>) -> Self {
        self.with("default", value)
    }

    /// The same object without members that are not listed.
    #[must_use]
    pub fn closed(self) -> Self {
        self.with("additionalProperties", false)
    }

    /// The same object with members that nobody can list.
    #[must_use]
    pub fn open(self) -> Self {
        self.with("additionalProperties", true)
    }

    /// The same, or null.
    #[must_use]
    pub fn or_null(self) -> Self {
        match self.0.get("type").cloned() {
            Some(kind @ Value::String(_)) if self.0.get("enum").is_none() => {
                self.with("type", json!([kind, "null"]))
            }
            _ => either([self, Self(json!({ "type": "null" }))]),
        }
    }
}

impl Member {
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The same member, whose value may also be null.
    #[must_use]
    pub fn or_null(self) -> Self {
        Self { schema: self.schema.or_null(), ..self }
    }
}

/// A member that is always there.
pub fn member(name: &'static str, schema: Schema) -> Member {
    Member { name, schema, is_required: true }
}

/// A member that may be left out.
pub fn optional(name: &'static str, schema: Schema) -> Member {
    Member { name, schema, is_required: false }
}

/// An object.
pub fn object(members: impl IntoIterator<Item = Member>) -> Schema {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for Member { name, schema, is_required } in members {
        properties.insert(name.to_owned(), schema.0);
        if is_required {
            required.push(Value::from(name));
        }
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    Schema(schema)
}

/// An object whose members are names of one kind of value.
pub fn map(values: Schema) -> Schema {
    Schema(json!({ "type": "object" })).with("additionalProperties", values.0)
}

/// Any object.
pub fn any_object() -> Schema {
    Schema(json!({ "type": "object", "additionalProperties": true }))
}

/// A list.
pub fn list(items: Schema) -> Schema {
    Schema(json!({ "type": "array" })).with("items", items.0)
}

/// A text.
pub fn text() -> Schema {
    Schema(json!({ "type": "string" }))
}

/// One of some texts.
pub fn word(words: &[&str]) -> Schema {
    Schema(json!({ "type": "string", "enum": words }))
}

/// A whole number, not negative.
pub fn count() -> Schema {
    Schema(json!({ "type": "integer", "minimum": 0 }))
}

/// A number.
pub fn number() -> Schema {
    Schema(json!({ "type": "number" }))
}

/// True or false.
pub fn flag() -> Schema {
    Schema(json!({ "type": "boolean" }))
}

/// A moment.
pub fn milliseconds() -> Schema {
    count().about("Milliseconds since the Unix epoch.").example(1_795_372_619_126_u64)
}

/// A moment.
pub fn seconds() -> Schema {
    count().about("Seconds since the Unix epoch.").example(1_795_372_619_u64)
}

/// A day (RFC 3339, full-date).
pub fn day() -> Schema {
    text().with("format", "date").example("2026-11-28")
}

/// A URL.
pub fn url() -> Schema {
    text().with("format", "uri").length(1, 2048)
}

/// A schema of the document, by name.
pub fn refer(name: &str) -> Schema {
    Schema(json!({ "$ref": format!("#/components/schemas/{name}") }))
}

/// One of several.
pub fn either(schemas: impl IntoIterator<Item = Schema>) -> Schema {
    let any_of: Vec<Value> = schemas.into_iter().map(|schema| schema.0).collect();
    Schema(json!({ "anyOf": any_of }))
}

/// A problem (RFC 9457) of one of some types.
pub fn problem(slugs: &[&str]) -> Schema {
    let types: Vec<String> = slugs.iter().map(|slug| format!("urn:vwp:problem:{slug}")).collect();
    Schema(json!({
        "allOf": [{ "$ref": "#/components/schemas/Problem" }],
        "properties": { "type": { "enum": types } },
    }))
}

/// A compact JWS (RFC 7515, section 7.1) of at most some bytes.
pub fn jws(length_max: u64) -> Schema {
    text().length(1, length_max).pattern(r"^\s*[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\s*$")
}

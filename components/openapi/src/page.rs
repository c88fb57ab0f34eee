//! The API for people: one page, without a script.

use crate::operation::{Answer, Body, Caller, Operation, Parameter};
use crate::schema::Schema;
use crate::{Api, document};
use maud::{DOCTYPE, Markup, html};
use serde_json::{Map, Value};

/// The page.
pub fn page(title: &str, parts: &[Api]) -> String {
    let operations: Vec<&Operation> = parts.iter().flat_map(|part| &part.operations).collect();
    let mut tags: Vec<&str> = Vec::new();
    for operation in &operations {
        if !tags.contains(&operation.tag) {
            tags.push(operation.tag);
        }
    }
    let of = |tag: &str| -> Vec<&Operation> {
        operations.iter().copied().filter(|operation| operation.tag == tag).collect()
    };
    let schemas = document::schemas(parts);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="stylesheet" href="/docs/style.css";
            }
            body {
                (heading(title, &tags))
                main {
                    @for tag in &tags {
                        section id=(anchor(tag)) {
                            h2 { (tag) }
                            @for operation in of(tag) { (section(operation)) }
                        }
                    }
                    section id="schemas" {
                        h2 { "Schemas" }
                        @for (name, schema) in schemas.as_object().into_iter().flatten() {
                            h3 id={ "schema-" (name) } { (name) }
                            (schema_block(schema))
                        }
                    }
                }
            }
        }
    };
    let mut text = page.into_string();
    text.push('\n');
    // A line for each part, so that a change of the page can be read.
    text.replace("<details", "\n<details").replace("<h3", "\n<h3").replace("<tr", "\n<tr")
}

fn heading(title: &str, tags: &[&str]) -> Markup {
    html! {
        header {
            h1 { (title) }
            p {
                "This page is made of the port's own description, "
                a href="/openapi.json" { "/openapi.json" }
                " (OpenAPI 3.1). Every refusal is a problem document (RFC 9457) whose " code { "type" }
                " is stable."
            }
            nav {
                @for tag in tags { a href={ "#" (anchor(tag)) } { (tag) } " " }
                a href="#schemas" { "Schemas" }
            }
        }
    }
}

/// What a heading is called in links.
fn anchor(text: &str) -> String {
    let kept = |character: char| if character.is_ascii_alphanumeric() { character } else { '-' };
    text.to_lowercase().chars().map(kept).collect()
}

fn section(operation: &Operation) -> Markup {
    html! {
        details id=(operation.id) {
            summary {
                code class=(operation.method) { (operation.method) } " " code { (operation.path) } " "
                (operation.summary)
            }
            @if !operation.about.is_empty() { p { (prose(operation.about)) } }
            p { "Called by " (callers(&operation.callers)) "." }
            @if !operation.parameters.is_empty() {
                table {
                    caption { "Parameters" }
                    @for parameter in &operation.parameters { (parameter_row(parameter)) }
                }
            }
            @if !operation.bodies.is_empty() { (bodies(operation)) }
            table {
                caption { "Answers" }
                @for answer in &operation.answers { (answer_row(answer)) }
                @for (status, slugs) in operation.refusals_by_status() {
                    tr {
                        th { (status) }
                        td { @for slug in slugs { code { (slug) } " " } }
                    }
                }
            }
        }
    }
}

fn callers(callers: &[Caller]) -> &'static str {
    match callers {
        [] => "anybody",
        [Caller::Traveller] => "a traveller, with the access token of a session",
        [Caller::Operator] => "an operator, with an assertion",
        [Caller::Administrator] => "the administrator",
        [Caller::Client] => "an OAuth client",
        [Caller::Holder] => "who holds an OAuth access token",
        [Caller::Traveller, Caller::Operator] => "a traveller or an operator",
        [Caller::Traveller, Caller::Administrator] => "a traveller or the administrator",
        [Caller::Operator, Caller::Administrator] => "an operator or the administrator",
        _ => "a traveller, an operator or the administrator",
    }
}

fn parameter_row(parameter: &Parameter) -> Markup {
    html! {
        tr {
            th { code { (parameter.name) } }
            td { (parameter.place.name()) @if parameter.is_required { ", required" } }
            td { (kind(&parameter.schema.to_json())) (bounds(&parameter.schema.to_json())) }
            td { (prose(parameter.about)) }
        }
    }
}

fn bodies(operation: &Operation) -> Markup {
    html! {
        table {
            caption {
                "Body, at most " (operation.body_length_max) " bytes"
                @if operation.is_body_optional { "; may be left out" }
            }
            @for body in &operation.bodies { (body_row(body)) }
        }
    }
}

fn body_row(body: &Body) -> Markup {
    html! {
        tr {
            th { code { (body.media_type) } }
            td {
                @if let Some((typ, payload)) = &body.signed {
                    "a compact JWS of type " code { (typ) } " over " (inline(payload))
                } @else {
                    (inline(&body.schema))
                }
            }
        }
    }
}

fn answer_row(answer: &Answer) -> Markup {
    html! {
        tr {
            th { (answer.status) }
            td {
                (prose(answer.about))
                @for (media_type, schema) in &answer.content {
                    p { code { (media_type) } " " (inline(schema)) }
                }
                @for (name, about) in &answer.headers { p { code { (name) } ": " (prose(about)) } }
            }
        }
    }
}

/// A schema in its place: the kind of a simple one, the members of an object.
fn inline(schema: &Schema) -> Markup {
    let schema = document::sorted(schema.to_json());
    html! { @if schema.get("properties").is_some() { (members(&schema)) } @else { (kind(&schema)) } }
}

fn schema_block(schema: &Value) -> Markup {
    html! {
        @if let Some(about) = schema["description"].as_str() { p { (prose(about)) } }
        @if schema.get("properties").is_some() { (members(schema)) } @else { p { (kind(schema)) } }
        @for other in schema["anyOf"].as_array().into_iter().flatten() {
            @if other.get("properties").is_some() { (members(other)) }
        }
    }
}

fn members(schema: &Value) -> Markup {
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let is_required = |name: &String| {
        schema["required"].as_array().is_some_and(|names| names.iter().any(|known| known == name))
    };
    html! {
        table {
            @for (name, member) in properties {
                tr {
                    th { code { (name) } }
                    td { @if !is_required(name) { "optional" } }
                    td { (kind(member)) (bounds(member)) }
                    td {
                        (prose(member["description"].as_str().unwrap_or_default()))
                        @if member.get("properties").is_some() { (members(member)) }
                        @if member["items"].get("properties").is_some() { (members(&member["items"])) }
                    }
                }
            }
        }
    }
}

/// What kind of value it is, in a few words.
fn kind(schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return html! { a href={ "#schema-" (name) } { (name) } };
    }
    if let Some(words) = schema["enum"].as_array() {
        return html! { @for word in words { code { (word.as_str().unwrap_or_default()) } " " } };
    }
    if let Some(kinds) = schema["anyOf"].as_array() {
        return html! { @for (index, other) in kinds.iter().enumerate() { @if index > 0 { " or " } (kind(other)) } };
    }
    match &schema["type"] {
        Value::String(name) if name == "array" => html! { "list of " (kind(&schema["items"])) },
        Value::String(name) if name == "object" && schema["additionalProperties"].is_object() => {
            html! { "map of " (kind(&schema["additionalProperties"])) }
        }
        Value::String(name) => html! { (name) },
        Value::Array(names) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            html! { (names.join(" or ")) }
        }
        _ => html! { "anything" },
    }
}

fn bounds(schema: &Value) -> Markup {
    let number = |keyword: &str| schema[keyword].as_number().map(ToString::to_string);
    let range = |from: Option<String>, to: Option<String>, unit: &'static str| {
        let (from, to) = (from?, to?);
        Some(html! { ", " (from) " to " (to) (unit) })
    };
    html! {
        @if let Some(said) = range(number("minLength"), number("maxLength"), " characters") { (said) }
        @if let Some(said) = range(number("minimum"), number("maximum"), "") { (said) }
        @if let Some(said) = range(number("minItems"), number("maxItems"), " items") { (said) }
    }
}

/// A text in which backquotes mark what is to be typed.
fn prose(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

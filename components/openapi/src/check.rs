//! Whether what a component takes and answers is what its table says.

use crate::Api;
use crate::document::{self, PROBLEM};
use crate::operation::{Operation, Place};
use crate::schema::problem;
use boon::{Compiler, SchemaIndex, Schemas};
use http::{Request, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// What a schema is called while it is compiled. Nothing is fetched.
const ROOT: &str = "https://vwp.invalid/schema.json";

/// Holds an answer, and the request that it is for, against the table of the component that gave it.
///
/// # Panics
/// If the answer is not documented: its operation, its status, its media type, a member of its body, or a
/// problem's type. Also if the request was granted although the table does not let it be sent.
#[track_caller]
pub fn assert_documented(api: &Api, request: &Request<Vec<u8>>, response: &Response<Vec<u8>>) {
    if let Err(why) = documented(api, request, response) {
        let (method, path) = (request.method(), request.uri());
        let body = String::from_utf8_lossy(response.body());
        panic!("{method} {path} answered {}, but {why}\n{body}", response.status());
    }
}

/// The same as a value: what is not documented.
pub fn documented(api: &Api, request: &Request<Vec<u8>>, response: &Response<Vec<u8>>) -> Result<(), String> {
    let method = match request.method().as_str() {
        "HEAD" => "GET",
        other => other,
    };
    let Some(operation) = find(api, method, request.uri().path()) else {
        return unlisted(response);
    };
    // A name in a path may look like a parameter of another one, which takes another method.
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        return unlisted(response);
    }
    if response.status().is_success() {
        granted(api, operation, request)?;
    }
    answered(api, operation, response, *request.method() == http::Method::HEAD)
}

/// What is not in the table is not there.
fn unlisted(response: &Response<Vec<u8>>) -> Result<(), String> {
    // The component says who is calling before it says what there is.
    match response.status().as_u16() {
        400 | 401 | 403 | 404 | 405 | 429 => Ok(()),
        _ => Err("no operation of the table has this method and path".to_owned()),
    }
}

/// The operation of a method and a path. A name in the path wins over a parameter.
pub fn find<'a>(api: &'a Api, method: &str, path: &str) -> Option<&'a Operation> {
    let mut found: Vec<&Operation> = api
        .operations
        .iter()
        .filter(|operation| operation.method == method && matches(operation, path))
        .collect();
    found.sort_by_key(|operation| operation.path.matches('{').count());
    found.first().copied()
}

fn matches(operation: &Operation, path: &str) -> bool {
    let (mut templates, mut parts) = (operation.path.split('/'), path.split('/'));
    loop {
        match (templates.next(), parts.next()) {
            (None, None) => return true,
            (Some(template), Some(part)) if fits(template, part) => {}
            // What is left belongs to a parameter that may have slashes in it.
            (None, Some(_)) => return operation.is_deep,
            _ => return false,
        }
    }
}

/// Whether a part of a path is one of a template's, which may have one parameter in it.
fn fits(template: &str, part: &str) -> bool {
    let Some((before, rest)) = template.split_once('{') else { return template == part };
    let after = rest.split_once('}').map_or("", |(_, after)| after);
    let value = part.strip_prefix(before).and_then(|part| part.strip_suffix(after));
    value.is_some_and(|value| !value.is_empty())
}

/// Whether a request that was granted is one that the table lets callers send.
fn granted(api: &Api, operation: &Operation, request: &Request<Vec<u8>>) -> Result<(), String> {
    for (name, _) in query(request) {
        let is_known = |parameter: &crate::operation::Parameter| {
            parameter.place == Place::Query && parameter.name == name
        };
        if !operation.parameters.iter().any(is_known) {
            return Err(format!("the table has no parameter {name}"));
        }
    }
    let given = media_type(request.headers());
    if operation.bodies.is_empty() || (operation.is_body_optional && request.body().is_empty()) {
        return Ok(());
    }
    let body = operation.bodies.iter().find(|body| body.media_type.eq_ignore_ascii_case(&given));
    let body = body.ok_or_else(|| format!("the table has no body of the type {given:?}"))?;
    if body.media_type == "application/json" {
        let value: Value = serde_json::from_slice(request.body())
            .map_err(|_| "the request's body is not JSON, and was granted".to_owned())?;
        // What a table leaves open is open to callers, too.
        valid(api, body.schema.to_json(), &value, false)
            .map_err(|why| format!("the request's body: {why}"))?;
    }
    Ok(())
}

fn query(request: &Request<Vec<u8>>) -> Vec<(String, String)> {
    let pairs = request.uri().query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

fn answered(
    api: &Api,
    operation: &Operation,
    response: &Response<Vec<u8>>,
    is_head: bool,
) -> Result<(), String> {
    let status = response.status().as_u16();
    let given = media_type(response.headers());
    let refusals = operation.refusals_by_status();
    let refusals = refusals.into_iter().find(|(known, _)| *known == status);
    let answer = operation.answers.iter().find(|answer| answer.status == status);
    if answer.is_none() && refusals.is_none() {
        return Err(format!("{} has no such status in the table", operation.id));
    }
    if is_head {
        return Ok(());
    }
    if given == PROBLEM {
        let slugs = refusals.map(|(_, slugs)| slugs).unwrap_or_default();
        return valid_json(api, problem(&slugs).to_json(), response.body());
    }
    let content = answer.map(|answer| answer.content.as_slice()).unwrap_or_default();
    if content.is_empty() {
        let is_empty = response.body().is_empty();
        return if is_empty { Ok(()) } else { Err(format!("{} has no body in the table", operation.id)) };
    }
    let known = content.iter().find(|(known, _)| essence(known) == given);
    let (known, schema) = known.ok_or_else(|| format!("{} has no {given:?} in the table", operation.id))?;
    if essence(known).ends_with("json") { valid_json(api, schema.to_json(), response.body()) } else { Ok(()) }
}

fn media_type(headers: &http::HeaderMap) -> String {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    essence(given.unwrap_or_default())
}

fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn valid_json(api: &Api, schema: Value, body: &[u8]) -> Result<(), String> {
    let value: Value = serde_json::from_slice(body).map_err(|_| "the body is not JSON".to_owned())?;
    valid(api, schema, &value, true)
}

thread_local! {
    /// What was compiled before, by what it was compiled from: a table's schemas take longer to compile than
    /// most tests do besides.
    static COMPILED: RefCell<HashMap<String, (Schemas, SchemaIndex)>> = RefCell::default();
}

/// Whether a value is one of a schema, all of whose objects have only what they list if it is closed.
fn valid(api: &Api, schema: Value, value: &Value, is_closed: bool) -> Result<(), String> {
    let key = format!("{} {is_closed} {schema}", api.name);
    COMPILED.with_borrow_mut(|compiled| {
        let (known, index) = match compiled.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(compile(api, schema, is_closed)?),
        };
        known.validate(value, *index).map_err(|error| format!("{error:#}"))
    })
}

fn compile(api: &Api, mut schema: Value, is_closed: bool) -> Result<(Schemas, SchemaIndex), String> {
    let mut schemas = document::schemas(std::slice::from_ref(api));
    if is_closed {
        close(&mut schema);
        close(&mut schemas);
    }
    let mut root = json!({ "allOf": [schema], "$defs": schemas });
    relocate(&mut root);
    let (mut compiler, mut known) = (Compiler::new(), Schemas::new());
    let fault = |error: &dyn std::fmt::Display| format!("the table's schema: {error:#}");
    compiler.add_resource(ROOT, root).map_err(|error| fault(&error))?;
    let index = compiler.compile(ROOT, &mut known).map_err(|error| fault(&error))?;
    Ok((known, index))
}

/// Names the schemas where JSON Schema has them, and not where OpenAPI has.
fn relocate(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            if let Some(Value::String(target)) = keywords.get_mut("$ref") {
                *target = target.replace("#/components/schemas/", "#/$defs/");
            }
            keywords.values_mut().for_each(relocate);
        }
        Value::Array(items) => items.iter_mut().for_each(relocate),
        _ => {}
    }
}

/// Lets objects have no members but those that are listed, so that one that is not documented is found.
/// The published document does not say so: clients must let answers get more.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            let is_object = keywords.get("type").is_some_and(|kind| kind == "object" || kind[0] == "object");
            if is_object
                && keywords.contains_key("properties")
                && !keywords.contains_key("additionalProperties")
            {
                keywords.insert("additionalProperties".to_owned(), false.into());
            }
            keywords.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// A request for each operation of a table, from nobody and without a body: what is listed is there, whoever
/// asks for it.
pub fn probes(api: &Api) -> Vec<Request<Vec<u8>>> {
    let probe = |operation: &Operation| {
        let mut path = operation.path.to_owned();
        for parameter in operation.parameters.iter().filter(|parameter| parameter.place == Place::Path) {
            let schema = parameter.schema.to_json();
            let example = &schema["examples"][0];
            let value = match example.as_str() {
                Some(text) => text.to_owned(),
                None if schema["type"] == "integer" => "1".to_owned(),
                None => "a".to_owned(),
            };
            path = path.replace(&format!("{{{}}}", parameter.name), &value);
        }
        let request = Request::builder().method(operation.method).uri(path).body(Vec::new());
        request.unwrap_or_else(|error| panic!("{} has no request: {error}", operation.id))
    };
    api.operations.iter().map(probe).collect()
}

/// Holds an answer to a probe against the table: there is such a resource, and it takes the method.
///
/// # Panics
/// If there is none.
#[track_caller]
pub fn assert_routed(api: &Api, request: &Request<Vec<u8>>, response: &Response<Vec<u8>>) {
    assert_documented(api, request, response);
    let (method, path) = (request.method(), request.uri());
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    let is_unknown = body["detail"] == "no resource has this path" || response.status() == 405;
    assert!(!is_unknown, "{method} {path} is in the table, and is not there: {body}");
}

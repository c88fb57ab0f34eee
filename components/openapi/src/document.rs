//! A table as an OpenAPI 3.1 document (<https://spec.openapis.org/oas/v3.1.1>).

use crate::operation::{Answer, Body, Caller, Operation, Parameter};
use crate::schema::{member, object, optional, problem, text, word};
use crate::{Api, schema};
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The media type of a problem (RFC 9457, section 3).
pub const PROBLEM: &str = "application/problem+json";
/// How many reasons an answer's name may have.
const SHARED_REASONS_MAX: usize = 4;
/// What the whole API is about.
const ABOUT: &str = "The port through which people travel between virtual worlds: worlds are found by name, \
    travellers are recognised by passports that any world verifies offline, and money moves between worlds \
    without being lost or made. Every refusal is a problem document (RFC 9457) whose `type` is stable; what \
    an operation may answer, and which problems it has, is said with it. Clients leave members alone that \
    they do not know: answers may get more of them. HEAD is answered wherever GET is.";

/// The document of some parts of the API, as it is committed: sorted, so that it does not depend on how
/// JSON's objects are kept here.
pub fn text_of(title: &str, parts: &[Api]) -> String {
    let sorted = sorted(document(title, parts));
    // Indented by one, because it is also served as it stands.
    let mut text = Vec::new();
    let formatter = PrettyFormatter::with_indent(b" ");
    let written = sorted.serialize(&mut Serializer::with_formatter(&mut text, formatter));
    debug_assert!(written.is_ok(), "JSON is written to memory");
    text.push(b'\n');
    String::from_utf8(text).unwrap_or_default()
}

/// The document of some parts of the API.
pub fn document(title: &str, parts: &[Api]) -> Value {
    let mut paths = Map::new();
    let mut tags: Vec<&str> = Vec::new();
    for operation in parts.iter().flat_map(|part| &part.operations) {
        if !tags.contains(&operation.tag) {
            tags.push(operation.tag);
        }
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method.to_ascii_lowercase()] = operation_object(operation);
    }
    let shared = share(&mut paths);
    let tags: Vec<Value> = tags.into_iter().map(|name| json!({ "name": name })).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "description": if let [part] = parts { part.about } else { ABOUT },
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "The port that serves this document" }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas(parts),
            "responses": shared,
            "securitySchemes": security_schemes(),
        },
    })
}

/// The schemas of some parts, and those that all have.
pub fn schemas(parts: &[Api]) -> Value {
    let mut schemas = Map::new();
    schemas.insert("Problem".to_owned(), problem_schema());
    for (name, schema) in parts.iter().flat_map(|part| &part.schemas) {
        schemas.insert((*name).to_owned(), schema.to_json());
    }
    sorted(schemas.into())
}

fn problem_schema() -> Value {
    let members = [
        member("type", text().pattern("^urn:vwp:problem:[a-z0-9-]+$").about("What kind it is. Stable.")),
        member("title", text().about("The kind in a few words.")),
        member("status", schema::count().within(400, 599)),
        member("detail", text().about("What is wrong this time, for people.")),
    ];
    object(members).open().about("A refusal (RFC 9457). Some have more members.").to_json()
}

/// The ways in which callers say who they are.
fn security_schemes() -> Value {
    let bearer = |format: &str, about: &str| json!({ "type": "http", "scheme": "bearer", "bearerFormat": format, "description": about });
    json!({
        "traveller": bearer("at+jwt", "The access token of a traveller's session."),
        "operator": bearer(
            "vwp-operator+jwt",
            "An operator's assertion, signed with its key (RFC 7523): `iss` and `sub` are the operator's id, \
             `aud` the port, `exp` at most five minutes later; `content_digest` names the body that it is for.",
        ),
        "administrator": bearer("opaque", "The administrator's token."),
        "client": {
            "type": "http", "scheme": "basic",
            "description": "An OAuth client's id and secret (RFC 6749, section 2.3.1). Clients with a key send \
                            `client_assertion` in the body instead (RFC 7523, section 2.2); public ones \
                            `client_id` alone.",
        },
        "token": bearer("at+jwt", "An OAuth access token; one that is bound to a key is sent as `DPoP` (RFC 9449)."),
    })
}

fn scheme(caller: Caller) -> &'static str {
    match caller {
        Caller::Traveller => "traveller",
        Caller::Operator => "operator",
        Caller::Administrator => "administrator",
        Caller::Client => "client",
        Caller::Holder => "token",
    }
}

fn operation_object(operation: &Operation) -> Value {
    let security: Vec<Value> =
        operation.callers.iter().map(|caller| json!({ scheme(*caller): [] })).collect();
    let mut object = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "security": security,
        "responses": responses(operation),
    });
    if !operation.about.is_empty() {
        object["description"] = operation.about.into();
    }
    if !operation.parameters.is_empty() {
        object["parameters"] = operation.parameters.iter().map(parameter_object).collect();
    }
    if !operation.bodies.is_empty() {
        object["requestBody"] = request_body(operation);
    }
    object
}

fn parameter_object(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "in": parameter.place.name(),
        "description": parameter.about,
        "required": parameter.is_required,
        "schema": parameter.schema.to_json(),
    })
}

fn request_body(operation: &Operation) -> Value {
    let content: Map<String, Value> =
        operation.bodies.iter().map(|body| (body.media_type.to_owned(), media_object(body))).collect();
    json!({
        "description": format!("At most {} bytes.", operation.body_length_max),
        "required": !operation.is_body_optional,
        "content": content,
    })
}

fn media_object(body: &Body) -> Value {
    let mut schema = body.schema.to_json();
    if let Some((typ, payload)) = &body.signed {
        schema["description"] =
            format!("A compact JWS (RFC 7515), ES256, whose header has `typ: {typ}`, and `kid` or `jwk`.")
                .into();
        // JSON Schema 2020-12, section 8.5: what the text is once it is decoded.
        schema["contentMediaType"] = "application/jose".into();
        schema["contentSchema"] = payload.to_json();
    }
    json!({ "schema": schema })
}

/// The answers by status. A status may have an answer and refusals: each is a media type of its own.
fn responses(operation: &Operation) -> Value {
    let mut responses = Map::new();
    for answer in &operation.answers {
        responses.insert(answer.status.to_string(), answer_object(answer));
    }
    for (status, slugs) in operation.refusals_by_status() {
        let response = responses.entry(status.to_string()).or_insert_with(|| json!({ "description": "" }));
        let named: Vec<String> = slugs.iter().map(|slug| format!("`{slug}`")).collect();
        let said = response["description"].as_str().filter(|said| !said.is_empty());
        let named = format!("A problem: {}.", named.join(", "));
        response["description"] = said.map_or(named.clone(), |said| format!("{said} {named}")).into();
        response["content"][PROBLEM] = json!({ "schema": problem(&slugs).to_json() });
        if let Some((name, about)) = header_of(status) {
            response["headers"][name] = json!({ "description": about, "schema": { "type": "string" } });
        }
    }
    responses.into()
}

/// Moves answers that several operations have to one place, and names them there instead.
fn share(paths: &mut Map<String, Value>) -> Map<String, Value> {
    let mut seen: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    each_response(paths, |name, response| seen.entry(name).or_default().push(response.clone()));
    let is_shared =
        |found: &Vec<Value>| found.len() > 1 && found.iter().all(|response| Some(response) == found.first());
    seen.retain(|_, found| is_shared(found));
    each_response(paths, |name, response| {
        if seen.contains_key(&name) {
            *response = json!({ "$ref": format!("#/components/responses/{name}") });
        }
    });
    seen.into_iter().filter_map(|(name, found)| Some((name, found.into_iter().next()?))).collect()
}

/// Does something with every answer that may be shared, and the name that it has then.
fn each_response(paths: &mut Map<String, Value>, mut apply: impl FnMut(String, &mut Value)) {
    let operations = paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    for operation in operations {
        for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            if let Some(name) = shared_name(status, response) {
                apply(name, response);
            }
        }
    }
}

/// The name of an answer that says only why not: its status, and the reasons if they are few.
fn shared_name(status: &str, response: &Value) -> Option<String> {
    let mut name = vec![status];
    let contents: BTreeMap<&String, &Value> = response["content"].as_object()?.iter().collect();
    for (media_type, content) in contents {
        match media_type.as_str() {
            PROBLEM => {
                let types = content["schema"]["properties"]["type"]["enum"].as_array()?;
                let slugs = types.iter().filter_map(|uri| uri.as_str()?.rsplit(':').next());
                name.extend(slugs.take(SHARED_REASONS_MAX + 1));
            }
            media_type if media_type.starts_with("text/html") => name.push("page"),
            _ if content["schema"]["$ref"] == "#/components/schemas/OauthError" => name.push("oauth"),
            _ => return None,
        }
    }
    (name.len() <= SHARED_REASONS_MAX + 2).then(|| name.join("-"))
}

/// The header that refusals of a status come with.
fn header_of(status: u16) -> Option<(&'static str, &'static str)> {
    match status {
        401 => {
            Some(("WWW-Authenticate", "What the caller may authenticate with (RFC 9110, section 11.6.1)."))
        }
        429 | 503 => Some(("Retry-After", "After how many seconds to ask again, where that is known.")),
        _ => None,
    }
}

fn answer_object(answer: &Answer) -> Value {
    let mut object = json!({ "description": answer.about });
    for (media_type, schema) in &answer.content {
        object["content"][*media_type] = json!({ "schema": schema.to_json() });
    }
    for (name, about) in &answer.headers {
        object["headers"][*name] = json!({ "description": about, "schema": { "type": "string" } });
    }
    object
}

/// The same value with the members of every object in order, whatever order `serde_json` keeps: another crate
/// of the build may ask it to keep that of insertion.
pub(crate) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> = members.into_iter().collect();
            members.sort_by(|(left, _), (right, _)| left.cmp(right));
            members.into_iter().map(|(name, value)| (name, sorted(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// A set of public keys (RFC 7517, section 5), and what one looks like: several parts have them.
pub fn key_schemas() -> Vec<(&'static str, schema::Schema)> {
    let jwk = object([
        member("kty", word(&["EC"])),
        member("crv", word(&["P-256"])),
        member("x", text().about("The x coordinate, base64url.").length(43, 43)),
        member("y", text().about("The y coordinate, base64url.").length(43, 43)),
        optional("kid", text().about("The key's thumbprint (RFC 7638).")),
    ])
    .about("A public key (RFC 7517).");
    let info = object([
        member("kid", text().about("The key's thumbprint (RFC 7638).")),
        member("created_at", schema::milliseconds()),
        member("active", schema::flag().about("Whether new signatures use it. Others only verify.")),
        member("jwk", schema::refer("Jwk")),
    ])
    .about("A key of the port's.");
    let ring = object([member("keys", schema::list(schema::refer("KeyInfo")))]).about("Keys of the port's.");
    let resealed = object([member("resealed", schema::count().about("How many keys."))])
        .about("How many keys are sealed anew.");
    vec![("Jwk", jwk), ("KeyInfo", info), ("Keyring", ring), ("Resealed", resealed)]
}

//! A port in memory, and operators who register worlds at it.

use futures::executor::block_on;
use http::{HeaderMap, Method, Request, StatusCode, header};
use p256::ecdsa::SigningKey;
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use vwp_core::Environment;
use vwp_core::environment::{Random, Settings};
use vwp_core::jose::{self, Jwk};
use vwp_core::outbound::{Offline, Outbound};
use vwp_discovery::record::{self, Endpoint, Record, Texts};
use vwp_openapi::{Api, check};
use vwp_storage::Kv;
use vwp_storage::memory::Memory;

/// What the component's HTTP API is said to be. Every answer in these tests is held against it.
pub(crate) static API: LazyLock<Api> = LazyLock::new(vwp_openapi::discovery::api);

pub(crate) const ISSUER: &str = "https://port.example";
pub(crate) const ADMIN_TOKEN: &str = "admin-secret";
pub(crate) const START_S: u64 = 1_800_000_000;

/// Numbers that are the same in every run.
#[derive(Default)]
pub(crate) struct Seeded(AtomicU64);

impl Random for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            let mixed = (state ^ (state >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            *byte = (mixed >> 56) as u8;
        }
    }
}

/// A port with its store and its clock.
pub(crate) struct Port {
    pub(crate) store: Memory,
    pub(crate) settings: Settings,
    clock: Arc<AtomicU64>,
    random: Seeded,
}

/// An answer of the HTTP API.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// The last part of the problem's type.
    pub(crate) fn slug(&self) -> String {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16());
        let slug = json["type"].as_str().and_then(|text| text.strip_prefix("urn:vwp:problem:"));
        slug.expect("a problem's type").to_owned()
    }
}

impl Port {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(AtomicU64::new(START_S * 1000));
        let store = Memory::new({
            let clock = Arc::clone(&clock);
            move || clock.load(Ordering::Relaxed)
        });
        let settings = Settings {
            zone: "vwp.test".into(),
            issuer: ISSUER.into(),
            master_key: [7; 32],
            master_key_previous: None,
            admin_token: ADMIN_TOKEN.into(),
            options: std::collections::BTreeMap::new(),
        };
        Self { store, settings, clock, random: Seeded::default() }
    }

    pub(crate) fn environment(&self) -> Environment<'_> {
        let now = self.clock.load(Ordering::Relaxed);
        Environment { now, random: &self.random, settings: &self.settings }
    }

    pub(crate) fn advance_s(&self, seconds: u64) {
        self.clock.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    pub(crate) fn send(&self, request: Request<Vec<u8>>) -> Answer {
        self.send_through(&self.store, request)
    }

    pub(crate) fn send_through(&self, store: &impl Kv, request: Request<Vec<u8>>) -> Answer {
        self.exchange(store, &Offline, request)
    }

    /// The same with a network that the port can reach others through.
    pub(crate) fn send_out(&self, outbound: &impl Outbound, request: Request<Vec<u8>>) -> Answer {
        self.exchange(&self.store, outbound, request)
    }

    fn exchange(&self, store: &impl Kv, outbound: &impl Outbound, request: Request<Vec<u8>>) -> Answer {
        let (environment, asked) = (self.environment(), request.clone());
        let answer = vwp_discovery::http::handle(store, outbound, &environment, request);
        let response = block_on(answer);
        check::assert_documented(&API, &asked, &response);
        let (parts, body) = response.into_parts();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) fn get(&self, uri: &str) -> Answer {
        self.send(Request::get(uri).body(Vec::new()).unwrap())
    }

    pub(crate) fn post_record(&self, signed: &str) -> Answer {
        self.send(register_request(signed))
    }

    pub(crate) fn register(&self, operator: &Operator, record: &Record) -> Answer {
        let answer = self.post_record(&operator.sign(record));
        assert!(answer.status.is_success(), "{}", String::from_utf8_lossy(&answer.body));
        answer
    }
}

pub(crate) fn register_request(signed: &str) -> Request<Vec<u8>> {
    Request::builder()
        .method(Method::POST)
        .uri("/v1/worlds")
        .header(header::CONTENT_TYPE, "application/jose")
        .body(signed.as_bytes().to_vec())
        .unwrap()
}

/// Somebody with a key.
pub(crate) struct Operator {
    pub(crate) key: SigningKey,
    pub(crate) id: String,
}

impl Operator {
    pub(crate) fn new(seed: u64) -> Self {
        let key = jose::generate_key(&Seeded(AtomicU64::new(seed.wrapping_mul(0xd134_2543_de82_ef95))));
        let id = Jwk::from_key(key.verifying_key()).thumbprint();
        Self { key, id }
    }

    pub(crate) fn sign(&self, record: &Record) -> String {
        record::sign(record, &self.key)
    }
}

pub(crate) fn endpoint(transport: &str, host: &str, port: u16) -> Endpoint {
    Endpoint::new(transport, host, port)
}

/// A record that the port takes at the start.
pub(crate) fn record(name: &str) -> Record {
    Record {
        name: name.into(),
        uuid: record::uuid_of("test", &"world".parse().unwrap()),
        title: title(&format!("World of {name}")),
        endpoints: vec![endpoint("minecraft", "play.example.com", 25565)],
        tags: vec!["minecraft".into()],
        seq: 1,
        iat: START_S,
        exp: START_S + 86_400,
        aud: ISSUER.into(),
        ..Record::default()
    }
}

/// A title, or a description, in English.
pub(crate) fn title(text: &str) -> Texts {
    Texts::one("en", text)
}

/// The fenced blocks of the protocol's description: what stands behind the fence, and the text.
pub(crate) fn examples() -> Vec<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol/discovery.md");
    let document = std::fs::read_to_string(path).expect("the protocol's description");
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut is_inside = false;
    for line in document.lines() {
        match (line.strip_prefix("```"), blocks.last_mut()) {
            (Some(kind), _) => {
                is_inside = !is_inside;
                if is_inside {
                    blocks.push((kind.to_owned(), String::new()));
                }
            }
            (None, Some((_, text))) if is_inside => {
                text.push_str(line);
                text.push('\n');
            }
            _ => {}
        }
    }
    blocks
}

/// The example of a record that has every field.
pub(crate) fn full_record() -> Value {
    let mut records = examples().into_iter().filter(|(kind, _)| kind == "json world-record");
    serde_json::from_str(&records.next_back().expect("a record").1).expect("JSON")
}

/// Changes members of an object as RFC 7396 says.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let target = target.as_object_mut().expect("an object");
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Signs anything as somebody's statement of a type, with the key in the header.
pub(crate) fn sign_as(key: &SigningKey, typ: &str, payload: &[u8]) -> String {
    let jwk = Jwk::from_key(key.verifying_key());
    let header = jose::Header::new(typ).with_kid(jwk.thumbprint()).with_jwk(jwk);
    jose::sign(&header, payload, key)
}

//! A port to test on: a store in memory, a clock and a generator that the test controls.

use futures::executor::block_on;
use http::{HeaderMap, Request, StatusCode, header};
use p256::ecdsa::SigningKey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use vwp_auth::http::handle_online;
use vwp_auth::sd_jwt;
use vwp_core::Environment;
use vwp_core::environment::{Random, Settings};
use vwp_core::jose::{self, Header, Jwk};
use vwp_core::outbound::{Offline, Outbound};
use vwp_openapi::{Api, check};
use vwp_storage::memory::Memory;

/// What the component's HTTP API is said to be. Every answer in these tests is held against it.
pub(crate) static API: LazyLock<Api> = LazyLock::new(vwp_openapi::auth::api);

/// The port's URL.
pub(crate) const ISSUER: &str = "https://port.example";
/// A world that verifies passports.
pub(crate) const WORLD: &str = "https://world.example";
/// The administrator's secret.
pub(crate) const ADMIN: &str = "the-administrators-secret";
/// A password that keeps the rules.
pub(crate) const PASSWORD: &str = "correct horse battery";
/// When tests begin, in milliseconds.
pub(crate) const START: u64 = 1_800_000_000_000;

/// Bytes that differ at every call and are the same in every run.
pub(crate) struct Counter(Cell<u64>);

impl Random for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            self.0.set(self.0.get() + 1);
            let bytes = Sha256::digest(self.0.get().to_be_bytes());
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

/// A port.
pub(crate) struct Port {
    pub(crate) store: Memory,
    pub(crate) settings: Settings,
    random: Counter,
    clock: Arc<AtomicU64>,
}

/// An answer, with its body as JSON (null if it is empty).
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    /// The end of a problem's type.
    pub(crate) fn problem(&self) -> &str {
        self.json["type"].as_str().and_then(|uri| uri.strip_prefix("urn:vwp:problem:")).unwrap_or_default()
    }
}

impl Port {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(AtomicU64::new(START));
        let time = Arc::clone(&clock);
        let settings = Settings {
            zone: "vwp.test".into(),
            issuer: ISSUER.into(),
            master_key: [7; 32],
            master_key_previous: None,
            admin_token: ADMIN.into(),
            options: std::collections::BTreeMap::new(),
        };
        let store = Memory::new(move || time.load(Ordering::Relaxed));
        Self { store, settings, random: Counter(Cell::new(0)), clock }
    }

    pub(crate) fn environment(&self) -> Environment<'_> {
        Environment { now: self.now(), random: &self.random, settings: &self.settings }
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    pub(crate) fn advance_s(&self, seconds: u64) {
        self.clock.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    pub(crate) fn send(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> Answer {
        let mut request =
            Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        self.answer(request.body(body.as_bytes().to_vec()).unwrap())
    }

    pub(crate) fn answer(&self, request: Request<Vec<u8>>) -> Answer {
        self.answer_online(&Offline, request)
    }

    /// The same for a port that can ask others.
    pub(crate) fn answer_online(&self, outbound: &impl Outbound, request: Request<Vec<u8>>) -> Answer {
        let (environment, asked) = (self.environment(), request.clone());
        let answer = handle_online(&self.store, outbound, &environment, request);
        let response = block_on(answer);
        check::assert_documented(&API, &asked, &response);
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body).unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, text, json }
    }

    pub(crate) fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.send("GET", path, token, "")
    }

    pub(crate) fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        self.send("POST", path, token, &body.to_string())
    }

    pub(crate) fn sign_up(&self, handle: &str) -> Answer {
        self.post("/v1/travellers", None, &json!({ "handle": handle, "password": PASSWORD }))
    }

    pub(crate) fn sign_in(&self, handle: &str, password: &str) -> Answer {
        self.post("/v1/sessions", None, &json!({ "handle": handle, "password": password }))
    }

    /// Signs up and in, and gives out the access token.
    pub(crate) fn arrive(&self, handle: &str) -> String {
        assert_eq!(self.sign_up(handle).status, StatusCode::CREATED);
        let session = self.sign_in(handle, PASSWORD);
        assert_eq!(session.status, StatusCode::OK, "{}", session.text);
        session.json["access_token"].as_str().unwrap().to_owned()
    }

    /// A proof of possession for this port, made now.
    pub(crate) fn proof(&self, key: &SigningKey) -> String {
        let header = Header::new("openid4vci-proof+jwt").with_jwk(Jwk::from_key(key.verifying_key()));
        sign(&header, &json!({ "aud": ISSUER, "iat": self.now() / 1000 }), key)
    }

    /// A passport for a key.
    pub(crate) fn passport(&self, token: &str, key: &SigningKey) -> String {
        let issued = self.post("/v1/passports", Some(token), &json!({ "proof": self.proof(key) }));
        assert_eq!(issued.status, StatusCode::OK, "{}", issued.text);
        issued.json["passport"].as_str().unwrap().to_owned()
    }

    /// A passport, shown to the world with a nonce, now.
    pub(crate) fn present(&self, passport: &str, key: &SigningKey, nonce: &str) -> String {
        bind(passport, key, &key_binding(passport, nonce, self.now()))
    }

    /// What the port says of a presentation to the world.
    pub(crate) fn verify(&self, presentation: &str, nonce: &str) -> Answer {
        let body = json!({ "presentation": presentation, "audience": WORLD, "nonce": nonce });
        self.post("/v1/passports/verify", None, &body)
    }
}

/// A key that differs by its seed.
pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

pub(crate) fn sign(header: &Header, claims: &Value, key: &SigningKey) -> String {
    jose::sign(header, claims.to_string().as_bytes(), key)
}

/// The claims of a key-binding JWT for what ends in a tilde.
pub(crate) fn key_binding(hashed: &str, nonce: &str, now: u64) -> Value {
    json!({ "iat": now / 1000, "aud": WORLD, "nonce": nonce, "sd_hash": sd_jwt::digest(hashed) })
}

/// Ends a presentation with a key-binding JWT.
pub(crate) fn bind(hashed: &str, key: &SigningKey, claims: &Value) -> String {
    format!("{hashed}{}", sign(&Header::new("kb+jwt"), claims, key))
}

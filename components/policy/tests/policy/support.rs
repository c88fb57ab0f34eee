//! A port to test on: two operators with a world each, and a traveller who is signed in.

use futures::executor::block_on;
use http::{Request, StatusCode, header};
use p256::ecdsa::SigningKey;
use serde_json::{Value, json};
use std::cell::Cell;
use std::sync::LazyLock;
use vwp_core::Environment;
use vwp_core::caller::{ACCESS_TOKEN_TYPE, OPERATOR_TOKEN_TYPE};
use vwp_core::directory::{self, Issuer, Operator, World};
use vwp_core::environment::{Random, Settings};
use vwp_core::jose::{self, Header, Jwk};
use vwp_openapi::{Api, check};
use vwp_policy::decide::{Principal, PrincipalKind, Request as Question, Resource, ResourceKind, Role};
use vwp_policy::set::{Set, Texts, admit};
use vwp_storage::Kv;
use vwp_storage::kv::Write;
use vwp_storage::memory::Memory;

/// What the component's HTTP API is said to be. Every answer in these tests is held against it.
pub(crate) static API: LazyLock<Api> = LazyLock::new(vwp_openapi::policy::api);

pub(crate) const ISSUER: &str = "https://port.example";
pub(crate) const ADMIN: &str = "the-administrators-secret";
pub(crate) const NOW_S: u64 = 1_800_000_000;
/// A traveller's id, and another one's.
pub(crate) const ADA: &str = "Js-ScvYdVxdAp7p7p5wH3A";
pub(crate) const EVE: &str = "Ks-ScvYdVxdAp7p7p5wH3A";

pub(crate) struct Counter(Cell<u64>);

impl Random for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            self.0.set(self.0.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            *byte = (self.0.get() >> 56) as u8;
        }
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    /// The end of a problem's type.
    pub(crate) fn problem(&self) -> &str {
        self.json["type"].as_str().and_then(|uri| uri.strip_prefix("urn:vwp:problem:")).unwrap_or_default()
    }
}

pub(crate) struct Port {
    pub(crate) store: Memory,
    settings: Settings,
    random: Counter,
}

/// The key of an operator, or of the port, by a seed.
pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

/// An operator's id.
pub(crate) fn operator(seed: u8) -> String {
    Jwk::from_key(key(seed).verifying_key()).thumbprint()
}

impl Port {
    /// Operator 1 runs `arena`, operator 2 runs `garden`.
    pub(crate) fn new() -> Self {
        let settings = Settings {
            zone: "vwp.test".into(),
            issuer: ISSUER.into(),
            master_key: [7; 32],
            master_key_previous: None,
            admin_token: ADMIN.into(),
            options: std::collections::BTreeMap::new(),
        };
        let port = Self { store: Memory::new(|| NOW_S * 1000), settings, random: Counter(Cell::new(1)) };
        let mut writes = Vec::new();
        for (seed, world) in [(1, "arena"), (2, "garden")] {
            let keys = vec![Jwk::from_key(key(seed).verifying_key())];
            let record = serde_json::to_vec(&Operator { keys }).unwrap();
            writes.push(Write::put(directory::operator_key(&operator(seed)), record));
            let record = World { operator: operator(seed), assets_of: None };
            let name = world.parse().unwrap();
            writes.push(Write::put(directory::world_key(&name), serde_json::to_vec(&record).unwrap()));
        }
        let jwk = Jwk::from_key(key(9).verifying_key());
        let issuer = serde_json::to_vec(&Issuer { jwk: jwk.clone() }).unwrap();
        writes.push(Write::put(directory::issuer_key(&jwk.thumbprint()), issuer));
        block_on(port.store.commit(&[], &writes)).unwrap();
        port
    }

    pub(crate) fn environment(&self) -> Environment<'_> {
        Environment { now: NOW_S * 1000, random: &self.random, settings: &self.settings }
    }

    /// An operator's assertion.
    pub(crate) fn assertion(seed: u8) -> String {
        let id = operator(seed);
        let claims = json!({ "iss": id, "sub": id, "aud": ISSUER, "iat": NOW_S, "exp": NOW_S + 60 });
        jose::sign(&Header::new(OPERATOR_TOKEN_TYPE).with_kid(id), claims.to_string().as_bytes(), &key(seed))
    }

    /// A traveller's access token.
    pub(crate) fn token(traveller: &str) -> String {
        let claims = json!({ "iss": ISSUER, "aud": ISSUER, "sub": traveller, "client_id": ISSUER,
            "jti": format!("session-of-{traveller}"), "iat": NOW_S, "exp": NOW_S + 60 });
        let kid = Jwk::from_key(key(9).verifying_key()).thumbprint();
        jose::sign(&Header::new(ACCESS_TOKEN_TYPE).with_kid(kid), claims.to_string().as_bytes(), &key(9))
    }

    pub(crate) fn send(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.raw(method, path, token, "application/json", body.into_bytes())
    }

    /// What an operator signed about itself.
    pub(crate) fn put_signed(&self, path: &str, typ: &str, seed: u8, matter: &Value) -> Answer {
        let mut claims = json!({ "iat": NOW_S, "aud": ISSUER, "operator": operator(seed) });
        for (name, value) in matter.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let header = Header::new(typ).with_kid(operator(seed));
        let compact = jose::sign(&header, claims.to_string().as_bytes(), &key(seed));
        self.raw("PUT", path, None, "application/jose", compact.into_bytes())
    }

    /// Puts an operator's first policies, which must be good ones.
    pub(crate) fn policies(&self, seed: u8, policies: &Value) {
        let path = format!("/v1/policies/{}", operator(seed));
        let matter = json!({ "replaces": 0, "policies": policies });
        let answer = self.put_signed(&path, "vwp-policies+jws", seed, &matter);
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    }

    /// Puts the port's first policies.
    pub(crate) fn port_policies(&self, policies: &Value) {
        let body = json!({ "replaces": 0, "policies": policies });
        let answer = self.send("PUT", "/v1/policies/port", Some(ADMIN), &body);
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    }

    /// Puts an operator's first team.
    pub(crate) fn team(&self, seed: u8, members: &Value) {
        let path = format!("/v1/teams/{}", operator(seed));
        let matter = json!({ "replaces": 0, "members": members });
        let answer = self.put_signed(&path, "vwp-team+jws", seed, &matter);
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    }

    /// What the port decides about a traveller in a world.
    pub(crate) fn decide(&self, traveller: &str, action: &str, world: &str) -> Answer {
        let question = json!({
            "principal": { "kind": "traveller", "id": traveller },
            "action": action,
            "resource": { "kind": "world", "id": world },
        });
        self.send("POST", "/v1/policies/decide", Some(ADMIN), &question)
    }

    pub(crate) fn raw(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        media_type: &str,
        body: Vec<u8>,
    ) -> Answer {
        let mut request =
            Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, media_type);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(body).unwrap();
        let (environment, asked) = (self.environment(), request.clone());
        let answer = vwp_policy::http::handle(&self.store, &environment, request);
        let response = block_on(answer);
        check::assert_documented(&API, &asked, &response);
        let status = response.status();
        let text = String::from_utf8(response.into_body()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status, text, json }
    }
}

/// A set of one policy.
pub(crate) fn one(text: &str) -> Set {
    admit(&Texts::from([("one".to_owned(), text.to_owned())])).unwrap_or_else(|said| panic!("{said:?}"))
}

/// A traveller who wants to do something in a world of operator 1.
pub(crate) fn question(action: &str, role: Option<Role>) -> Question {
    Question {
        principal: Principal {
            kind: PrincipalKind::Traveller,
            id: ADA.into(),
            role,
            scopes: Vec::new(),
            age_over: None,
            home_world: None,
            languages: None,
        },
        action: action.into(),
        resource: Resource { kind: ResourceKind::World, id: "arena".into(), operator: Some(operator(1)) },
        scopes: Vec::new(),
        client: None,
        now: NOW_S,
    }
}

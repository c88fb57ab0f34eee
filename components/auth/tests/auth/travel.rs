//! Worlds and operators for tests about travelling, and statements that operators sign.

use crate::support::{Answer, ISSUER, Port, key, sign};
use futures::executor::block_on;
use http::{Request, StatusCode, header};
use p256::ecdsa::SigningKey;
use serde_json::{Value, json};
use vwp_core::directory::{self, Operator, World};
use vwp_core::jose::{self, Header, Jwk};
use vwp_storage::Kv;
use vwp_storage::kv::{Outcome, Write};

/// Somebody who runs a world that is registered.
pub(crate) struct Host {
    pub(crate) world: &'static str,
    key: SigningKey,
}

impl Host {
    /// Registers a world as the registry would.
    pub(crate) fn new(port: &Port, world: &'static str, seed: u8) -> Self {
        let host = Self { world, key: key(seed) };
        let operator = Operator { keys: vec![host.jwk()] };
        let entry = World { operator: host.id(), assets_of: None };
        let writes = [
            Write::put(directory::operator_key(&host.id()), serde_json::to_vec(&operator).unwrap()),
            Write::put(directory::world_key(&world.parse().unwrap()), serde_json::to_vec(&entry).unwrap()),
        ];
        assert!(matches!(block_on(port.store.commit(&[], &writes)), Ok(Outcome::Committed(_))));
        host
    }

    fn jwk(&self) -> Jwk {
        Jwk::from_key(self.key.verifying_key())
    }

    /// The operator's id.
    pub(crate) fn id(&self) -> String {
        self.jwk().thumbprint()
    }

    /// A statement about the operator's world, made now.
    pub(crate) fn statement(&self, port: &Port, typ: &str, matter: Value) -> String {
        let mut claims =
            json!({ "aud": ISSUER, "iat": port.now() / 1000, "seq": port.now(), "world": self.world });
        let Value::Object(matter) = matter else { panic!("not an object") };
        claims.as_object_mut().unwrap().extend(matter);
        sign(&Header::new(typ).with_kid(self.id()), &claims, &self.key)
    }

    /// Sends a statement.
    pub(crate) fn state(&self, port: &Port, path: &str, typ: &str, matter: Value) -> Answer {
        send(port, path, &self.statement(port, typ, matter))
    }

    /// The operator's assertion.
    pub(crate) fn token(&self, port: &Port) -> String {
        let (id, now) = (self.id(), port.now() / 1000);
        let claims = json!({ "iss": id, "sub": id, "aud": ISSUER, "iat": now, "exp": now + 60 });
        sign(&Header::new("vwp-operator+jwt").with_kid(id), &claims, &self.key)
    }

    /// Has the port redeem a ticket.
    pub(crate) fn redeem(&self, port: &Port, ticket: &str) -> Answer {
        let body = json!({ "world": self.world, "ticket": ticket });
        port.post("/v1/tickets/redeem", Some(&self.token(port)), &body)
    }
}

/// Sends a compact JWS.
pub(crate) fn send(port: &Port, path: &str, compact: &str) -> Answer {
    let request = Request::builder().method("POST").uri(path);
    let request = request.header(header::CONTENT_TYPE, "application/jose");
    port.answer(request.body(compact.as_bytes().to_vec()).unwrap())
}

/// Asks for a ticket.
pub(crate) fn ask(port: &Port, token: &str, wish: &Value) -> Answer {
    port.post("/v1/tickets", Some(token), wish)
}

/// A ticket for a world.
pub(crate) fn ticket(port: &Port, token: &str, world: &str) -> String {
    let answer = ask(port, token, &json!({ "world": world, "claims": [] }));
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    answer.json["ticket"].as_str().unwrap().to_owned()
}

/// What a JWS signs, as JSON.
pub(crate) fn payload(compact: &str) -> Value {
    serde_json::from_slice(&jose::decode(compact.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// The other form of a signature that everybody can make: s replaced by n - s.
pub(crate) fn twin(compact: &str) -> String {
    let (input, signature) = compact.rsplit_once('.').unwrap();
    let signature = p256::ecdsa::Signature::from_slice(&jose::decode(signature).unwrap()).unwrap();
    let (r, s) = signature.split_scalars();
    let other = p256::ecdsa::Signature::from_scalars(*r, -*s).unwrap();
    format!("{input}.{}", jose::encode(other.to_bytes()))
}

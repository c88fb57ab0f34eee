//! What operators and worlds sign besides records.

use crate::support::{ADMIN_TOKEN, Answer, ISSUER, Operator, Port, record};
use futures::executor::block_on;
use http::{Method, Request, header};
use p256::ecdsa::SigningKey;
use vwp_core::jose::{self, Header, Jwk};
use vwp_discovery::actions::{self, Claims, Kind};
use vwp_discovery::live::{LIVE_TYPE, Live, Status};
use vwp_discovery::record::Record;
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, KeyRange};

impl Port {
    pub(crate) fn now_s(&self) -> u64 {
        self.environment().now_seconds()
    }

    /// The claims of an action without fields of its own.
    pub(crate) fn claims(&self, action: Kind, seq: u64) -> Claims {
        Claims {
            action,
            name: None,
            to: None,
            key: None,
            thumbprint: None,
            seq,
            iat: self.now_s(),
            exp: self.now_s() + 60,
            aud: ISSUER.into(),
        }
    }

    pub(crate) fn about(&self, action: Kind, name: &str, seq: u64) -> Claims {
        Claims { name: Some(name.into()), ..self.claims(action, seq) }
    }

    pub(crate) fn act(&self, operator: &Operator, claims: &Claims) -> Answer {
        self.act_with(&operator.key, &operator.id, claims)
    }

    pub(crate) fn act_with(&self, key: &SigningKey, id: &str, claims: &Claims) -> Answer {
        self.send(jose_request(Method::POST, "/v1/actions", &actions::sign(claims, id, key)))
    }

    pub(crate) fn done(&self, operator: &Operator, claims: &Claims) -> Answer {
        let answer = self.act(operator, claims);
        assert!(answer.status.is_success(), "{}", String::from_utf8_lossy(&answer.body));
        answer
    }

    /// A record that the port takes now.
    pub(crate) fn fresh(&self, name: &str, seq: u64) -> Record {
        let now_s = self.now_s();
        Record { seq, iat: now_s, exp: now_s + 90 * 86_400, ..record(name) }
    }

    pub(crate) fn live(&self, name: &str, seq: u64) -> Live {
        Live {
            name: name.into(),
            seq,
            iat: self.now_s(),
            exp: self.now_s() + 60,
            aud: ISSUER.into(),
            status: Status::Open,
            accepting: true,
            users: 7,
            capacity: Some(100),
            queue: None,
        }
    }

    /// Sends a live state that is signed with a key under an id.
    pub(crate) fn beat(&self, live: &Live, key: &SigningKey, kid: &str) -> Answer {
        let header = Header::new(LIVE_TYPE).with_kid(kid);
        let signed = jose::sign(&header, &serde_json::to_vec(live).unwrap(), key);
        self.send(jose_request(Method::PUT, &format!("/v1/worlds/{}/lease", live.name), &signed))
    }

    /// Does the scheduled work until there is no more of it now.
    pub(crate) fn maintain(&self) {
        while block_on(vwp_discovery::maintenance::run(&self.store, &self.environment())).unwrap().next_ms
            < 100
        {}
    }

    /// Lets seconds pass with the scheduled work done in each.
    pub(crate) fn live_through_s(&self, seconds: u64) {
        for _ in 0..seconds {
            self.advance_s(1);
            self.maintain();
        }
    }

    pub(crate) fn administer(&self, method: Method, uri: &str, body: &serde_json::Value) -> Answer {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::AUTHORIZATION, format!("Bearer {ADMIN_TOKEN}"))
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(body).unwrap())
    }

    /// How many names a zone has below a prefix of its nodes' keys; the name server's aside.
    pub(crate) fn names_in(&self, zone: &str, label: &str) -> usize {
        let range = KeyRange::prefix(format!("discovery/zone/{zone}/n/{label}"));
        block_on(self.store.scan(&range, 1000, Direction::Forward)).unwrap().items.len()
    }
}

pub(crate) fn jose_request(method: Method, uri: &str, signed: &str) -> Request<Vec<u8>> {
    let request = Request::builder().method(method).uri(uri).header(header::CONTENT_TYPE, "application/jose");
    request.body(signed.as_bytes().to_vec()).unwrap()
}

pub(crate) fn jwk(operator: &Operator) -> Jwk {
    Jwk::from_key(operator.key.verifying_key())
}

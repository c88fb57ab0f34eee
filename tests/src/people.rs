//! Operators and travellers, and what they do over and over again.

use crate::host::Host;
use crate::http::{Call, Reply};
use crate::unique;
use serde_json::{Value, json};
use std::time::Duration;
use vwp_client::key::Key;
use vwp_client::sign::{self, Statement};

/// How long the worlds of tests are registered for.
const VALID: Duration = Duration::from_hours(24);

/// Somebody who runs a world.
#[derive(Debug, Clone)]
pub struct Operator {
    /// The operator's key.
    pub key: Key,
    /// The world's name.
    pub world: String,
}

impl Operator {
    /// An operator whom nobody knows yet, with a name for its world.
    pub fn new(prefix: &str) -> Self {
        Self { key: Key::generate().expect("a key"), world: unique(prefix) }
    }

    /// An operator whose world is registered.
    #[track_caller]
    pub fn registered(host: &Host, prefix: &str) -> Self {
        let operator = Self::new(prefix);
        let _ = host.http.send(&Call::jose("/v1/worlds", operator.record(host, 1))).expect(201);
        operator
    }

    /// What identifies the world: made of the end of its name, which no run before has used.
    fn uuid(&self) -> String {
        let end = self.world.bytes().rev().chain(std::iter::repeat(0)).take(12);
        let digits = end.fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"));
        format!("6f9619ff-{}-{}-{}-{}", &digits[..4], &digits[4..8], &digits[8..12], &digits[12..])
    }

    /// The claims of the world's record, without times and audience.
    pub fn claims(&self, seq: u64) -> Value {
        json!({
            "v": 1,
            "name": self.world,
            "uuid": self.uuid(),
            "title": {"en": format!("World {}", self.world)},
            "description": {"en": "Made by a test."},
            "endpoints": [
                {"transport": "minecraft", "host": format!("{}.example", self.world), "port": 25565},
                {"transport": "https", "host": "web.example", "port": 443, "priority": 2, "weight": 5},
            ],
            "tags": ["test"],
            "seq": seq,
        })
    }

    /// A statement of a type to a deployment.
    pub fn statement(&self, host: &Host, typ: &str, claims: Value) -> Statement {
        Statement::new(typ, &host.issuer, claims)
    }

    /// The signed record of the world.
    pub fn record(&self, host: &Host, seq: u64) -> String {
        self.record_of(host, self.claims(seq))
    }

    /// A signed record with other claims.
    pub fn record_of(&self, host: &Host, claims: Value) -> String {
        let statement = self.statement(host, "vwp-world+jws", claims);
        Statement { introduce: true, valid: Some(VALID), ..statement }.sign(&self.key)
    }

    /// The operator's assertion for requests without a body.
    pub fn token(&self, host: &Host) -> String {
        sign::operator_token(&self.key, None, &host.issuer, None)
    }

    /// The operator's assertion for one body.
    pub fn token_for(&self, host: &Host, body: &[u8]) -> String {
        sign::operator_token(&self.key, None, &host.issuer, Some(body))
    }

    /// The name of an asset of the world.
    pub fn asset(&self, code: &str) -> String {
        format!("{code}@{}", self.world)
    }

    /// The request that creates an asset of the world.
    pub fn asset_call(&self, host: &Host, code: &str) -> Call {
        let claims = json!({"asset": self.asset(code), "scale": 2, "title": "Test money"});
        Call::jose("/v1/assets", self.statement(host, "vwp-asset+jws", claims).sign(&self.key))
    }

    /// The request that moves money in the operator's name.
    pub fn transfer_call(&self, host: &Host, order: Value) -> Call {
        Call::jose("/v1/transfers", self.statement(host, "vwp-transfer+jws", order).sign(&self.key))
    }

    /// Creates an asset and issues some of it to somebody; gives out its name.
    #[track_caller]
    pub fn issue(&self, host: &Host, code: &str, to: &str, amount: &str) -> String {
        let asset = self.asset(code);
        let created = host.http.send(&self.asset_call(host, code));
        assert!(created.is_success(), "the asset was not created: {}", created.shown());
        let order = json!({
            "idempotency_key": unique("issue"), "from": format!("issuance:{asset}"),
            "to": to, "asset": asset, "amount": amount,
        });
        let _ = host.http.send(&self.transfer_call(host, order)).expect(201);
        asset
    }
}

/// Somebody who travels.
#[derive(Debug, Clone)]
pub struct Traveller {
    /// The handle.
    pub handle: String,
    /// The password.
    pub password: String,
    /// The id.
    pub id: String,
    /// An access token.
    pub token: String,
    /// The key that passports are bound to.
    pub key: Key,
}

impl Traveller {
    /// A traveller who signed up and in.
    #[track_caller]
    pub fn signed_in(host: &Host) -> Self {
        let (handle, password) = (unique("t"), unique("password"));
        let id = sign_up(host, &handle, &password).expect(201).text("traveller");
        let session = sign_in(host, &handle, &password).expect(200);
        assert_eq!(session.text("traveller"), id);
        let token = session.text("access_token");
        Self { handle, password, id, token, key: Key::generate().expect("a key") }
    }

    /// The traveller's account as the ledger names it.
    pub fn account(&self) -> String {
        format!("traveller:{}", self.id)
    }

    /// The request that moves the traveller's money.
    pub fn transfer_call(&self, key: &str, to: &str, asset: &str, amount: &str) -> Call {
        let order = json!({"to": to, "asset": asset, "amount": amount});
        Call::json("/v1/transfers", &order).bearer(&self.token).header("idempotency-key", key)
    }

    /// What the traveller has of an asset.
    #[track_caller]
    pub fn balance(&self, host: &Host, asset: &str) -> u128 {
        balance(host, &self.account(), asset, &self.token)
    }

    /// A passport that is bound to the traveller's key.
    #[track_caller]
    pub fn passport(&self, host: &Host) -> String {
        let proof = sign::proof_of_possession(&self.key, &host.issuer).expect("a proof");
        let call = Call::json("/v1/passports", &json!({ "proof": proof })).bearer(&self.token);
        host.http.send(&call).expect(200).text("passport")
    }
}

/// Signs somebody up.
pub fn sign_up(host: &Host, handle: &str, password: &str) -> Reply {
    host.http.send(&Call::json("/v1/travellers", &json!({"handle": handle, "password": password})))
}

/// Signs somebody in.
pub fn sign_in(host: &Host, handle: &str, password: &str) -> Reply {
    host.http.send(&Call::json("/v1/sessions", &json!({"handle": handle, "password": password})))
}

/// What an account holds, as somebody sees it who may.
#[track_caller]
pub fn balance(host: &Host, owner: &str, asset: &str, token: &str) -> u128 {
    let call = Call::get(format!("/v1/ledger/accounts/{owner}/{asset}")).bearer(token);
    let account = host.http.send(&call).expect(200);
    account.text("balance").parse().expect("a balance is a decimal number")
}

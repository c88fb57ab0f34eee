//! A port in memory: two operators with a world each, and travellers with sessions.

pub mod processor;

use http::{Request, Response, StatusCode};
use p256::ecdsa::SigningKey;
use processor::Model;
use serde_json::{Value, json};
use std::cell::Cell;
use std::sync::LazyLock;
use vwp_core::caller::{
    ACCESS_TOKEN_TYPE, AccessClaims, OPERATOR_TOKEN_TYPE, OperatorClaims, content_digest,
};
use vwp_core::directory::{self, Issuer, Operator, World};
use vwp_core::environment::{Environment, Random, Settings};
use vwp_core::jose::{self, Header, Jwk};
use vwp_ledger::Ledger;
use vwp_openapi::{Api, check};
use vwp_storage::kv::{Change, Check, Direction, Entry, KeyRange, Outcome, Page, Version, Write};
use vwp_storage::machine::{Applied, Hash, Head, Leaf, LogEntry, Node};
use vwp_storage::memory::{LocalMachine, Memory};
use vwp_storage::{Kv, Machines, StorageError};
use vwp_transactions::http as http_api;

/// What the component's HTTP API is said to be. Every answer in these tests is held against it.
pub static API: LazyLock<Api> = LazyLock::new(vwp_openapi::transactions::api);

/// When everything happens.
pub const NOW: u64 = 1_800_000_000_000;
/// The port's URL.
pub const PORT: &str = "http://port.test";
/// The administrator's secret.
pub const ADMIN: &str = "admin-secret";

/// How a machine fails to answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It does not.
    None,
    /// The command is applied, and the answer is lost.
    AnswerLost,
    /// The command is lost.
    CommandLost,
}

/// Both halves of storage, and the faults of one.
pub struct Store {
    pub kv: Memory,
    pub machines: LocalMachine<Ledger>,
    pub fault: Cell<Fault>,
    /// Whether each call lets others go on first, so that requests interleave.
    pub interleaved: Cell<bool>,
    /// How long was waited for changes that did not come, in milliseconds.
    pub waited_ms: Cell<u64>,
}

impl Store {
    async fn pause(&self) {
        if self.interleaved.get() {
            futures::pending!();
        }
    }
}

impl Kv for Store {
    async fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Entry>>, StorageError> {
        self.pause().await;
        self.kv.get_many(keys).await
    }

    async fn scan(&self, range: &KeyRange, limit: u32, direction: Direction) -> Result<Page, StorageError> {
        self.kv.scan(range, limit, direction).await
    }

    async fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Outcome, StorageError> {
        self.pause().await;
        self.kv.commit(checks, writes).await
    }

    async fn changes(
        &self,
        prefix: &[u8],
        since: Version,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<Change>, StorageError> {
        let changes = self.kv.changes(prefix, since, limit, wait_ms).await?;
        if changes.is_empty() {
            self.waited_ms.set(self.waited_ms.get() + u64::from(wait_ms));
        }
        Ok(changes)
    }
}

impl Machines for Store {
    async fn submit(&self, machine: &str, command: Vec<u8>) -> Result<Applied, StorageError> {
        if self.fault.get() == Fault::CommandLost {
            return Err(StorageError::Unknown("lost".into()));
        }
        self.pause().await;
        let applied = self.machines.submit(machine, command).await;
        self.pause().await;
        if self.fault.get() == Fault::AnswerLost {
            Err(StorageError::Unknown("lost".into()))
        } else {
            applied
        }
    }

    async fn query(&self, machine: &str, query: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        self.pause().await;
        self.machines.query(machine, query).await
    }

    async fn entries(&self, machine: &str, start: u64, limit: u32) -> Result<Vec<LogEntry>, StorageError> {
        self.machines.entries(machine, start, limit).await
    }

    async fn tree_head(&self, machine: &str) -> Result<Head, StorageError> {
        self.machines.tree_head(machine).await
    }

    async fn tree_nodes(&self, machine: &str, nodes: &[Node]) -> Result<Vec<Hash>, StorageError> {
        self.machines.tree_nodes(machine, nodes).await
    }

    async fn tree_leaves(&self, machine: &str, start: u64, limit: u32) -> Result<Vec<Leaf>, StorageError> {
        self.machines.tree_leaves(machine, start, limit).await
    }
}

/// Counts, so that no two keys are the same.
#[derive(Default)]
struct Counted(Cell<u8>);

impl Random for Counted {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.set(self.0.get() + 1);
        buffer.fill(self.0.get());
    }
}

/// An operator with a key.
pub struct Signer {
    pub key: SigningKey,
    pub id: String,
}

impl Signer {
    /// One whose key follows from a number; nobody knows it as an operator.
    pub fn new(seed: u8) -> Self {
        let key = SigningKey::from_slice(&[seed; 32]).unwrap();
        let id = Jwk::from_key(key.verifying_key()).thumbprint();
        Self { key, id }
    }

    /// A compact JWS over a payload.
    pub fn sign(&self, typ: &str, payload: &Value) -> String {
        jose::sign(&Header::new(typ).with_kid(&self.id), payload.to_string().as_bytes(), &self.key)
    }

    /// An assertion for requests without a body.
    pub fn token(&self) -> String {
        self.assertion(None)
    }

    /// An assertion, for a body if there is one.
    pub fn assertion(&self, body: Option<&[u8]>) -> String {
        let (iat, exp) = (NOW / 1000, NOW / 1000 + 60);
        let content_digest = body.map(content_digest);
        let (iss, sub) = (self.id.clone(), self.id.clone());
        let claims = OperatorClaims { iss, sub, aud: PORT.into(), iat, exp, content_digest };
        self.sign(OPERATOR_TOKEN_TYPE, &serde_json::to_value(claims).unwrap())
    }
}

/// A port with the worlds `arena` (run by `arena`) and `bazaar` (run by `bazaar`).
pub struct Port {
    pub store: Store,
    pub processor: Model,
    pub arena: Signer,
    pub bazaar: Signer,
    issuer: Signer,
    settings: Settings,
    now: u64,
    random: Counted,
}

impl Port {
    pub fn new() -> Self {
        let store = Store {
            kv: Memory::new(|| NOW),
            machines: LocalMachine::new([("ledger", Ledger::default())], || NOW),
            fault: Cell::new(Fault::None),
            interleaved: Cell::default(),
            waited_ms: Cell::default(),
        };
        let settings = Settings {
            zone: "vwp.test".into(),
            issuer: PORT.into(),
            master_key: [1; 32],
            master_key_previous: None,
            admin_token: ADMIN.into(),
            options: std::collections::BTreeMap::from([(
                vwp_transactions::payments::ASSETS_OPTION,
                r#"[{"asset": "eur@arena", "processor": "model", "currency": "EUR"}]"#.to_owned(),
            )]),
        };
        let port = Self {
            store,
            processor: Model::default(),
            arena: Signer::new(1),
            bazaar: Signer::new(2),
            issuer: Signer::new(3),
            settings,
            now: NOW,
            random: Counted::default(),
        };
        let jwk = |signer: &Signer| Jwk::from_key(signer.key.verifying_key());
        let mut writes = Vec::new();
        for (world, signer) in [("arena", &port.arena), ("bazaar", &port.bazaar)] {
            let operator = Operator { keys: vec![jwk(signer)] };
            writes.push(Write::put(directory::operator_key(&signer.id), to_bytes(&operator)));
            let record = World { operator: signer.id.clone(), assets_of: None };
            writes.push(Write::put(directory::world_key(&world.parse().unwrap()), to_bytes(&record)));
        }
        for traveller in ["ada", "eve", "bob", "cyd"] {
            writes.push(Write::put(directory::traveller_key(traveller), []));
        }
        let issuer = Issuer { jwk: jwk(&port.issuer) };
        writes.push(Write::put(directory::issuer_key(&port.issuer.id), to_bytes(&issuer)));
        futures::executor::block_on(port.store.commit(&[], &writes)).unwrap();
        port
    }

    /// Lets time pass for requests and sessions; operators' tokens and the ledger's clock stay as they are.
    pub fn pass(&mut self, milliseconds: u64) {
        self.now += milliseconds;
    }

    /// Makes a world vanish from the directory.
    pub fn forget_world(&self, world: &str) {
        let write = Write::delete(directory::world_key(&world.parse().unwrap()));
        futures::executor::block_on(self.store.commit(&[], &[write])).unwrap();
    }

    /// A traveller's access token.
    pub fn session(&self, traveller: &str) -> String {
        let claims = AccessClaims {
            iss: PORT.into(),
            aud: PORT.into(),
            sub: traveller.into(),
            client_id: PORT.into(),
            jti: format!("session-{traveller}"),
            iat: self.now / 1000,
            exp: self.now / 1000 + 600,
        };
        self.issuer.sign(ACCESS_TOKEN_TYPE, &serde_json::to_value(claims).unwrap())
    }

    /// The port as a function of the domain sees it now.
    pub fn environment(&self) -> Environment<'_> {
        Environment { now: self.now, random: &self.random, settings: &self.settings }
    }

    pub async fn send(&self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        let environment = self.environment();
        let response = http_api::handle(&self.store, &self.processor, &environment, request.clone()).await;
        check::assert_documented(&API, &request, &response);
        response
    }

    /// Sends a request now; its status, and its body as JSON.
    pub fn call(&self, request: Request<Vec<u8>>) -> (StatusCode, Value) {
        let response = futures::executor::block_on(self.send(request));
        let body = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
        (response.status(), body)
    }

    pub fn get(&self, path: &str, token: Option<&str>) -> (StatusCode, Value) {
        let mut request = Request::get(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.call(request.body(Vec::new()).unwrap())
    }

    pub fn post_signed(&self, path: &str, jws: String) -> (StatusCode, Value) {
        let request = Request::post(path).header("content-type", "application/jose");
        self.call(request.body(jws.into_bytes()).unwrap())
    }

    pub fn create_asset(&self, signer: &Signer, asset: &str, cap: Option<&str>) -> (StatusCode, Value) {
        let mut payload = json!({"asset": asset, "scale": 2, "iat": NOW / 1000, "aud": PORT});
        if let Some(cap) = cap {
            payload["cap"] = cap.into();
        }
        self.post_signed("/v1/assets", signer.sign("vwp-asset+jws", &payload))
    }

    /// An operator's transfer.
    pub fn operate(&self, signer: &Signer, key: &str, order: &[&str; 4]) -> (StatusCode, Value) {
        let payload = signed_order(key, order);
        self.post_signed("/v1/transfers", signer.sign("vwp-transfer+jws", &payload))
    }

    /// Whatever transfer an operator signs.
    pub fn order_signed(&self, signer: &Signer, order: &Value) -> (StatusCode, Value) {
        let mut payload = order.clone();
        payload["iat"] = (NOW / 1000).into();
        payload["aud"] = PORT.into();
        self.post_signed("/v1/transfers", signer.sign("vwp-transfer+jws", &payload))
    }

    /// Whatever transfer a traveller asks for.
    pub fn order(&self, traveller: &str, key: &str, order: &Value) -> (StatusCode, Value) {
        self.call(self.payment(traveller, key, order))
    }

    /// Many transfers at once, with this token.
    pub fn bulk(&self, token: &str, transfers: &Value) -> (StatusCode, Value) {
        self.call(bulk_request(token, "application/json", transfers_body(transfers)))
    }

    /// A request with this token, for whatever is below a path.
    pub fn request(path: &str, token: &str, body: &Value) -> Request<Vec<u8>> {
        Request::post(path)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .body(body.to_string().into_bytes())
            .unwrap()
    }

    /// A traveller's transfer from its own account.
    pub fn pay(
        &self,
        traveller: &str,
        key: &str,
        to: &str,
        asset: &str,
        amount: &str,
    ) -> (StatusCode, Value) {
        let order = json!({"to": to, "asset": asset, "amount": amount});
        self.call(self.payment(traveller, key, &order))
    }

    pub fn payment(&self, traveller: &str, key: &str, order: &Value) -> Request<Vec<u8>> {
        Request::post("/v1/transfers")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.session(traveller)))
            .header("idempotency-key", key)
            .body(order.to_string().into_bytes())
            .unwrap()
    }

    /// What a traveller holds, as text.
    pub fn balance(&self, traveller: &str, asset: &str) -> String {
        let path = format!("/v1/ledger/accounts/traveller:{traveller}/{asset}");
        let (status, body) = self.get(&path, Some(&self.session(traveller)));
        assert_eq!(status, StatusCode::OK, "{body}");
        body["balance"].as_str().unwrap().to_owned()
    }
}

/// The texts of one member of all items of a list, page after page of this many.
#[track_caller]
pub fn listed(port: &Port, path: &str, token: &str, (limit, name): (usize, &str)) -> Vec<String> {
    let (mut texts, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = port.get(&format!("{path}?limit={limit}{cursor}"), Some(token));
        assert_eq!(status, StatusCode::OK, "{page}");
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit, "{page}");
        texts.extend(items.iter().map(|item| item[name].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return texts,
        }
    }
}

/// The body of a bulk in JSON.
pub fn transfers_body(transfers: &Value) -> Vec<u8> {
    to_bytes(&json!({"transfers": transfers}))
}

pub fn bulk_request(token: &str, media_type: &str, body: Vec<u8>) -> Request<Vec<u8>> {
    Request::post("/v1/transfers/bulk")
        .header("content-type", media_type)
        .header("authorization", format!("Bearer {token}"))
        .body(body)
        .unwrap()
}

/// The payload of an operator's transfer: from, to, asset, amount.
pub fn signed_order(key: &str, [from, to, asset, amount]: &[&str; 4]) -> Value {
    json!({"idempotency_key": key, "from": from, "to": to, "asset": asset, "amount": amount,
        "iat": NOW / 1000, "aud": PORT})
}

fn to_bytes(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

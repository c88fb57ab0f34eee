//! A port to test on: two operators, the endpoints that they name, and the time, which passes when it is waited for.

use base64ct::{Base64, Encoding};
use futures::executor::block_on;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Request, Response, StatusCode, header};
use p256::ecdsa::SigningKey;
use serde_json::{Value, json};
use sha2::Sha256;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::Poll;
use vwp_core::caller::{OPERATOR_TOKEN_TYPE, OperatorClaims, content_digest};
use vwp_core::directory::{self, Operator};
use vwp_core::environment::{Environment, Random, Settings};
use vwp_core::jose::{self, Header, Jwk};
use vwp_core::outbound::{Limits, Outbound, OutboundError};
use vwp_core::outbox::Event;
use vwp_openapi::{Api, check};
use vwp_storage::kv::{Change, Check, Direction, Entry, KeyRange, Outcome, Page, Version, Write};
use vwp_storage::memory::Memory;
use vwp_storage::{Kv, StorageError};
use vwp_webhooks::run::{self, Clock, Report};
use vwp_webhooks::{destination, http as http_api, retries};

/// What the component's HTTP API is said to be. Every answer in these tests is held against it.
pub static API: LazyLock<Api> = LazyLock::new(vwp_openapi::webhooks::api);

pub const NOW: u64 = 1_800_000_000_000;
pub const PORT: &str = "http://port.test";
pub const ADMIN: &str = "admin-secret";
/// The host that the administrator of this port named.
pub const HOOKS: &str = "http://hooks.test:8080";
pub const HOUR_MS: u64 = 3_600_000;

/// Lets others go on.
pub async fn pause() {
    let mut is_over = false;
    poll_fn(|context| {
        if std::mem::replace(&mut is_over, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The store, which may let others go on before each call.
pub struct Store {
    pub kv: Memory,
    pub interleaved: Cell<bool>,
}

impl Store {
    async fn pause(&self) {
        if self.interleaved.get() {
            pause().await;
        }
    }
}

impl Kv for Store {
    async fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Entry>>, StorageError> {
        self.pause().await;
        self.kv.get_many(keys).await
    }

    async fn scan(&self, range: &KeyRange, limit: u32, direction: Direction) -> Result<Page, StorageError> {
        self.pause().await;
        self.kv.scan(range, limit, direction).await
    }

    async fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Outcome, StorageError> {
        self.pause().await;
        let outcome = self.kv.commit(checks, writes).await;
        // A host may end after a commit and before it learns of it.
        self.pause().await;
        outcome
    }

    async fn changes(
        &self,
        prefix: &[u8],
        since: Version,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<Change>, StorageError> {
        self.kv.changes(prefix, since, limit, wait_ms).await
    }
}

/// The time.
#[derive(Clone)]
pub struct Time(Arc<AtomicU64>);

impl Time {
    pub fn pass(&self, milliseconds: u64) {
        self.0.fetch_add(milliseconds, Ordering::Relaxed);
    }
}

impl Clock for Time {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    async fn wait(&self, milliseconds: u32) {
        pause().await;
        self.pass(milliseconds.into());
    }
}

/// How an endpoint answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Status(u16),
    /// With 503, and a `Retry-After` in seconds.
    Later(u64),
    /// Not at all.
    Hang,
    /// The host of the port does not let it go there.
    Denied,
}

/// What arrived at an endpoint.
#[derive(Debug, Clone)]
pub struct Received {
    pub url: String,
    pub headers: HeaderMap,
    pub body: String,
    pub time: u64,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Whether one of the signatures is that of a secret, made here anew.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let key = Base64::decode_vec(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{}.{}", self.id(), self.header("webhook-timestamp"), self.body).as_bytes());
        let expected = format!("v1,{}", Base64::encode_string(&mac.finalize().into_bytes()));
        self.header("webhook-signature").split(' ').any(|signature| signature == expected)
    }
}

/// The network: what each path answers, and what arrived.
pub struct Network {
    pub ways: RefCell<BTreeMap<String, Way>>,
    pub received: RefCell<Vec<Received>>,
    pub interleaved: Cell<bool>,
    time: Time,
}

impl Outbound for Network {
    async fn send(
        &self,
        request: Request<Vec<u8>>,
        limits: Limits,
    ) -> Result<Response<Vec<u8>>, OutboundError> {
        if self.interleaved.get() {
            pause().await;
        }
        let (head, body) = request.into_parts();
        let way = self.ways.borrow().get(head.uri.path()).copied().unwrap_or(Way::Status(204));
        let begun = self.time.now();
        if way == Way::Denied {
            return Err(OutboundError::Denied("hooks.test".to_owned()));
        }
        self.received.borrow_mut().push(Received {
            url: head.uri.to_string(),
            headers: head.headers,
            body: String::from_utf8(body).unwrap(),
            time: begun,
        });
        if self.interleaved.get() {
            pause().await;
        }
        let time_max = u64::try_from(limits.time_max.as_millis()).unwrap();
        if way == Way::Hang {
            while self.time.now() < begun + time_max {
                pause().await;
            }
            return Err(OutboundError::Exceeded("it took too long"));
        }
        let mut response = Response::new(Vec::new());
        *response.status_mut() = match way {
            Way::Status(status) => StatusCode::from_u16(status).unwrap(),
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        if let Way::Later(seconds) = way {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        Ok(response)
    }
}

pub struct Counter(Cell<u64>);

impl Random for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            self.0.set(self.0.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            *byte = (self.0.get() >> 56) as u8;
        }
    }
}

pub struct Port {
    pub store: Store,
    pub network: Network,
    pub time: Time,
    pub settings: Settings,
    random: Counter,
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

/// An operator's id, by a seed.
pub fn operator(seed: u8) -> String {
    Jwk::from_key(key(seed).verifying_key()).thumbprint()
}

/// Whom events are for.
pub fn owner(seed: u8) -> String {
    format!("operator:{}", operator(seed))
}

impl Port {
    pub fn new() -> Self {
        let time = Time(Arc::new(AtomicU64::new(NOW)));
        let clock = time.clone();
        let settings = Settings {
            zone: "vwp.test".into(),
            issuer: PORT.into(),
            master_key: [1; 32],
            master_key_previous: None,
            admin_token: ADMIN.into(),
            options: BTreeMap::from([(destination::HOSTS, HOOKS.to_owned())]),
        };
        let network = Network {
            ways: RefCell::default(),
            received: RefCell::default(),
            interleaved: Cell::default(),
            time: time.clone(),
        };
        let store = Store { kv: Memory::new(move || clock.now()), interleaved: Cell::default() };
        let port = Self { store, network, time, settings, random: Counter(Cell::new(7)) };
        for seed in [1, 2] {
            let record = Operator { keys: vec![Jwk::from_key(key(seed).verifying_key())] };
            let value = serde_json::to_vec(&record).unwrap();
            let write = Write::put(directory::operator_key(&operator(seed)), value);
            block_on(port.store.commit(&[], &[write])).unwrap();
        }
        port
    }

    /// The same with other pauses between attempts.
    pub fn with_retries(retries: &str) -> Self {
        let mut port = Self::new();
        port.settings.options.insert(retries::RETRIES, retries.to_owned());
        port
    }

    pub fn environment(&self) -> Environment<'_> {
        Environment { now: self.time.now(), random: &self.random, settings: &self.settings }
    }

    /// An operator's assertion, for a body if there is one.
    pub fn assertion(&self, seed: u8, body: Option<&[u8]>) -> String {
        let iat = self.time.now() / 1000;
        let id = operator(seed);
        let claims = OperatorClaims {
            iss: id.clone(),
            sub: id.clone(),
            aud: PORT.into(),
            iat,
            exp: iat + 60,
            content_digest: body.map(content_digest),
        };
        let claims = serde_json::to_vec(&claims).unwrap();
        jose::sign(&Header::new(OPERATOR_TOKEN_TYPE).with_kid(id), &claims, &key(seed))
    }

    pub async fn handle(&self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        let network = (&self.network, &self.time);
        let response = http_api::handle(&self.store, network, &self.environment(), request.clone()).await;
        check::assert_documented(&API, &request, &response);
        response
    }

    /// Sends a request with a token.
    pub fn send(&self, method: &str, path: &str, token: &str, body: &Value) -> (StatusCode, Value) {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Bearer {token}"));
        let request = request.header("content-type", "application/json").body(bytes).unwrap();
        let response = block_on(self.handle(request));
        (response.status(), serde_json::from_slice(response.body()).unwrap_or(Value::Null))
    }

    /// What an operator asks for below `/v1/webhooks/endpoints`.
    pub fn ask(&self, seed: u8, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let token = self.assertion(seed, Some(&bytes));
        self.send(method, &format!("/v1/webhooks/endpoints{path}"), &token, body)
    }

    /// An operator's new endpoint, at `/hook` of the host that is named, unless it says otherwise.
    #[track_caller]
    pub fn register(&self, seed: u8, more: &Value) -> Value {
        let mut wanted = json!({ "url": format!("{HOOKS}/hook") });
        wanted.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, made) = self.ask(seed, "POST", "", &wanted);
        assert_eq!(status, StatusCode::CREATED, "{made}");
        made
    }

    /// Something happens that is for an operator, if it listens.
    pub fn happens(&self, seed: u8, kind: &str, number: u64) -> String {
        let number = number.to_string();
        let event = Event::new(&owner(seed), kind, &[&number], Some(NOW), json!({ "number": number }));
        block_on(self.store.commit(&[], &[event.write().unwrap()])).unwrap();
        event.id
    }

    pub async fn turn(&self) -> Report {
        let environment = self.environment();
        run::run(&self.store, (&self.network, &self.time), &environment).await.unwrap()
    }

    /// Has everything done that is due now; how many attempts were made.
    pub fn run(&self) -> u32 {
        let mut attempts = 0;
        loop {
            let report = block_on(self.turn());
            attempts += report.attempts;
            if report.attempts == 0 && report.events == 0 {
                return attempts;
            }
        }
    }

    pub fn answers(&self, path: &str, way: Way) {
        self.network.ways.borrow_mut().insert(path.to_owned(), way);
    }

    /// What arrived since the last time.
    pub fn arrived(&self) -> Vec<Received> {
        self.network.received.take()
    }

    /// The deliveries of an operator's endpoint with a state.
    #[track_caller]
    pub fn deliveries(&self, seed: u8, endpoint: &Value, state: &str) -> Vec<Value> {
        let id = endpoint["endpoint_id"].as_str().unwrap();
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/{id}/deliveries?state={state}&limit=7{cursor}");
            let (status, page) = self.ask(seed, "GET", &path, &Value::Null);
            assert_eq!(status, StatusCode::OK, "{page}");
            all.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// An endpoint as its owner sees it.
    pub fn shown(&self, seed: u8, endpoint: &Value) -> Value {
        self.ask(seed, "GET", &format!("/{}", endpoint["endpoint_id"].as_str().unwrap()), &Value::Null).1
    }

    /// All that is kept below a prefix, as text.
    pub fn kept(&self, prefix: &str) -> String {
        let page = block_on(self.store.kv.scan(&KeyRange::prefix(prefix), 1000, Direction::Forward)).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        page.items.iter().map(|item| text(&item.key) + " " + &text(&item.entry.value) + "\n").collect()
    }

    /// The keys below a prefix.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let page = block_on(self.store.kv.scan(&KeyRange::prefix(prefix), 1000, Direction::Forward)).unwrap();
        page.items.iter().map(|item| String::from_utf8_lossy(&item.key).into_owned()).collect()
    }
}

/// The end of a problem's type.
pub fn slug(problem: &Value) -> &str {
    problem["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default()
}

/// What time it is.
pub fn now(port: &Port) -> u64 {
    port.time.now()
}

//! Clients at addresses of their own, which keep the cookies that they are given, as browsers do;
//! and a store that lets requests meet.

use crate::support::{Answer, PASSWORD, Port};
use http::{Request, header};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use vwp_storage::StorageError;
use vwp_storage::kv::{Change, Check, Direction, Entry, Key, KeyRange, Kv, Outcome, Page, Version, Write};
use vwp_storage::memory::Memory;

/// A client.
pub(crate) struct Client<'a> {
    port: &'a Port,
    address: String,
    cookie: RefCell<Option<String>>,
}

impl<'a> Client<'a> {
    /// A client with an address, and no cookie.
    pub(crate) fn at(port: &'a Port, address: &str) -> Self {
        Self { port, address: address.to_owned(), cookie: RefCell::default() }
    }

    /// The same device, somewhere else.
    pub(crate) fn moved_to(&self, address: &str) -> Self {
        Self { port: self.port, address: address.to_owned(), cookie: self.cookie.clone() }
    }

    pub(crate) fn send(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header("spin-client-addr", format!("{}:49152", self.address));
        if let Some(cookie) = &*self.cookie.borrow() {
            request = request.header(header::COOKIE, format!("theme=dark; {cookie}"));
        }
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let answer = self.port.answer(request.body(body.to_string().into_bytes()).unwrap());
        if let Some(cookie) = answer.headers.get(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
            *self.cookie.borrow_mut() = Some(pair);
        }
        answer
    }

    pub(crate) fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        self.send("POST", path, token, body)
    }

    pub(crate) fn sign_in(&self, handle: &str, password: &str) -> Answer {
        self.post("/v1/sessions", None, &json!({ "handle": handle, "password": password }))
    }

    /// Fails to sign in, until it is told to wait.
    pub(crate) fn fail_until_told_to_wait(&self, handle: &str) {
        for _ in 0..200 {
            match self.sign_in(handle, "not the password").problem() {
                "wrong-credentials" => {}
                "too-many-attempts" => return,
                other => panic!("{other}"),
            }
        }
        panic!("nothing ever told this client to wait");
    }

    /// Signs in with the password that tests use, and gives out the access token.
    pub(crate) fn token(&self, handle: &str) -> String {
        let session = self.sign_in(handle, PASSWORD);
        session.json["access_token"].as_str().unwrap_or_else(|| panic!("{}", session.text)).to_owned()
    }
}

/// A store that lets others run after every read, so that what was read may be old, and that
/// counts what it is asked.
pub(crate) struct Meeting {
    store: Memory,
    /// How many keys were read, and how many commits and writes there were.
    pub(crate) asked: Cell<(usize, usize, usize)>,
}

impl Meeting {
    pub(crate) fn new(store: &Memory) -> Self {
        Self { store: store.clone(), asked: Cell::default() }
    }
}

impl Kv for Meeting {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, StorageError> {
        let (reads, commits, writes) = self.asked.get();
        self.asked.set((reads + keys.len(), commits, writes));
        let entries = self.store.get_many(keys).await;
        Pause(false).await;
        entries
    }

    async fn scan(&self, range: &KeyRange, limit: u32, direction: Direction) -> Result<Page, StorageError> {
        let (reads, commits, writes) = self.asked.get();
        let page = self.store.scan(range, limit, direction).await?;
        self.asked.set((reads + 1 + page.items.len(), commits, writes));
        Ok(page)
    }

    async fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Outcome, StorageError> {
        let (reads, commits, written) = self.asked.get();
        self.asked.set((reads, commits + 1, written + writes.len()));
        self.store.commit(checks, writes).await
    }

    async fn changes(
        &self,
        prefix: &[u8],
        since: Version,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<Change>, StorageError> {
        self.store.changes(prefix, since, limit, wait_ms).await
    }
}

/// Is ready the second time that it is asked.
struct Pause(bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

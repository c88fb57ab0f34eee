//! Registering worlds: what is promised when a record is accepted.

use crate::support::{ISSUER, Operator, Port, START_S, record, register_request, title};
use futures::executor::block_on;
use http::{Request, StatusCode, header};
use serde_json::json;
use std::cell::RefCell;
use vwp_core::directory;
use vwp_core::jose::{Jwk, Unverified};
use vwp_discovery::record::{RECORD_TYPE, Record};
use vwp_discovery::registry::{RECEIPT_TYPE, ReceiptClaims};
use vwp_storage::StorageError;
use vwp_storage::kv::{Change, Check, Direction, Entry, Key, KeyRange, Kv, Outcome, Page, Version, Write};
use vwp_storage::memory::Memory;

#[test]
fn a_new_world_is_created_and_found_at_its_location() {
    let (port, operator) = (Port::new(), Operator::new(1));
    let answer = port.register(&operator, &record("arena"));
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.headers[header::LOCATION], "/v1/worlds/arena");
    let json = answer.json();
    assert_eq!(json["name"], "arena");
    assert_eq!(json["fqdn"], "arena.vwp.test");
    assert_eq!(json["operator"], operator.id);
    assert_eq!(json["seq"], 1);
    assert_eq!(json["expires_at"], START_S + 86_400);
    assert!(json["version"].as_u64().unwrap() > 0);

    let world = port.get("/v1/worlds/arena");
    assert_eq!(world.status, StatusCode::OK);
    assert_eq!(world.json()["title"]["en"], "World of arena");
    assert_eq!(world.json()["operator"], operator.id);
    assert_eq!(world.json()["endpoints"][0]["host"], "play.example.com");
}

#[test]
fn anybody_can_verify_the_record_of_a_world() {
    let (port, operator) = (Port::new(), Operator::new(1));
    port.register(&operator, &record("arena"));
    let shown = port.get("/v1/worlds/arena").json();
    let token = Unverified::parse(shown["record"].as_str().unwrap(), RECORD_TYPE).unwrap();
    let jwk = token.header.jwk.clone().unwrap();
    assert_eq!(jwk.thumbprint(), shown["operator"].as_str().unwrap());
    let payload = token.verify(&jwk.to_key().unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Record>(&payload).unwrap(), record("arena"));
}

#[test]
fn a_receipt_proves_the_registration_with_a_published_key() {
    let (port, operator) = (Port::new(), Operator::new(1));
    let answer = port.register(&operator, &record("arena")).json();
    let index = port.get("/").json();
    let jwk: Jwk = serde_json::from_value(index["receipt_keys"]["keys"][0].clone()).unwrap();
    let token = Unverified::parse(answer["receipt"].as_str().unwrap(), RECEIPT_TYPE).unwrap();
    assert_eq!(token.header.kid, jwk.kid);
    let payload = token.verify(&jwk.to_key().unwrap()).unwrap();
    let claims: ReceiptClaims = serde_json::from_slice(&payload).unwrap();
    assert_eq!((claims.iss.as_str(), claims.sub.as_str()), (ISSUER, operator.id.as_str()));
    assert_eq!((claims.name.as_str(), claims.seq, claims.iat), ("arena", 1, START_S));
    assert_eq!(answer["version"], claims.version);
    assert_eq!(claims.record_sha256.len(), 43);
}

#[test]
fn a_newer_record_replaces_the_older_one() {
    let (port, operator) = (Port::new(), Operator::new(1));
    let first = port.register(&operator, &record("arena")).json();
    let newer = Record { seq: 7, title: title("New title"), ..record("arena") };
    let answer = port.register(&operator, &newer);
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.json()["version"].as_u64() > first["version"].as_u64());
    assert_eq!(port.get("/v1/worlds/arena").json()["title"]["en"], "New title");
}

#[test]
fn a_name_is_one_whatever_script_or_case_it_is_written_in() {
    let (port, operator) = (Port::new(), Operator::new(1));
    let answer = port.register(&operator, &record("BÜCHER"));
    assert_eq!(answer.json()["name"], "xn--bcher-kva");
    for spelling in ["xn--bcher-kva", "B%C3%9CCHER", "b%C3%BCcher", "XN--BCHER-KVA"] {
        let world = port.get(&format!("/v1/worlds/{spelling}"));
        assert_eq!(world.json()["unicode_name"], "bücher", "{spelling}");
    }
    let other = port.post_record(&Operator::new(2).sign(&record("xn--bcher-kva")));
    assert_eq!(other.slug(), "name-taken");
}

#[test]
fn the_directory_learns_the_world_and_its_operator_in_the_same_commit() {
    let (port, operator) = (Port::new(), Operator::new(1));
    let version = port.register(&operator, &record("arena")).json()["version"].as_u64().unwrap();
    let keys = [directory::world_key(&"arena".parse().unwrap()), directory::operator_key(&operator.id)];
    let entries = block_on(port.store.get_many(&keys)).unwrap();
    let [Some(world), Some(keys)] = entries.as_slice() else { panic!("not in the directory") };
    assert_eq!((world.version, keys.version), (version, version));
    let world: directory::World = serde_json::from_slice(&world.value).unwrap();
    assert_eq!(world.operator, operator.id);
    let keys: directory::Operator = serde_json::from_slice(&keys.value).unwrap();
    assert_eq!(keys.keys, [Jwk::from_key(operator.key.verifying_key())]);
}

#[test]
fn an_ended_world_is_gone_but_its_name_and_its_records_stay_used() {
    let (port, operator) = (Port::new(), Operator::new(1));
    let first = operator.sign(&Record { seq: 5, ..record("arena") });
    assert_eq!(port.post_record(&first).status, StatusCode::CREATED);
    port.advance_s(86_399);
    assert_eq!(port.get("/v1/worlds/arena").status, StatusCode::OK);
    port.advance_s(1);
    port.store.sweep();
    assert_eq!(port.get("/v1/worlds/arena").slug(), "not-found");
    assert_eq!(port.get("/v1/worlds").json()["worlds"], json!([]));
    assert_eq!(port.get("/v1/worlds?q=arena").json()["worlds"], json!([]));

    let later = |seq| Record { seq, iat: START_S + 86_400, exp: START_S + 99_999, ..record("arena") };
    assert_eq!(port.post_record(&Operator::new(2).sign(&later(9))).slug(), "name-taken");
    assert_eq!(port.post_record(&operator.sign(&later(5))).slug(), "record-replayed");
    assert_eq!(port.post_record(&operator.sign(&later(6))).status, StatusCode::OK);
    assert_eq!(port.get("/v1/worlds/arena").json()["seq"], 6);
}

/// A store whose first commit of a world comes after somebody else's.
struct Raced<'a> {
    inner: &'a Memory,
    rival: RefCell<Option<Box<dyn FnOnce() + 'a>>>,
}

impl Kv for Raced<'_> {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, StorageError> {
        self.inner.get_many(keys).await
    }
    async fn scan(&self, range: &KeyRange, limit: u32, direction: Direction) -> Result<Page, StorageError> {
        self.inner.scan(range, limit, direction).await
    }
    async fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Outcome, StorageError> {
        let is_world = checks.iter().any(|check| check.key.starts_with(b"discovery/holder/"));
        if is_world && let Some(rival) = self.rival.take() {
            rival();
        }
        self.inner.commit(checks, writes).await
    }
    async fn changes(
        &self,
        prefix: &[u8],
        since: Version,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<Change>, StorageError> {
        self.inner.changes(prefix, since, limit, wait_ms).await
    }
}

fn raced(port: &Port, mine: &str, theirs: &str) -> (StatusCode, Option<String>) {
    // On a thread of its own, because an executor does not run inside another.
    let theirs = || assert_eq!(port.post_record(theirs).status, StatusCode::CREATED);
    let rival = move || std::thread::scope(|scope| scope.spawn(theirs).join().unwrap());
    let store = Raced { inner: &port.store, rival: RefCell::new(Some(Box::new(rival))) };
    let answer = port.send_through(&store, register_request(mine));
    (answer.status, answer.status.is_client_error().then(|| answer.slug()))
}

#[test]
fn of_two_operators_who_race_for_a_name_one_gets_it() {
    let (port, first, second) = (Port::new(), Operator::new(1), Operator::new(2));
    let (mine, theirs) = (first.sign(&record("arena")), second.sign(&record("arena")));
    let (status, slug) = raced(&port, &mine, &theirs);
    assert_eq!((status, slug.as_deref()), (StatusCode::CONFLICT, Some("name-taken")));
    assert_eq!(port.get("/v1/worlds/arena").json()["operator"], second.id);
}

#[test]
fn an_operator_who_races_with_itself_for_two_names_gets_both() {
    let (port, operator) = (Port::new(), Operator::new(1));
    let (mine, theirs) = (operator.sign(&record("one")), operator.sign(&record("two")));
    assert_eq!(raced(&port, &mine, &theirs), (StatusCode::CREATED, None));
    assert_eq!(port.get("/v1/worlds").json()["worlds"].as_array().unwrap().len(), 2);
}

#[test]
fn the_same_record_sent_twice_at_once_is_registered_once() {
    let (port, operator) = (Port::new(), Operator::new(1));
    let mine = operator.sign(&record("arena"));
    let (status, slug) = raced(&port, &mine, &mine);
    assert_eq!((status, slug.as_deref()), (StatusCode::CONFLICT, Some("record-replayed")));
}

#[test]
fn a_record_of_the_largest_size_fits_into_one_commit_however_it_changes() {
    let (port, operator) = (Port::new(), Operator::new(1));
    let words =
        |letter: &str| (0..180).map(|number| format!("{letter}{number}")).collect::<Vec<_>>().join(" ");
    let large = |letter: &str, seq| Record {
        title: title(&"界".repeat(100)),
        description: title(&words(letter)),
        tags: (0..16).map(|tag| format!("{letter}tag{tag}")).collect(),
        endpoints: (0..16).map(|port| crate::support::endpoint("https", &long_host(), 1000 + port)).collect(),
        seq,
        ..record("arena")
    };
    port.register(&operator, &large("a", 1));
    port.register(&operator, &large("b", 2));
    assert_eq!(port.get("/v1/worlds?q=btag15").json()["worlds"].as_array().unwrap().len(), 1);
    assert_eq!(port.get("/v1/worlds?q=atag15").json()["worlds"], json!([]));
}

fn long_host() -> String {
    format!("{}example", "abcdefghi.".repeat(24))
}

#[test]
fn head_is_get_without_the_body() {
    let port = Port::new();
    let answer = port.send(Request::head("/v1/worlds").body(Vec::new()).unwrap());
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
}

//! The ledger's log as a tree: what is public of it, what a receipt proves, and what is never signed.

use crate::support::{ADMIN, Port};
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use vwp_storage::Kv;
use vwp_storage::kv::Write;
use vwp_tlog::checkpoint::Checkpoint;
use vwp_tlog::hash::{self, Hash};
use vwp_tlog::leaf::Leaf;
use vwp_tlog::note::Verifier;
use vwp_tlog::tile::unbundle;
use vwp_transactions::checkpoints::{INTERVAL_MS, LATEST};
use vwp_transactions::receipts::verify;
use vwp_transactions::tiles::unframe;

const GOLD: &str = "gold@arena";
const ORIGIN: &str = "port.test/v1/ledger";

/// A port where ada holds 100 gold: a log of two commands.
fn port() -> Port {
    let port = Port::new();
    assert_eq!(port.create_asset(&port.arena, GOLD, Some("1000000")).0, StatusCode::CREATED);
    let issued = port.operate(&port.arena, "issue-1", &["issuance:gold@arena", "traveller:ada", GOLD, "100"]);
    assert_eq!(issued.0, StatusCode::CREATED, "{}", issued.1);
    port
}

fn ask(port: &Port, method: &str, path: &str, token: Option<&str>, body: Vec<u8>) -> Response<Vec<u8>> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request = request.header("content-type", "application/octet-stream");
    futures::executor::block_on(port.send(request.body(body).unwrap()))
}

fn get(port: &Port, path: &str) -> Response<Vec<u8>> {
    ask(port, "GET", path, None, Vec::new())
}

fn text(response: Response<Vec<u8>>) -> String {
    assert_eq!(response.status(), StatusCode::OK);
    String::from_utf8(response.into_body()).unwrap()
}

fn verifiers(port: &Port) -> Vec<Verifier> {
    text(get(port, "/v1/ledger/vkeys")).lines().map(|line| line.parse().unwrap()).collect()
}

fn checkpoint(port: &Port) -> Checkpoint {
    Checkpoint::open(&text(get(port, "/v1/ledger/checkpoint")), &verifiers(port)).unwrap()
}

fn pay(port: &Port, key: &str) -> Value {
    let (status, receipt) = port.pay("ada", key, "world:bazaar", GOLD, "1");
    assert_eq!(status, StatusCode::CREATED, "{receipt}");
    receipt
}

#[track_caller]
fn assert_problem(response: &Response<Vec<u8>>, expected: u16, slug: &str) {
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    let found = (response.status().as_u16(), body["type"].as_str());
    assert_eq!(found, (expected, Some(&*format!("urn:vwp:problem:{slug}"))));
}

#[test]
fn anyone_verifies_the_log_from_its_checkpoint_and_tiles() {
    let port = port();
    let signed = checkpoint(&port);
    assert_eq!((signed.origin.as_str(), signed.head.size), (ORIGIN, 2));
    let tile = get(&port, "/v1/ledger/tile/0/000.p/2");
    assert_eq!(tile.headers()["cache-control"], "public, max-age=86400");
    let hashes: Vec<Hash> = tile.body().as_chunks().0.to_vec();
    assert_eq!(hash::root(&hashes), signed.head.root);
    let bundle = get(&port, "/v1/ledger/tile/entries/000.p/2");
    let leaves: Vec<Leaf> =
        unbundle(bundle.body()).unwrap().into_iter().map(|leaf| Leaf::decode(leaf).unwrap()).collect();
    assert_eq!(leaves.iter().map(Leaf::hash).collect::<Vec<_>>(), hashes);
    for (position, leaf) in (1..).zip(&leaves) {
        let command = ask(&port, "GET", &format!("/v1/ledger/entries/{position}"), Some(ADMIN), Vec::new());
        assert_eq!(Leaf::new(leaf.time, command.body()), *leaf);
    }
    for path in
        ["0/000", "0/000.p/3", "0/001.p/1", "1/000.p/1", "63/000", "entries/000", "0/0", "x", "", "a/b/c"]
    {
        assert_problem(&get(&port, &format!("/v1/ledger/tile/{path}")), 404, "not-found");
    }
}

#[test]
fn a_full_tile_is_kept_for_ever() {
    let port = port();
    let issue = ["issuance:gold@arena", "traveller:ada", GOLD, "1000"];
    assert_eq!(port.operate(&port.arena, "more", &issue).0, StatusCode::CREATED);
    for number in 0..260 {
        pay(&port, &number.to_string());
    }
    for path in ["0/000", "entries/000"] {
        let tile = get(&port, &format!("/v1/ledger/tile/{path}"));
        assert_eq!(tile.headers()["cache-control"], "public, max-age=31536000, immutable");
    }
    let tile = get(&port, "/v1/ledger/tile/0/000");
    assert_eq!(tile.body().len(), 8192);
    let above = get(&port, "/v1/ledger/tile/1/000.p/1");
    assert_eq!(above.body()[..], hash::root(tile.body().as_chunks().0)[..]);
}

#[test]
fn a_receipt_proves_a_transfer_offline_and_only_its_parties_get_it() {
    let port = port();
    let made = pay(&port, "k");
    let path = format!("/v1/transfers/{}/receipt", made["transfer_id"].as_str().unwrap());
    assert_problem(&get(&port, &path), 401, "unauthorised");
    for stranger in [port.session("eve"), port.arena.token(), ADMIN.to_owned()] {
        assert_problem(&ask(&port, "GET", &path, Some(&stranger), Vec::new()), 403, "forbidden");
    }
    let missing = format!("/v1/transfers/{}/receipt", "0".repeat(32));
    assert_problem(&ask(&port, "GET", &missing, Some(&port.session("ada")), Vec::new()), 404, "not-found");
    let (status, receipt) = port.get(&path, Some(&port.session("ada")));
    assert_eq!((status, &receipt["format"]), (StatusCode::OK, &json!("vwp-receipt-1")));
    assert_eq!(receipt["transfer"], made);
    let text = receipt.to_string();
    let verified = verify::verify(&text, &verifiers(&port)).unwrap();
    assert_eq!((verified.receipt.position, verified.checkpoint.origin.as_str()), (3, ORIGIN));
    assert_eq!(verified.checkpoint.head.size, 3);
    let changes = [
        ("amount", json!("2")),
        ("to", json!("world:arena")),
        ("from", json!("traveller:eve")),
        ("asset", json!("iron@arena")),
        ("memo", json!("more")),
        ("position", json!(2)),
        ("time", json!(1)),
        ("transfer_id", json!("0".repeat(32))),
    ];
    for (member, value) in changes {
        let mut forged = receipt.clone();
        forged["transfer"][member] = value;
        assert!(verify::verify(&forged.to_string(), &verifiers(&port)).is_err(), "another {member}");
    }
    // Another place, of a header, an opening, or across items, is not one of a transfer.
    for (offset, length) in [(0, 128), (144 - 16, 128), (144 + 16, 112), (144, 64), (u64::MAX, 128)] {
        let mut moved = receipt.clone();
        moved["place"] = json!({"offset": offset, "length": length});
        assert!(verify::verify(&moved.to_string(), &verifiers(&port)).is_err(), "{offset} {length}");
    }
    let other = Port::new();
    assert!(verify::verify(&text, &[]).is_err() && verifiers(&other).len() == 1);
    let again = port.get(&path, Some(&port.bazaar.token()));
    assert_eq!(again, (StatusCode::OK, receipt), "the other party gets the same");
}

#[test]
fn a_hold_is_proved_with_all_that_it_says_and_what_follows_it_is_not() {
    let port = port();
    let order = json!({"kind": "pending", "to": "world:bazaar", "asset": "gold@arena", "amount": "1",
                       "timeout_s": 60, "code": 5, "condition": "A".repeat(43), "memo": "a sword"});
    let (status, made) = port.order("ada", "hold", &order);
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let id = made["transfer_id"].as_str().unwrap();
    let ada = port.session("ada");
    let (status, receipt) = port.get(&format!("/v1/transfers/{id}/receipt"), Some(&ada));
    assert_eq!(status, StatusCode::OK, "{receipt}");
    let verified = verify::verify(&receipt.to_string(), &verifiers(&port)).unwrap();
    assert_eq!(serde_json::to_value(verified.receipt).unwrap(), made, "what it is now is not proved");
    let changes = [
        ("kind", json!("plain")),
        ("code", json!(6)),
        ("expires_at", json!(1)),
        ("condition", json!("B".repeat(43))),
        ("memo", json!("a shield")),
        ("effective_date", json!("2026-11-28")),
    ];
    for (member, value) in changes {
        let mut forged = receipt.clone();
        forged["transfer"][member] = value;
        assert!(verify::verify(&forged.to_string(), &verifiers(&port)).is_err(), "another {member}");
    }
    let void = json!({"idempotency_key": "void", "kind": "void", "origin": id});
    let (_, void) = port.order_signed(&port.bazaar, &void);
    let path = format!("/v1/transfers/{}/receipt", void["transfer_id"].as_str().unwrap());
    assert_problem(&ask(&port, "GET", &path, Some(&ada), Vec::new()), 409, "not-provable");
}

#[test]
fn checkpoints_are_signed_seldom_and_each_continues_the_one_before() {
    let mut port = port();
    let first = text(get(&port, "/v1/ledger/checkpoint"));
    pay(&port, "1");
    assert_eq!(text(get(&port, "/v1/ledger/checkpoint")), first, "within the interval it is the latest");
    port.pass(INTERVAL_MS);
    let second = checkpoint(&port);
    assert_eq!(second.head.size, 3);
    port.pass(INTERVAL_MS);
    assert_eq!(checkpoint(&port), second, "nothing was added");
    // A receipt of what the latest one does not have waits until another may be signed, and no longer.
    pay(&port, "2");
    port.pass(INTERVAL_MS);
    assert_eq!(checkpoint(&port).head.size, 4);
    let made = pay(&port, "3");
    let path = format!("/v1/transfers/{}/receipt", made["transfer_id"].as_str().unwrap());
    assert_eq!(port.get(&path, Some(&port.session("ada"))).0, StatusCode::OK);
    assert_eq!(port.store.waited_ms.get(), INTERVAL_MS);
    // What was signed then is the latest for as long from then on.
    pay(&port, "4");
    port.pass(INTERVAL_MS);
    assert_eq!(checkpoint(&port).head.size, 5);
    port.pass(INTERVAL_MS);
    assert_eq!(checkpoint(&port).head.size, 6);
}

#[test]
fn a_log_that_is_not_the_one_that_was_signed_is_never_signed() {
    let mut port = port();
    assert_eq!(checkpoint(&port).head.size, 2);
    let entry = futures::executor::block_on(port.store.kv.get(LATEST.as_bytes())).unwrap().unwrap();
    let stored: Value = serde_json::from_slice(&entry.value).unwrap();
    port.pass(INTERVAL_MS);
    pay(&port, "1");
    let mut other_root = stored.clone();
    other_root["root"][5] = json!(7);
    let mut longer = stored;
    longer["size"] = json!(50);
    for forged in [other_root, longer] {
        let put = Write::put(LATEST, serde_json::to_vec(&forged).unwrap());
        futures::executor::block_on(port.store.kv.commit(&[], &[put])).unwrap();
        let refused = get(&port, "/v1/ledger/checkpoint");
        assert_problem(&refused, 503, "unavailable");
        let entry = futures::executor::block_on(port.store.kv.get(LATEST.as_bytes())).unwrap().unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&entry.value).unwrap(), forged, "nothing was signed");
    }
}

#[test]
fn the_key_is_rotated_by_the_administrator_and_old_checkpoints_still_verify() {
    let mut port = port();
    let old = text(get(&port, "/v1/ledger/checkpoint"));
    let before = verifiers(&port);
    for (method, path) in
        [("GET", "/v1/keys/log"), ("POST", "/v1/keys/log/rotate"), ("POST", "/v1/keys/log/reseal")]
    {
        assert_problem(&ask(&port, method, path, None, Vec::new()), 401, "unauthorised");
        assert_problem(&ask(&port, method, path, Some(&port.session("ada")), Vec::new()), 403, "forbidden");
    }
    assert_eq!(
        ask(&port, "POST", "/v1/keys/log/rotate", Some(ADMIN), Vec::new()).status(),
        StatusCode::CREATED
    );
    port.pass(INTERVAL_MS);
    let after = verifiers(&port);
    assert_eq!((before.len(), after.len()), (1, 2));
    let new = text(get(&port, "/v1/ledger/checkpoint"));
    assert!(Checkpoint::open(&new, &before).is_err() && Checkpoint::open(&new, &after[..1]).is_ok());
    assert!(Checkpoint::open(&old, &after).is_ok());
    let (_, set) = port.get("/v1/ledger/keys", None);
    assert_eq!(set["keys"][0]["vkey"], json!(after[0].to_string()));
    assert_eq!(set["keys"][0]["crv"], "P-256");
    assert_eq!(port.get("/v1/keys/log", Some(ADMIN)).1["keys"].as_array().unwrap().len(), 2);
}

#[test]
fn commands_and_raw_queries_are_the_administrators() {
    let port = port();
    for (method, path) in
        [("GET", "/v1/ledger/entries/1"), ("GET", "/v1/ledger/commands"), ("POST", "/v1/ledger/queries")]
    {
        assert_problem(&ask(&port, method, path, None, Vec::new()), 401, "unauthorised");
        for other in [port.session("ada"), port.arena.token()] {
            assert_problem(&ask(&port, method, path, Some(&other), Vec::new()), 403, "forbidden");
        }
    }
    let raw = |path: &str| ask(&port, "GET", path, Some(ADMIN), Vec::new()).into_body();
    let (one, two) = (raw("/v1/ledger/entries/1"), raw("/v1/ledger/entries/2"));
    let framed = |command: &[u8]| [&u32::try_from(command.len()).unwrap().to_be_bytes(), command].concat();
    assert_eq!(raw("/v1/ledger/commands"), [framed(&one), framed(&two)].concat());
    assert_eq!(raw("/v1/ledger/commands?from=2&limit=1"), framed(&two));
    assert_eq!(raw("/v1/ledger/commands?from=3"), b"");
    for path in
        ["/v1/ledger/entries/0", "/v1/ledger/entries/3", "/v1/ledger/entries/x", "/v1/ledger/entries/-1"]
    {
        assert_problem(&ask(&port, "GET", path, Some(ADMIN), Vec::new()), 404, "not-found");
    }
    for query in ["from=0", "limit=0", "limit=1001", "from=x", "since=1"] {
        let path = format!("/v1/ledger/commands?{query}");
        assert_problem(&ask(&port, "GET", &path, Some(ADMIN), Vec::new()), 400, "bad-request");
    }
    let asked = |body: Vec<u8>| ask(&port, "POST", "/v1/ledger/queries", Some(ADMIN), body);
    let answer = asked([framed(b"not a query"), framed(b"")].concat()).into_body();
    let (sizes, answers) = answer.split_at(16);
    assert_eq!(sizes, [2_u64.to_be_bytes(), 2_u64.to_be_bytes()].concat());
    assert_eq!(unframe(answers).unwrap().len(), 2, "the ledger itself says that it does not understand");
    assert_problem(&asked(vec![0, 0, 0, 1]), 400, "bad-request");
    assert_problem(&asked(vec![0; 4 * 1001]), 400, "bad-request");
    let long = asked(vec![0; 65_537]);
    assert_problem(&long, 413, "body-too-large");
}

#[test]
fn these_resources_take_no_other_methods() {
    let port = port();
    for path in ["checkpoint", "keys", "vkeys", "commands", "entries/1", "tile/0/000.p/1"] {
        let refused = ask(&port, "DELETE", &format!("/v1/ledger/{path}"), Some(ADMIN), Vec::new());
        assert_problem(&refused, 405, "method-not-allowed");
    }
    assert_problem(&get(&port, "/v1/ledger/queries"), 405, "method-not-allowed");
    assert_problem(&get(&port, "/v1/keys/log/rotate"), 405, "method-not-allowed");
}

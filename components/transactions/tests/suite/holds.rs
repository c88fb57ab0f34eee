//! Money that is held, taken, given up and given back.

use crate::support::Port;
use base64ct::{Base64UrlUnpadded, Encoding};
use http::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const GOLD: &str = "gold@arena";
const OK: StatusCode = StatusCode::OK;
const CREATED: StatusCode = StatusCode::CREATED;

/// A port on which ada holds 1,000.
fn port() -> Port {
    let port = Port::new();
    port.create_asset(&port.arena, GOLD, None);
    let issued = port.operate(&port.arena, "issue", &["issuance:gold@arena", "traveller:ada", GOLD, "1000"]);
    assert_eq!(issued.0, CREATED);
    port
}

/// Ada holds an amount for the arena; the hold's id.
fn hold(port: &Port, key: &str, amount: &str) -> String {
    let order = json!({"kind": "pending", "to": "world:arena", "asset": GOLD, "amount": amount,
                       "timeout_s": 3600});
    let (status, receipt) = port.order("ada", key, &order);
    assert_eq!(status, CREATED, "{receipt}");
    receipt["transfer_id"].as_str().unwrap().to_owned()
}

/// What the arena does about a transfer.
fn follow(port: &Port, key: &str, kind: &str, origin: &str, amount: Option<&str>) -> (StatusCode, Value) {
    let mut order = json!({"idempotency_key": key, "kind": kind, "origin": origin});
    if let Some(amount) = amount {
        order["amount"] = amount.into();
    }
    port.order_signed(&port.arena, &order)
}

fn read(port: &Port, id: &str) -> Value {
    let (status, receipt) = port.get(&format!("/v1/transfers/{id}"), Some(&port.session("ada")));
    assert_eq!(status, OK, "{receipt}");
    receipt
}

fn arena_holds(port: &Port) -> Value {
    port.get("/v1/ledger/accounts/world:arena/gold@arena", Some(&port.arena.token())).1["balance"].clone()
}

fn ada(port: &Port) -> Value {
    port.get("/v1/ledger/accounts/traveller:ada/gold@arena", Some(&port.session("ada"))).1
}

fn slug(problem: &Value) -> &str {
    problem["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default()
}

#[test]
fn what_is_held_cannot_be_spent_and_is_taken_once_in_part_or_whole() {
    let port = port();
    let id = hold(&port, "h", "800");
    let account = ada(&port);
    assert_eq!((&account["balance"], &account["debits_pending"]), (&json!("1000"), &json!("800")));
    let (status, problem) = port.pay("ada", "p", "world:bazaar", GOLD, "201");
    assert_eq!((status, slug(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, "insufficient-funds"));

    let (status, posted) = follow(&port, "take", "post", &id, Some("300"));
    assert_eq!(status, CREATED, "{posted}");
    assert_eq!(
        (&posted["kind"], &posted["origin"], &posted["from"], &posted["amount"]),
        (&json!("post"), &json!(id), &json!("traveller:ada"), &json!("300"))
    );
    assert_eq!(follow(&port, "take", "post", &id, Some("300")), (OK, posted.clone()));
    let account = ada(&port);
    assert_eq!((&account["balance"], &account["debits_pending"]), (&json!("700"), &json!("0")));
    assert_eq!(arena_holds(&port), "300");
    assert_eq!(read(&port, &id)["hold"], json!({"state": "posted", "settled_by": posted["transfer_id"]}));
    for (key, kind) in [("again", "post"), ("give up", "void")] {
        let (status, problem) = follow(&port, &key.replace(' ', "-"), kind, &id, None);
        assert_eq!((status, slug(&problem)), (StatusCode::CONFLICT, "not-pending"), "{problem}");
    }
}

#[test]
fn a_hold_is_the_receivers_to_take_or_to_give_up_and_the_payers_only_to_wait_for() {
    let port = port();
    let id = hold(&port, "h", "800");
    for kind in ["post", "void"] {
        let (status, problem) = port.order("ada", kind, &json!({"kind": kind, "origin": id}));
        assert_eq!(status, StatusCode::FORBIDDEN, "{problem}");
        let order = json!({"idempotency_key": kind, "kind": kind, "origin": id});
        let (status, problem) = port.order_signed(&port.bazaar, &order);
        assert_eq!(status, StatusCode::FORBIDDEN, "{problem}");
    }
    assert_eq!(read(&port, &id)["hold"], json!({"state": "open"}));
    let (status, voided) = follow(&port, "v", "void", &id, None);
    assert_eq!((status, &voided["amount"]), (CREATED, &json!("800")));
    assert_eq!(ada(&port)["debits_pending"], "0");
    assert_eq!(arena_holds(&port), "0");
}

#[test]
fn who_takes_a_locked_hold_shows_the_preimage() {
    let port = port();
    let preimage = [7; 32];
    let text = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
    let condition = text(&Sha256::digest(preimage));
    let order = json!({"kind": "pending", "to": "world:arena", "asset": GOLD, "amount": "5",
                       "timeout_s": 60, "condition": condition, "memo": "a sword"});
    let (status, made) = port.order("ada", "h", &order);
    assert_eq!((status, &made["condition"], &made["memo"]), (CREATED, &json!(condition), &json!("a sword")));
    let id = made["transfer_id"].as_str().unwrap();
    assert_eq!(made["expires_at"].as_u64(), made["time"].as_u64().map(|time| time + 60_000));
    let take = |key: &str, preimage: Option<String>| {
        let mut order = json!({"idempotency_key": key, "kind": "post", "origin": id});
        if let Some(preimage) = preimage {
            order["preimage"] = preimage.into();
        }
        port.order_signed(&port.arena, &order)
    };
    for (key, preimage) in [("1", None), ("2", Some(text(&[8; 32])))] {
        let (status, problem) = take(key, preimage);
        assert_eq!((status, slug(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, "wrong-preimage"));
    }
    assert_eq!(take("3", Some(text(&preimage))).0, CREATED);
    assert_eq!(arena_holds(&port), "5");
}

#[test]
fn what_was_paid_is_given_back_by_who_has_it_and_never_more_than_that() {
    let port = port();
    let (_, paid) = port.pay("ada", "p", "world:arena", GOLD, "600");
    let id = paid["transfer_id"].as_str().unwrap();
    let (status, _) = port.order("ada", "r", &json!({"kind": "refund", "origin": id, "amount": "1"}));
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, refund) = follow(&port, "r1", "refund", id, Some("200"));
    assert_eq!(
        (status, &refund["from"], &refund["to"]),
        (CREATED, &json!("world:arena"), &json!("traveller:ada"))
    );
    let (status, problem) = follow(&port, "r2", "refund", id, Some("401"));
    assert_eq!((status, slug(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, "exceeds-origin"));
    assert_eq!(read(&port, id)["returned"], "200");
    let (status, problem) = follow(&port, "r3", "reverse", id, None);
    assert_eq!((status, slug(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, "exceeds-origin"));

    let (_, paid) = port.pay("ada", "q", "world:arena", GOLD, "100");
    let id = paid["transfer_id"].as_str().unwrap();
    assert_eq!(follow(&port, "r4", "reverse", id, None).0, CREATED);
    let (status, problem) = follow(&port, "r5", "reverse", id, None);
    assert_eq!((status, slug(&problem)), (StatusCode::CONFLICT, "not-returnable"));
    assert_eq!((port.balance("ada", GOLD).as_str(), arena_holds(&port)), ("600", json!("400")));
}

#[test]
fn an_order_that_does_not_fit_its_kind_is_refused_and_its_key_stays_free() {
    let port = port();
    let to = |more: Value| {
        let mut order = json!({"to": "world:arena", "asset": GOLD, "amount": "5"});
        order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        order
    };
    let origin = "0123456789abcdef0123456789abcdef";
    let refused = [
        (json!({"to": "world:arena", "asset": GOLD}), "amount is missing"),
        (json!({"to": "world:arena", "amount": "5"}), "asset is missing"),
        (to(json!({"kind": "pending"})), "timeout_s of 1 to"),
        (to(json!({"kind": "pending", "timeout_s": 0})), "timeout_s of 1 to"),
        (to(json!({"kind": "pending", "timeout_s": 31_622_401})), "timeout_s of 1 to"),
        (to(json!({"kind": "pending", "timeout_s": 1, "condition": "AAAA"})), "32 bytes in base64url"),
        (to(json!({"kind": "pending", "timeout_s": 1, "effective_date": "2026-11-20"})), "no effective_date"),
        (to(json!({"timeout_s": 1})), "kind plain has no timeout_s"),
        (to(json!({"origin": origin})), "kind plain has no origin"),
        (to(json!({"preimage": "AAAA"})), "kind plain has no preimage"),
        (to(json!({"effective_date": "2026-1-1"})), "a date like"),
        (to(json!({"linked": true})), "in a bulk"),
        (to(json!({"idempotency_key": "k"})), "the header says"),
        (json!({"kind": "post", "origin": "1"}), "32 lower-case"),
        (json!({"kind": "post"}), "origin is missing"),
        (json!({"kind": "void", "origin": origin, "amount": "1"}), "kind void has no amount"),
        (json!({"kind": "refund", "origin": origin}), "amount is missing"),
        (json!({"kind": "reverse", "origin": origin, "to": "world:arena"}), "kind reverse has no to"),
        (json!({"kind": "chargeback", "origin": origin, "amount": "1"}), "asked for by nobody"),
        (to(json!({"kind": "gift"})), "unknown variant"),
    ];
    for (order, why) in refused {
        let (status, problem) = port.order("ada", "k", &order);
        assert_eq!(status, StatusCode::BAD_REQUEST, "{order}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(why), "{order}: {problem}");
    }
    let (status, _) = port.order("ada", "k", &json!({"kind": "void", "origin": origin}));
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(port.order("ada", "k", &to(json!({}))).0, CREATED);
}

#[test]
fn a_balancing_transfer_moves_what_there_is() {
    let port = port();
    let order = json!({"to": "world:arena", "asset": GOLD, "amount": "5000", "balancing": "debit"});
    let (status, made) = port.order("ada", "all", &order);
    assert_eq!((status, &made["amount"]), (CREATED, &json!("1000")));
    assert_eq!(port.order("ada", "all", &order), (OK, made));
    let (status, problem) = port.order("ada", "more", &order);
    assert_eq!((status, slug(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, "insufficient-funds"));
}

//! Every endpoint, called as nobody, as the wrong one and as the right one.

use crate::support::{ADMIN, Fault, NOW, PORT, Port, signed_order};
use http::{Request, StatusCode};
use serde_json::{Value, json};

const GOLD: &str = "gold@arena";

/// A port where ada holds 100 gold.
fn port() -> Port {
    let port = Port::new();
    assert_eq!(port.create_asset(&port.arena, GOLD, Some("1000")).0, StatusCode::CREATED);
    let issued = port.operate(&port.arena, "issue-1", &["issuance:gold@arena", "traveller:ada", GOLD, "100"]);
    assert_eq!(issued.0, StatusCode::CREATED, "{}", issued.1);
    port
}

#[track_caller]
fn assert_problem((status, body): (StatusCode, Value), expected: u16, slug: &str) {
    assert_eq!(
        (status.as_u16(), body["type"].as_str()),
        (expected, Some(&*format!("urn:vwp:problem:{slug}")))
    );
    assert_eq!(body["status"], expected);
}

#[test]
fn only_the_operator_of_a_world_creates_its_assets_and_anyone_may_look() {
    let port = Port::new();
    let unsigned = port.post_signed("/v1/assets", "a.b.c".into());
    assert_problem(unsigned, 400, "bad-jws");
    assert_problem(port.create_asset(&port.bazaar, GOLD, None), 403, "forbidden");
    assert_problem(port.create_asset(&port.bazaar, "gold@nowhere", None), 404, "unknown-world");
    assert_problem(port.get("/v1/assets/gold@arena", None), 404, "unknown-asset");
    let (status, asset) = port.create_asset(&port.arena, GOLD, Some("1000"));
    assert_eq!(status, StatusCode::CREATED);
    let expected = json!({"asset": GOLD, "scale": 2, "cap": "1000", "issuer": port.arena.id,
        "supply": "0", "position": 1, "time": NOW});
    assert_eq!(asset, expected);
    assert_eq!(port.create_asset(&port.arena, GOLD, Some("1000")), (StatusCode::OK, expected.clone()));
    assert_eq!(port.get("/v1/assets/gold%40arena", None), (StatusCode::OK, expected));
    assert_problem(port.create_asset(&port.arena, GOLD, Some("1001")), 409, "asset-exists");
}

#[test]
fn a_signed_body_is_refused_when_it_is_old_or_for_another_port_or_has_unknown_members() {
    let port = port();
    let order = ["issuance:gold@arena", "traveller:ada", GOLD, "1"];
    let send = |change: &dyn Fn(&mut Value)| {
        let mut payload = signed_order("other", &order);
        change(&mut payload);
        port.post_signed("/v1/transfers", port.arena.sign("vwp-transfer+jws", &payload))
    };
    assert_problem(send(&|payload| payload["iat"] = (NOW / 1000 - 301).into()), 400, "clock-skew");
    assert_problem(send(&|payload| payload["iat"] = (NOW / 1000 + 301).into()), 400, "clock-skew");
    assert_problem(send(&|payload| payload["aud"] = "http://other.test".into()), 400, "wrong-audience");
    assert_problem(send(&|payload| payload["tip"] = "1".into()), 400, "bad-request");
    assert_problem(send(&|payload| payload["amount"] = 1.into()), 400, "bad-request");
    assert_problem(send(&|payload| payload["idempotency_key"] = "".into()), 400, "idempotency-key-missing");
    let foreign = port.arena.sign("vwp-asset+jws", &signed_order("other", &order));
    assert_problem(port.post_signed("/v1/transfers", foreign), 400, "bad-jws");
    let mut forged = port.arena.sign("vwp-transfer+jws", &signed_order("other", &order));
    forged = forged.replace('.', ".e").replacen(".e", ".", 1);
    assert!(port.post_signed("/v1/transfers", forged).0.is_client_error());
    assert_eq!(send(&|_| ()).0, StatusCode::CREATED);
    assert_eq!(port.balance("ada", GOLD), "101");
}

#[test]
fn a_traveller_debits_its_own_account_and_nobody_elses() {
    let port = port();
    let order = json!({"to": "world:bazaar", "asset": GOLD, "amount": "30", "memo": "a sword"});
    let mut nobody = port.payment("ada", "k", &order);
    nobody.headers_mut().remove("authorization");
    assert_problem(port.call(nobody), 401, "unauthorised");
    let theft = json!({"from": "traveller:ada", "to": "traveller:eve", "asset": GOLD, "amount": "1"});
    assert_problem(port.call(port.payment("eve", "k", &theft)), 403, "forbidden");
    for from in ["world:arena", "issuance:gold@arena"] {
        let theft = json!({"from": from, "to": "traveller:eve", "asset": GOLD, "amount": "1"});
        assert_problem(port.call(port.payment("eve", "k", &theft)), 403, "forbidden");
    }
    let (status, receipt) = port.call(port.payment("ada", "k", &order));
    assert_eq!(status, StatusCode::CREATED, "{receipt}");
    let id = receipt["transfer_id"].as_str().unwrap();
    let expected = json!({"transfer_id": id, "position": 3, "time": NOW, "from": "traveller:ada",
        "to": "world:bazaar", "asset": GOLD, "amount": "30", "memo": "a sword"});
    assert_eq!(receipt, expected);
    assert_eq!(port.call(port.payment("ada", "k", &order)), (StatusCode::OK, expected.clone()));
    assert_eq!(port.call(port.payment("ada", "\"k\"", &order)), (StatusCode::OK, expected));
    assert_eq!(port.balance("ada", GOLD), "70");
}

#[test]
fn an_operator_debits_its_worlds_and_their_assets_and_nobody_elses() {
    let port = port();
    let issue = ["issuance:gold@arena", "world:bazaar", GOLD, "5"];
    assert_problem(port.operate(&port.bazaar, "k", &issue), 403, "forbidden");
    let theft = ["traveller:ada", "world:arena", GOLD, "5"];
    assert_problem(port.operate(&port.arena, "k", &theft), 403, "forbidden");
    assert_eq!(port.operate(&port.arena, "k", &issue).0, StatusCode::CREATED);
    let back = ["world:bazaar", "issuance:gold@arena", GOLD, "2"];
    assert_problem(port.operate(&port.arena, "k2", &back), 403, "forbidden");
    assert_eq!(port.operate(&port.bazaar, "k", &back).0, StatusCode::CREATED);
    assert_eq!(port.get("/v1/assets/gold@arena", None).1["supply"], "103");
}

#[test]
fn each_refusal_of_a_transfer_names_its_reason() {
    let port = port();
    let pay = |key, to, asset, amount| port.pay("ada", key, to, asset, amount);
    let mut keyless = port.payment("ada", "k", &json!({"to": "world:arena", "asset": GOLD, "amount": "1"}));
    keyless.headers_mut().remove("idempotency-key");
    assert_problem(port.call(keyless), 400, "idempotency-key-missing");
    assert_problem(port.pay("ada", &"k".repeat(129), "world:arena", GOLD, "1"), 400, "bad-request");
    assert_problem(pay("a b", "world:arena", GOLD, "1"), 400, "bad-request");
    assert_problem(pay("1", "world:nowhere", GOLD, "1"), 404, "unknown-world");
    assert_problem(pay("1", "traveller:nobody", GOLD, "1"), 404, "unknown-traveller");
    assert_problem(pay("2", "world:arena", "silver@arena", "1"), 404, "unknown-asset");
    assert_problem(pay("3", "world:arena", GOLD, "101"), 422, "insufficient-funds");
    assert_problem(pay("4", "world:arena", GOLD, "0"), 422, "zero-amount");
    assert_problem(pay("5", "traveller:ada", GOLD, "1"), 422, "same-account");
    for amount in ["-1", "01", "1.5", "", "340282366920938463463374607431768211456"] {
        assert_problem(pay("6", "world:arena", GOLD, amount), 400, "bad-request");
    }
    assert_problem(pay("6", "arena", GOLD, "1"), 400, "bad-request");
    assert_problem(pay("6", "issuance:iron@arena", GOLD, "1"), 400, "bad-request");
    let order = json!({"to": "world:arena", "asset": GOLD, "amount": 1});
    assert_problem(port.call(port.payment("ada", "6", &order)), 400, "bad-request");
    let order = json!({"to": "world:arena", "asset": GOLD, "amount": "1", "memo": "x".repeat(49)});
    assert_problem(port.call(port.payment("ada", "6", &order)), 400, "bad-request");
    let over = ["issuance:gold@arena", "traveller:ada", GOLD, "901"];
    assert_problem(port.operate(&port.arena, "7", &over), 422, "exceeds-cap");
    assert_eq!(pay("8", "world:arena", GOLD, "1").0, StatusCode::CREATED);
    assert_problem(pay("8", "world:arena", GOLD, "2"), 422, "idempotency-key-reused");
    assert_eq!(port.balance("ada", GOLD), "99");
}

#[test]
fn the_same_key_gets_the_same_answer_whatever_happened_since() {
    let port = port();
    let first = port.pay("ada", "1", "world:bazaar", GOLD, "10");
    assert_problem(port.pay("ada", "2", "world:bazaar", GOLD, "500"), 422, "insufficient-funds");
    let more = ["issuance:gold@arena", "traveller:ada", GOLD, "900"];
    assert_eq!(port.operate(&port.arena, "more", &more).0, StatusCode::CREATED);
    assert_problem(port.pay("ada", "2", "world:bazaar", GOLD, "500"), 422, "insufficient-funds");
    port.forget_world("bazaar");
    assert_eq!(port.pay("ada", "1", "world:bazaar", GOLD, "10"), (StatusCode::OK, first.1));
    assert_problem(port.pay("ada", "1", "world:bazaar", GOLD, "11"), 422, "idempotency-key-reused");
    assert_problem(port.pay("ada", "3", "world:bazaar", GOLD, "10"), 404, "unknown-world");
}

#[test]
fn a_receipt_is_read_by_the_parties_only() {
    let port = port();
    let (_, receipt) = port.pay("ada", "k", "world:bazaar", GOLD, "30");
    let path = format!("/v1/transfers/{}", receipt["transfer_id"].as_str().unwrap());
    assert_problem(port.get(&path, None), 401, "unauthorised");
    assert_problem(port.get(&path, Some("nonsense")), 401, "unauthorised");
    assert_problem(port.get(&path, Some(&port.session("eve"))), 403, "forbidden");
    assert_problem(port.get(&path, Some(&port.arena.token())), 403, "forbidden");
    assert_problem(port.get(&path, Some(ADMIN)), 403, "forbidden");
    assert_eq!(port.get(&path, Some(&port.session("ada"))), (StatusCode::OK, receipt.clone()));
    assert_eq!(port.get(&path, Some(&port.bazaar.token())), (StatusCode::OK, receipt));
    let missing = format!("/v1/transfers/{}", "0".repeat(32));
    assert_problem(port.get(&missing, Some(&port.session("ada"))), 404, "not-found");
    assert_problem(port.get("/v1/transfers/x", Some(&port.session("ada"))), 400, "bad-request");
}

#[test]
fn an_account_is_read_by_its_owner_only() {
    let port = port();
    let ada = "/v1/ledger/accounts/traveller:ada/gold@arena";
    assert_problem(port.get(ada, None), 401, "unauthorised");
    assert_problem(port.get(ada, Some(&port.session("eve"))), 403, "forbidden");
    assert_problem(port.get(ada, Some(&port.arena.token())), 403, "forbidden");
    let expected = json!({"owner": "traveller:ada", "asset": GOLD, "balance": "100", "debits": "0",
        "credits": "100", "debits_pending": "0", "credits_pending": "0"});
    let encoded = "/v1/ledger/accounts/traveller%3Aada/gold%40arena";
    assert_eq!(port.get(encoded, Some(&port.session("ada"))), (StatusCode::OK, expected));
    let issuance = "/v1/ledger/accounts/issuance:gold@arena/gold@arena";
    assert_problem(port.get(issuance, Some(&port.bazaar.token())), 403, "forbidden");
    assert_eq!(port.get(issuance, Some(&port.arena.token())).1["balance"], "100");
    let empty = "/v1/ledger/accounts/world:bazaar/gold@arena";
    assert_problem(port.get(empty, Some(&port.arena.token())), 403, "forbidden");
    assert_eq!(port.get(empty, Some(&port.bazaar.token())).1["balance"], "0");
    let unknown = "/v1/ledger/accounts/world:bazaar/iron@arena";
    assert_problem(port.get(unknown, Some(&port.bazaar.token())), 404, "unknown-asset");
}

#[test]
fn the_log_is_read_by_the_administrator_only() {
    let port = port();
    let path = "/v1/ledger/entries?from=1&limit=1";
    assert_problem(port.get(path, None), 401, "unauthorised");
    assert_problem(port.get(path, Some(&port.session("ada"))), 403, "forbidden");
    assert_problem(port.get(path, Some(&port.arena.token())), 403, "forbidden");
    let (status, first) = port.get(path, Some(ADMIN));
    assert_eq!((status, &first["next"]), (StatusCode::OK, &json!(2)));
    assert_eq!(first["entries"][0]["command"]["kind"], "create-asset");
    let (_, second) = port.get("/v1/ledger/entries?from=2", Some(ADMIN));
    assert_eq!(second["entries"][0]["position"], 2);
    assert_eq!(second["entries"][0]["command"]["openings"][0]["owner"], "traveller:ada");
    assert_eq!(second["entries"][0]["command"]["transfers"][0]["amount"], "100");
    assert_eq!(second["next"], Value::Null);
    for query in ["from=0", "limit=0", "limit=1001", "from=x", "since=1"] {
        assert_problem(port.get(&format!("/v1/ledger/entries?{query}"), Some(ADMIN)), 400, "bad-request");
    }
}

#[test]
fn a_lost_answer_is_looked_up_and_a_lost_command_is_reported_as_unknown() {
    let port = port();
    port.store.fault.set(Fault::CommandLost);
    assert_problem(port.pay("ada", "1", "world:arena", GOLD, "10"), 503, "outcome-unknown");
    assert_problem(port.create_asset(&port.arena, "iron@arena", None), 503, "outcome-unknown");
    port.store.fault.set(Fault::AnswerLost);
    assert!(port.pay("ada", "2", "world:arena", GOLD, "10").0.is_success());
    assert_problem(port.pay("ada", "3", "world:arena", GOLD, "1000"), 422, "insufficient-funds");
    assert!(port.create_asset(&port.arena, "iron@arena", None).0.is_success());
    assert_problem(port.create_asset(&port.arena, "iron@arena", Some("1")), 409, "asset-exists");
    port.store.fault.set(Fault::None);
    assert_eq!(port.balance("ada", GOLD), "90");
    assert_eq!(port.pay("ada", "1", "world:arena", GOLD, "10").0, StatusCode::CREATED);
}

#[test]
fn other_paths_methods_and_types_are_refused() {
    let port = port();
    assert_problem(port.get("/v1/assets", None), 405, "method-not-allowed");
    assert_problem(port.get("/v1/transfers", None), 405, "method-not-allowed");
    assert_problem(port.get("/v1/ledger", None), 404, "not-found");
    assert_problem(port.get("/v1/assets/Gold@arena", None), 400, "bad-request");
    assert_problem(port.get("/v1/assets/%ff", None), 400, "bad-request");
    let put = Request::put("/v1/ledger/entries").body(Vec::new()).unwrap();
    assert_problem(port.call(put), 405, "method-not-allowed");
    let mut text = port.payment("ada", "k", &json!({}));
    text.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    assert_problem(port.call(text), 415, "unsupported-media-type");
    let mut large = port.payment("ada", "k", &json!({}));
    *large.body_mut() = vec![b' '; 20_000];
    assert_problem(port.call(large), 413, "body-too-large");
    assert_eq!(PORT, "http://port.test");
}

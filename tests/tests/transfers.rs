//! Everything that moves money over HTTP beside the single transfer: holds, what is given back, bulks,
//! and what an account's owner reads afterwards.

use serde_json::{Value, json};
use std::process::Command;
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Reply};
use vwp_tests::people::{Operator, Traveller, balance};
use vwp_tests::{eventually, libraries, unique};

fn account(host: &Host, owner: &str, asset: &str, token: &str) -> Value {
    let path = format!("/v1/ledger/accounts/{owner}/{asset}");
    host.http.send(&Call::get(path).bearer(token)).expect(200).json()
}

fn order(host: &Host, ada: &Traveller, order: &Value) -> Reply {
    let call = Call::json("/v1/transfers", order).bearer(&ada.token);
    host.http.send(&call.header("idempotency-key", unique("k")))
}

fn follow(host: &Host, operator: &Operator, kind: &str, origin: &str, amount: Option<&str>) -> Reply {
    let mut order = json!({"idempotency_key": unique("k"), "kind": kind, "origin": origin});
    if let Some(amount) = amount {
        order["amount"] = amount.into();
    }
    host.http.send(&operator.transfer_call(host, order))
}

#[test]
fn a_shop_takes_a_part_of_what_was_held_and_gives_some_of_it_back() {
    let host = Host::shared();
    let shop = Operator::registered(&host, "shop");
    let ada = Traveller::signed_in(&host);
    let asset = shop.issue(&host, "gold", &ada.account(), "1000");
    let world = format!("world:{}", shop.world);
    let hold = json!({"kind": "pending", "to": world, "asset": asset, "amount": "900", "timeout_s": 600});
    let pending = order(&host, &ada, &hold).expect(201).text("transfer_id");
    let plain = json!({"to": world, "asset": asset, "amount": "101"});
    order(&host, &ada, &plain).expect_problem(422, "insufficient-funds");

    let taken = follow(&host, &shop, "post", &pending, Some("400")).expect(201).text("transfer_id");
    follow(&host, &shop, "void", &pending, None).expect_problem(409, "not-pending");
    let _ = follow(&host, &shop, "refund", &taken, Some("150")).expect(201);
    follow(&host, &shop, "refund", &taken, Some("251")).expect_problem(422, "exceeds-origin");
    assert_eq!(ada.balance(&host, &asset), 750);
    assert_eq!(balance(&host, &world, &asset, &shop.token(&host)), 250);

    let path = format!("/v1/ledger/accounts/{}/{asset}/transfers?order=oldest-first", ada.account());
    let history = host.http.send(&Call::get(path).bearer(&ada.token)).expect(200).json();
    let kinds: Vec<&str> = history["transfers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["plain", "pending", "post", "refund"]);
}

#[test]
fn what_nobody_takes_is_the_payers_again_when_its_time_is_over() {
    let host = Host::shared();
    let shop = Operator::registered(&host, "shop");
    let ada = Traveller::signed_in(&host);
    let asset = shop.issue(&host, "gold", &ada.account(), "10");
    let world = format!("world:{}", shop.world);
    let hold = json!({"kind": "pending", "to": world, "asset": asset, "amount": "10", "timeout_s": 1});
    let pending = order(&host, &ada, &hold).expect(201).text("transfer_id");
    // A command releases what has expired by its time, so whoever wants the money only has to ask.
    let all = json!({"to": world, "asset": asset, "amount": "10"});
    eventually("the hold expires", || order(&host, &ada, &all).status == 201);
    follow(&host, &shop, "post", &pending, None).expect_problem(409, "not-pending");
    let read = Call::get(format!("/v1/transfers/{pending}")).bearer(&ada.token);
    assert_eq!(host.http.send(&read).expect(200).json()["hold"], json!({"state": "expired"}));
    assert_eq!(account(&host, &ada.account(), &asset, &ada.token)["debits_pending"], "0");
}

#[test]
fn a_payroll_of_the_largest_size_is_paid_once() {
    let host = Host::shared();
    let shop = Operator::registered(&host, "payer");
    let crew: Vec<Traveller> = (0..3).map(|_| Traveller::signed_in(&host)).collect();
    let world = format!("world:{}", shop.world);
    let asset = shop.issue(&host, "gold", &world, "1000000");
    let transfer = |number: usize| {
        json!({"idempotency_key": format!("pay-{number}"), "from": world, "asset": asset,
               "to": crew[number % crew.len()].account(), "amount": "2"})
    };
    let transfers: Vec<Value> = (0..8190).map(transfer).collect();
    let body = json!({ "transfers": transfers }).to_string().into_bytes();
    let call = |token: &str| {
        Call::new("POST", "/v1/transfers/bulk").body("application/json", body.clone()).bearer(token)
    };
    let paid = call(&shop.token_for(&host, &body));
    for repeated in [false, true] {
        let answer = host.http.send(&paid).expect(200).json();
        let made = answer["transfers"].as_array().unwrap();
        assert_eq!(made.len(), 8190);
        assert!(made.iter().all(|one| one["outcome"] == "created" && one["repeated"] == repeated));
        assert!(crew.iter().all(|member| member.balance(&host, &asset) == 2 * 2730));
    }
    host.http.send(&call(&shop.token(&host))).expect_problem(401, "unauthorised");
}

#[test]
fn a_python_program_pays_in_bulk_with_cbor() {
    let Some((python, folder)) = libraries::python(&["bulk.py"]) else { return };
    let host = Host::shared();
    let shop = Operator::registered(&host, "python");
    let ada = Traveller::signed_in(&host);
    let eve = Traveller::signed_in(&host);
    let asset = shop.issue(&host, "gold", &ada.account(), "100");
    let task = json!({"url": host.url, "token": ada.token, "from": ada.account(), "to": eve.account(),
                      "asset": asset, "amounts": [30, 90, 1]});
    let mut client = Command::new(&python);
    let answers = libraries::answer(client.arg("bulk.py").current_dir(&folder), &task);
    assert_eq!(answers, json!([null, "insufficient-funds", null]));
    assert_eq!((ada.balance(&host, &asset), eve.balance(&host, &asset)), (69, 31));
}

#[test]
fn amounts_beyond_64_bits_are_counted_to_the_last_unit() {
    let host = Host::shared();
    let mint = Operator::registered(&host, "mint");
    let ada = Traveller::signed_in(&host);
    let world = format!("world:{}", mint.world);
    let (all, part) = ((1_u128 << 100) + 7, (1_u128 << 64) + 3);
    let asset = mint.issue(&host, "dust", &ada.account(), &all.to_string());
    let pay = json!({"to": world, "asset": asset, "amount": part.to_string()});
    let paid = order(&host, &ada, &pay).expect(201).text("transfer_id");
    assert_eq!(ada.balance(&host, &asset), all - part);
    assert_eq!(balance(&host, &world, &asset, &mint.token(&host)), part);
    let more = json!({"to": world, "asset": asset, "amount": (all - part + 1).to_string()});
    order(&host, &ada, &more).expect_problem(422, "insufficient-funds");
    let _ = follow(&host, &mint, "refund", &paid, Some(&(part - 1).to_string())).expect(201);
    follow(&host, &mint, "refund", &paid, Some("2")).expect_problem(422, "exceeds-origin");
    assert_eq!(ada.balance(&host, &asset), all - 1);
    let supply = host.http.send(&Call::get(format!("/v1/assets/{asset}"))).expect(200).text("supply");
    assert_eq!(supply, all.to_string());
}

//! One asset for another, at a rate that a provider signed.

use crate::support::{ADMIN, Fault, NOW, PORT, Port, Signer, listed};
use futures::executor::block_on;
use http::StatusCode;
use serde_json::{Value, json};
use vwp_transactions::ledger;
use vwp_transactions::reference::{Owner, account_id};

pub(crate) const GOLD: &str = "gold@arena";
pub(crate) const GEMS: &str = "gems@bazaar";
const OK: StatusCode = StatusCode::OK;
const CREATED: StatusCode = StatusCode::CREATED;
const CONFLICT: StatusCode = StatusCode::CONFLICT;
/// Everybody who holds something here.
const OWNERS: [&str; 7] = [
    "traveller:ada",
    "traveller:eve",
    "world:arena",
    "world:bazaar",
    "liquidity:bazaar",
    "rounding:bazaar",
    "traveller:bob",
];

/// A port on which ada and eve have 1,000 gold each, and the bazaar exchanges 500 gems.
pub(crate) fn port() -> Port {
    let port = Port::new();
    port.create_asset(&port.arena, GOLD, None);
    port.create_asset(&port.bazaar, GEMS, None);
    for (key, to) in [("1", "traveller:ada"), ("2", "traveller:eve")] {
        assert_eq!(port.operate(&port.arena, key, &["issuance:gold@arena", to, GOLD, "1000"]).0, CREATED);
    }
    let liquidity = ["issuance:gems@bazaar", "liquidity:bazaar", GEMS, "500"];
    assert_eq!(port.operate(&port.bazaar, "3", &liquidity).0, CREATED);
    port
}

/// Three gold for two gems, for a minute.
pub(crate) fn terms(key: &str, more: &Value) -> Value {
    let mut terms = json!({"idempotency_key": key, "provider": "world:bazaar", "takes": GOLD, "gives": GEMS,
                           "rate": {"take": "3", "give": "2"}, "max": "600", "exp": NOW / 1000 + 60,
                           "iat": NOW / 1000, "aud": PORT});
    terms.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    terms
}

fn publish(port: &Port, signer: &Signer, terms: &Value) -> (StatusCode, Value) {
    port.post_signed("/v1/quotes", signer.sign("vwp-quote+jws", terms))
}

/// The id of a quote of the bazaar's.
#[track_caller]
pub(crate) fn quoted(port: &Port, key: &str, more: &Value) -> String {
    let (status, quote) = publish(port, &port.bazaar, &terms(key, more));
    assert_eq!((status, &quote["state"]), (CREATED, &json!("open")), "{quote}");
    quote["quote_id"].as_str().unwrap().to_owned()
}

fn post(port: &Port, who: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    port.call(Port::request(path, &crate::escrows::token(port, who, body), body))
}

pub(crate) fn accept(port: &Port, who: &str, id: &str, body: &Value) -> (StatusCode, Value) {
    post(port, who, &format!("/v1/quotes/{id}/accept"), body)
}

fn amount(amount: &str) -> Value {
    json!({ "amount": amount })
}

fn slug(problem: &Value) -> &str {
    problem["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default()
}

/// What somebody holds.
pub(crate) fn held(port: &Port, owner: &str, asset: &str) -> u128 {
    let account = account_id(&owner.parse::<Owner>().unwrap(), &asset.parse().unwrap());
    block_on(ledger::account(&port.store, account)).unwrap().map_or(0, |view| view.balance())
}

/// Requires that no unit was lost or made of either asset.
#[track_caller]
pub(crate) fn assert_conserved(port: &Port) {
    for (asset, supply) in [(GOLD, 2000), (GEMS, 500)] {
        assert_eq!(OWNERS.iter().map(|owner| held(port, owner, asset)).sum::<u128>(), supply, "{asset}");
        assert_eq!(port.get(&format!("/v1/assets/{asset}"), None).1["supply"], json!(supply.to_string()));
    }
}

#[test]
fn both_assets_move_and_what_rounding_leaves_is_on_its_account() {
    let port = port();
    let fee = json!({"ppm": 10_000, "shares": [{"to": "world:arena", "weight": 2}, {"to": "traveller:bob", "weight": 1}]});
    let id = quoted(&port, "q", &json!({"fee": fee}));
    let path = format!("/v1/quotes/{id}");
    let priced = port.get(&format!("{path}?amount=101"), Some(&port.session("ada"))).1;
    // A hundredth of 101, rounded up, is 2; for the other 99 there are 66.
    assert_eq!(priced["price"], json!({"paid": "101", "fee": "2", "received": "66"}));
    let (status, fill) = accept(&port, "ada", &id, &amount("102"));
    assert_eq!((status, &fill["fee"], &fill["received"]), (CREATED, &json!("2"), &json!("66")), "{fill}");
    assert_eq!(fill["rounding"], "1");
    assert_eq!([held(&port, "traveller:ada", GOLD), held(&port, "traveller:ada", GEMS)], [898, 66]);
    assert_eq!([held(&port, "world:arena", GOLD), held(&port, "traveller:bob", GOLD)], [1, 1]);
    assert_eq!([held(&port, "liquidity:bazaar", GOLD), held(&port, "liquidity:bazaar", GEMS)], [100, 433]);
    assert_eq!(held(&port, "rounding:bazaar", GEMS), 1);
    assert_conserved(&port);

    // What moved are transfers like any other, and the provider moves what it took in.
    let transfer = fill["transfers"][0]["transfer_id"].as_str().unwrap();
    let (status, receipt) = port.get(&format!("/v1/transfers/{transfer}"), Some(&port.session("ada")));
    assert_eq!((status, &receipt["memo"], &receipt["code"]), (OK, &json!(id), &json!(65011)), "{receipt}");
    let out = ["liquidity:bazaar", "world:bazaar", GOLD, "100"];
    assert_eq!(port.operate(&port.arena, "out", &out).0, StatusCode::FORBIDDEN);
    assert_eq!(port.operate(&port.bazaar, "out", &out).0, CREATED);
}

#[test]
fn a_quote_is_filled_once_and_a_repeat_gets_the_first_answer() {
    let mut port = port();
    let id = quoted(&port, "q", &json!({}));
    let first = accept(&port, "ada", &id, &amount("300"));
    assert_eq!(first.0, CREATED, "{}", first.1);
    assert_eq!(accept(&port, "ada", &id, &amount("300")), (OK, first.1.clone()));
    for (who, other) in [("ada", "301"), ("eve", "300")] {
        let (status, problem) = accept(&port, who, &id, &amount(other));
        assert_eq!((status, slug(&problem)), (CONFLICT, "quote-filled"));
    }
    port.pass(61_000);
    assert_eq!(accept(&port, "ada", &id, &amount("300")), (OK, first.1));
    let seen = port.get(&format!("/v1/quotes/{id}"), Some(&port.session("eve"))).1;
    assert_eq!(seen["state"], "filled");
    assert_eq!(held(&port, "traveller:ada", GEMS), 200);
    assert_conserved(&port);
}

#[test]
fn a_standing_quote_is_filled_once_for_each_key() {
    let port = port();
    let id = quoted(&port, "q", &json!({"standing": true}));
    let body = |key: &str, amount: &str| json!({"amount": amount, "idempotency_key": key});
    assert_eq!(accept(&port, "ada", &id, &amount("30")).0, StatusCode::BAD_REQUEST);
    let first = accept(&port, "ada", &id, &body("a", "30"));
    assert_eq!(first.0, CREATED, "{}", first.1);
    assert_eq!(accept(&port, "ada", &id, &body("a", "30")), (OK, first.1));
    let other = accept(&port, "ada", &id, &body("a", "33"));
    assert_eq!((other.0, slug(&other.1)), (StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused"));
    assert_eq!(accept(&port, "ada", &id, &body("b", "30")).0, CREATED);
    assert_eq!(accept(&port, "eve", &id, &body("a", "30")).0, CREATED);
    assert_eq!([held(&port, "traveller:ada", GEMS), held(&port, "traveller:eve", GEMS)], [40, 20]);
    assert_conserved(&port);
}

#[test]
fn what_was_changed_or_has_ended_or_was_withdrawn_moves_nothing() {
    let mut port = port();
    let signed = port.bazaar.sign("vwp-quote+jws", &terms("q", &json!({})));
    let cheaper = port.arena.sign("vwp-quote+jws", &terms("q", &json!({"rate": {"take": "1", "give": "2"}})));
    let payload = cheaper.split('.').nth(1).unwrap();
    let parts: Vec<&str> = signed.split('.').collect();
    let changed = port.post_signed("/v1/quotes", [parts[0], payload, parts[2]].join("."));
    assert_eq!((changed.0, slug(&changed.1)), (StatusCode::UNAUTHORIZED, "bad-signature"));
    // A provider is not quoted by another operator, and a key is for one quote.
    assert_eq!(publish(&port, &port.arena, &terms("q", &json!({}))).0, StatusCode::FORBIDDEN);
    let id = quoted(&port, "q", &json!({}));
    assert_eq!(publish(&port, &port.bazaar, &terms("q", &json!({}))).0, OK);
    let other = publish(&port, &port.bazaar, &terms("q", &json!({"max": "601"})));
    assert_eq!((other.0, slug(&other.1)), (StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused"));

    let back = quoted(&port, "w", &json!({}));
    let withdraw = format!("/v1/quotes/{back}/withdraw");
    assert_eq!(post(&port, "arena", &withdraw, &json!({})).0, StatusCode::FORBIDDEN);
    assert_eq!(post(&port, "bazaar", &withdraw, &json!({})).1["state"], "withdrawn");
    let late = accept(&port, "ada", &back, &amount("30"));
    assert_eq!((late.0, slug(&late.1)), (CONFLICT, "quote-withdrawn"));

    port.pass(60_000);
    let late = accept(&port, "ada", &id, &amount("30"));
    assert_eq!((late.0, slug(&late.1)), (CONFLICT, "quote-expired"));
    assert_eq!(port.get(&format!("/v1/quotes/{id}"), Some(&port.session("ada"))).1["state"], "expired");
    let ended = publish(&port, &port.bazaar, &terms("late", &json!({})));
    assert_eq!((ended.0, slug(&ended.1)), (CONFLICT, "quote-expired"));
    assert_eq!(held(&port, "traveller:ada", GOLD), 1000);
}

#[test]
fn who_cannot_pay_or_give_uses_nothing_up() {
    let port = port();
    let id = quoted(&port, "q", &json!({"min": "3", "max": "2000"}));
    for (wanted, status, problem) in [
        ("2", StatusCode::UNPROCESSABLE_ENTITY, "quote-bounds"),
        ("2001", StatusCode::UNPROCESSABLE_ENTITY, "quote-bounds"),
        ("1001", StatusCode::UNPROCESSABLE_ENTITY, "insufficient-funds"),
        ("900", CONFLICT, "liquidity-exhausted"),
    ] {
        let answer = accept(&port, "ada", &id, &amount(wanted));
        assert_eq!((answer.0, slug(&answer.1)), (status, problem), "{wanted}: {}", answer.1);
    }
    assert_conserved(&port);
    assert_eq!(accept(&port, "ada", &id, &amount("600")).0, CREATED);
    assert_conserved(&port);
}

#[test]
fn a_quote_for_one_taker_is_nobody_elses() {
    let port = port();
    let id = quoted(&port, "q", &json!({"taker": "traveller:eve"}));
    let path = format!("/v1/quotes/{id}");
    assert_eq!(port.get(&path, Some(&port.session("ada"))).0, StatusCode::FORBIDDEN);
    assert_eq!(port.get(&path, Some(&port.bazaar.token())).0, OK);
    assert_eq!(accept(&port, "ada", &id, &amount("30")).0, StatusCode::FORBIDDEN);
    let for_eve = json!({"amount": "30", "payer": "traveller:eve"});
    assert_eq!(accept(&port, "ada", &id, &for_eve).0, StatusCode::FORBIDDEN);
    assert_eq!(accept(&port, "eve", &id, &for_eve).0, CREATED);
    let unknown = accept(&port, "eve", "0123456789abcdef0123456789abcdef", &amount("1"));
    assert_eq!((unknown.0, slug(&unknown.1)), (StatusCode::NOT_FOUND, "not-found"));
}

#[test]
fn quotes_are_listed_for_who_signed_them_and_whom_they_are_for_newest_first() {
    let mut port = port();
    let mut ids = Vec::new();
    for (key, taker) in
        [("a", "traveller:eve"), ("b", "world:arena"), ("c", "world:bazaar"), ("d", "traveller:eve")]
    {
        ids.push(quoted(&port, key, &json!({ "taker": taker })));
        port.pass(1);
    }
    ids.push(quoted(&port, "e", &json!({})));
    let list = |token: &str| listed(&port, "/v1/quotes", token, (2, "quote_id"));
    let newest = |numbers: &[usize]| numbers.iter().map(|number| ids[*number].clone()).collect::<Vec<_>>();
    // A quote that its provider made for itself is there once.
    assert_eq!(list(&port.bazaar.token()), newest(&[4, 3, 2, 1, 0]));
    assert_eq!(list(&port.session("eve")), newest(&[3, 0]));
    assert_eq!(list(&port.arena.token()), newest(&[1]));
    assert_eq!(list(&port.session("ada")), newest(&[]));
    let item = &port.get("/v1/quotes?limit=1", Some(&port.session("eve"))).1["items"][0];
    assert_eq!(*item, port.get(&format!("/v1/quotes/{}", ids[3]), Some(&port.session("eve"))).1);
    // What was for a world is not shown to who does not run it any more.
    port.forget_world("arena");
    assert_eq!(list(&port.arena.token()), newest(&[]));

    for query in ["limit=0", "limit=101", "cursor=x", "surprise=1"] {
        let path = format!("/v1/quotes?{query}");
        assert_eq!(port.get(&path, Some(&port.session("eve"))).0, StatusCode::BAD_REQUEST, "{query}");
    }
    assert_eq!(port.get("/v1/quotes", None).0, StatusCode::UNAUTHORIZED);
    assert_eq!(port.get("/v1/quotes", Some(ADMIN)).0, StatusCode::FORBIDDEN);
}

#[test]
fn a_world_pays_too_and_the_next_operator_is_not_bound() {
    let port = port();
    assert_eq!(port.pay("ada", "w", "world:arena", GOLD, "90").0, CREATED);
    let id = quoted(&port, "q", &json!({}));
    let body = json!({"amount": "90", "payer": "world:arena"});
    assert_eq!(accept(&port, "arena", &id, &body).0, CREATED);
    assert_eq!(held(&port, "world:arena", GEMS), 60);
    let other = quoted(&port, "r", &json!({}));
    port.forget_world("bazaar");
    let gone = accept(&port, "ada", &other, &amount("3"));
    assert_eq!((gone.0, slug(&gone.1)), (CONFLICT, "quote-withdrawn"));
}

#[test]
fn what_became_of_a_lost_acceptance_is_found_out_by_repeating_it() {
    let port = port();
    let id = quoted(&port, "q", &json!({}));
    port.store.fault.set(Fault::CommandLost);
    let lost = accept(&port, "ada", &id, &amount("30"));
    assert_eq!((lost.0, slug(&lost.1)), (StatusCode::SERVICE_UNAVAILABLE, "outcome-unknown"));
    port.store.fault.set(Fault::AnswerLost);
    assert_eq!(accept(&port, "ada", &id, &amount("30")).0, CREATED);
    port.store.fault.set(Fault::None);
    assert_eq!(accept(&port, "ada", &id, &amount("30")).0, OK);
    assert_eq!(held(&port, "traveller:ada", GEMS), 20);
    assert_conserved(&port);
}

#[test]
fn terms_that_nobody_could_keep_are_refused() {
    let port = port();
    for (change, status) in [
        (json!({"provider": "world:nowhere"}), StatusCode::NOT_FOUND),
        (json!({"takes": "tin@arena"}), StatusCode::NOT_FOUND),
        (json!({"gives": GOLD}), StatusCode::BAD_REQUEST),
        (json!({"rate": {"take": "0", "give": "1"}}), StatusCode::BAD_REQUEST),
        (json!({"rate": {"take": "1", "give": "18446744073709551616"}}), StatusCode::BAD_REQUEST),
        (json!({"fee": {"ppm": 1, "shares": []}}), StatusCode::BAD_REQUEST),
        (json!({"fee": {"ppm": 1, "shares": [{"to": "world:nowhere", "weight": 1}]}}), StatusCode::NOT_FOUND),
        (json!({"exp": NOW / 1000 + 86_401}), StatusCode::BAD_REQUEST),
        (json!({"surprise": 1}), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(publish(&port, &port.bazaar, &terms("t", &change)).0, status, "{change}");
    }
}

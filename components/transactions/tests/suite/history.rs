//! What happened on an account, then and since.

use crate::support::{NOW, Port};
use http::StatusCode;
use serde_json::{Value, json};

const GOLD: &str = "gold@arena";

/// A port on which ada was given 1,000 and paid 1, 2, 3 … 10 away, the odd ones to bob with code 7.
fn port() -> Port {
    let port = Port::new();
    port.create_asset(&port.arena, GOLD, None);
    port.operate(&port.arena, "1", &["issuance:gold@arena", "traveller:ada", GOLD, "1000"]);
    for amount in 1..=10 {
        let order = if amount % 2 == 1 {
            json!({"to": "traveller:bob", "asset": GOLD, "amount": amount.to_string(), "code": 7})
        } else {
            json!({"to": "world:bazaar", "asset": GOLD, "amount": amount.to_string()})
        };
        assert_eq!(port.order("ada", &amount.to_string(), &order).0, StatusCode::CREATED);
    }
    port
}

fn ada(port: &Port, path: &str) -> (StatusCode, Value) {
    port.get(path, Some(&port.session("ada")))
}

const HISTORY: &str = "/v1/ledger/accounts/traveller:ada/gold@arena/transfers";

#[test]
fn a_history_is_read_in_pages_either_way() {
    let port = port();
    for (order, expected) in [("newest-first", [10, 9, 8]), ("oldest-first", [1000, 1, 2])] {
        let mut seen = Vec::new();
        let mut path = format!("{HISTORY}?order={order}&limit=3");
        loop {
            let (status, page) = ada(&port, &path);
            assert_eq!(status, StatusCode::OK, "{page}");
            let amounts = page["transfers"].as_array().unwrap().iter();
            seen.extend(amounts.map(|entry| entry["amount"].as_str().unwrap().parse::<u32>().unwrap()));
            let Some(next) = page["next"].as_u64() else { break };
            path = format!("{HISTORY}?order={order}&limit=3&start={next}");
        }
        assert_eq!((seen.len(), &seen[..3]), (11, &expected[..]), "{seen:?}");
    }
    let (_, page) = ada(&port, &format!("{HISTORY}?limit=1"));
    let last = &page["transfers"][0];
    assert_eq!(
        [&last["side"], &last["counterparty"], &last["balance"], &last["kind"]],
        ["debit", "world:bazaar", "945", "plain"]
    );
    let (_, page) = ada(&port, &format!("{HISTORY}?code=7"));
    assert_eq!(page["transfers"].as_array().unwrap().len(), 5);
}

#[test]
fn a_balance_is_known_of_every_moment() {
    let port = port();
    let account = "/v1/ledger/accounts/traveller:ada/gold@arena";
    let (_, page) = ada(&port, &format!("{HISTORY}?order=oldest-first"));
    for entry in page["transfers"].as_array().unwrap() {
        let (_, then) = ada(&port, &format!("{account}?position={}", entry["position"]));
        assert_eq!(then["balance"], entry["balance"]);
    }
    assert_eq!(ada(&port, &format!("{account}?time={}", NOW - 1)).1["balance"], "0");
    assert_eq!(ada(&port, &format!("{account}?time={NOW}")).1["balance"], "945");
}

#[test]
fn what_is_dated_back_counts_from_its_day_on() {
    let port = port();
    let account = "/v1/ledger/accounts/traveller:ada/gold@arena";
    let date = |days_ago: u64| {
        let day = i64::try_from(NOW / 86_400_000 - days_ago).unwrap();
        (chrono::NaiveDate::default() + chrono::Duration::days(day)).to_string()
    };
    let order =
        |date: &str| json!({"to": "traveller:bob", "asset": GOLD, "amount": "45", "effective_date": date});
    let (status, made) = port.order("ada", "back", &order(&date(3)));
    assert_eq!((status, &made["effective_date"]), (StatusCode::CREATED, &json!(date(3))), "{made}");
    let bob = |date: String| {
        let path = format!("/v1/ledger/accounts/traveller:bob/gold@arena?effective_date={date}");
        port.get(&path, Some(&port.session("bob"))).1["balance"].clone()
    };
    assert_eq!([bob(date(4)), bob(date(3)), bob(date(0))], ["0", "45", "70"]);
    for days_ago in [93, 400] {
        let (status, problem) = port.order("ada", &days_ago.to_string(), &order(&date(days_ago)));
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    }
    assert_eq!(ada(&port, &format!("{account}?effective_date=yesterday")).0, StatusCode::BAD_REQUEST);
}

#[test]
fn a_statement_adds_up() {
    let port = port();
    let statement = |from: u64, until: u64, more: &str| {
        ada(&port, &format!("/v1/statements/traveller:ada/gold@arena?from={from}&until={until}{more}"))
    };
    let (status, whole) = statement(NOW, NOW + 1, "");
    assert_eq!(status, StatusCode::OK, "{whole}");
    assert_eq!(
        [&whole["opening"], &whole["credits"], &whole["debits"], &whole["closing"]],
        ["0", "1000", "55", "945"]
    );
    assert_eq!(whole["transfers"].as_array().unwrap().len(), 11);
    let (_, first) = statement(NOW, NOW + 1, "&limit=4");
    let (_, second) = statement(NOW, NOW + 1, &format!("&limit=100&start={}", first["next"]));
    assert_eq!(
        first["transfers"].as_array().unwrap().len() + second["transfers"].as_array().unwrap().len(),
        11
    );
    assert_eq!(second["next"], Value::Null);
    let (_, later) = statement(NOW + 1, NOW + 2, "");
    assert_eq!([&later["opening"], &later["closing"]], ["945", "945"]);
    assert_eq!(later["transfers"], json!([]));
    let (_, earlier) = statement(0, NOW, "");
    assert_eq!((&earlier["closing"], &earlier["transfers"]), (&json!("0"), &json!([])));
    assert_eq!(statement(2, 2, "").0, StatusCode::BAD_REQUEST);
}

#[test]
fn a_history_is_its_owners_and_a_query_has_to_make_sense() {
    let port = port();
    let eve = port.session("eve");
    for path in [HISTORY, "/v1/statements/traveller:ada/gold@arena?from=0&until=1"] {
        assert_eq!(port.get(path, Some(&eve)).0, StatusCode::FORBIDDEN);
        assert_eq!(port.get(path, None).0, StatusCode::UNAUTHORIZED);
    }
    for query in [
        "limit=0",
        "limit=101",
        "order=up",
        "kind=gift",
        "code=65536",
        "start=-1",
        "since=1",
        "limit=1&limit=2",
    ] {
        assert_eq!(ada(&port, &format!("{HISTORY}?{query}")).0, StatusCode::BAD_REQUEST, "{query}");
    }
    let account = "/v1/ledger/accounts/traveller:ada/gold@arena";
    assert_eq!(ada(&port, &format!("{account}?time=1&position=1")).0, StatusCode::BAD_REQUEST);
    let (_, none) = port.get("/v1/ledger/accounts/traveller:eve/gold@arena/transfers", Some(&eve));
    assert_eq!(none, json!({"transfers": []}));
}

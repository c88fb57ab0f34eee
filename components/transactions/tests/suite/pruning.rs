//! Quotes that ended are forgotten, and what was accepted of them is not.

use crate::exchange::{GEMS, accept, held, port, quoted, terms};
use crate::support::{ADMIN, NOW, Port, listed};
use futures::executor::block_on;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, KeyRange, Write};

const OK: StatusCode = StatusCode::OK;
const CONFLICT: StatusCode = StatusCode::CONFLICT;
/// From the beginning of these tests until quotes of a minute are forgotten.
const KEPT_MS: u64 = 60_000 + 7 * 86_400_000;

/// Has what is due done once; after how many milliseconds there may be more.
fn run(port: &Port) -> u64 {
    let request = Request::post("/v1/schedules/run").header("authorization", format!("Bearer {ADMIN}"));
    let (status, report) = port.call(request.body(Vec::new()).unwrap());
    assert_eq!((status, &report["done"], &report["failed"]), (OK, &json!(0), &json!(0)), "{report}");
    report["next_ms"].as_u64().unwrap()
}

fn read(port: &Port, id: &str) -> (StatusCode, Value) {
    port.get(&format!("/v1/quotes/{id}"), Some(&port.session("ada")))
}

fn slug(problem: &Value) -> &str {
    problem["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default()
}

/// Publishes under a key at the end of these tests.
fn publish_late(port: &Port, key: &str) -> (StatusCode, Value) {
    let now = (NOW + KEPT_MS) / 1000;
    let late = terms(key, &json!({"iat": now, "exp": now + 60}));
    port.post_signed("/v1/quotes", port.bazaar.sign("vwp-quote+jws", &late))
}

#[test]
fn what_nobody_accepted_is_forgotten_a_week_after_its_end_and_its_key_stays_taken() {
    let mut port = port();
    let id = quoted(&port, "open", &json!({"taker": "traveller:ada"}));
    let standing = quoted(&port, "standing", &json!({"taker": "traveller:ada", "standing": true}));
    let back = quoted(&port, "back", &json!({"taker": "traveller:ada"}));
    let withdrawal = json!({});
    let token = port.bazaar.assertion(Some(withdrawal.to_string().as_bytes()));
    let withdrawn = port.call(Port::request(&format!("/v1/quotes/{back}/withdraw"), &token, &withdrawal));
    assert_eq!(withdrawn.1["state"], "withdrawn");
    let list = |port: &Port| listed(port, "/v1/quotes", &port.session("ada"), (2, "quote_id")).len();

    port.pass(KEPT_MS - 1000);
    run(&port);
    assert_eq!((read(&port, &id).1["state"].clone(), list(&port)), (json!("expired"), 3));
    port.pass(1000);
    run(&port);
    assert_eq!(list(&port), 0);
    for (id, body) in [
        (&id, json!({"amount": "30"})),
        (&standing, json!({"amount": "30", "idempotency_key": "a"})),
        (&back, json!({"amount": "30"})),
    ] {
        let (status, problem) = read(&port, id);
        assert_eq!((status, slug(&problem)), (StatusCode::NOT_FOUND, "not-found"));
        let (status, problem) = accept(&port, "ada", id, &body);
        assert_eq!((status, slug(&problem)), (CONFLICT, "quote-expired"));
    }
    for key in ["open", "standing", "back"] {
        let (status, problem) = publish_late(&port, key);
        assert_eq!((status, slug(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused"));
    }
    let (status, other) = publish_late(&port, "other");
    assert_eq!((status, &other["state"]), (StatusCode::CREATED, &json!("open")), "{other}");
}

#[test]
fn what_was_accepted_is_kept_and_a_repeat_gets_the_first_answer() {
    let mut port = port();
    let once = quoted(&port, "once", &json!({"taker": "traveller:ada"}));
    let standing = quoted(&port, "standing", &json!({"taker": "traveller:ada", "standing": true}));
    let back = quoted(&port, "back", &json!({"taker": "traveller:ada"}));
    let wanted = [
        (&once, json!({"amount": "30"})),
        (&standing, json!({"amount": "60", "idempotency_key": "a"})),
        (&back, json!({"amount": "90"})),
    ];
    let answers = wanted.clone().map(|(id, body)| {
        let (status, fill) = accept(&port, "ada", id, &body);
        assert_eq!(status, StatusCode::CREATED, "{fill}");
        fill
    });
    let token = port.bazaar.assertion(Some(b"{}"));
    port.call(Port::request(&format!("/v1/quotes/{back}/withdraw"), &token, &json!({})));
    port.pass(KEPT_MS);
    for _ in 0..2 {
        run(&port);
        for ((id, body), answer) in wanted.iter().zip(&answers) {
            assert_eq!(accept(&port, "ada", id, body), (OK, answer.clone()));
            assert_eq!(read(&port, id).0, OK);
        }
    }
    assert_eq!(held(&port, "traveller:ada", GEMS), 120);
    assert_eq!(listed(&port, "/v1/quotes", &port.session("ada"), (2, "quote_id")).len(), 3);
}

#[test]
fn a_run_forgets_a_bounded_number_and_says_when_there_is_more() {
    let mut port = port();
    for number in 0..70 {
        quoted(&port, &number.to_string(), &json!({"taker": "traveller:ada"}));
    }
    // This port cannot read them: a newer one has written them, say.
    for number in 0..70 {
        let broken = format!("{number:032x}");
        let ending = Write::put(format!("transactions/quote-ending/{:016x}/{broken}", NOW / 1000), []);
        let newer = Write::put(format!("transactions/quote/{broken}"), "{\"v\": 2}");
        block_on(port.store.commit(&[], &[ending, newer])).unwrap();
    }
    port.pass(KEPT_MS);
    let list = |port: &Port| listed(port, "/v1/quotes", &port.session("ada"), (100, "quote_id")).len();
    let (soon, left) = (run(&port), list(&port));
    assert_eq!(soon, 10);
    assert!((1..70).contains(&left), "{left}");
    while run(&port) == soon {}
    assert_eq!(list(&port), 0);
}

#[test]
fn a_quote_from_before_any_were_forgotten_stays() {
    let mut port = port();
    let id = quoted(&port, "q", &json!({}));
    let ending = KeyRange::prefix("transactions/quote-ending/");
    let page = block_on(port.store.scan(&ending, 10, Direction::Forward)).unwrap();
    let mut writes: Vec<Write> = page.items.into_iter().map(|item| Write::delete(item.key)).collect();
    let key = format!("transactions/quote/{id}");
    let entry = block_on(port.store.get(key.as_bytes())).unwrap().unwrap();
    let mut old: Value = serde_json::from_slice(&entry.value).unwrap();
    for name in ["created_at", "readers"] {
        assert!(old.as_object_mut().unwrap().remove(name).is_some());
    }
    writes.push(Write::put(key, old.to_string()));
    block_on(port.store.commit(&[], &writes)).unwrap();
    port.pass(KEPT_MS);
    run(&port);
    assert_eq!(read(&port, &id).1["state"], "expired");
}

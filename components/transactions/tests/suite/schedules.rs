//! Transfers whose time comes.

use crate::escrow_races::interleave;
use crate::support::{ADMIN, Fault, NOW, Port, listed};
use futures::executor::block_on;
use http::{Request, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, KeyRange, Write};

const GOLD: &str = "gold@arena";
const OK: StatusCode = StatusCode::OK;
const CREATED: StatusCode = StatusCode::CREATED;
const MINUTE_MS: u64 = 60_000;

/// A port on which ada has 1,000.
fn port() -> Port {
    let port = Port::new();
    port.create_asset(&port.arena, GOLD, None);
    let issued = port.operate(&port.arena, "issue", &["issuance:gold@arena", "traveller:ada", GOLD, "1000"]);
    assert_eq!(issued.0, CREATED);
    port
}

/// Ada's rent of 100 for the bazaar, each minute, from the next one on.
fn terms(more: &Value) -> Value {
    let mut terms = json!({"idempotency_key": "rent", "to": "world:bazaar", "asset": GOLD, "amount": "100",
                           "memo": "rent", "start_at": NOW + MINUTE_MS, "every": {"unit": "minute", "count": 1}});
    terms.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    terms
}

fn post(port: &Port, who: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    port.call(Port::request(path, &crate::escrows::token(port, who, body), body))
}

#[track_caller]
fn schedule(port: &Port, more: &Value) -> String {
    let (status, schedule) = post(port, "ada", "/v1/schedules", &terms(more));
    assert_eq!((status, &schedule["state"]), (CREATED, &json!("active")), "{schedule}");
    schedule["schedule_id"].as_str().unwrap().to_owned()
}

fn read(port: &Port, id: &str) -> Value {
    let (status, schedule) = port.get(&format!("/v1/schedules/{id}"), Some(&port.session("ada")));
    assert_eq!(status, OK, "{schedule}");
    schedule
}

fn run_request() -> Request<Vec<u8>> {
    Request::post("/v1/schedules/run")
        .header("authorization", format!("Bearer {ADMIN}"))
        .body(Vec::new())
        .unwrap()
}

/// Has what is due done until nothing is.
fn run(port: &Port) -> (u64, u64) {
    let mut sums = (0, 0);
    loop {
        let (status, report) = port.call(run_request());
        assert_eq!(status, OK, "{report}");
        sums.0 += report["done"].as_u64().unwrap();
        sums.1 += report["failed"].as_u64().unwrap();
        if report["done"] == 0 {
            return sums;
        }
    }
}

fn outcomes(schedule: &Value) -> Vec<(u64, &str)> {
    let occurrences = schedule["occurrences"].as_array().unwrap();
    occurrences
        .iter()
        .map(|one| (one["number"].as_u64().unwrap(), one["outcome"].as_str().unwrap()))
        .collect()
}

fn slug(problem: &Value) -> &str {
    problem["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default()
}

#[test]
fn each_occurrence_is_made_when_its_time_has_come_and_what_was_missed_is_made_late() {
    let mut port = port();
    let id = schedule(&port, &json!({"times": 4}));
    assert_eq!(post(&port, "ada", "/v1/schedules", &terms(&json!({"times": 4}))).0, OK);
    assert_eq!(run(&port), (0, 0));
    port.pass(MINUTE_MS);
    assert_eq!(run(&port), (1, 0));
    assert_eq!(port.balance("ada", GOLD), "900");
    let seen = read(&port, &id);
    assert_eq!((outcomes(&seen), &seen["next_at"]), (vec![(1, "made")], &json!(NOW + 2 * MINUTE_MS)));
    // Nobody was there for a while.
    port.pass(6 * MINUTE_MS);
    assert_eq!(run(&port), (3, 0));
    let seen = read(&port, &id);
    assert_eq!(outcomes(&seen), [(4, "made"), (3, "made"), (2, "made"), (1, "made")]);
    assert_eq!((&seen["state"], seen.get("next_at")), (&json!("ended"), None));
    assert_eq!((run(&port), port.balance("ada", GOLD).as_str()), ((0, 0), "600"));

    // An occurrence is a transfer like any other.
    let transfer = seen["occurrences"][0]["transfer_id"].as_str().unwrap();
    let receipt = port.get(&format!("/v1/transfers/{transfer}"), Some(&port.session("ada"))).1;
    assert_eq!((&receipt["memo"], &receipt["amount"]), (&json!("rent"), &json!("100")));
}

#[test]
fn what_cannot_be_paid_is_refused_and_the_next_one_is_tried() {
    let mut port = port();
    let id = schedule(&port, &json!({"amount": "600", "times": 3}));
    port.pass(2 * MINUTE_MS);
    assert_eq!(run(&port), (2, 0));
    assert_eq!(outcomes(&read(&port, &id)), [(2, "refused"), (1, "made")]);
    assert_eq!(slug(&read(&port, &id)["occurrences"][0]["problem"]), "insufficient-funds");
    port.operate(&port.arena, "more", &["issuance:gold@arena", "traveller:ada", GOLD, "1000"]);
    port.pass(MINUTE_MS);
    assert_eq!(outcomes(&read(&port, &id)), [(3, "made"), (2, "refused"), (1, "made")]);
    assert_eq!(port.balance("ada", GOLD), "800");
}

#[test]
fn nothing_comes_of_what_was_cancelled() {
    let mut port = port();
    let id = schedule(&port, &json!({}));
    port.pass(MINUTE_MS);
    run(&port);
    let cancel = format!("/v1/schedules/{id}/cancel");
    for who in ["eve", "bob"] {
        assert_eq!(post(&port, who, &cancel, &json!({})).0, StatusCode::FORBIDDEN);
    }
    let (status, schedule) = post(&port, "ada", &cancel, &json!({}));
    assert_eq!((status, &schedule["state"]), (OK, &json!("cancelled")));
    assert_eq!(post(&port, "ada", &cancel, &json!({})).1, schedule);
    port.pass(6 * MINUTE_MS);
    assert_eq!((run(&port), read(&port, &id)), ((0, 0), schedule));
    assert_eq!(port.balance("ada", GOLD), "900");
    assert_eq!(port.get(&format!("/v1/schedules/{id}"), Some(&port.session("eve"))).0, StatusCode::FORBIDDEN);
}

#[test]
fn nobody_is_paid_who_has_gone_nor_from_what_is_anothers_by_now() {
    let mut port = port();
    let id = schedule(&port, &json!({"times": 1}));
    let whole = json!({"idempotency_key": "w", "from": "world:bazaar", "to": "traveller:eve", "asset": GOLD,
                       "amount": "1", "start_at": NOW + MINUTE_MS});
    let (status, other) = post(&port, "bazaar", "/v1/schedules", &whole);
    assert_eq!(status, CREATED, "{other}");
    port.forget_world("bazaar");
    port.pass(MINUTE_MS);
    assert_eq!(run(&port), (2, 0));
    assert_eq!(outcomes(&read(&port, &id)), [(1, "skipped")]);
    assert_eq!(port.balance("ada", GOLD), "1000");
}

#[test]
fn what_became_of_a_lost_occurrence_is_found_out_by_the_next_run() {
    for fault in [Fault::AnswerLost, Fault::CommandLost] {
        let mut port = port();
        let id = schedule(&port, &json!({"times": 1}));
        port.pass(MINUTE_MS);
        port.store.fault.set(fault);
        port.call(run_request());
        port.store.fault.set(Fault::None);
        run(&port);
        assert_eq!(outcomes(&read(&port, &id)), [(1, "made")]);
        assert_eq!(port.balance("ada", GOLD), "900");
    }
}

#[test]
fn many_that_cannot_be_made_for_now_hold_up_nobody() {
    let mut port = port();
    let id = schedule(&port, &json!({"times": 1}));
    // They were due before, and this port cannot read them: a newer one has written them, say.
    for n in 0..130 {
        let broken = format!("{n:032x}");
        let due = Write::put(format!("transactions/schedule-due/{NOW:016x}/{broken}"), []);
        let newer = Write::put(format!("transactions/schedule/{broken}"), "{\"v\": 2}");
        block_on(port.store.commit(&[], &[due, newer])).unwrap();
    }
    port.pass(MINUTE_MS);
    let (status, report) = port.call(run_request());
    assert_eq!((status, &report["done"], &report["failed"]), (OK, &json!(1), &json!(130)), "{report}");
    assert_eq!(outcomes(&read(&port, &id)), [(1, "made")]);
}

#[test]
fn schedules_are_listed_for_who_asked_for_them_newest_first() {
    let mut port = port();
    let mut ids = Vec::new();
    let wanted = |key: &str| terms(&json!({"idempotency_key": key, "times": 1}));
    for key in ["a", "b", "c"] {
        let (status, made) = post(&port, "ada", "/v1/schedules", &wanted(key));
        assert_eq!(status, CREATED, "{made}");
        ids.push(made["schedule_id"].as_str().unwrap().to_owned());
        port.pass(1);
    }
    ids.reverse();
    let list = |who: &str| listed(&port, "/v1/schedules", &port.session(who), (2, "schedule_id"));
    assert_eq!((list("ada"), list("eve")), (ids.clone(), Vec::new()));
    assert_eq!(listed(&port, "/v1/schedules", &port.bazaar.token(), (2, "schedule_id")), [""; 0]);
    // One that has ended or was cancelled stays, and a repeat is not another one.
    assert_eq!(post(&port, "ada", &format!("/v1/schedules/{}/cancel", ids[0]), &json!({})).0, OK);
    assert_eq!(post(&port, "ada", "/v1/schedules", &wanted("c")).0, OK);
    port.pass(MINUTE_MS);
    run(&port);
    let page = port.get("/v1/schedules", Some(&port.session("ada"))).1;
    let states: Vec<_> = page["items"].as_array().unwrap().iter().map(|item| &item["state"]).collect();
    assert_eq!(states, ["cancelled", "ended", "ended"]);
    let mut shown = read(&port, &ids[1]);
    shown.as_object_mut().unwrap().remove("occurrences");
    assert_eq!(page["items"][1], shown);

    for query in ["limit=0", "limit=101", "cursor=x", "surprise=1"] {
        let path = format!("/v1/schedules?{query}");
        assert_eq!(port.get(&path, Some(&port.session("ada"))).0, StatusCode::BAD_REQUEST, "{query}");
    }
    assert_eq!(port.get("/v1/schedules", None).0, StatusCode::UNAUTHORIZED);
    assert_eq!(port.get("/v1/schedules", Some(ADMIN)).0, StatusCode::FORBIDDEN);
}

#[test]
fn a_schedule_from_before_there_were_lists_is_listed_once_something_becomes_of_it() {
    let mut port = port();
    let id = schedule(&port, &json!({}));
    let key = format!("transactions/schedule/{id}");
    let entry = block_on(port.store.get(key.as_bytes())).unwrap().unwrap();
    let mut old: Value = serde_json::from_slice(&entry.value).unwrap();
    old.as_object_mut().unwrap().remove("created_at");
    let lists = KeyRange::prefix("transactions/schedule-list/");
    let page = block_on(port.store.scan(&lists, 10, Direction::Forward)).unwrap();
    let mut writes: Vec<Write> = page.items.into_iter().map(|item| Write::delete(item.key)).collect();
    writes.push(Write::put(key, old.to_string()));
    block_on(port.store.commit(&[], &writes)).unwrap();
    let list = |port: &Port| listed(port, "/v1/schedules", &port.session("ada"), (2, "schedule_id"));
    assert_eq!(list(&port), [""; 0]);
    port.pass(MINUTE_MS);
    run(&port);
    let newer = schedule(&port, &json!({"idempotency_key": "newer"}));
    assert_eq!(list(&port), [newer, id]);
}

#[test]
fn a_schedule_is_bounded_and_one_for_a_key() {
    let port = port();
    schedule(&port, &json!({}));
    let other = post(&port, "ada", "/v1/schedules", &terms(&json!({"amount": "1"})));
    assert_eq!((other.0, slug(&other.1)), (StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused"));
    for (change, status) in [
        (json!({"idempotency_key": null}), 400),
        (json!({"start_at": NOW - 301_000}), 400),
        (json!({"start_at": NOW + 4000 * 86_400_000_u64}), 400),
        (json!({"every": {"unit": "minute", "count": 0}}), 400),
        (json!({"every": null, "times": 2}), 400),
        (json!({"times": 0}), 400),
        (json!({"surprise": 1}), 400),
        (json!({"from": "world:arena"}), 403),
        (json!({"to": "world:nowhere"}), 404),
        (json!({"asset": "tin@arena"}), 404),
        (json!({"amount": "0"}), 422),
        (json!({"to": "traveller:ada"}), 422),
    ] {
        let mut wanted = terms(&json!({"idempotency_key": "g"}));
        wanted.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(post(&port, "ada", "/v1/schedules", &wanted).0.as_u16(), status, "{change}");
    }
    for number in 1..256 {
        schedule(&port, &json!({"idempotency_key": number.to_string()}));
    }
    let more = post(&port, "ada", "/v1/schedules", &terms(&json!({"idempotency_key": "256"})));
    assert_eq!((more.0, slug(&more.1)), (StatusCode::UNPROCESSABLE_ENTITY, "too-many-schedules"));
    let stranger = Request::post("/v1/schedules/run")
        .header("authorization", format!("Bearer {}", port.session("ada")))
        .body(Vec::new());
    assert_eq!(port.call(stranger.unwrap()).0, StatusCode::FORBIDDEN);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn however_many_hosts_do_what_is_due_each_occurrence_is_made_once(
        hosts in 1..5_usize,
        readers in 0..3_usize,
        minutes in 1..6_u64,
        cancels in any::<bool>(),
        turns in prop::collection::vec(any::<u8>(), 1..200),
    ) {
        let mut port = port();
        let id = schedule(&port, &json!({"times": 4}));
        port.pass(minutes * MINUTE_MS);
        let path = format!("/v1/schedules/{id}");
        let mut requests: Vec<Request<Vec<u8>>> = (0..hosts * 6).map(|_| run_request()).collect();
        for _ in 0..readers {
            let token = format!("Bearer {}", port.session("ada"));
            requests.push(Request::get(&path).header("authorization", token).body(Vec::new()).unwrap());
        }
        if cancels {
            requests.push(Port::request(&format!("{path}/cancel"), &port.session("ada"), &json!({})));
        }
        let answers = interleave(&port, requests, &turns);
        prop_assert!(answers.iter().all(|(status, _)| status.is_success()), "{:?}", answers);
        run(&port);
        let seen = read(&port, &id);
        let due = minutes.min(4);
        let paid = (1000 - port.balance("ada", GOLD).parse::<u64>().unwrap()) / 100;
        prop_assert_eq!(port.balance("ada", GOLD), (1000 - 100 * paid).to_string());
        if cancels {
            prop_assert!(paid <= due);
        } else {
            prop_assert_eq!((paid, outcomes(&seen).len() as u64), (due, due));
        }
        prop_assert!(outcomes(&seen).iter().all(|(_, outcome)| *outcome == "made"));
    }
}

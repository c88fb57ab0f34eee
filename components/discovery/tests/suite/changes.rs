//! Watching the registry: every change once, in order, from any place on.

use crate::support::Port;
use futures::executor::block_on;
use http::{Request, StatusCode};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;
use std::thread;
use vwp_discovery::changes::{self, Change, Cursor, KEPT_MS, Kind};
use vwp_discovery::http::EventStream;
use vwp_storage::Kv;
use vwp_storage::kv::Outcome;

fn change(name: &str, at: u64) -> Change {
    Change { kind: Kind::Registered, name: name.into(), operator: "somebody".into(), seq: Some(1), at }
}

/// One commit that changes these worlds.
fn commit(store: &impl Kv, names: &[&str], at: u64) {
    let made: Vec<Change> = names.iter().map(|name| change(name, at)).collect();
    let outcome = block_on(store.commit(&[], &changes::writes(&made).unwrap())).unwrap();
    assert!(matches!(outcome, Outcome::Committed(_)));
}

fn now(port: &Port) -> u64 {
    port.environment().now
}

/// The names in an answer, and the next cursor.
fn list(port: &Port, query: &str) -> (Vec<String>, String) {
    let answer = port.get(&format!("/v1/worlds/changes?{query}"));
    assert_eq!(answer.status, StatusCode::OK, "{}", String::from_utf8_lossy(&answer.body));
    let json = answer.json();
    let name = |change: &Value| change["name"].as_str().unwrap().to_owned();
    let names = json["changes"].as_array().unwrap().iter().map(name).collect();
    (names, json["next"].as_str().unwrap().to_owned())
}

#[test]
fn whoever_begins_now_sees_what_changes_from_now_on() {
    let port = Port::new();
    commit(&port.store, &["before"], now(&port));
    let (names, next) = list(&port, "");
    assert_eq!(names, Vec::<String>::new());
    commit(&port.store, &["after"], now(&port));
    assert_eq!(list(&port, &format!("since={next}")).0, ["after"]);
    assert_eq!(list(&port, "since=0").0, ["before", "after"]);
}

#[test]
fn a_change_says_what_happened_to_which_world() {
    let port = Port::new();
    commit(&port.store, &["arena"], now(&port));
    let json = port.get("/v1/worlds/changes?since=0").json();
    let change = &json["changes"][0];
    assert_eq!(
        (&change["kind"], &change["name"], &change["seq"]),
        (&"registered".into(), &"arena".into(), &1.into())
    );
    assert_eq!(change["cursor"], json["next"]);
    assert_eq!(change["at"], now(&port));
}

#[test]
fn watching_out_of_bounds_is_refused() {
    let port = Port::new();
    for (query, slug) in [
        ("since=x", "bad-cursor"),
        ("since=-1", "bad-cursor"),
        ("since=+1", "bad-cursor"),
        ("since=1.", "bad-cursor"),
        ("since=1.99999999999", "bad-cursor"),
        ("since=99999999999999999999", "bad-cursor"),
        ("limit=0", "bad-request"),
        ("limit=501", "bad-request"),
        ("wait=26", "bad-request"),
        ("until=1", "bad-request"),
    ] {
        assert_eq!(port.get(&format!("/v1/worlds/changes?{query}")).slug(), slug, "{query}");
    }
    assert_eq!(port.get(&format!("/v1/worlds/changes?since={}", u64::MAX)).status, StatusCode::OK);
}

#[test]
fn old_changes_go_and_whoever_missed_them_is_told() {
    let port = Port::new();
    commit(&port.store, &["old", "older"], now(&port));
    let (_, first) = list(&port, "since=0&limit=1");
    let (_, second) = list(&port, &format!("since={first}&limit=1"));
    port.advance_s(KEPT_MS / 1000 + 1);
    commit(&port.store, &["young"], now(&port));
    while block_on(changes::prune(&port.store, &port.environment())).unwrap() {}
    for missed in ["0", &first] {
        let answer = port.get(&format!("/v1/worlds/changes?since={missed}"));
        assert_eq!((answer.status, answer.slug().as_str()), (StatusCode::GONE, "changes-gone"));
    }
    assert_eq!(list(&port, &format!("since={second}")).0, ["young"]);
    assert!(!block_on(changes::prune(&port.store, &port.environment())).unwrap());
}

#[test]
fn a_long_list_is_pruned_in_portions() {
    let port = Port::new();
    let names: Vec<String> = (0..600).map(|n| format!("w{n:03}")).collect();
    for name in &names {
        commit(&port.store, &[name], now(&port));
    }
    port.advance_s(KEPT_MS / 1000 + 1);
    assert!(block_on(changes::prune(&port.store, &port.environment())).unwrap());
    while block_on(changes::prune(&port.store, &port.environment())).unwrap() {}
    let (_, next) = list(&port, "");
    assert_eq!(list(&port, &format!("since={next}")).0, Vec::<String>::new());
    assert_eq!(port.get("/v1/worlds/changes?since=1").status, StatusCode::GONE);
}

#[test]
fn many_writers_at_once_hide_no_change_from_a_reader() {
    let port = Port::new();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = port.store.clone();
            thread::spawn(move || {
                for n in 0..250 {
                    commit(&store, &[&format!("w{writer}-{n}"), &format!("v{writer}-{n}")], 1);
                }
            })
        })
        .collect();
    let (mut seen, mut since) = (Vec::new(), Cursor::all(0));
    while seen.len() < 2000 {
        let found = block_on(changes::list(&port.store, since, 7, 0)).unwrap();
        seen.extend(found.changes.into_iter().map(|listed| listed.change.name));
        since = found.next;
    }
    for writer in writers {
        writer.join().unwrap();
    }
    assert!(block_on(changes::list(&port.store, since, 7, 0)).unwrap().changes.is_empty());
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 2000);
}

proptest! {
    #[test]
    fn from_every_cursor_one_sees_exactly_the_rest(
        commits in prop::collection::vec(1..6_usize, 1..12),
        limit in 1..8_u32,
    ) {
        let port = Port::new();
        let mut all = Vec::new();
        for (at, count) in commits.iter().enumerate() {
            let names: Vec<String> = (0..*count).map(|n| format!("c{at:02}-{n}")).collect();
            commit(&port.store, &names.iter().map(String::as_str).collect::<Vec<_>>(), 1);
            all.extend(names);
        }
        let listed = block_on(changes::list(&port.store, Cursor::all(0), 500, 0)).unwrap().changes;
        let cursors = std::iter::once(Cursor::all(0)).chain(listed.iter().map(|listed| listed.cursor));
        for (seen, cursor) in cursors.enumerate() {
            let (mut rest, mut since) = (Vec::new(), cursor.to_string());
            loop {
                let (names, next) = list(&port, &format!("since={since}&limit={limit}"));
                if names.is_empty() { break }
                rest.extend(names);
                since = next;
            }
            prop_assert_eq!(&rest, &all[seen..]);
        }
    }
}

fn events(port: &Port, query: &str, last: Option<&str>) -> Result<EventStream, String> {
    let mut request = Request::get(format!("/v1/worlds/changes{query}"))
        .header("accept", "application/json;q=0.1, text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let request = request.body(Vec::new()).unwrap();
    let stream = block_on(EventStream::wanted(&port.store, &port.environment(), &request));
    stream.expect("the request asks for events").map_err(|problem| problem.slug.into())
}

fn next(port: &Port, stream: &mut EventStream) -> Option<String> {
    block_on(stream.next(&port.store, &port.environment())).map(|part| String::from_utf8(part).unwrap())
}

/// The ids and names of a part's events.
fn read(part: &str) -> Vec<(String, String)> {
    let event = |event: &str| {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
        let data: Value = serde_json::from_str(&field("data: ")).unwrap();
        (field("id: "), data["name"].as_str().unwrap().to_owned())
    };
    part.split_terminator("\n\n").map(event).collect()
}

#[test]
fn a_stream_of_events_goes_on_where_the_last_one_broke_off() {
    let port = Port::new();
    let mut stream = events(&port, "", None).unwrap();
    assert_eq!(stream.head().headers()["content-type"], "text/event-stream");
    assert_eq!(next(&port, &mut stream).unwrap(), "retry: 1000\nid: 0\n\n");
    assert_eq!(next(&port, &mut stream).unwrap(), ":\n\n");
    commit(&port.store, &["one", "two"], now(&port));
    let first = read(&next(&port, &mut stream).unwrap());
    assert_eq!(first.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    commit(&port.store, &["three"], now(&port));
    // Cut off between two events of one commit.
    let mut resumed = events(&port, "?since=0", Some(&first[0].0)).unwrap();
    assert!(next(&port, &mut resumed).unwrap().contains(&first[0].0));
    let rest = read(&next(&port, &mut resumed).unwrap());
    assert_eq!(rest.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["two", "three"]);
    assert_eq!(rest[0].0, first[1].0);
}

#[test]
fn a_stream_of_events_ends_by_itself_and_refuses_what_is_gone() {
    let port = Port::new();
    commit(&port.store, &["old"], now(&port));
    let mut stream = events(&port, "?since=0", None).unwrap();
    next(&port, &mut stream).unwrap();
    port.advance_s(60);
    assert_eq!(next(&port, &mut stream), None);
    port.advance_s(KEPT_MS / 1000);
    while block_on(changes::prune(&port.store, &port.environment())).unwrap() {}
    assert_eq!(events(&port, "?since=0", None).unwrap_err(), "changes-gone");
    assert_eq!(events(&port, "", Some("x")).unwrap_err(), "bad-cursor");
}

#[test]
fn nobody_who_did_not_ask_for_events_gets_them() {
    let port = Port::new();
    for (method, path, accept) in [
        ("GET", "/v1/worlds/changes", "application/json"),
        ("GET", "/v1/worlds", "text/event-stream"),
        ("HEAD", "/v1/worlds/changes", "text/event-stream"),
    ] {
        let request = Request::builder().method(method).uri(path).header("accept", accept);
        let request = request.body(Vec::new()).unwrap();
        assert!(block_on(EventStream::wanted(&port.store, &port.environment(), &request)).is_none());
    }
}

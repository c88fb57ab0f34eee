//! Reconciliation over HTTP, beside the real ledger: who may do what, and what each answer is.

use crate::support::{ADMIN, NOW, Port, signed_order};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use vwp_ledger::codec::{self, Kind, Memo, Opening, Outcome, Reply, Text, Transfer};
use vwp_storage::Machines;
use vwp_transactions::reference::{account_id, asset_id};

const EUR: &str = "eur@arena";
const BANK: &str = "/v1/reconciliations/bank";

/// A port where the world arena has an account in euros, and a source that mirrors it.
fn port() -> Port {
    let port = Port::new();
    assert_eq!(port.create_asset(&port.arena, EUR, None).0, StatusCode::CREATED);
    let (status, source) = put(&port, "bank", &definition("world:arena"), ADMIN);
    assert_eq!(status, StatusCode::CREATED, "{source}");
    assert_eq!((&source["scale"], &source["version"]), (&json!(2), &json!(1)));
    port
}

fn definition(owner: &str) -> Value {
    json!({"kind": "bank", "currency": "EUR", "account": {"owner": owner, "asset": EUR},
        "csv": {"date": 1, "amount": {"column": 2}, "references": [3], "header_rows": 0}})
}

fn send(
    port: &Port,
    method: &str,
    path: &str,
    media_type: &str,
    body: &[u8],
    token: &str,
) -> (StatusCode, Value) {
    let mut request = Request::builder().method(method).uri(path).header("content-type", media_type);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    port.call(request.body(body.to_vec()).unwrap())
}

fn put(port: &Port, name: &str, definition: &Value, token: &str) -> (StatusCode, Value) {
    let path = format!("/v1/reconciliations/{name}");
    send(port, "PUT", &path, "application/json", definition.to_string().as_bytes(), token)
}

fn post(port: &Port, path: &str, body: &Value) -> (StatusCode, Value) {
    send(port, "POST", &format!("{BANK}{path}"), "application/json", body.to_string().as_bytes(), ADMIN)
}

fn csv(port: &Port, rows: &str) -> (StatusCode, Value) {
    send(port, "POST", &format!("{BANK}/statements"), "text/csv", rows.as_bytes(), ADMIN)
}

fn get(port: &Port, path: &str) -> Value {
    let (status, body) = port.get(&format!("{BANK}{path}"), Some(ADMIN));
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

/// Money that reaches the world's account, with a memo; the transfer's id.
fn receive(port: &Port, key: &str, amount: &str, memo: &str) -> String {
    let mut payload = signed_order(key, &["issuance:eur@arena", "world:arena", EUR, amount]);
    payload["memo"] = memo.into();
    let (status, receipt) = port.post_signed("/v1/transfers", port.arena.sign("vwp-transfer+jws", &payload));
    assert!(status.is_success(), "{receipt}");
    receipt["transfer_id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn assert_problem((status, body): (StatusCode, Value), expected: u16, slug: &str) {
    let kind = format!("urn:vwp:problem:{slug}");
    assert_eq!((status.as_u16(), body["type"].as_str()), (expected, Some(kind.as_str())), "{body}");
}

/// The day on which the support's clock stands: 15 January 2027.
const TODAY: &str = "2027-01-15";

#[test]
fn an_import_a_run_and_a_report_agree_with_the_ledger() {
    let port = port();
    let rows = format!("{TODAY},2.50,ORDER-0001\n{TODAY},1.00,ORDER-0002\n");
    let (status, imported) = csv(&port, &rows);
    assert_eq!((status, &imported["statements"][0]["new"]), (StatusCode::CREATED, &json!(2)), "{imported}");
    assert_eq!(csv(&port, &rows).0, StatusCode::OK);
    receive(&port, "1", "250", "ORDER-0001");
    receive(&port, "2", "100", "ORDER-0002");
    // A repeat and a refused transfer are in the log, but moved nothing.
    receive(&port, "2", "100", "ORDER-0002");
    let refused = signed_order("3", &["world:arena", "world:bazaar", EUR, "99999"]);
    let refused = port.post_signed("/v1/transfers", port.arena.sign("vwp-transfer+jws", &refused));
    assert_problem(refused, 422, "insufficient-funds");
    let (status, run) = post(&port, "/runs", &json!({}));
    assert_eq!(
        (status, &run["entries"], &run["matches"], &run["complete"]),
        (StatusCode::OK, &json!(2), &json!(2), &json!(true)),
        "{run}"
    );
    let report = get(&port, "/report");
    assert_eq!(
        (&report["clean"], &report["total"]["entries"]["closing"]),
        (&json!(true), &json!("350")),
        "{report}"
    );
    let line = &get(&port, "/lines?limit=1")["items"][0];
    assert_eq!(
        line["match"],
        get(&port, "/matches")["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|found| found["lines"][0] == line["id"])
            .unwrap()["id"]
    );
    assert_eq!(get(&port, "/entries?state=open")["items"], json!([]));
    assert_eq!(get(&port, "/entries")["items"][0]["counterparty"], "issuance:eur@arena");
    assert_eq!(get(&port, "/statements")["items"][0]["lines"], 2);
}

#[test]
fn what_is_held_is_no_entry_and_what_moves_of_it_has_its_memo_and_its_day() {
    let port = port();
    let asset = EUR.parse().unwrap();
    let account = |owner: &str| account_id(&owner.parse().unwrap(), &asset);
    let (issuance, world) = (account("issuance:eur@arena"), account("world:arena"));
    let memo = |text: &str| Memo(*Text::new(text).unwrap().bytes());
    let hold = |id, text| Transfer {
        kind: Kind::Pending,
        memo: memo(text),
        ..Transfer::plain(id, issuance, world, 500)
    };
    let yesterday = u32::try_from(NOW / 86_400_000).unwrap() - 1;
    let transfers = [
        hold(1, "HELD-0001"),
        hold(2, "HELD-0002"),
        Transfer::following(Kind::Void, 3, 1, 0),
        Transfer::following(Kind::Post, 4, 2, 450),
        Transfer {
            effective_day: yesterday,
            memo: memo("LATE-0003"),
            ..Transfer::plain(5, issuance, world, 100)
        },
        Transfer::following(Kind::Refund, 6, 4, 50),
    ];
    let opening = Opening::new(world, asset_id(&asset), Text::new("world:arena").unwrap());
    let command = codec::encode_batch(&[opening], &transfers).unwrap();
    let applied = futures::executor::block_on(port.store.submit("ledger", command)).unwrap();
    let Ok(Reply::Answers { transfers, .. }) = codec::decode_reply(&applied.answer) else {
        panic!("malformed")
    };
    assert!(transfers.iter().all(|answer| answer.outcome == Outcome::Created), "{transfers:?}");
    assert_eq!(post(&port, "/runs", &json!({})).1["entries"], 3);
    let entries = get(&port, "/entries")["items"].as_array().unwrap().clone();
    let mut found: Vec<_> =
        entries.iter().map(|entry| ["date", "amount", "memo"].map(|name| entry[name].clone())).collect();
    found.sort_by_key(|[_, amount, _]| amount.to_string());
    let expected =
        [[TODAY, "-50", "HELD-0002"], ["2027-01-14", "100", "LATE-0003"], [TODAY, "450", "HELD-0002"]];
    assert_eq!(found, expected.map(|fields| fields.map(Value::from)));
    assert_eq!(post(&port, "/runs", &json!({})).1["entries"], 0, "what was read is not read again");
}

#[test]
fn a_report_comes_as_a_table_too() {
    let port = port();
    csv(&port, &format!("{TODAY},2.50,ORDER-0001\n"));
    let request =
        Request::get(format!("{BANK}/report?format=csv")).header("authorization", format!("Bearer {ADMIN}"));
    let response = futures::executor::block_on(port.send(request.body(Vec::new()).unwrap()));
    assert_eq!(response.headers()["content-type"], "text/csv; charset=utf-8");
    let text = String::from_utf8(response.into_body()).unwrap();
    assert_eq!(text.lines().nth(1), Some("2027-01-15,bank,EUR,0,0,1,250,,,0,0,0,0,0,0,0,0,0,0,0,0"));
}

#[test]
fn a_break_is_worked_on_until_a_transfer_resolves_it() {
    let port = port();
    csv(&port, "2027-01-02,2.50,ORDER-0001\n");
    post(&port, "/runs", &json!({}));
    let broken = get(&port, "/breaks?status=open&kind=missing-in-ledger")["items"][0].clone();
    let path = format!("/breaks/{}", broken["id"].as_str().unwrap());
    let step = |step: Value| post(&port, &path, &step);
    assert_problem(step(json!({"step": "explain", "version": 1, "explanation": "x"})), 409, "illegal-step");
    assert_problem(step(json!({"step": "assign", "version": 7, "to": "ada"})), 409, "replaced");
    assert_problem(step(json!({"step": "dance", "version": 1})), 400, "bad-request");
    assert_eq!(step(json!({"step": "assign", "version": 1, "to": "ada"})).1["status"], "assigned");
    assert_eq!(
        step(json!({"step": "explain", "version": 2, "explanation": "not booked"})).1["status"],
        "explained"
    );
    assert_problem(
        step(json!({"step": "resolve", "version": 3, "transfer": "0".repeat(32)})),
        404,
        "not-found",
    );
    let late = receive(&port, "1", "250", "late");
    let (status, resolved) = step(json!({"step": "resolve", "version": 3, "transfer": late}));
    assert_eq!((status, &resolved["status"]), (StatusCode::OK, &json!("resolved")), "{resolved}");
    assert_eq!(resolved["steps"][3]["by"], "administrator");
    let undo = format!("{BANK}/matches/{}", resolved["resolved_by"].as_str().unwrap());
    assert_eq!(send(&port, "DELETE", &undo, "application/json", b"", ADMIN).0, StatusCode::OK);
    assert_eq!(get(&port, &path)["status"], "open");
}

#[test]
fn operators_reconcile_the_accounts_of_their_worlds_and_travellers_none() {
    let port = port();
    let (arena, bazaar, ada) = (port.arena.token(), port.bazaar.token(), port.session("ada"));
    for (method, path) in
        [("GET", ""), ("GET", "/report"), ("POST", "/runs"), ("GET", "/lines"), ("POST", "/statements")]
    {
        let call = |token: &str| {
            send(&port, method, &format!("{BANK}{path}"), "text/csv", b"2027-01-15,1,x\n", token)
        };
        assert_problem(call(""), 401, "unauthorised");
        assert_problem(call(&bazaar), 403, "forbidden");
        assert_problem(call(&ada), 403, "forbidden");
        assert!(call(&arena).0.is_success(), "{method} {path}");
    }
    assert_problem(put(&port, "other", &definition("world:arena"), &bazaar), 403, "forbidden");
    assert_problem(put(&port, "bank", &definition("world:bazaar"), &bazaar), 403, "forbidden");
    assert_eq!(put(&port, "other", &definition("world:bazaar"), &bazaar).0, StatusCode::CREATED);
    let names = |token: &str| -> Vec<String> {
        let (_, body) = port.get("/v1/reconciliations", Some(token));
        body["sources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|source| source["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        (names(ADMIN), names(&arena), names(&bazaar), names(&ada)),
        (vec!["bank".into(), "other".into()], vec!["bank".into()], vec!["other".into()], vec![])
    );
    let steps = get(&port, "/statements");
    assert_eq!(steps["items"][0]["imported_by"], format!("operator:{}", port.arena.id));
}

#[test]
fn what_is_not_as_it_should_be_is_refused_for_its_reason() {
    let port = port();
    assert_problem(port.get("/v1/reconciliations/nowhere", Some(ADMIN)), 404, "unknown-source");
    assert_problem(port.get("/v1/reconciliations/bank/nothing", Some(ADMIN)), 404, "not-found");
    assert_problem(port.get("/v1/reconciliations/bank/runs", Some(ADMIN)), 405, "method-not-allowed");
    assert_problem(port.get(&format!("{BANK}/lines?limit=201"), Some(ADMIN)), 400, "bad-request");
    assert_problem(port.get(&format!("{BANK}/lines?colour=red"), Some(ADMIN)), 400, "bad-request");
    assert_problem(port.get(&format!("{BANK}/lines?cursor=%2F"), Some(ADMIN)), 400, "bad-request");
    assert_problem(
        port.get(&format!("{BANK}/report?from=2027-01-02&to=2027-01-01"), Some(ADMIN)),
        400,
        "bad-request",
    );
    let mut unknown = definition("world:arena");
    unknown["colour"] = "red".into();
    assert_problem(put(&port, "bank", &unknown, ADMIN), 400, "bad-request");
    let mut precise = definition("world:arena");
    precise["currency"] = "KWD".into();
    assert_problem(put(&port, "other", &precise, ADMIN), 400, "bad-request");
    let mut missing = definition("world:arena");
    missing["account"]["asset"] = "iron@arena".into();
    assert_problem(put(&port, "other", &missing, ADMIN), 404, "unknown-asset");
    let statements = format!("{BANK}/statements");
    assert_problem(send(&port, "POST", &statements, "image/png", b"x", ADMIN), 415, "unsupported-media-type");
    assert_problem(
        send(&port, "POST", &statements, "application/xml", b"<x/>", ADMIN),
        422,
        "statement-unreadable",
    );
    let text = "<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>";
    assert_problem(
        send(&port, "POST", &statements, "application/xml", text.as_bytes(), ADMIN),
        422,
        "statement-unreadable",
    );
    let hidden = port.get(&statements, Some(ADMIN)).1["items"].as_array().map(Vec::len);
    assert_eq!(hidden, Some(0), "what is refused leaves nothing behind");
}

#[test]
fn a_compressed_statement_is_taken_and_one_that_grows_too_large_is_not() {
    let port = port();
    let compressed = |text: &[u8]| {
        let body = miniz_oxide::deflate::compress_to_vec_zlib(text, 6);
        let request = Request::post(format!("{BANK}/statements"))
            .header("content-type", "text/csv")
            .header("content-encoding", "deflate")
            .header("authorization", format!("Bearer {ADMIN}"));
        port.call(request.body(body).unwrap())
    };
    assert_eq!(compressed(format!("{TODAY},1.00,x\n").as_bytes()).0, StatusCode::CREATED);
    assert_problem(compressed(&vec![b'\n'; 5 * 1024 * 1024]), 413, "body-too-large");
    let request = Request::post(format!("{BANK}/statements"))
        .header("content-type", "text/csv")
        .header("content-encoding", "deflate")
        .header("authorization", format!("Bearer {ADMIN}"));
    assert_problem(port.call(request.body(b"not zlib".to_vec()).unwrap()), 400, "bad-request");
}

#[test]
fn pages_of_lines_follow_each_other_without_gaps() {
    let port = port();
    let rows: Vec<String> = (1..=7).map(|day| format!("2027-01-0{day},1.00,LINE-000{day}")).collect();
    csv(&port, &rows.join("\n"));
    let mut found = Vec::new();
    let mut path = "/lines?limit=3".to_owned();
    loop {
        let page = get(&port, &path);
        found.extend(
            page["items"].as_array().unwrap().iter().map(|item| item["booked"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/lines?limit=3&cursor={next}");
    }
    assert_eq!(found, (1..=7).map(|day| format!("2027-01-0{day}")).collect::<Vec<_>>());
    assert_eq!(get(&port, "/lines?from=2027-01-03&to=2027-01-04")["items"].as_array().unwrap().len(), 2);
}

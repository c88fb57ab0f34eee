//! Every way in which a record is refused, by name.

use crate::support::{Operator, Port, START_S, endpoint, record, register_request, title};
use http::{StatusCode, header};
use serde_json::{Value, json};
use vwp_core::jose::{self, Header, Jwk};
use vwp_discovery::record::{Endpoint, RECORD_TYPE, Record, Texts};

fn refusal(record: &Record) -> (StatusCode, String) {
    let answer = Port::new().post_record(&Operator::new(1).sign(record));
    (answer.status, answer.slug())
}

/// Signs any JSON as if it were a record.
fn sign_json(operator: &Operator, payload: &Value) -> String {
    let jwk = Jwk::from_key(operator.key.verifying_key());
    let header = Header::new(RECORD_TYPE).with_kid(&operator.id).with_jwk(jwk);
    jose::sign(&header, payload.to_string().as_bytes(), &operator.key)
}

#[test]
fn a_changed_record_has_a_bad_signature() {
    let signed = Operator::new(1).sign(&record("arena"));
    let mut parts: Vec<String> = signed.split('.').map(str::to_owned).collect();
    parts[1] = jose::encode(serde_json::to_vec(&record("other")).unwrap());
    let answer = Port::new().post_record(&parts.join("."));
    assert_eq!((answer.status, answer.slug().as_str()), (StatusCode::UNAUTHORIZED, "bad-signature"));
}

#[test]
fn a_replayed_or_older_record_is_refused_and_told_what_is_registered() {
    let (port, operator) = (Port::new(), Operator::new(1));
    let signed = operator.sign(&Record { seq: 5, ..record("arena") });
    assert_eq!(port.post_record(&signed).status, StatusCode::CREATED);
    for replay in [signed, operator.sign(&Record { seq: 4, ..record("arena") })] {
        let answer = port.post_record(&replay);
        assert_eq!((answer.status, answer.slug().as_str()), (StatusCode::CONFLICT, "record-replayed"));
        assert!(answer.json()["detail"].as_str().unwrap().contains('5'));
    }
}

#[test]
fn records_out_of_their_time_are_refused() {
    let at = |iat, exp| Record { iat, exp, ..record("arena") };
    let expired = (StatusCode::BAD_REQUEST, "record-expired".to_owned());
    assert_eq!(refusal(&at(START_S - 100, START_S)), expired);
    assert_eq!(refusal(&at(START_S - 9000, START_S - 1)), expired);
    let skewed = (StatusCode::BAD_REQUEST, "clock-skew".to_owned());
    assert_eq!(refusal(&at(START_S - 301, START_S + 100)), skewed);
    assert_eq!(refusal(&at(START_S + 301, START_S + 900)), skewed);
    assert_eq!(refusal(&at(u64::MAX, u64::MAX)), skewed);
    let year_s = 366 * 86_400;
    assert_eq!(refusal(&at(START_S, START_S + year_s + 1)).1, "bad-record");
    let port = Port::new();
    port.register(&Operator::new(1), &at(START_S - 300, START_S - 300 + year_s));
}

#[test]
fn a_record_for_another_port_is_refused() {
    let record = Record { aud: "https://other.example".into(), ..record("arena") };
    assert_eq!(refusal(&record), (StatusCode::BAD_REQUEST, "wrong-audience".into()));
}

#[test]
fn another_operators_name_is_taken() {
    let port = Port::new();
    port.register(&Operator::new(1), &record("arena"));
    let answer = port.post_record(&Operator::new(2).sign(&Record { seq: 9, ..record("arena") }));
    assert_eq!((answer.status, answer.slug().as_str()), (StatusCode::CONFLICT, "name-taken"));
}

#[test]
fn bad_and_reserved_names_are_refused() {
    for name in ["", "a..b", "vwp.test", "a.b.vwp.test", "-a", "a_b", "ab--c", "xn--a", "a b", "..", "a/b"] {
        assert_eq!(refusal(&record(name)), (StatusCode::BAD_REQUEST, "bad-name".into()), "{name:?}");
    }
    assert_eq!(refusal(&record("www")), (StatusCode::FORBIDDEN, "name-reserved".into()));
}

#[test]
fn fields_out_of_their_bounds_are_refused() {
    let base = || record("arena");
    let place = || endpoint("https", "play.example.com", 443);
    let with = |endpoint: Endpoint| Record { endpoints: vec![endpoint], ..base() };
    let records = vec![
        Record { title: Texts::default(), ..base() },
        Record { title: title(" "), ..base() },
        Record { title: title("a\u{7}b"), ..base() },
        Record { title: title(&"a".repeat(101)), ..base() },
        Record { description: title(&"a".repeat(1001)), ..base() },
        Record { description: title("a\tb"), ..base() },
        Record { tags: vec!["a".into(); 17], ..base() },
        Record { tags: vec!["a".repeat(33)], ..base() },
        Record { tags: vec![String::new()], ..base() },
        Record { seq: 1 << 53, ..base() },
        Record { endpoints: vec![], ..base() },
        Record {
            endpoints: (0..17).map(|port| endpoint("https", "a.example", 1 + port)).collect(),
            ..base()
        },
        Record { endpoints: vec![place(), place()], ..base() },
        with(Endpoint { transport: "HTTPS".into(), ..place() }),
        with(Endpoint { transport: "abcdefghijklmnop".into(), ..place() }),
        with(Endpoint { transport: "12".into(), ..place() }),
        with(Endpoint { transport: "a--b".into(), ..place() }),
        with(Endpoint { transport: "vw".into(), ..place() }),
        with(Endpoint { host: "192.0.2.1".into(), ..place() }),
        with(Endpoint { host: "a..b".into(), ..place() }),
        with(Endpoint { host: String::new(), ..place() }),
        with(Endpoint { port: 0, ..place() }),
        with(Endpoint { priority: 0, ..place() }),
    ];
    for record in records {
        assert_eq!(refusal(&record), (StatusCode::BAD_REQUEST, "bad-record".into()), "{record:?}");
    }
}

#[test]
fn fields_that_are_not_known_or_not_of_the_type_are_refused() {
    let operator = Operator::new(1);
    let base = serde_json::to_value(record("arena")).unwrap();
    let changed = |pointer: &str, key: &str, value: Value| {
        let mut record = base.clone();
        record.pointer_mut(pointer).unwrap()[key] = value;
        record
    };
    let mut deep = json!(1);
    for _ in 0..500 {
        deep = json!([deep]);
    }
    let payloads = [
        changed("", "owner", json!("me")),
        changed("/endpoints/0", "ttl", json!(60)),
        changed("", "seq", json!(-1)),
        changed("", "seq", json!(1.5)),
        changed("", "seq", json!("1")),
        changed("/endpoints/0", "port", json!(65_536)),
        changed("", "title", json!(null)),
        changed("", "tags", deep),
        json!([]),
        json!("text"),
    ];
    for payload in payloads {
        let answer = Port::new().post_record(&sign_json(&operator, &payload));
        assert_eq!((answer.status, answer.slug().as_str()), (StatusCode::BAD_REQUEST, "bad-record"));
    }
    let text = base.to_string();
    let twice = text.replacen('{', r#"{"seq":9,"#, 1);
    let jwk = Jwk::from_key(operator.key.verifying_key());
    let header = Header::new(RECORD_TYPE).with_kid(&operator.id).with_jwk(jwk);
    let answer = Port::new().post_record(&jose::sign(&header, twice.as_bytes(), &operator.key));
    assert_eq!(answer.slug(), "bad-record");
}

#[test]
fn a_new_operator_must_show_the_key_that_its_id_names() {
    let (operator, other) = (Operator::new(1), Operator::new(2));
    let payload = serde_json::to_vec(&record("arena")).unwrap();
    let slug = |header: Header| {
        let answer = Port::new().post_record(&jose::sign(&header, &payload, &operator.key));
        (answer.status.as_u16(), answer.slug())
    };
    let header = || Header::new(RECORD_TYPE);
    let jwk = |operator: &Operator| Jwk::from_key(operator.key.verifying_key());
    assert_eq!(slug(header().with_jwk(jwk(&operator))), (400, "bad-jws".into()));
    assert_eq!(slug(header().with_kid(&operator.id)), (401, "unknown-operator".into()));
    let kid_of_other = header().with_kid(&other.id);
    assert_eq!(slug(kid_of_other.clone().with_jwk(jwk(&operator))), (401, "operator-mismatch".into()));
    assert_eq!(slug(kid_of_other.with_jwk(jwk(&other))), (401, "bad-signature".into()));
}

#[test]
fn a_known_operators_key_cannot_be_replaced_by_one_in_the_header() {
    let (port, operator, thief) = (Port::new(), Operator::new(1), Operator::new(2));
    port.register(&operator, &record("arena"));
    let payload = serde_json::to_vec(&Record { seq: 2, ..record("arena") }).unwrap();
    let jwk = Jwk::from_key(thief.key.verifying_key());
    let header = Header::new(RECORD_TYPE).with_kid(&operator.id).with_jwk(jwk);
    let answer = port.post_record(&jose::sign(&header, &payload, &thief.key));
    assert_eq!(answer.slug(), "bad-signature");
    // A known operator needs no key in the header.
    let header = Header::new(RECORD_TYPE).with_kid(&operator.id);
    let answer = port.post_record(&jose::sign(&header, &payload, &operator.key));
    assert_eq!(answer.status, StatusCode::OK);
}

#[test]
fn what_is_not_an_es256_record_is_refused() {
    let operator = Operator::new(1);
    let signed = operator.sign(&record("arena"));
    let parts: Vec<&str> = signed.split('.').collect();
    let with_header =
        |header: Value| format!("{}.{}.{}", jose::encode(header.to_string()), parts[1], parts[2]);
    let bodies = [
        String::new(),
        "a".into(),
        "a.b.c".into(),
        "....".into(),
        format!("{}.{}", parts[0], parts[1]),
        with_header(json!({"alg": "none", "typ": RECORD_TYPE, "kid": operator.id})),
        with_header(json!({"alg": "HS256", "typ": RECORD_TYPE, "kid": operator.id})),
        with_header(json!({"alg": "ES256", "typ": "at+jwt", "kid": operator.id})),
        with_header(json!({"alg": "ES256", "kid": operator.id})),
        with_header(json!({"alg": "ES256", "typ": RECORD_TYPE, "kid": operator.id, "crit": ["b64"]})),
    ];
    for body in bodies {
        let answer = Port::new().post_record(&body);
        assert_eq!((answer.status, answer.slug().as_str()), (StatusCode::BAD_REQUEST, "bad-jws"), "{body}");
    }
}

#[test]
fn bodies_that_are_too_large_or_of_another_type_are_refused() {
    let answer = Port::new().post_record(&"a".repeat(30_000));
    assert_eq!((answer.status, answer.slug().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"));
    let mut request = register_request("a.b.c");
    request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    let answer = Port::new().send(request);
    assert_eq!(answer.slug(), "unsupported-media-type");
}

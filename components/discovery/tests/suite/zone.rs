//! `/v1/zone`: what the administrator does with the port's zone.

use crate::support::{ADMIN_TOKEN, Answer, Operator, Port, record};
use http::{Request, header};
use serde_json::{Value, json};

fn call(port: &Port, method: &str, uri: &str, media_type: &str, body: &[u8]) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header(header::AUTHORIZATION, format!("Bearer {ADMIN_TOKEN}"))
        .header(header::CONTENT_TYPE, media_type)
        .body(body.to_vec());
    port.send(request.expect("a request"))
}

fn send(port: &Port, method: &str, uri: &str, body: &Value) -> Answer {
    call(port, method, uri, "application/json", body.to_string().as_bytes())
}

fn get(port: &Port, uri: &str) -> Value {
    let answer = call(port, "GET", uri, "", b"");
    assert_eq!(answer.status, 200, "{uri}: {}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

#[test]
fn all_of_it_is_for_the_administrator() {
    let port = Port::new();
    for uri in ["", "/keys", "/keys/roll", "/secondaries", "/tsig-keys", "/export", "/import", "/no"] {
        assert_eq!(port.get(&format!("/v1/zone{uri}")).status, 401, "{uri}");
    }
    assert_eq!(call(&port, "GET", "/v1/zone/no", "", b"").status, 404);
    assert_eq!(call(&port, "PUT", "/v1/zone/tsig-keys", "", b"").status, 405);
    assert_eq!(call(&port, "GET", "/v1/zone?zone=other.test", "", b"").status, 404);
    assert_eq!(call(&port, "GET", "/v1/zone?colour=red", "", b"").slug(), "bad-request");
}

#[test]
fn the_zone_says_how_it_is() {
    let port = Port::new();
    let zone = get(&port, "/v1/zone");
    assert_eq!((&zone["zone"], &zone["catalog"]), (&json!("vwp.test"), &json!("_catalog.vwp.test")));
    assert_eq!((&zone["keys"], &zone["secondaries"], &zone["tsig_keys"]), (&json!(1), &json!(0), &json!(0)));
    assert!(zone["serial"].as_u64().is_some_and(|serial| serial > 0));
    let keys = get(&port, "/v1/zone/keys");
    assert_eq!((&keys["keys"][0]["role"], &keys["keys"][0]["state"]), (&json!("csk"), &json!("active")));
    // A rollover by hand; a second one waits for it.
    let rolled = send(&port, "POST", "/v1/zone/keys/roll", &json!({ "role": "csk" }));
    assert_eq!((rolled.status.as_u16(), &rolled.json()["state"]), (201, &json!("published")));
    assert_eq!(send(&port, "POST", "/v1/zone/keys/roll", &json!({ "role": "csk" })).status, 400);
    assert_eq!(send(&port, "POST", "/v1/zone/keys/roll", &json!({ "role": "zsk" })).status, 400);
    assert_eq!(send(&port, "POST", "/v1/zone/keys/1/ds-seen", &json!({})).status, 400);
    assert_eq!(send(&port, "POST", "/v1/zone/keys/x/ds-seen", &json!({})).status, 404);
}

#[test]
fn a_secret_is_shown_when_it_is_made_and_never_again() {
    let port = Port::new();
    let made = send(&port, "POST", "/v1/zone/tsig-keys", &json!({ "name": "ns1.example", "transfer": true }));
    assert_eq!(
        (made.status.as_u16(), &made.headers[header::CACHE_CONTROL]),
        (201, &"no-store".parse().unwrap())
    );
    let secret = made.json()["secret"].as_str().expect("a secret").to_owned();
    assert_eq!(secret.len(), 44);
    let listed = get(&port, "/v1/zone/tsig-keys");
    assert_eq!(listed["keys"][0]["name"], "ns1.example");
    assert!(!listed.to_string().contains(&secret));
    let again = send(&port, "POST", "/v1/zone/tsig-keys", &json!({ "name": "NS1.example." }));
    assert_eq!(again.slug(), "bad-request");
    assert_eq!(call(&port, "DELETE", "/v1/zone/tsig-keys/ns1.example", "", b"").status, 204);
    assert_eq!(call(&port, "DELETE", "/v1/zone/tsig-keys/ns1.example", "", b"").status, 404);
}

#[test]
fn secondaries_are_put_and_deleted_by_name() {
    let port = Port::new();
    let secondary = json!({ "address": "192.0.2.1:53", "key": "ns1.example" });
    assert_eq!(send(&port, "PUT", "/v1/zone/secondaries/ns1", &secondary).slug(), "bad-request");
    send(&port, "POST", "/v1/zone/tsig-keys", &json!({ "name": "ns1.example", "transfer": true }));
    assert_eq!(send(&port, "PUT", "/v1/zone/secondaries/ns1", &secondary).status, 201);
    assert_eq!(send(&port, "PUT", "/v1/zone/secondaries/ns1", &secondary).status, 200);
    let bad = json!({ "address": "ns1.example", "key": "ns1.example" });
    assert_eq!(send(&port, "PUT", "/v1/zone/secondaries/ns2", &bad).slug(), "bad-request");
    let shown = get(&port, "/v1/zone/secondaries/ns1");
    assert_eq!((&shown["address"], &shown["serial"]), (&json!("192.0.2.1:53"), &Value::Null));
    assert_eq!(get(&port, "/v1/zone/secondaries")["secondaries"], json!([shown]));
    assert_eq!(call(&port, "DELETE", "/v1/zone/secondaries/ns1", "", b"").status, 204);
    assert_eq!(call(&port, "GET", "/v1/zone/secondaries/ns1", "", b"").status, 404);
}

#[test]
fn a_zone_goes_out_as_text_or_json_and_comes_in_again() {
    let port = Port::new();
    port.register(&Operator::new(1), &record("arena"));
    let file = "free TXT \"one\" \"two\"\nx.free A 192.0.2.1\narena MX 10 free\n@ MX 10 free\n\
                @ SOA a b 1 2 3 4 5\n*.free A 192.0.2.1\n_vw._tcp PTR free\n";
    let done = call(&port, "POST", "/v1/zone/import", "text/dns", file.as_bytes());
    assert_eq!(done.status, 200, "{}", String::from_utf8_lossy(&done.body));
    let done = done.json();
    let outcome = |name: &str| {
        let all = done["names"].as_array().expect("names");
        all.iter()
            .find(|one| one["name"] == name)
            .map(|one| one["outcome"].as_str().expect("text").to_owned())
    };
    for (name, expected) in [
        ("vwp.test.", "changed"),
        ("free.vwp.test.", "changed"),
        ("x.free.vwp.test.", "changed"),
        ("arena.vwp.test.", "refused"),
        ("*.free.vwp.test.", "refused"),
        ("_vw._tcp.vwp.test.", "refused"),
    ] {
        assert_eq!(outcome(name).as_deref(), Some(expected), "{name}");
    }
    assert_eq!(done["left_out"], json!([{ "name": "vwp.test.", "type": "SOA" }]));
    port.advance_s(1);
    let text = call(&port, "GET", "/v1/zone/export", "", b"");
    assert_eq!(text.headers[header::CONTENT_TYPE], "text/dns");
    let text = String::from_utf8(text.body).expect("text");
    assert!(text.starts_with("vwp.test. 3600 IN SOA "), "{text}");
    assert!(text.contains("\nfree.vwp.test. 3600 IN TXT \"one\" \"two\"\n"), "{text}");
    let page = get(&port, "/v1/zone/export?format=json");
    let records = page["records"].as_array().expect("records");
    let is_mail = |one: &&Value| one["name"] == "vwp.test." && one["type"] == "MX";
    let mail = records.iter().find(is_mail).expect("the record").clone();
    assert_eq!((&mail["data"], &page["next"]), (&json!("10 free.vwp.test."), &Value::Null));
    // Either form says the same again.
    for (media_type, body) in
        [("text/dns", text.into_bytes()), ("application/json", page.to_string().into_bytes())]
    {
        let again = call(&port, "POST", "/v1/zone/import", media_type, &body).json();
        assert_eq!((&again["changed"], &again["unchanged"]), (&json!(0), &json!(3)), "{again}");
    }
    for (media_type, body, slug) in [
        ("text/plain", "free A 192.0.2.1\n", "unsupported-media-type"),
        ("text/dns", "free A 192.0.2\n", "bad-request"),
        ("text/dns", "free.example. A 192.0.2.1\n", "bad-request"),
        (
            "application/json",
            r#"{"records":[{"name":"a","ttl":1,"type":"A","data":"1.1.1.1\nb A 1.1.1.1"}]}"#,
            "bad-request",
        ),
    ] {
        let refused = call(&port, "POST", "/v1/zone/import", media_type, body.as_bytes());
        assert_eq!(refused.slug(), slug, "{body}");
    }
    assert_eq!(call(&port, "GET", "/v1/zone/export?format=xml", "", b"").slug(), "bad-request");
    assert_eq!(call(&port, "GET", "/v1/zone/export?cursor=x", "", b"").slug(), "bad-request");
}

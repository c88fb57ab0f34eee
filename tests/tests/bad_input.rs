//! What must not be accepted, and what must not hurt: every refusal is a problem document
//! with a stable type, and the server goes on answering.

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use vwp_client::sign::{Statement, proof_of_possession};
use vwp_core::jose::encode;
use vwp_tests::dns::{self, SILENCE, ask_udp, framed, question, rcode, send_tcp};
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Http};
use vwp_tests::people::{Operator, Traveller, sign_in, sign_up};
use vwp_tests::unique;

/// A refusal that is expected: what is wrong, the request, the status and the kind.
type Row = (String, Call, u16, &'static str);

fn row(what: impl Into<String>, call: Call, status: u16, slug: &'static str) -> Row {
    (what.into(), call, status, slug)
}

#[track_caller]
fn check(host: &Host, rows: Vec<Row>) {
    let mut wrong = String::new();
    for (what, call, status, slug) in rows {
        let reply = host.http.send(&call);
        let is_expected = reply.status == status && reply.problem().as_deref() == Some(slug);
        let document = reply.json();
        if !is_expected || document["status"] != status || reply.text("detail").is_empty() {
            let (target, shown) = (call.target(), reply.shown());
            let _ = writeln!(wrong, "{what}: {target}: expected {status} {slug}, the answer was {shown}");
        }
        if reply.header("x-request-id").is_empty() {
            let _ = writeln!(wrong, "{what}: the answer has no request id");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    require_alive(host);
}

/// The server still answers.
#[track_caller]
fn require_alive(host: &Host) {
    for path in ["/", "/v1/worlds?limit=1", "/.well-known/jwks.json"] {
        let _ = host.http.send(&Call::get(path)).expect(200);
    }
}

fn now_s() -> u64 {
    vwp_client::input::now_s()
}

#[test]
fn names_that_are_not_one_dns_label_are_refused() {
    let host = Host::shared();
    let operator = Operator::new("names");
    let named = |name: &str| {
        let mut claims = operator.claims(1);
        claims["name"] = name.into();
        Call::jose("/v1/worlds", operator.record_of(&host, claims))
    };
    let long = "a".repeat(64);
    let huge = "ü".repeat(5000);
    let bad = ["", "-a", "a-", "a b", "a_b", "_vw", "ab--cd", "xn--a", "*", "a\0b", "a/b", &long, &huge];
    let mut rows: Vec<Row> =
        bad.iter().map(|name| row(format!("the name {name:.20?}"), named(name), 400, "bad-name")).collect();
    // Domains of others, which a port that cannot ask who controls them does not take.
    for name in ["a.b", "日本。語"] {
        rows.push(row(format!("the name {name}"), named(name), 403, "domains-not-taken"));
    }
    for name in ["www", "NS1", "admin", "localhost"] {
        rows.push(row(format!("the name {name}"), named(name), 403, "name-reserved"));
    }
    for path in ["a..b", "-a", "%00", "%ff", "a%2fb", "xn--a"] {
        rows.push(row(path, Call::get(format!("/v1/worlds/{path}")), 400, "bad-name"));
    }
    check(&host, rows);
}

#[test]
fn records_with_a_wrong_member_are_refused() {
    let host = Host::shared();
    let operator = Operator::new("members");
    let changed = |member: &str, value: Value| {
        let mut claims = operator.claims(1);
        claims[member] = value;
        Call::jose("/v1/worlds", operator.record_of(&host, claims))
    };
    let endpoint = |member: &str, value: Value| {
        let mut endpoint = json!({"transport": "minecraft", "host": "a.example", "port": 1});
        endpoint[member] = value;
        changed("endpoints", json!([endpoint]))
    };
    let many = |count: usize| -> Value {
        (1..=count).map(|port| json!({"transport": "minecraft", "host": "a.example", "port": port})).collect()
    };
    let bad = "bad-record";
    let rows = vec![
        row("an unknown member", changed("colour", json!("red")), 400, bad),
        row("an unknown member of an endpoint", endpoint("colour", json!("red")), 400, bad),
        row("no title", changed("title", json!({})), 400, bad),
        row("a long title", changed("title", json!({"en": "x".repeat(101)})), 400, bad),
        row("a control character", changed("title", json!({"en": "a\u{7}b"})), 400, bad),
        row("a title without a language", changed("title", json!("Arena")), 400, bad),
        row("a title in no language", changed("title", json!({"not a language": "Arena"})), 400, bad),
        row("a long description", changed("description", json!({"en": "x".repeat(1001)})), 400, bad),
        row("another version", changed("v", json!(2)), 400, bad),
        row("a UUID that is none", changed("uuid", json!("arena")), 400, bad),
        row("a URL that runs something", changed("same_as", json!(["javascript:alert(1)"])), 400, bad),
        row("the reader's own address", changed("addresses", json!(["127.0.0.1"])), 400, bad),
        row("too many tags", changed("tags", json!(vec!["t"; 17])), 400, bad),
        row("no endpoint", changed("endpoints", json!([])), 400, bad),
        row("too many endpoints", changed("endpoints", many(17)), 400, bad),
        row("the same endpoint twice", changed("endpoints", json!([many(1)[0], many(1)[0]])), 400, bad),
        row("an address as host", endpoint("host", json!("127.0.0.1")), 400, bad),
        row("a host with a space", endpoint("host", json!("a b")), 400, bad),
        row("port 0", endpoint("port", json!(0)), 400, bad),
        row("port 65536", endpoint("port", json!(65_536)), 400, bad),
        row("priority 0", endpoint("priority", json!(0)), 400, bad),
        row("a transport in capitals", endpoint("transport", json!("HTTPS")), 400, bad),
        row("a negative seq", changed("seq", json!(-1)), 400, bad),
        row("a fractional seq", changed("seq", json!(1.5)), 400, bad),
        row("a seq beyond JSON's integers", changed("seq", json!(1_u64 << 53)), 400, bad),
        row("years of validity", changed("exp", json!(now_s() + 400 * 86_400)), 400, bad),
        row("an old record", changed("exp", json!(now_s() - 1)), 400, "record-expired"),
        row("a clock ahead", changed("iat", json!(now_s() + 400)), 400, "clock-skew"),
        row("a clock behind", changed("iat", json!(now_s() - 400)), 400, "clock-skew"),
        row("another port", changed("aud", json!("https://elsewhere.example")), 400, "wrong-audience"),
    ];
    check(&host, rows);
}

#[test]
fn signed_objects_that_are_not_plain_es256_are_refused() {
    let host = Host::shared();
    let operator = Operator::new("jws");
    let record = operator.record(&host, 1);
    let parts: Vec<&str> = record.split('.').collect();
    let jwk = serde_json::to_value(operator.key.jwk()).unwrap();
    let id = operator.key.id();
    let with_header = |header: Value| {
        let signed = format!("{}.{}.{}", encode(header.to_string()), parts[1], parts[2]);
        Call::jose("/v1/worlds", signed)
    };
    let header = |change: &dyn Fn(&mut Value)| {
        let mut header = json!({"alg": "ES256", "typ": "vwp-world+jws", "kid": id, "jwk": jwk});
        change(&mut header);
        with_header(header)
    };
    let statement = operator.statement(&host, "vwp-world+jws", operator.claims(1));
    let unintroduced =
        Statement { valid: Some(Duration::from_hours(1)), ..statement.clone() }.sign(&operator.key);
    let misnamed = Statement { introduce: true, kid: Some("x".into()), ..statement }.sign(&operator.key);
    let rows = vec![
        row("nothing", Call::jose("/v1/worlds", ""), 400, "bad-jws"),
        row("one part", Call::jose("/v1/worlds", "abc"), 400, "bad-jws"),
        row("two parts", Call::jose("/v1/worlds", "abc.def"), 400, "bad-jws"),
        row("four parts", Call::jose("/v1/worlds", format!("{record}.x")), 400, "bad-jws"),
        row("not base64url", Call::jose("/v1/worlds", "a+b.c/d.e="), 400, "bad-jws"),
        row(
            "not UTF-8",
            Call::new("POST", "/v1/worlds").body("application/jose", vec![0xff, 0xfe]),
            400,
            "bad-request",
        ),
        row("alg none", header(&|header| header["alg"] = "none".into()), 400, "bad-jws"),
        row("alg HS256", header(&|header| header["alg"] = "HS256".into()), 400, "bad-jws"),
        row("a critical extension", header(&|header| header["crit"] = json!(["b64"])), 400, "bad-jws"),
        row("another type", header(&|header| header["typ"] = "vwp-asset+jws".into()), 400, "bad-jws"),
        row(
            "a private key in the header",
            header(&|header| header["jwk"]["d"] = "AA".into()),
            400,
            "bad-jws",
        ),
        row(
            "a point off the curve",
            header(&|header| header["jwk"]["x"] = encode([7; 32]).into()),
            400,
            "bad-jws",
        ),
        row("a header that was changed", header(&|header| header["extra"] = 1.into()), 401, "bad-signature"),
        row("an unknown operator", Call::jose("/v1/worlds", unintroduced), 401, "unknown-operator"),
        row("an id that is not the key's", Call::jose("/v1/worlds", misnamed), 401, "operator-mismatch"),
        row("a record of 25 kB", Call::jose("/v1/worlds", "a".repeat(25_000)), 413, "body-too-large"),
    ];
    check(&host, rows);
}

#[test]
fn sign_ups_and_sign_ins_with_unusable_input_are_refused() {
    let host = Host::shared();
    let ada = Traveller::signed_in(&host);
    let post = |path: &str, body: &str| Call::new("POST", path).body("application/json", body);
    let up = |handle: &str, password: &str| {
        Call::json("/v1/travellers", &json!({"handle": handle, "password": password}))
    };
    let deep = "[".repeat(200) + &"]".repeat(200);
    let long = "x".repeat(129);
    let mut rows = vec![
        row("a short handle", up("ab", "long enough"), 422, "handle-unacceptable"),
        row("a handle with a space", up("a b c", "long enough"), 422, "handle-unacceptable"),
        row("a short password", up("abc", "short"), 422, "password-unacceptable"),
        row("a long password", up("abc", &long), 422, "password-unacceptable"),
        row("the handle as password", up("abcdefgh", "abcdefgh"), 422, "password-unacceptable"),
        row("a taken handle", up(&ada.handle.to_uppercase(), "long enough"), 409, "handle-taken"),
    ];
    for path in ["/v1/travellers", "/v1/sessions"] {
        for (what, body) in [
            ("no JSON", "handle=ada"),
            ("nothing", ""),
            ("another shape", "[]"),
            ("a missing member", r#"{"handle":"abc"}"#),
            ("an unknown member", r#"{"handle":"abc","password":"long enough","admin":true}"#),
            ("a repeated member", r#"{"handle":"abc","handle":"abd","password":"long enough"}"#),
            ("a number as handle", r#"{"handle":7,"password":"long enough"}"#),
            ("half a surrogate", r#"{"handle":"\ud800abc","password":"long enough"}"#),
            ("deep nesting", &deep),
            ("more after the end", r#"{"handle":"abc","password":"long enough"}{}"#),
        ] {
            rows.push(row(what, post(path, body), 400, "bad-request"));
        }
        rows.push(row("9 kB", post(path, &"x".repeat(9000)), 413, "body-too-large"));
        let form = Call::new("POST", path).body("application/x-www-form-urlencoded", "handle=ada");
        rows.push(row("a form", form, 415, "unsupported-media-type"));
        rows.push(row("no type", Call::new("POST", path), 415, "unsupported-media-type"));
    }
    check(&host, rows);
}

#[test]
fn a_password_cannot_be_guessed_and_who_exists_cannot_be_told() {
    let host = Host::shared();
    let handle = unique("t");
    let _ = sign_up(&host, &handle, "the right password").expect(201);
    let wrong = sign_in(&host, &handle, "a wrong password");
    let nobody = sign_in(&host, &unique("nobody"), "a wrong password");
    wrong.expect_problem(401, "wrong-credentials");
    assert_eq!(wrong.json(), nobody.json(), "the answers tell who exists");
    let mut last = wrong;
    for _ in 0..6 {
        last = sign_in(&host, &handle, "a wrong password");
    }
    last.expect_problem(429, "too-many-attempts");
    assert!(last.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
    // The right password has to wait too, or guessing would go on.
    sign_in(&host, &handle, "the right password").expect_problem(429, "too-many-attempts");
}

#[test]
fn proofs_and_presentations_that_prove_nothing_are_refused() {
    let host = Host::shared();
    let ada = Traveller::signed_in(&host);
    let issue = |proof: &str| Call::json("/v1/passports", &json!({ "proof": proof })).bearer(&ada.token);
    let good = proof_of_possession(&ada.key, &host.issuer).unwrap();
    let _ = host.http.send(&issue(&good)).expect(200);
    let bob = Traveller::signed_in(&host);
    let overheard = Call::json("/v1/passports", &json!({ "proof": good })).bearer(&bob.token);
    let elsewhere = proof_of_possession(&ada.key, "https://elsewhere.example").unwrap();
    let (signed, _) = elsewhere.rsplit_once('.').unwrap();
    let (_, signature) = good.rsplit_once('.').unwrap();
    let header = vwp_core::jose::Header::new("openid4vci-proof+jwt").with_jwk(ada.key.jwk());
    let old = ada.key.sign(&header, json!({"aud": host.issuer, "iat": now_s() - 400}).to_string().as_bytes());
    let bare = ada.key.sign(&header, b"{}");
    let keyless = vwp_core::jose::Header::new("openid4vci-proof+jwt");
    let keyless = ada.key.sign(&keyless, json!({"aud": host.issuer, "iat": now_s()}).to_string().as_bytes());
    let verify = |presentation: &str| {
        Call::json(
            "/v1/passports/verify",
            &json!({"presentation": presentation, "audience": "a", "nonce": "n"}),
        )
    };
    let passport = ada.passport(&host);
    let tildes = format!("{}{}", passport, "~".repeat(100));
    let rows = vec![
        row("a proof that another traveller used", overheard, 422, "proof-used"),
        row("a proof for another port", issue(&elsewhere), 422, "proof-audience"),
        row("another proof's signature", issue(&format!("{signed}.{signature}")), 422, "proof-signature"),
        row("an old proof", issue(&old), 422, "proof-not-current"),
        row("a proof without claims", issue(&bare), 422, "proof-claims"),
        row("a proof without a key", issue(&keyless), 422, "proof-key"),
        row("nonsense", issue("nonsense"), 422, "proof-header"),
        row("a long proof", issue(&"x".repeat(5000)), 422, "proof-too-long"),
        row("a passport without its key", verify(&passport), 422, "key-binding-missing"),
        row("no passport", verify("nonsense"), 422, "presentation-malformed"),
        row("many disclosures", verify(&tildes), 422, "too-many-disclosures"),
        row("a long presentation", verify(&"x".repeat(40_000)), 422, "presentation-too-long"),
        row("a body above the bound", verify(&"x".repeat(60_000)), 413, "body-too-large"),
    ];
    check(&host, rows);
}

#[test]
fn transfers_with_unusable_input_are_refused() {
    let host = Host::shared();
    let ada = Traveller::signed_in(&host);
    let arena = Operator::registered(&host, "arena");
    let asset = arena.issue(&host, "gold", &ada.account(), "100");
    let to = format!("world:{}", arena.world);
    let base = json!({"to": to, "asset": asset, "amount": "1"});
    let send = |body: &Value| {
        Call::json("/v1/transfers", body).bearer(&ada.token).header("idempotency-key", unique("k"))
    };
    let with = |member: &str, value: Value| {
        let mut order = base.clone();
        order[member] = value;
        send(&order)
    };
    let mut rows = Vec::new();
    let too_large = "340282366920938463463374607431768211456";
    for amount in ["", "-1", "+1", "01", "1.0", "1e3", " 1", "0x10", "٣", too_large] {
        rows.push(row(format!("the amount {amount:?}"), with("amount", json!(amount)), 400, "bad-request"));
    }
    let no_key = Call::json("/v1/transfers", &base).bearer(&ada.token);
    let text = Call::new("POST", "/v1/transfers").body("text/plain", "x").bearer(&ada.token);
    let garbled = Call::new("POST", "/v1/transfers").body("application/json", "{").bearer(&ada.token);
    rows.extend([
        row("a number as amount", with("amount", json!(1)), 400, "bad-request"),
        row("nothing to move", with("amount", json!("0")), 422, "zero-amount"),
        row("more than there is", with("amount", json!("101")), 422, "insufficient-funds"),
        row("an unknown member", with("fee", json!("0")), 400, "bad-request"),
        row("no such world", with("to", json!(format!("world:{}", unique("x")))), 404, "unknown-world"),
        row("no such asset", with("asset", json!(format!("lead@{}", arena.world))), 404, "unknown-asset"),
        row("not an account", with("to", json!("somebody")), 400, "bad-request"),
        row("not an asset", with("asset", json!("gold")), 400, "bad-request"),
        row("to oneself", with("to", json!(ada.account())), 422, "same-account"),
        row("from somebody else", with("from", json!(to)), 403, "forbidden"),
        row("a long memo", with("memo", json!("x".repeat(49))), 400, "bad-request"),
        row("no key", no_key.clone(), 400, "idempotency-key-missing"),
        row("a long key", no_key.clone().header("idempotency-key", "k".repeat(129)), 400, "bad-request"),
        row(
            "two keys",
            no_key.header("idempotency-key", "a").header("idempotency-key", "b"),
            400,
            "bad-request",
        ),
        row("text", text.header("idempotency-key", "k"), 415, "unsupported-media-type"),
        row("no JSON", garbled.header("idempotency-key", unique("k")), 400, "bad-request"),
        row("17 kB", with("memo", json!("x".repeat(17_000))), 413, "body-too-large"),
    ]);
    check(&host, rows);
    assert_eq!(ada.balance(&host, &asset), 100, "nothing of this moved money");
}

#[test]
fn assets_and_signed_transfers_with_unusable_input_are_refused() {
    let host = Host::shared();
    let arena = Operator::registered(&host, "arena");
    let asset = |claims: Value| {
        Call::jose("/v1/assets", arena.statement(&host, "vwp-asset+jws", claims).sign(&arena.key))
    };
    let name = arena.asset("gold");
    let _ = host.http.send(&asset(json!({"asset": name, "scale": 2}))).expect(201);
    let order = |member: &str, value: Value| {
        let mut order = json!({
            "idempotency_key": unique("k"), "from": format!("issuance:{name}"),
            "to": format!("world:{}", arena.world), "asset": name, "amount": "1",
        });
        order[member] = value;
        arena.transfer_call(&host, order)
    };
    let unknown = format!("gold@{}", unique("x"));
    let rows = vec![
        row("another scale", asset(json!({"asset": name, "scale": 3})), 409, "asset-exists"),
        row("a scale of 19", asset(json!({"asset": arena.asset("a"), "scale": 19})), 400, "bad-request"),
        row("a negative scale", asset(json!({"asset": arena.asset("a"), "scale": -1})), 400, "bad-request"),
        row("a code in capitals", asset(json!({"asset": arena.asset("A"), "scale": 2})), 400, "bad-request"),
        row("an unknown member", asset(json!({"asset": name, "scale": 2, "fee": 1})), 400, "bad-request"),
        row("an unknown world", asset(json!({"asset": unknown, "scale": 2})), 404, "unknown-world"),
        row("an old statement", asset(json!({"asset": name, "scale": 2, "iat": 1})), 400, "clock-skew"),
        row("another port", asset(json!({"asset": name, "scale": 2, "aud": "x"})), 400, "wrong-audience"),
        row("JSON", Call::json("/v1/assets", &json!({"asset": name})), 415, "unsupported-media-type"),
        row("an old order", order("iat", json!(now_s() - 400)), 400, "clock-skew"),
        row("an order for another port", order("aud", json!("x")), 400, "wrong-audience"),
        row("a key with a space", order("idempotency_key", json!("a b")), 400, "bad-request"),
        row("an unknown member of an order", order("fee", json!("1")), 400, "bad-request"),
        row(
            "another asset's issuance",
            order("from", json!(format!("issuance:{}", arena.asset("lead")))),
            400,
            "bad-request",
        ),
        row("no such asset", Call::get(format!("/v1/assets/{}", arena.asset("lead"))), 404, "unknown-asset"),
        row("not an asset", Call::get("/v1/assets/gold"), 400, "bad-request"),
    ];
    check(&host, rows);
}

#[test]
fn unknown_paths_and_wrong_methods_are_named_as_such() {
    let host = Host::shared();
    let mut rows = Vec::new();
    for path in [
        "/v2",
        "/v1",
        "/v1/",
        "/v1/worlds/a/b",
        "/v1/nothing",
        "/.well-known/nothing",
        "/favicon.ico",
        "/v1/ledger",
        "/v1/ledger/accounts/x",
        "/v1/travellers/somebody",
        "//",
        "/v1/worlds/",
    ] {
        rows.push(row(path, Call::get(path), 404, "not-found"));
    }
    for (method, path) in [
        ("DELETE", "/v1/worlds"),
        ("POST", "/v1/worlds/arena"),
        ("POST", "/"),
        ("DELETE", "/dns-query"),
        ("GET", "/v1/travellers"),
        ("POST", "/v1/travellers/me"),
        ("PUT", "/v1/sessions"),
        ("GET", "/v1/sessions/current"),
        ("GET", "/v1/passports"),
        ("GET", "/v1/passports/verify"),
        ("POST", "/.well-known/jwks.json"),
        ("GET", "/v1/assets"),
        ("DELETE", "/v1/transfers"),
        ("GET", "/v1/transfers/bulk"),
        ("POST", "/v1/statements/world:arena/gold@arena"),
        ("POST", "/v1/ledger/entries"),
        ("POST", "/v1/keys/zone"),
        ("GET", "/v1/keys/issuer/rotate"),
        ("PUT", "/v1/worlds/arena"),
        ("PATCH", "/v1/transfers"),
    ] {
        rows.push(row(method, Call::new(method, path), 405, "method-not-allowed"));
        let allow = host.http.send(&Call::new(method, path));
        assert!(!allow.header("allow").is_empty(), "{method} {path}: a 405 without Allow");
    }
    check(&host, rows);
}

#[test]
fn questions_that_cannot_be_understood_are_refused() {
    let host = Host::shared();
    let long = "q".repeat(300);
    let words = "a+".repeat(9);
    let bad = |path: String| row(path.clone(), Call::get(path), 400, "bad-request");
    let mut rows: Vec<Row> = [
        "/v1/worlds?limit=0",
        "/v1/worlds?limit=101",
        "/v1/worlds?limit=x",
        "/v1/worlds?colour=red",
        "/v1/worlds?q=a&q=b",
        "/dns-query",
        "/dns-query?dns=",
        "/dns-query?dns=*",
        "/dns-query?dns=AAAA",
    ]
    .iter()
    .map(|path| bad((*path).to_owned()))
    .collect();
    rows.push(bad(format!("/v1/worlds?q={long}")));
    rows.push(bad(format!("/v1/worlds?q={words}")));
    let cursor = Call::get("/v1/worlds?cursor=AAAA");
    rows.push(row("a cursor of nobody", cursor, 400, "bad-cursor"));
    let doh = |media_type: &str, body: Vec<u8>| Call::new("POST", "/dns-query").body(media_type, body);
    rows.push(row("JSON as DNS", doh("application/json", b"{}".to_vec()), 415, "unsupported-media-type"));
    rows.push(row("a long message", doh("application/dns-message", vec![0; 66_000]), 413, "body-too-large"));
    check(&host, rows);
}

#[test]
fn a_body_above_the_bound_is_refused_before_and_while_it_is_read() {
    let host = Host::shared();
    for path in ["/v1/worlds", "/v1/travellers", "/v1/transfers", "/dns-query"] {
        // The length says so: the body need not even be sent.
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 5000000\r\n\r\n",
            host.url.trim_start_matches("http://")
        );
        let answer = raw(&host, head.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 413 "), "{path}: {answer:.300}");
        assert!(answer.contains("urn:vwp:problem:body-too-large"), "{path}: {answer:.600}");
        // The length is not known before.
        let endless = Call::new("POST", path).body("application/json", vec![b'x'; 4_300_000]).chunked();
        if let Ok(reply) = host.http.try_send(&endless) {
            reply.expect_problem(413, "body-too-large");
        }
    }
    require_alive(&host);
}

/// Sends bytes as they are; gives out what is answered until silence.
fn raw(host: &Host, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(host.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        answer.extend(&buffer[..length]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn what_is_not_http_hurts_nobody() {
    let host = Host::shared();
    let address = host.url.trim_start_matches("http://").to_owned();
    let long = format!("GET /{} HTTP/1.1\r\nhost: {address}\r\n\r\n", "a".repeat(200_000));
    let headers = format!("GET / HTTP/1.1\r\nhost: {address}\r\n{}\r\n", "x: y\r\n".repeat(20_000));
    let cases: Vec<Vec<u8>> = vec![
        b"\0\0\0\0".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"GET http://[ HTTP/1.1\r\nhost: [\r\n\r\n".to_vec(),
        format!("POST /v1/worlds HTTP/1.1\r\nhost: {address}\r\ncontent-length: -1\r\n\r\n").into_bytes(),
        format!("POST /v1/worlds HTTP/1.1\r\nhost: {address}\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n")
            .into_bytes(),
        format!("POST /v1/worlds HTTP/1.1\r\nhost: {address}\r\ncontent-length: 1000\r\n\r\nabc")
            .into_bytes(),
        vec![0x16, 0x03, 0x01, 0x00, 0xa5, 0x01, 0x00, 0x00, 0xa1, 0x03, 0x03],
        long.into_bytes(),
        headers.into_bytes(),
    ];
    for case in cases {
        let answer = raw(&host, &case);
        let is_refused = answer.is_empty()
            || answer.starts_with("HTTP/1.1 4")
            || answer.starts_with("HTTP/1.0 4")
            || answer.starts_with("HTTP/1.1 505");
        assert!(is_refused, "{:.60?} was answered with {answer:.200}", String::from_utf8_lossy(&case));
        require_alive(&host);
    }
}

#[test]
fn a_client_that_stalls_holds_up_nobody_else() {
    let host = Host::shared();
    let address = host.url.trim_start_matches("http://").to_owned();
    let head = format!(
        "POST /v1/worlds HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/jose\r\ncontent-length: 1000\r\n\r\nabc"
    );
    let mut stalled: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(&address).unwrap()).collect();
    for stream in &mut stalled {
        stream.write_all(head.as_bytes()).unwrap();
    }
    // An answer takes milliseconds, and this bound is for the slowest machine. The host gives
    // the stalled ones up meanwhile, which must not be at the cost of anybody else.
    let http = Http::with_timeout(&host.url, Duration::from_secs(3));
    let given_up = Instant::now() + Duration::from_secs(13);
    while Instant::now() < given_up {
        let _ = http.send(&Call::get("/v1/worlds?limit=1")).expect(200);
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn malformed_dns_messages_get_formerr_or_silence() {
    let host = Host::shared();
    let Some(server) = host.dns_for("malformed DNS messages") else { return };
    let name = format!("_vw.arena.{}", host.zone);
    let good = question(7, &name, 64);
    let patched = |at: usize, byte: u8| {
        let mut message = good.clone();
        message[at] = byte;
        message
    };
    // RFC 1035: a header is needed to answer at all, and an answer is not answered.
    let silent = [vec![], vec![0], good[..11].to_vec(), patched(2, 0x80)];
    for message in &silent {
        assert_eq!(ask_udp(server, message, SILENCE), None, "{message:?} was answered over UDP");
        assert_eq!(send_tcp(server, &framed(message)), [0; 0], "{message:?} was answered over TCP");
    }
    let (formerr, notimp, refused) = (1, 4, 5);
    let loops = [&good[..12], &[0xc0, 12], &[0, 64, 0, 1]].concat();
    let beyond = [&good[..12], &[0xc0, 0xff], &[0, 64, 0, 1]].concat();
    let label = [&good[..12], &[63, b'a']].concat();
    let reserved = [&good[..12], &[0x80, b'a', 0, 0, 64, 0, 1]].concat();
    let two = patched(5, 2);
    let claims = patched(11, 1);
    let rows = [
        ("no question", formerr, good[..12].to_vec()),
        ("half a question", formerr, good[..good.len() - 3].to_vec()),
        ("two questions announced", formerr, two),
        ("a record announced", formerr, claims),
        ("a pointer to itself", formerr, loops),
        ("a pointer beyond the end", formerr, beyond),
        ("a label beyond the end", formerr, label),
        ("a reserved label type", formerr, reserved),
        ("an update that nobody signed", refused, patched(2, 5 << 3)),
        ("an opcode that nobody knows", notimp, patched(2, 3 << 3)),
        ("another class", refused, patched(good.len() - 1, 3)),
        ("another zone", refused, question(7, "example.com", 1)),
        ("the whole zone", refused, question(7, &host.zone, 252)),
    ];
    for (what, expected, message) in rows {
        let answer = ask_udp(server, &message, Duration::from_secs(5)).unwrap_or_default();
        assert_eq!(rcode(&answer), Some(expected), "{what} over UDP: {answer:?}");
        assert_eq!(answer.get(..2), message.get(..2), "{what}: the id comes back");
        let answer = send_tcp(server, &framed(&message));
        assert_eq!(rcode(answer.get(2..).unwrap_or_default()), Some(expected), "{what} over TCP: {answer:?}");
    }
    require_dns_alive(&host);
}

#[test]
fn random_bytes_over_dns_hurt_nobody() {
    let host = Host::shared();
    let Some(server) = host.dns_for("random DNS messages") else { return };
    let good = question(7, &format!("_vw.arena.{}", host.zone), 64);
    for _ in 0..300 {
        let mut message = good.clone();
        for _ in 0..=vwp_tests::random_below(4) {
            let at = usize::try_from(vwp_tests::random_below(message.len() as u64)).unwrap();
            message[at] = u8::try_from(vwp_tests::random_below(256)).unwrap();
        }
        message.truncate(usize::try_from(vwp_tests::random_below(60)).unwrap());
        let _ = ask_udp(server, &message, Duration::from_millis(1));
    }
    // A length that is not followed by as many bytes, and one that never comes.
    let _ = send_tcp(server, &[0, 50, 1, 2, 3]);
    let _ = send_tcp(server, &[0]);
    let _ = send_tcp(server, &[framed(&good), framed(&good)].concat());
    require_dns_alive(&host);
}

fn require_dns_alive(host: &Host) {
    let Some(server) = host.dns else { return };
    let soa = question(9, &host.zone, 6);
    let answer = ask_udp(server, &soa, Duration::from_secs(5)).expect("an answer over UDP");
    assert_eq!(rcode(&answer), Some(0));
    let answer = send_tcp(server, &framed(&soa));
    assert_eq!(dns::rcode(&answer[2..]), Some(0));
    require_alive(host);
}

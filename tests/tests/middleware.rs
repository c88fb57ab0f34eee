//! The middleware for integrators, each in front of a handler that knows nothing of it, in the host that
//! serves the manifest of its README; and in front of the port itself.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use vwp_tests::application::Application;
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Reply};
use vwp_tests::people::Operator;
use vwp_tests::raw::Exchange;
use vwp_tests::{guests, project, tools, unique};
use zlib_rs::{Inflate, InflateFlush, Status};

const COMPRESS: &str = include_str!("../../components/compress/README.md");
const CACHING: &str = include_str!("../../components/caching/README.md");
const LIMITS: &str = include_str!("../../components/limits/README.md");
/// What curl gives up after, in seconds.
const PATIENCE_S: &str = "60";

/// The binary of a handler that knows nothing of middleware.
fn handler() -> &'static str {
    static HANDLER: OnceLock<String> = OnceLock::new();
    HANDLER.get_or_init(|| guests::build("typed").join("vwp_foreign_guest.wasm").display().to_string())
}

/// Where components are built.
fn built(name: &str) -> String {
    project().join("target/wasm32-wasip2/release").join(name).display().to_string()
}

/// The manifest that a README shows, with the binaries where they are.
fn manifest(readme: &str) -> String {
    let (_, manifest) = readme.split_once("```toml\n").expect("the README shows a manifest");
    let (manifest, _) = manifest.split_once("```").expect("the manifest ends");
    manifest.replace("HANDLER.wasm", handler()).replace("\"vwp_", &format!("\"{}", built("vwp_")))
}

/// Asks with curl, which is not ours, and gives what it makes of the answer.
fn curl(arguments: &[&str], url: &str) -> Vec<u8> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--max-time", PATIENCE_S]).args(arguments).arg(url);
    let output = tools::output(&mut curl);
    assert!(output.status.success(), "{}", tools::shown(&output));
    output.stdout
}

fn compressed(call: Call) -> Call {
    call.header("accept-encoding", "gzip")
}

/// A page of the handler, of some length.
fn page(length: usize) -> Call {
    Call::get(format!("/pages/{length}")).header("answer-content-type", "text/plain")
}

/// What gzip makes of compressed bytes, and whether they are whole.
fn inflated(bytes: &[u8]) -> (Vec<u8>, bool) {
    // 15 bits of window, and 16 for gzip.
    let (mut inflate, mut content, mut room) = (Inflate::new(true, 15 + 16), Vec::new(), vec![0; 65_536]);
    loop {
        let taken = usize::try_from(inflate.total_in()).expect("short");
        let before = inflate.total_out();
        let status = inflate.decompress(&bytes[taken..], &mut room, InflateFlush::SyncFlush).expect("gzip");
        let given = usize::try_from(inflate.total_out() - before).expect("short");
        content.extend_from_slice(&room[..given]);
        if status == Status::StreamEnd || given == 0 {
            return (content, status == Status::StreamEnd);
        }
    }
}

/// Requires that an answer was left as it is.
#[track_caller]
fn expect_plain(reply: &Reply, length: usize) {
    assert_eq!((reply.header("content-encoding"), reply.body.len()), ("", length), "{}", reply.shown());
}

#[test]
fn who_takes_gzip_gets_less_and_reads_the_same() {
    let world = Application::start(&manifest(COMPRESS), &[]);
    for length in [1024, 20_000, 1_000_000] {
        let plain = world.http.send(&page(length)).expect(200);
        expect_plain(&plain, length);
        let sent = world.http.send(&compressed(page(length))).expect(200);
        assert_eq!(sent.header("content-encoding"), "gzip");
        assert!(sent.body.len() < length / 2, "{} of {length}", sent.body.len());
        assert!(inflated(&sent.body) == (plain.body.clone(), true), "{length}");
        let url = format!("{}/pages/{length}", world.url);
        let read = curl(&["--compressed", "-H", "answer-content-type: text/plain"], &url);
        assert!(read == plain.body, "curl read something else than was sent");
        for answer in [plain, sent] {
            assert_eq!(answer.header("vary"), "accept-encoding");
        }
    }
}

#[test]
fn what_must_not_be_compressed_is_not() {
    let world = Application::start(&manifest(COMPRESS), &[]);
    let left = |call: Call| expect_plain(&world.http.send(&compressed(call)), 5000);
    left(Call::get("/pages/5000").header("answer-content-type", "image/png"));
    left(Call::get("/pages/5000"));
    left(page(5000).header("cookie", "session=1"));
    for (name, value) in [
        ("answer-set-cookie", "session=1"),
        ("answer-cache-control", "no-store"),
        ("answer-cache-control", "no-transform"),
        ("answer-content-digest", "sha-256=:AA==:"),
        ("range", "bytes=0-99"),
        ("answer-status", "206"),
    ] {
        left(page(5000).header(name, value));
    }
    // It is encoded already.
    let encoded = world.http.send(&compressed(page(5000).header("answer-content-encoding", "br")));
    assert_eq!((encoded.header("content-encoding"), encoded.body.len()), ("br", 5000));
    let short = world.http.send(&compressed(page(1023).header("answer-content-length", "1023")));
    expect_plain(&short, 1023);
    let refused = world.http.send(&page(5000).header("accept-encoding", "gzip;q=0, br"));
    expect_plain(&refused, 5000);
    let head = Call::new("HEAD", "/pages/5000").header("answer-content-type", "text/plain");
    expect_plain(&world.http.send(&compressed(head)).expect(200), 0);
}

#[test]
fn who_refuses_what_is_not_compressed_gets_it_compressed() {
    let world = Application::start(&manifest(COMPRESS), &[]);
    let short = page(5).header("accept-encoding", "identity;q=0, gzip;q=0.1");
    let sent = world.http.send(&short).expect(200);
    assert_eq!(sent.header("content-encoding"), "gzip");
    assert_eq!(inflated(&sent.body), (b"line ".to_vec(), true));
}

#[test]
fn what_the_handler_has_sent_is_read_before_it_sends_more() {
    let world = Application::start(&manifest(COMPRESS), &[]);
    let fields = ["accept-encoding: gzip", "answer-content-type: text/plain"];
    let mut exchange = Exchange::begin(&world.url, "POST", "/echo", &fields);
    let (mut expected, mut sent) = (Vec::new(), Vec::new());
    for part in ["first\n", "second\n", "third\n"] {
        exchange.send(part.as_bytes());
        expected.extend_from_slice(part.as_bytes());
        // Nothing more is asked for until this much can be read.
        while inflated(&sent).0 != expected {
            let more = exchange.receive().expect("the answer goes on");
            sent.extend(more);
        }
    }
    assert_eq!(exchange.header("content-encoding"), "gzip");
    exchange.end();
    while let Some(more) = exchange.receive() {
        sent.extend(more);
    }
    assert_eq!(inflated(&sent), (expected, true));
}

#[test]
fn whoever_goes_away_in_the_middle_leaves_the_others_what_they_have() {
    let world = Application::start(&manifest(COMPRESS), &[]);
    let fields = ["accept-encoding: gzip", "answer-content-type: text/plain"];
    for length in (0..200).map(|times| times * 1000) {
        let mut exchange = Exchange::begin(&world.url, "GET", &format!("/pages/{length}"), &fields);
        exchange.end();
        // It ends here, before anything was read. The host's log, which must tell of no defect, is looked at last.
        drop(exchange);
    }
    let sent = world.http.send(&compressed(page(20_000))).expect(200);
    assert!(inflated(&sent.body).1);
}

#[test]
fn a_page_that_is_known_is_not_sent_again() {
    let world = Application::start(&manifest(CACHING), &[]);
    let first = world.http.send(&page(3000)).expect(200);
    let control = "public, max-age=60, stale-while-revalidate=600, stale-if-error=86400";
    assert_eq!((first.header("cache-control"), first.body.len()), (control, 3000));
    let tag = first.header("etag").to_owned();
    for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
        let again = world.http.send(&page(3000).header("if-none-match", known)).expect(304);
        assert_eq!((again.header("etag"), again.header("cache-control")), (tag.as_str(), control));
        assert!(again.body.is_empty() && again.header("content-type").is_empty());
    }
    let other = world.http.send(&page(3001).header("if-none-match", &*tag)).expect(200);
    assert_ne!(other.header("etag"), tag);
    world.http.send(&page(3000).header("if-match", "\"other\"")).expect_problem(412, "precondition-failed");
    let _ = world.http.send(&page(3000).header("if-match", tag)).expect(200);
}

#[test]
fn a_date_is_as_good_as_a_tag_where_no_tag_is_named() {
    let world = Application::start(&manifest(CACHING), &[]);
    let then = "Sun, 06 Nov 1994 08:49:37 GMT";
    let page = || page(3000).header("answer-last-modified", then);
    let _ = world.http.send(&page().header("if-modified-since", then)).expect(304);
    let _ = world.http.send(&page().header("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT")).expect(200);
    let named = page().header("if-modified-since", then).header("if-none-match", "\"other\"");
    let _ = world.http.send(&named).expect(200);
    let earlier = page().header("if-unmodified-since", "Sun, 06 Nov 1994 08:49:36 GMT");
    world.http.send(&earlier).expect_problem(412, "precondition-failed");
}

#[test]
fn what_the_handler_says_of_caches_stands() {
    let world = Application::start(&manifest(CACHING), &[]);
    let said = world.http.send(&page(3000).header("answer-cache-control", "no-cache")).expect(200);
    assert_eq!(said.header("cache-control"), "no-cache");
    let own = page(3000).header("answer-etag", "\"mine\"").header("if-none-match", "\"mine\"");
    assert_eq!(world.http.send(&own).expect(304).header("etag"), "\"mine\"");
    let secret = world.http.send(&page(3000).header("answer-cache-control", "no-store")).expect(200);
    assert_eq!(secret.header("etag"), "");
    let named = world.http.send(&page(3000).bearer(&unique("token"))).expect(200);
    assert!(named.header("cache-control").starts_with("private, max-age=60"), "{:?}", named.headers);
    let posted = world.http.send(&Call::new("POST", "/").body("text/plain", "hello")).expect(200);
    assert_eq!((posted.header("etag"), posted.header("cache-control")), ("", ""));
}

#[test]
fn what_is_too_long_for_a_tag_arrives_without_one_and_whole() {
    let world = Application::start(&manifest(CACHING), &[]);
    let longest = world.http.send(&page(65_536)).expect(200);
    assert_eq!((longest.header("etag").len(), longest.body.len()), (24, 65_536));
    for length in [65_537, 1_000_000] {
        let long = world.http.send(&page(length)).expect(200);
        assert_eq!((long.header("etag"), long.body.len()), ("", length));
        assert!(long.body.starts_with(&longest.body), "{length}");
    }
}

#[test]
fn a_stream_is_not_held_back_where_the_rule_says_so() {
    let world = Application::start(&manifest(CACHING), &[]);
    let mut exchange = Exchange::begin(&world.url, "GET", "/echo", &["answer-content-type: text/plain"]);
    exchange.send(b"first");
    assert_eq!(exchange.receive().as_deref(), Some(&b"first"[..]));
    exchange.end();
    assert_eq!(exchange.receive(), None);
}

#[test]
fn a_page_that_was_compressed_is_revalidated_by_its_weak_tag() {
    let list = "dependencies.middleware = [";
    let both = manifest(CACHING).replace(list, &format!("{list}{{ component = \"compress\" }}, "));
    let both = format!("{both}[component.compress]\nsource = \"{}\"\n", built("vwp_compress_component.wasm"));
    let world = Application::start(&both, &[]);
    let sent = world.http.send(&compressed(page(3000))).expect(200);
    let tag = sent.header("etag").to_owned();
    assert!(sent.header("content-encoding") == "gzip" && tag.starts_with("W/\""), "{:?}", sent.headers);
    let again = world.http.send(&compressed(page(3000)).header("if-none-match", &*tag)).expect(304);
    assert_eq!((again.header("etag"), again.header("vary")), (tag.as_str(), "accept-encoding"));
}

#[test]
fn middleware_is_plugged_into_a_handler_without_a_manifest_too() {
    let [compress, caching] = ["vwp_compress_component.wasm", "vwp_caching_component.wasm"].map(built);
    let [cached, both] =
        ["cached.wasm", "compressed.wasm"].map(|name| project().join("target/guests").join(name));
    guests::plug(Path::new(&caching), Path::new(handler()), &cached);
    guests::plug(Path::new(&compress), &cached, &both);
    let manifest = format!(
        "spin_manifest_version = 2\n[application]\nname = \"arena\"\n\
         [[trigger.http]]\nroute = \"/...\"\ncomponent = \"arena\"\n\
         [component.arena]\nsource = \"{}\"\n",
        both.display()
    );
    let world = Application::start(&manifest, &[]);
    let sent = world.http.send(&compressed(page(3000))).expect(200);
    assert_eq!(sent.header("content-encoding"), "gzip");
    assert!(sent.header("etag").starts_with("W/\""), "{:?}", sent.headers);
    assert_eq!(sent.header("cache-control"), "", "there is no rule");
}

#[test]
fn a_setting_that_cannot_be_read_fails_each_request_and_says_nothing_outside() {
    let world = Application::start(&manifest(CACHING).replace("\"max_age\"", "\"maxage\""), &[]);
    world.http.send(&page(10)).expect_problem(500, "internal");
}

#[test]
fn the_port_says_which_version_of_its_api_it_speaks_and_refuses_others() {
    let host = Host::shared();
    let versions = [None, Some("1"), Some("2, 1")];
    for version in versions {
        let call = version.iter().fold(Call::get("/"), |call, version| call.header("vwp-version", *version));
        assert_eq!(host.http.send(&call).expect(200).header("vwp-version"), "1", "{version:?}");
    }
    let refused = host.http.send(&Call::get("/").header("vwp-version", "2"));
    refused.expect_problem(400, "version-unknown");
    assert_eq!((refused.header("vwp-version"), &refused.json()["served"]), ("1", &serde_json::json!(["1"])));
}

#[test]
fn a_handler_behind_the_gateway_gets_a_valid_trace_context_and_no_other() {
    let gateway = manifest(COMPRESS)
        .replace("component = \"compress\"", "component = \"gateway\"")
        .replace("[component.compress]", "[component.gateway]")
        .replace("vwp_compress_component", "vwp_gateway_component");
    let world = Application::start(&gateway, &[]);
    let seen = |parent: &str| {
        let call = Call::get("/").header("traceparent", parent).header("tracestate", "a=b");
        let headers = world.http.send(&call).expect(200).json()["headers"].clone();
        (headers["traceparent"].clone(), headers["tracestate"].clone())
    };
    let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(seen(valid), (serde_json::json!([valid]), serde_json::json!(["a=b"])));
    let none = (serde_json::Value::Null, serde_json::Value::Null);
    assert_eq!(seen("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"), none);
}

/// A world whose limits go by what a proxy says of its clients.
fn limited() -> Application {
    Application::start(&manifest(LIMITS), &[("trusted_proxies", "1")])
}

/// A request from an address.
fn from(address: &str, call: Call) -> Call {
    call.header("x-forwarded-for", address)
}

#[test]
fn a_network_that_has_used_up_its_quota_waits_and_no_other_does() {
    let world = limited();
    let post = |address: &str| world.http.send(&from(address, Call::new("POST", "/duels")));
    for left in (0..5).rev() {
        let reply = post("192.0.2.1").expect(200);
        assert_eq!(reply.header("ratelimit-policy"), "\"writing\";q=5;w=3600");
        let limit = reply.header("ratelimit");
        assert!(limit.starts_with(&format!("\"writing\";r={left};t=")), "{limit}");
    }
    // A neighbour in the network.
    let refused = post("192.0.2.77");
    refused.expect_problem(429, "throttled");
    let wait: u32 = refused.header("retry-after").parse().expect("seconds");
    // One of five comes back in a fifth of an hour.
    assert!((1..=720).contains(&wait), "{wait}");
    assert!(refused.header("ratelimit").starts_with("\"writing\";r=0;t="), "{:?}", refused.headers);
    let _ = post("198.51.100.1").expect(200);
    let read = world.http.send(&from("192.0.2.1", Call::get("/"))).expect(200);
    assert_eq!(read.header("ratelimit-policy"), "\"reading\";q=600;w=60");
}

#[test]
fn limits_are_counted_for_all_who_come_at_once_together() {
    let world = limited();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = || {
            let client = world.http.clone();
            move || client.send(&from("192.0.2.1", Call::new("POST", "/"))).status
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(ask())).collect();
        threads.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 5, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 11, "{statuses:?}");
}

#[test]
fn callers_are_told_apart_by_their_credentials_and_everybody_shares_what_is_for_all() {
    let world = limited();
    let remaining = |token: &str| {
        let reply = world.http.send(&Call::get("/").bearer(token)).expect(200);
        let limit = reply.header("ratelimit").to_owned();
        assert!(limit.starts_with("\"caller\";r="), "{limit}");
        limit
    };
    let [one, another] = [unique("token"), unique("token")];
    for (token, left) in [(&one, 299), (&one, 298), (&another, 299)] {
        let limit = remaining(token);
        assert!(limit.starts_with(&format!("\"caller\";r={left};")), "{limit}");
    }
    let export = |address: &str| world.http.send(&from(address, Call::get("/exports/all")));
    let _ = export("192.0.2.1").expect(200);
    let _ = export("198.51.100.1").expect(200);
    export("203.0.113.1").expect_problem(429, "throttled");
    // What was refused was charged to nobody else either.
    let read = world.http.send(&from("203.0.113.1", Call::get("/"))).expect(200);
    assert!(read.header("ratelimit").starts_with("\"reading\";r=599"), "{:?}", read.headers);
}

#[test]
fn limits_are_kept_by_hosts_that_have_no_store_but_a_database() {
    let [limits, adapter] = [
        built("vwp_limits_component.wasm"),
        project().join("target/spin/storage-sqlite.wasm").display().to_string(),
    ];
    let plugged = project().join("target/guests/limits-sqlite.wasm");
    guests::plug(Path::new(&limits), Path::new(&adapter), &plugged);
    let manifest = manifest(LIMITS)
        .replace(&limits, &plugged.display().to_string())
        .replace("\"key_value_stores\"", "\"sqlite_databases\"")
        .replace("[component.arena.tool.vwp]\nwrite_spaces = [\"limits\"]\n", "")
        .replace("[component.arena]\n", "[component.arena]\nsqlite_databases = [\"default\"]\n");
    let world = Application::start(&manifest, &[("trusted_proxies", "1")]);
    for status in [200, 200, 200, 200, 200, 429] {
        let _ = world.http.send(&from("192.0.2.1", Call::new("POST", "/"))).expect(status);
    }
}

#[test]
fn limits_without_a_place_to_count_fail_each_request_that_they_are_about() {
    let ungranted = manifest(LIMITS).replace("write_spaces = [\"limits\"]", "write_spaces = []");
    let world = Application::start(&ungranted, &[("trusted_proxies", "1")]);
    world.http.send(&from("192.0.2.1", Call::get("/"))).expect_problem(500, "internal");
    // Nobody counts who asks from this machine.
    let _ = world.http.send(&Call::get("/")).expect(200);
}

/// The port with compression in front of all that the registry and the description of the API answer.
fn port() -> (Application, Host) {
    let manifest = std::fs::read_to_string(project().join("spin.toml")).expect("the port's manifest");
    let manifest =
        manifest.replace("source = \"target/", &format!("source = \"{}/target/", project().display()));
    let behind = "dependencies.middleware = [{ component = \"gateway\" }]";
    let both = "dependencies.middleware = [{ component = \"gateway\" }, { component = \"compress\" }]";
    let [all, changes] = ["route = \"/...\"\ncomponent = \"discovery\"", "component = \"watch\""];
    let manifest = manifest.replace(&format!("{all}\n{behind}"), &format!("{all}\n{both}"));
    let manifest = manifest.replace(&format!("{changes}\n{behind}"), &format!("{changes}\n{both}"));
    assert_eq!(manifest.matches(both).count(), 4, "the manifest has another shape");
    let application = Application::start(&manifest, &[]);
    let host = Host::at(&application.url);
    (application, host)
}

#[test]
fn the_ports_own_answers_are_the_same_bytes_compressed() {
    let (_application, host) = port();
    let worlds: Vec<Operator> = (0..5).map(|_| Operator::registered(&host, "compressed")).collect();
    let world = format!("/v1/worlds/{}", worlds[0].world);
    for path in ["/openapi.json", "/docs", "/docs/style.css", "/v1/worlds?tag=test", &world, "/"] {
        let url = format!("{}{path}", host.url);
        let (plain, read) = (curl(&[], &url), curl(&["--compressed"], &url));
        assert!(plain == read, "{path} is something else when it is compressed");
    }
    let sent = host.http.send(&compressed(Call::get("/openapi.json"))).expect(200);
    let document = std::fs::read(project().join("openapi/vwp.json")).expect("the committed document");
    assert_eq!(sent.header("content-encoding"), "gzip");
    assert!(sent.body.len() < document.len() / 8, "{} of {}", sent.body.len(), document.len());
    let found = host.http.send(&compressed(Call::get("/v1/worlds?tag=test"))).expect(200);
    assert_eq!(found.header("content-encoding"), "gzip", "a page of worlds is worth it");
    let known = sent.header("etag").to_owned();
    let _ =
        host.http.send(&compressed(Call::get("/openapi.json")).header("if-none-match", known)).expect(304);
}

#[test]
fn whoever_watches_through_compression_hears_of_a_change_as_it_happens() {
    let (_application, host) = port();
    let now = host.http.send(&Call::get("/v1/worlds/changes")).expect(200).text("next");
    let first = Operator::registered(&host, "watched");
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--no-buffer", "--fail", "--compressed", "--max-time", PATIENCE_S]);
    curl.args(["-H", "Accept: text/event-stream", "-H", &format!("Last-Event-ID: {now}")]);
    curl.arg(format!("{}/v1/worlds/changes", host.url)).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut curl = curl.spawn().expect("curl starts");
    let mut lines = BufReader::new(curl.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    let mut hears = |world: &str| lines.any(|line| line.starts_with("data: ") && line.contains(world));
    assert!(hears(&first.world), "the stream ended before it told of what was there");
    // The stream is open and has nothing more to say.
    let second = Operator::registered(&host, "watched");
    assert!(hears(&second.world), "the stream ended before it told of the change");
    let _ = curl.kill();
    let _ = curl.wait();
}

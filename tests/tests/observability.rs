//! What a host tells of itself: metrics that Prometheus takes and whose names the dashboard and the
//! alert rules know, traces that a collector puts together, log lines that machines read, and no
//! secret in any of it.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use vwp_tests::application::Application;
use vwp_tests::collector::{Collector, Span};
use vwp_tests::dns::{self, Transport};
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Reply};
use vwp_tests::kind::Kind;
use vwp_tests::metrics::{OPEN_METRICS, Scrape};
use vwp_tests::people::{Operator, Traveller, sign_in};
use vwp_tests::{eventually, guests, project, secrets, tools, unique};

/// A trace that a client began, and the span that it is in (W3C Trace Context, section 3.2).
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const ABOVE: &str = "b7ad6b7169203331";
/// Times of requests.
const REQUESTS: &str = "vwp_http_server_request_duration_seconds_count";
const PROMTOOL: (&str, &str) = ("promtool", "prometheus");

/// Whether there is something to test: Spin tells of itself in its own way.
fn is_ours() -> bool {
    Kind::chosen() != Kind::Spin("spin".into())
        && std::env::var_os("VWP_URL").is_none()
        && Kind::chosen().is_vwp()
}

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{ABOVE}-{flags}")
}

/// A host that tells everything there is to tell, and what it is told to.
struct Scene {
    host: Host,
    collector: Collector,
}

impl Scene {
    fn start(more: &[&str]) -> Self {
        let collector = Collector::start();
        let providers = json!([{"name": "op", "issuer": collector.url, "client_id": "port"}]).to_string();
        let variables = [
            format!("upstream_providers={providers}"),
            format!("upstream_secrets={}", json!({"op": "a secret of the provider's"})),
            format!("upstream_hosts={}", collector.url),
        ];
        let mut arguments = vec!["--metrics-listen", "127.0.0.1:0", "--log-format", "json"];
        arguments.extend(["--otlp-endpoint", &collector.url]);
        arguments.extend(variables.iter().flat_map(|variable| ["--variable", variable.as_str()]));
        arguments.extend(more);
        Self { host: Host::start_with(&arguments), collector }
    }

    /// Does one of everything that is counted.
    fn use_everything(&self) -> Traveller {
        let host = &self.host;
        let operator = Operator::registered(host, "seen");
        let traveller = Traveller::signed_in(host);
        let asset = operator.issue(host, "gold", &traveller.account(), "500");
        let world = format!("world:{}", operator.world);
        let transfer = traveller.transfer_call(&unique("key"), &world, &asset, "5");
        let _ = host.http.send(&transfer).expect(201);
        for _ in 0..2 {
            let _ = host.http.send(&Call::get("/openapi.json")).expect(200);
        }
        // The provider answers nothing that is of use, but it is asked.
        let _ = host.http.send(&Call::json("/v1/upstream/authorizations", &json!({"provider": "op"})));
        let server = host.dns.expect("it answers DNS");
        for transport in [Transport::Udp, Transport::Tcp, Transport::Udp] {
            let _ = dns::dig(server, transport, "SVCB", &format!("_vw.{}.{}", operator.world, host.zone));
        }
        traveller
    }
}

#[test]
fn nothing_is_told_unless_it_is_asked_for() {
    if !is_ours() {
        return;
    }
    let host = Host::start_own();
    assert_eq!(host.metrics, None);
    assert!(!host.log().iter().any(|line| line.contains("Metrics")), "{:#?}", host.log());
}

#[test]
fn what_happens_is_counted_under_its_component_and_route() {
    if !is_ours() || !dns::has_dig() {
        return;
    }
    let Scene { host, collector } = Scene::start(&[]);
    let before = Scrape::of(&host);
    for _ in 0..3 {
        let _ = host.http.send(&Call::get("/v1/worlds?q=nothing")).expect(200);
    }
    let _ = host.http.send(&Call::get("/v1/ledger/accounts/traveller:nobody/gold@nowhere"));
    let _ = host.http.send(&Call::new("BREW", "/v1/worlds"));
    let scene = Scene { host, collector };
    let _ = scene.use_everything();
    let Scene { host, .. } = &scene;
    let after = Scrape::of(host);
    let grown = |name: &str, labels: &[(&str, &str)]| after.sum(name, labels) - before.sum(name, labels);
    let worlds = [("component", "discovery"), ("route", "/..."), ("method", "GET"), ("status", "2xx")];
    assert!(grown(REQUESTS, &worlds) >= 3.0, "{}", after.text);
    assert!(grown(REQUESTS, &[("method", "other")]) >= 1.0);
    assert!(grown(REQUESTS, &[("component", "transactions"), ("status", "4xx")]) >= 1.0);
    assert!(
        !after.text.contains("BREW") && !after.text.contains("nowhere"),
        "what clients make up is no label"
    );
    assert!(grown("vwp_store_commits_total", &[("outcome", "committed")]) >= 3.0);
    assert!(grown("vwp_store_commit_bytes_total", &[]) > 0.0);
    assert!(grown("vwp_store_sync_duration_seconds_count", &[("log", "kv")]) >= 1.0);
    assert!(grown("vwp_store_log_bytes_total", &[("log", "ledger")]) > 0.0);
    assert!(grown("vwp_machine_commands_total", &[("machine", "ledger"), ("outcome", "applied")]) >= 3.0);
    assert!(grown("vwp_http_client_request_duration_seconds_count", &[("host", "127.0.0.1")]) >= 1.0);
    assert!(
        grown("vwp_http_server_cache_requests_total", &[("component", "openapi"), ("result", "hit")]) >= 1.0
    );
    let answers = [("transport", "udp"), ("rcode", "noerror")];
    assert!(grown("vwp_dns_queries_total", &answers) >= 2.0, "{}", after.text);
    assert!(grown("vwp_dns_queries_total", &[("transport", "tcp")]) >= 1.0);
    assert!(grown("vwp_dns_queries_total", &[("cache", "hit")]) >= 1.0);
    assert!(after.sum("vwp_component_memory_bytes", &[("component", "auth")]) > 0.0);
    assert!(after.sum("vwp_timer_last_success_timestamp_seconds", &[("component", "discovery")]) > 1e9);
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert!(after.sum("vwp_build_info", &version) > 0.5);
    assert_eq!((after.sum("vwp_ready", &[]), after.sum("vwp_alive", &[])), (1.0, 1.0));
    eventually("nothing is in flight any more", || {
        Scrape::of(host).sum("vwp_http_server_requests_in_flight", &[]) == 0.0
    });
}

#[test]
fn prometheus_takes_the_metrics_and_rules_and_panels_name_what_there_is() {
    if !is_ours() || !dns::has_dig() || !tools::require(PROMTOOL.0, PROMTOOL.1) {
        return;
    }
    let scene = Scene::start(&[]);
    let _ = scene.use_everything();
    eventually("spans were sent", || !scene.collector.spans().is_empty());
    let scrape = Scrape::of(&scene.host);
    let mut check = Command::new(PROMTOOL.0);
    check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut checking = check.spawn().expect("promtool runs");
    let mut input = checking.stdin.take().expect("its input");
    input.write_all(scrape.text.as_bytes()).expect("it reads");
    drop(input);
    let checked = checking.wait_with_output().expect("it ends");
    assert!(checked.status.success() && checked.stderr.is_empty(), "{}", tools::shown(&checked));

    let folder = project().join("infra/observability");
    let _ = tools::run(Command::new(PROMTOOL.0).args(["check", "config"]).arg(folder.join("prometheus.yml")));
    let _ = tools::run(Command::new(PROMTOOL.0).args(["check", "rules"]).arg(folder.join("rules.yml")));
    let exported = scrape.names();
    for file in ["rules.yml", "dashboard.json"] {
        let text = std::fs::read_to_string(folder.join(file)).expect("a file");
        let named = metrics_in(&text);
        assert!(named.len() > 10, "{file}: {named:?}");
        let missing: Vec<&String> = named.difference(&exported).collect();
        assert!(missing.is_empty(), "{file} names what is not exported: {missing:?}");
    }
    let dashboard = std::fs::read(folder.join("dashboard.json")).expect("a file");
    let dashboard: Value = serde_json::from_slice(&dashboard).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let queries = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    assert!(queries.clone().count() > 20);
    assert!(queries.clone().all(|query| !metrics_in(&query["expr"].to_string()).is_empty()));
}

/// The metrics that a text names.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = text.split(|letter| !is_part(letter));
    words.filter(|word| word.starts_with("vwp_")).map(str::to_owned).collect()
}

#[test]
fn a_trace_goes_through_components_to_the_store_and_out_to_others() {
    if !is_ours() {
        return;
    }
    let Scene { mut host, collector } = Scene::start(&[]);
    let traced = |call: Call| call.header("traceparent", traceparent("01"));
    let call = traced(Call::json("/v1/upstream/authorizations", &json!({"provider": "op"})));
    let _ = host.http.send(&call);
    let operator = Operator::new("traced");
    let _ = host.http.send(&traced(Call::jose("/v1/worlds", operator.record(&host, 1)))).expect(201);

    let scrape = Scrape::accepting(&host, OPEN_METRICS);
    let exemplar = format!("# {{trace_id=\"{TRACE}\"}}");
    let of_route = |line: &&str| line.starts_with("vwp_http_server_request_duration_seconds_bucket");
    assert!(scrape.text.lines().filter(of_route).any(|line| line.contains(&exemplar)), "{}", scrape.text);
    assert!(scrape.text.ends_with("# EOF\n"));

    // What waits is sent before the host ends.
    assert!(host.stop().is_some_and(|status| status.success()));
    let spans: Vec<Span> = collector.spans().into_iter().filter(|span| span.trace == TRACE).collect();
    let below = |above: &str, name: &str| -> Span {
        let found = spans.iter().find(|span| span.parent == above && span.name == name);
        found.unwrap_or_else(|| panic!("no {name} below {above}: {spans:#?}")).clone()
    };
    let request = below(ABOVE, "POST /...");
    let component = below(&request.id, "component discovery");
    let commit = below(&component.id, "kv.commit");
    assert_eq!(commit.attribute("vwp.committed"), "true");
    assert_eq!(request.attribute("http.response.status_code"), "201");
    assert_eq!(request.attribute("http.route"), "/...");

    let request = below(ABOVE, "POST /v1/upstream/...");
    let component = below(&request.id, "component auth");
    let out = below(&component.id, "GET");
    assert_eq!(out.attribute("server.address"), "127.0.0.1");
    let asked = collector.asked();
    let sent = asked.iter().flat_map(|asked| &asked.headers).find(|(name, _)| name == "traceparent");
    let (_, sent) = sent.unwrap_or_else(|| panic!("no trace context went out: {asked:#?}"));
    assert_eq!(*sent, format!("00-{TRACE}-{}-01", out.id));
}

/// A handler that makes spans and records of its own.
const TELLING: &str = r#"
spin_manifest_version = 2
[application]
name = "telling"
[variables]
password = { required = true, secret = true }
[[trigger.http]]
route = "/..."
component = "guest"
[component.guest]
source = "GUESTS/vwp_otel_guest.wasm"
variables = { secret = "{{ password }}" }
tool.vwp.write_spaces = ["spans"]
"#;

#[test]
fn what_a_component_tells_by_wasi_otel_is_part_of_the_trace_and_of_the_log() {
    if !is_ours() {
        return;
    }
    let collector = Collector::start();
    let manifest = TELLING.replace("GUESTS", &guests::build("typed").display().to_string());
    let password = "a password that nobody reads";
    let options = ["--log-format", "json", "--otlp-endpoint", &collector.url];
    let application = Application::start_with(&manifest, &[("password", password)], &options);
    let call = Call::get("/").header("traceparent", traceparent("01"));
    let reply = application.http.send(&call).expect(200);
    let body = |reply: &Reply| String::from_utf8_lossy(&reply.body).into_owned();
    assert_eq!(body(&reply), format!("{TRACE} Err(\"this host collects no metrics of components\")"));

    eventually("spans were sent", || collector.spans().iter().any(|span| span.name == "GET /..."));
    let spans = collector.spans();
    let below = |above: &str, name: &str| -> Span {
        let found = spans.iter().find(|span| span.parent == above && span.name == name);
        found.unwrap_or_else(|| panic!("no {name} below {above}: {spans:#?}")).clone()
    };
    let component = below(&below(ABOVE, "GET /...").id, "component guest");
    let work = below(&component.id, "work");
    let step = below(&work.id, "step");
    // What the host does for a component stands under what the component says that it does.
    let _ = (below(&step.id, "kv.get_many"), below(&work.id, "kv.get_many"));
    assert_eq!(work.attribute("town"), "Jena");
    assert_eq!(work.attribute("people"), "110000");
    assert_eq!(work.attribute("vwp.component"), "guest");
    assert_eq!(work.attribute("key"), "it is [redacted]");
    assert_eq!(work.attribute("long"), "", "it was too long");
    assert!(!spans.iter().any(|span| ["never begun", "foreign"].contains(&&*span.name)), "{spans:#?}");
    assert!(!collector.text().contains(password));

    let log = application.log();
    let line = log.lines().find(|line| line.contains("the oven is cold")).expect("the record is in the log");
    let line: Value = serde_json::from_str(line).expect("a line is JSON");
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["trace_id"], TRACE);
    assert!(!log.contains(password));

    // Without a trace there is nothing to be part of, and the component works all the same.
    let call = Call::get("/").header("traceparent", traceparent("00"));
    let _ = application.http.send(&call).expect(200);
    let silent = Application::start(&manifest, &[("password", password)]);
    let reply = silent.http.send(&Call::get("/")).expect(200);
    assert!(body(&reply).starts_with(&"0".repeat(32)), "{}", reply.shown());
}

#[test]
fn a_trace_that_nobody_samples_is_not_sent() {
    if !is_ours() {
        return;
    }
    let Scene { mut host, collector } = Scene::start(&["--otlp-sample-ratio", "0"]);
    let _ = host.http.send(&Call::get("/v1/worlds")).expect(200);
    let _ = host.http.send(&Call::get("/v1/worlds").header("traceparent", traceparent("00"))).expect(200);
    let _ = host.http.send(&Call::get("/v1/worlds").header("traceparent", "not a context")).expect(200);
    assert!(host.stop().is_some_and(|status| status.success()));
    assert_eq!(collector.spans(), []);
}

#[test]
fn a_collector_that_is_away_holds_up_nobody_and_what_it_misses_is_counted() {
    if !is_ours() {
        return;
    }
    let nobody = vwp_tests::foreign::free_address();
    let endpoint = format!("http://{nobody}");
    let host = Host::start_with(&["--metrics-listen", "127.0.0.1:0", "--otlp-endpoint", &endpoint]);
    let _ = host.http.send(&Call::get("/v1/worlds")).expect(200);
    eventually("the spans are given up", || {
        Scrape::of(&host).sum("vwp_trace_spans_total", &[("outcome", "failed")]) > 0.0
    });
    let _ = host.http.send(&Call::get("/v1/worlds")).expect(200);
    let said = host.log().iter().filter(|line| line.contains("the collector takes no spans")).count();
    assert_eq!(said, 1, "it is said once: {:#?}", host.log());
}

#[test]
fn an_endpoint_with_a_password_is_refused_without_repeating_it() {
    if !is_ours() {
        return;
    }
    let mut command = Command::new(Host::program());
    command.args(["up", "--otlp-endpoint", "http://user:hunter2-hunter2@127.0.0.1:4318"]);
    let refused = tools::output(&mut command);
    assert!(!refused.status.success());
    assert!(tools::shown(&refused).contains("OTEL_EXPORTER_OTLP_HEADERS"), "{}", tools::shown(&refused));
}

#[test]
fn lines_of_the_log_are_json_and_a_request_is_one() {
    if !is_ours() {
        return;
    }
    let Scene { mut host, .. } = Scene::start(&[]);
    let call = Call::get("/v1/worlds?q=a-question-of-somebody").header("x-request-id", "req-1");
    let _ = host.http.send(&call.header("traceparent", traceparent("01"))).expect(200);
    assert!(host.stop().is_some_and(|status| status.success()));
    // What is printed on standard output says where it serves, and is not the log.
    let is_said =
        |line: &&String| ["DNS on", "Serving", "Metrics on"].iter().any(|start| line.starts_with(start));
    let log = host.log();
    let lines: Vec<Value> = log
        .iter()
        .filter(|line| !is_said(line))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    assert!(
        lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()),
        "{lines:#?}"
    );
    let request = lines.iter().find(|line| line["request_id"] == "req-1").expect("the request's line");
    assert_eq!(request["target"], "request");
    assert_eq!(request["component"], "discovery");
    assert_eq!(request["method"], "GET");
    assert_eq!(request["route"], "/...");
    assert_eq!(request["status"], 200);
    assert_eq!(request["trace_id"], TRACE);
    assert!(request["duration_ms"].as_f64().is_some_and(|took| took > 0.0));
    assert!(!log.iter().any(|line| line.contains("a-question-of-somebody")), "a query is not logged");
}

/// What the suite types, so that it is looked for.
static PASSWORD: LazyLock<String> = LazyLock::new(|| unique("password-of-somebody"));

#[test]
fn no_secret_is_in_logs_metrics_or_spans() {
    if !is_ours() || !dns::has_dig() {
        return;
    }
    let scene = Scene::start(&[]);
    let traveller = scene.use_everything();
    let http = &scene.host.http;
    // Right and wrong, in headers, cookies, queries and bodies.
    let _ = sign_in(&scene.host, &traveller.handle, &PASSWORD).expect(401);
    let _ = http.send(&Call::get(format!("/v1/sessions?access_token={}", traveller.token)));
    let cookie = format!("session={}", unique("cookie-of-somebody"));
    let _ = http.send(&Call::get("/v1/worlds").header("cookie", cookie).bearer(&unique("token-of-somebody")));
    let broken = format!("{{\"handle\": \"{}\", \"password\": \"{}", traveller.handle, *PASSWORD);
    secrets::note(&PASSWORD);
    let _ = http.send(&Call::new("POST", "/v1/sessions").body("application/json", broken)).expect(400);
    let admin = scene.host.admin_token.clone().expect("an administrator's token");
    let _ = http.send(&Call::get("/v1/keys/issuer").bearer(&admin)).expect(200);
    let Scene { mut host, collector } = scene;
    let scrapes = [Scrape::of(&host).text, Scrape::accepting(&host, OPEN_METRICS).text];
    assert!(host.stop().is_some_and(|status| status.success()));
    secrets::note_state(host.state_folder().expect("its state"));
    assert!(secrets::count() > 8, "{} secrets were used", secrets::count());
    assert!(collector.spans().len() > 20, "spans were sent");

    let sent = collector.text();
    let log = host.log();
    for (what, lines) in [("metrics", scrapes.join("\n")), ("spans", sent), ("log", log.join("\n"))] {
        let leaks = secrets::leaks(lines.lines());
        assert!(leaks.is_empty(), "{what}: {leaks:#?}");
        // Nor who it was.
        for personal in [&traveller.handle, &traveller.id] {
            assert!(!lines.contains(personal.as_str()), "{personal} is in the {what}");
        }
    }
}

//! More than a host can do: what it refuses, what that costs it, and that it is over when it is over.

use crate::metrics::{COUNTING, counted, counts};
use crate::raw::Raw;
use crate::support::{Body, Host, Start, folder, within};
use bytes::Bytes;
use futures::future::join_all;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

const REFUSALS: &str = "vwp_http_server_refusals_total";

/// How many requests of the component run at once.
const RUNNING: usize = 4;
/// How many of them run or get their turn in time: each holds its instance for 50 ms, and waits for 300.
const CAPACITY: usize = RUNNING * 7;
/// How much memory the host may take for ten times as many: a few times what it takes for one.
const MEMORY_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// A component on two routes, with these limits of the application and of itself.
fn manifest(application: &str, component: &str) -> String {
    format!(
        r#"
        spin_manifest_version = 2
        [application]
        name = "overload"
        [application.tool.vwp]
        {application}
        [[trigger.http]]
        route = "/..."
        component = "edges"
        [[trigger.http]]
        route = "/read/..."
        component = "edges"
        [component.edges]
        source = "EDGES"
        [component.edges.tool.vwp]
        {component}
        "#
    )
}

async fn start(manifest: &str) -> Host {
    Host::start_with(folder(manifest), &Start::with(&COUNTING)).await
}

/// Sends requests over one connection, each as soon as the last one was answered. Returns how many
/// were refused.
async fn press(host: &Host, requests: usize) -> u64 {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut refused = 0;
    for _ in 0..requests {
        let url = format!("{}/linger/well", host.url()).parse().expect("a URL");
        let (head, body) = within(client.get(url)).await.expect("an answer").into_parts();
        let body = within(body.collect()).await.expect("a whole answer").to_bytes();
        if head.status == StatusCode::OK {
            assert_eq!(body, "answered");
            continue;
        }
        assert_eq!(head.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(head.headers["content-type"], "application/problem+json");
        assert_eq!(head.headers["retry-after"], "1");
        let problem: Value = serde_json::from_slice(&body).expect("a problem document");
        assert_eq!(problem["status"], 503, "{problem}");
        assert!(problem["type"].is_string() && problem["title"].is_string(), "{problem}");
        refused += 1;
    }
    refused
}

#[tokio::test]
async fn ten_times_what_a_host_can_do_is_refused_in_bounded_memory_and_over_at_once() {
    let limits = format!("requests_max = {RUNNING}");
    let host = start(&manifest("wait_ms_max = 300", &limits)).await;
    assert_eq!(press(&host, 3).await, 0, "alone nobody is refused");
    let requests = 5;
    let refused: u64 = join_all((0..CAPACITY * 10).map(|_| press(&host, requests))).await.into_iter().sum();
    let sent = u64::try_from(CAPACITY * 10 * requests).expect("a number");
    assert!(refused > 0 && refused < sent, "{refused} of {sent} were refused");
    assert_eq!(counted(&host, REFUSALS, &[]).await, refused, "each is counted");
    let peak = host.memory_bytes_peak();
    assert!(peak < MEMORY_BYTES_MAX, "{peak} bytes");
    // The first request after the load is answered.
    assert_eq!(host.call("/hello", "").await, "hello");
    assert_eq!(press(&host, 3).await, 0, "and so are those that follow");
    counts(&host, "vwp_http_server_requests_in_flight", &[], |running| running == 0).await;
}

#[tokio::test]
async fn a_route_at_its_limit_leaves_the_components_other_routes_alone() {
    let limits = "wait_ms_max = 60000\nroutes.\"/read/...\" = { requests_max = 1, wait_ms_max = 50 }";
    let mut host = start(&manifest(limits, "requests_max = 2")).await;
    let mut first = Raw::connect(&host).await;
    first.post("/read", &["Content-Length: 5"]).await;
    host.logged("the guest reads").await;
    let refused = host.send(Method::POST, "/read", Body::default()).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    for _ in 0..3 {
        assert_eq!(host.call("/hello", "").await, "hello");
    }
    let labels = ["route=\"/read/...\"", "reason=\"route_busy\""];
    assert_eq!(counted(&host, REFUSALS, &labels).await, 1);
    first.send("hello").await;
    assert_eq!(first.answer().await, (200, "read 5 bytes and 0 trailers".into()));
    assert_eq!(host.call("/read", "").await, "read 0 bytes and 0 trailers");
}

#[tokio::test]
async fn clients_that_are_too_slow_are_ended_and_counted() {
    let host = start(&manifest("", "")).await;
    let mut slow = Raw::connect(&host).await;
    slow.send("GET /hello HTTP/1.1\r\nHost: host.test\r\nx-slow: ").await;
    counts(&host, "vwp_http_server_connections", &["protocol=\"http/1.1\""], |open| open == 1).await;
    slow.ended().await;
    let ended = ["listener=\"http\"", "reason=\"head_timeout\""];
    counts(&host, "vwp_connections_ended_total", &ended, |ended| ended == 1).await;
    counts(&host, "vwp_http_server_connections", &[], |open| open == 0).await;
}

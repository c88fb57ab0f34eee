//! Guests and clients that stream, break off, linger, or never come to an end.

use crate::edges::{MANIFEST, start};
use crate::raw::Raw;
use crate::support::Body;
use futures::future::join_all;
use http::{Method, StatusCode};
use std::fmt::Write;

/// One component on one route; of WASI 0.2 too, where its guest knows the path.
fn manifest(source: &str, limits: &str) -> String {
    format!(
        r#"
        spin_manifest_version = 2
        [application]
        name = "edges"
        tool.vwp.wait_ms_max = 60000
        [[trigger.http]]
        route = "/..."
        component = "edges"
        [component.edges]
        source = "{source}"
        [component.edges.tool.vwp]
        {limits}
        "#
    )
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_answer_and_frees_its_instance() {
    for source in ["EDGES", "EDGES-WASI02"] {
        let mut host = start(&manifest(source, "requests_max = 1")).await;
        for _ in 0..5 {
            let mut client = Raw::connect(&host).await;
            client.get("/endless").await;
            assert_eq!(client.head().await.expect("an answer").status, 200);
            client.bytes(100_000).await;
            drop(client);
            host.logged("reader is gone").await;
        }
        assert_eq!(host.call("/hello", "").await, "hello", "{source}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_costs_little_and_holds_up_nobody() {
    let mut host = start(MANIFEST).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = Raw::connect(&host).await;
        client.get("/endless").await;
        host.logged("the endless answer begins").await;
        clients.push(client);
    }
    for _ in 0..200 {
        assert_eq!(host.call("/hello", "").await, "hello");
    }
    let peak = host.memory_bytes_peak();
    assert!(peak < 512 * 1024 * 1024, "{peak} bytes");
    drop(clients);
    for _ in 0..20 {
        host.logged("the endless answer's reader is gone").await;
    }
}

#[tokio::test]
async fn a_guest_sees_that_the_body_it_reads_breaks_off() {
    let mut host = start(&manifest("EDGES", "requests_max = 1")).await;
    for fields in [["Content-Length: 100"], ["Transfer-Encoding: chunked"]] {
        let mut client = Raw::connect(&host).await;
        client.post("/read", &fields).await;
        client.chunk(b"begun").await;
        host.logged("the guest reads").await;
        drop(client);
        host.logged("the body broke off").await;
    }
    let mut client = Raw::connect(&host).await;
    client.post("/read", &["Transfer-Encoding: chunked"]).await;
    client.send("no size\r\n").await;
    host.logged("the body broke off").await;
    assert_eq!(host.call("/hello", "").await, "hello");
}

#[tokio::test]
async fn a_guest_may_go_on_after_its_answer_within_bounds() {
    let mut host = start(&manifest("EDGES", "requests_max = 1\nresponse_ms_max = 300")).await;
    assert_eq!(host.call("/linger/well", "").await, "answered");
    host.logged("the guest works after its answer").await;
    host.logged("the guest is done").await;
    assert_eq!(host.call("/linger/loop", "").await, "answered");
    host.logged("the guest works after its answer").await;
    host.logged("a guest still ran at its deadline and was stopped").await;
    assert_eq!(host.call("/linger/trap", "").await, "answered");
    host.logged("defect: an instance ended").await;
    assert_eq!(host.call("/hello", "").await, "hello");
}

#[tokio::test]
async fn an_answer_that_is_not_whole_does_not_look_so() {
    let host = start(&manifest("EDGES", "requests_max = 1\nresponse_ms_max = 300")).await;
    for path in ["/endless", "/break"] {
        let mut client = Raw::connect(&host).await;
        client.get(path).await;
        assert_eq!(client.head().await.expect("an answer").status, 200);
        assert!(!client.rest().await.ends_with(b"0\r\n\r\n"), "{path}");
        assert_eq!(host.call("/hello", "").await, "hello");
    }
    // What is sent shorter or longer than its stated length is an error too.
    for length in [3, 50] {
        let mut client = Raw::connect(&host).await;
        client.get(&format!("/length/{length}")).await;
        if let Some(head) = client.head().await.filter(|head| head.status != 500) {
            assert_eq!(head.status, 200);
            assert!(client.rest().await.len() < length);
        }
    }
}

#[tokio::test]
async fn a_guest_may_answer_long_after_its_request_began_if_the_bound_allows() {
    // The rest of an answer has a time of its own: each of these takes longer than a request may.
    let host = start(&manifest("EDGES", "request_ms_max = 150\nresponse_ms_max = 60000")).await;
    let mut client = Raw::connect(&host).await;
    client.post("/echo", &["Transfer-Encoding: chunked"]).await;
    client.chunk(b"first").await;
    assert_eq!(client.head().await.expect("an answer").status, 200);
    assert_eq!(client.read_chunk().await, b"first");
    let other = host.send(Method::GET, "/never", Body::default()).await;
    assert_eq!(other.status(), StatusCode::SERVICE_UNAVAILABLE, "a request's time is over");
    client.chunk(b"second").await;
    assert_eq!(client.read_chunk().await, b"second");
}

#[tokio::test]
async fn no_request_is_lost_when_instances_are_replaced() {
    for source in ["EDGES", "EDGES-WASI02"] {
        let host = start(&manifest(source, "requests_per_instance_max = 3")).await;
        let answers = join_all((0..400).map(|_| host.call("/hello", ""))).await;
        assert!(answers.iter().all(|answer| answer == "hello"), "{source}");
    }
}

#[tokio::test]
async fn idle_instances_make_room_for_those_that_are_needed() {
    let mut manifest = manifest("EDGES", "");
    for at in 0..4 {
        let _ = write!(
            manifest,
            "[[trigger.http]]\nroute = \"/hello/{at}\"\ncomponent = \"edges{at}\"\n\
             [component.edges{at}]\nsource = \"EDGES\"\n"
        );
    }
    let host = start(&manifest).await;
    // Each component alone takes most of the room, and its instances then idle.
    for at in 0..4 {
        let path = format!("/hello/{at}");
        let answers = join_all((0..400).map(|_| host.call(&path, ""))).await;
        assert!(answers.iter().all(|answer| answer == "hello"), "{path}");
    }
}

#[tokio::test]
async fn requests_beyond_the_limit_wait_for_their_turn_and_are_then_refused() {
    let mut host = start(&manifest("EDGES", "requests_max = 1").replace("60000", "100")).await;
    let mut first = Raw::connect(&host).await;
    first.post("/read", &["Content-Length: 5"]).await;
    host.logged("the guest reads").await;
    let refused = host.send(Method::GET, "/hello", Body::default()).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    drop(host);
    let mut host = start(&manifest("EDGES", "requests_max = 1")).await;
    let mut first = Raw::connect(&host).await;
    first.post("/read", &["Content-Length: 5"]).await;
    host.logged("the guest reads").await;
    let second = host.send_apart(Method::GET, "/hello", Body::default());
    first.send("hello").await;
    assert_eq!(first.answer().await.0, 200);
    assert_eq!(second.await.expect("an answer").body(), "hello", "its turn came");
}

#[tokio::test]
async fn a_guest_that_fails_to_answer_is_a_problem_that_tells_nothing() {
    let host = start(&manifest("EDGES", "request_ms_max = 300")).await;
    assert_eq!(host.call_in_vain("/never").await, StatusCode::SERVICE_UNAVAILABLE);
    for path in ["/refuse", "/status/100", "/status/101"] {
        assert_eq!(host.call_in_vain(path).await, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
    }
    for name in ["transfer-encoding", "connection", "host", "upgrade", "keep-alive"] {
        assert_eq!(host.call(&format!("/field/{name}"), "").await, "HeaderError::Forbidden");
    }
    assert_eq!(host.call("/field/a(b", "").await, "HeaderError::InvalidSyntax");
    let host = start(&manifest("EDGES-WASI02", "request_ms_max = 300")).await;
    for path in ["/trap", "/never", "/refuse"] {
        assert_eq!(host.call_in_vain(path).await, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
    }
    assert_eq!(host.call_in_vain("/loop").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(host.call("/linger", "").await, "answered");
    assert_eq!(host.call("/hello", "").await, "hello");
}

//! What a component may have of other hosts: connections that are kept, hosts that are left alone,
//! requests that are sent again, and how many at once.

use crate::metrics::{COUNTING, counted, counts};
use crate::outbound::{BOTH, MANIFEST, ask, refused, send};
use crate::support::{Host, Start, folder, within};
use crate::upstream;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

const REFUSALS: &str = "vwp_http_client_refusals_total";
const CHANGES: &str = "vwp_http_client_breaker_changes_total";
const RETRIES: &str = "vwp_http_client_retries_total";
const CONNECTIONS: &str = "vwp_http_client_connections";

/// A host that counts, whose guest may reach everything within these limits.
async fn host(limits: &str) -> Host {
    let manifest = MANIFEST.replace("ALLOWED", "\"http://*:*\"");
    let manifest = format!("{manifest}\n[component.guest.tool.vwp.outbound]\n{limits}\n");
    Host::start_with(folder(&manifest), &Start::with(&COUNTING)).await
}

#[tokio::test]
async fn connections_are_kept_for_later_requests() {
    let upstream = upstream::start().await;
    let host = host("").await;
    for path in BOTH {
        for _ in 0..5 {
            let hello = ask(&host, path, &format!("http://{upstream}/hello"), &[]).await;
            assert_eq!(hello, (StatusCode::OK, "hello".to_owned()), "{path}");
        }
    }
    // The next request may be there before the connection is back.
    counts(&host, CONNECTIONS, &[], |open| (1..=2).contains(&open)).await;
}

#[tokio::test]
async fn a_host_that_fails_in_a_row_is_left_alone_and_others_are_not() {
    let (upstream, nobody) = (upstream::start().await, upstream::nobody().await);
    let host = host("failures_max = 3\npause_ms = 600000").await;
    let (missing, hello) = (format!("http://{nobody}/hello"), format!("http://{upstream}/hello"));
    for _ in 0..3 {
        refused(&ask(&host, "/wasi3", &missing, &[]).await, "ConnectionRefused");
    }
    for path in BOTH {
        refused(&ask(&host, path, &missing, &[]).await, "DestinationUnavailable");
        assert_eq!(ask(&host, path, &hello, &[]).await.0, StatusCode::OK, "{path}");
    }
    // A host that does not answer in time is left alone too.
    for _ in 0..3 {
        let never = format!("http://localhost:{}/never", upstream.port());
        refused(&ask(&host, "/wasi3", &never, &[("x-first-byte-ms", "20")]).await, "ConnectionReadTimeout");
    }
    let again = format!("http://localhost:{}/hello", upstream.port());
    refused(&ask(&host, "/wasi3", &again, &[]).await, "DestinationUnavailable");
    // What is not allowed is refused for that.
    refused(&ask(&host, "/inline/wasi3", &missing, &[]).await, "HttpRequestDenied");
    let guest = "component=\"guest\"";
    assert_eq!(counted(&host, REFUSALS, &[guest, "reason=\"circuit_open\""]).await, 3);
    assert_eq!(counted(&host, CHANGES, &[guest, "state=\"open\""]).await, 2);
    assert_eq!(counted(&host, REFUSALS, &["reason=\"denied\""]).await, 1);
}

#[tokio::test]
async fn a_host_that_answers_again_is_reached_again() {
    let address = upstream::nobody().await;
    let host = host("failures_max = 2\npause_ms = 1").await;
    let hello = format!("http://{address}/hello");
    for _ in 0..2 {
        refused(&ask(&host, "/wasi3", &hello, &[]).await, "ConnectionRefused");
    }
    counts(&host, CHANGES, &["state=\"open\""], |opened| opened >= 1).await;
    upstream::start_at(address).await;
    within(async { while ask(&host, "/wasi3", &hello, &[]).await.0 != StatusCode::OK {} }).await;
    assert_eq!(counted(&host, CHANGES, &["state=\"closed\""]).await, 1);
    assert_eq!(ask(&host, "/wasi2", &hello, &[]).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_request_whose_kept_connection_ends_is_sent_again_if_it_may_be() {
    let upstream = upstream::start_forgetful().await;
    let host = host("").await;
    let url = format!("http://{upstream}/hello");
    for path in [BOTH[0], BOTH[0], BOTH[1], BOTH[1]] {
        assert_eq!(ask(&host, path, &url, &[]).await, (StatusCode::OK, "hello".to_owned()), "{path}");
    }
    let sent = counted(&host, RETRIES, &["outcome=\"sent\""]).await;
    assert!(sent >= 1, "{sent}");
    // What may have had an effect is not sent again.
    let posted = send(&host, "/wasi3", Method::POST, &url, &[], Bytes::new()).await;
    assert_eq!(posted.0, StatusCode::BAD_GATEWAY);
    assert_eq!(counted(&host, RETRIES, &[]).await, sent);
}

#[tokio::test]
async fn retries_are_bounded_by_a_budget() {
    let upstream = upstream::start_forgetful().await;
    let host = host("retries_per_hundred_max = 0").await;
    let url = format!("http://{upstream}/hello");
    assert_eq!(ask(&host, "/wasi3", &url, &[]).await.0, StatusCode::OK);
    refused(&ask(&host, "/wasi3", &url, &[]).await, "ConnectionTerminated");
    assert_eq!(counted(&host, RETRIES, &["outcome=\"refused\""]).await, 1);
    assert_eq!(counted(&host, RETRIES, &["outcome=\"sent\""]).await, 0);
}

#[tokio::test]
async fn a_component_has_so_many_requests_under_way_and_no_more() {
    let upstream = upstream::start().await;
    let host = host("requests_max = 1").await;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let stalls = Request::builder()
        .uri(format!("{}/wasi3", host.url()))
        .header("x-url", format!("http://{upstream}/stall"))
        .header("x-between-bytes-ms", "5000")
        .body(Full::default())
        .expect("a request");
    // Its answer has begun and does not end by itself, so it is still under way.
    let stalling = within(client.request(stalls)).await.expect("an answer");
    let hello = format!("http://{upstream}/hello");
    refused(&ask(&host, "/wasi3", &hello, &[("x-connect-ms", "20")]).await, "ConnectionLimitReached");
    assert_eq!(counted(&host, REFUSALS, &["reason=\"busy\""]).await, 1);
    // The next one waits for its turn, which comes when the guest has given up the pause in that answer.
    assert_eq!(ask(&host, "/wasi3", &hello, &[]).await.0, StatusCode::OK);
    drop(stalling);
}

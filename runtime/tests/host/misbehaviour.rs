//! A guest that misbehaves harms its own request and nothing else.

use crate::support::{Body, Host};
use futures::future::join_all;
use http::{Method, StatusCode};

/// A component that behaves, and one that does not.
fn manifest(rogue_limits: &str) -> String {
    format!(
        r#"
        spin_manifest_version = 2
        [application]
        name = "fixture"
        [variables]
        password = {{ required = true, secret = true }}
        [[trigger.http]]
        route = "/hello"
        component = "good"
        [[trigger.http]]
        route = "/..."
        component = "rogue"
        [component.good]
        source = "GUEST"
        [component.rogue]
        source = "GUEST"
        [component.rogue.tool.vwp]
        {rogue_limits}
        "#
    )
}

#[tokio::test]
async fn a_guest_that_traps_fails_its_request_only() {
    let host = Host::start(&manifest("")).await;
    for _ in 0..20 {
        assert_eq!(host.call_in_vain("/misbehave/trap").await, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(host.call("/misbehave/nothing", "").await, "`nothing` is no misbehaviour");
    }
    assert_eq!(host.call("/hello", "").await, "hello");
}

#[tokio::test]
async fn a_guest_that_loops_is_stopped_at_its_deadline() {
    let host = Host::start(&manifest("request_ms_max = 200")).await;
    let statuses = join_all((0..4).map(|_| host.call_in_vain("/misbehave/loop"))).await;
    for status in statuses {
        let expected = [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::SERVICE_UNAVAILABLE];
        assert!(expected.contains(&status), "{status}");
    }
    assert_eq!(host.call("/misbehave/nothing", "").await, "`nothing` is no misbehaviour");
}

#[tokio::test]
async fn while_guests_loop_others_are_served() {
    // Longer than the test may take: whoever waited for the loops to end would hang.
    let mut host = Host::start(&manifest("request_ms_max = 600000")).await;
    let loops = 4;
    let send = |_| host.send_apart(Method::GET, "/misbehave/loop", Body::default());
    let clients: Vec<_> = (0..loops).map(send).collect();
    for _ in 0..loops {
        host.logged("the guest loops").await;
    }
    for _ in 0..20 {
        assert_eq!(host.call("/hello", "").await, "hello");
        assert_eq!(host.call("/misbehave/nothing", "").await, "`nothing` is no misbehaviour");
    }
    assert!(clients.iter().all(|client| !client.is_finished()), "the loops still run");
}

#[tokio::test]
async fn a_guest_that_allocates_without_end_fails_its_request_only() {
    let host = Host::start(&manifest("memory_bytes_max = 16777216")).await;
    for _ in 0..3 {
        assert_eq!(host.call_in_vain("/misbehave/allocate").await, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(host.call("/misbehave/nothing", "").await, "`nothing` is no misbehaviour");
    }
    assert_eq!(host.call("/hello", "").await, "hello");
}

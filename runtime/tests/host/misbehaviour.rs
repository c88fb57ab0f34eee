//! A guest that misbehaves harms its own request and nothing else.

use crate::support::{Body, Host};
use futures::future::join_all;
use http::{Method, StatusCode};
use std::fmt::Write;

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
    // More loops than the host has threads for guests.
    let loops = 0..=std::thread::available_parallelism().map_or(2, usize::from);
    let statuses = join_all(loops.map(|_| host.call_in_vain("/misbehave/loop"))).await;
    assert!(statuses.iter().all(|status| *status == StatusCode::SERVICE_UNAVAILABLE), "{statuses:?}");
    assert_eq!(host.call("/misbehave/nothing", "").await, "`nothing` is no misbehaviour");
}

#[tokio::test]
async fn while_components_loop_others_are_served() {
    // Longer than the test may take: whoever waited for a loop to end would hang.
    let mut manifest = manifest("request_ms_max = 600000");
    let loops = 1..=std::thread::available_parallelism().map_or(2, usize::from) + 1;
    for at in loops.clone() {
        let _ = write!(
            manifest,
            r#"
            [[trigger.http]]
            route = "/misbehave/loop/{at}"
            component = "rogue{at}"
            [component.rogue{at}]
            source = "GUEST"
            tool.vwp.request_ms_max = 600000
            "#
        );
    }
    let mut host = Host::start(&manifest).await;
    // More loops than the host has threads for guests.
    let mut clients = Vec::new();
    for at in loops {
        clients.push(host.send_apart(Method::GET, &format!("/misbehave/loop/{at}"), Body::default()));
        host.logged("the guest loops").await;
        assert_eq!(host.call("/hello", "").await, "hello");
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

//! Scheduled work: called at once and again, whatever becomes of it.

use crate::dns_client::MANIFEST;
use crate::support::{self, Host, Start, folder, run, within};

fn manifest() -> String {
    MANIFEST.replace("#tool", "scheduled = [\"resolver\"]")
}

/// Waits until the work was done more often.
async fn more_runs(host: &Host) {
    let runs = async || host.call("/count/test/runs", "").await.parse::<u64>().expect("a number");
    let before = runs().await;
    within(async { while runs().await <= before {} }).await;
}

#[tokio::test]
async fn scheduled_work_is_done_again_and_again() {
    let host = Host::start_with(folder(&manifest()), &Start::default()).await;
    for _ in 0..3 {
        more_runs(&host).await;
    }
}

#[tokio::test]
async fn scheduled_work_that_fails_is_logged_and_tried_again() {
    let mut host = Host::start_with(folder(&manifest()), &Start::default()).await;
    host.call("/put/test/timer", "fail").await;
    host.logged("scheduled work failed: the test wants it so").await;
    host.call("/put/test/timer", "trap").await;
    host.logged("defect: scheduled work failed").await;
    host.call("/delete/test/timer", "").await;
    more_runs(&host).await;
}

#[tokio::test]
async fn scheduled_work_comes_to_its_end_when_the_host_stops() {
    let mut host = Host::start_with(folder(&manifest()), &Start::default()).await;
    host.call("/put/test/timer", "wait").await;
    host.logged("scheduled work waits").await;
    host.terminate();
    host.logged("scheduled work is done").await;
    host.ended().await;
}

#[test]
fn a_component_without_scheduled_work_is_refused_at_start() {
    let manifest = support::MANIFEST.replace("wait_ms_max = 60000", "scheduled = [\"guest\"]");
    let manifest = manifest.replace("required = true, secret", "default = \"x\", secret");
    let output = run("up", &manifest);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("component `guest` exports no vwp:timer/scheduled"), "{said}");
}

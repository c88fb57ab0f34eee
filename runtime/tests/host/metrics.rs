//! What a host counts, as Prometheus would fetch it.

use crate::raw::Raw;
use crate::support::{Host, within};
use tokio::net::TcpStream;

/// The option that has a host count.
pub(crate) const COUNTING: [&str; 2] = ["--metrics-listen", "127.0.0.1:0"];

/// The sum of the series of this name that have all of these labels, each as `name="value"`.
pub(crate) async fn counted(host: &Host, name: &str, labels: &[&str]) -> u64 {
    let mut client = Raw::over(TcpStream::connect(host.metrics()).await.expect("the host listens"));
    client.get("/metrics").await;
    let (status, text) = client.answer().await;
    assert_eq!(status, 200);
    let lines = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
    let wanted = lines.filter(|line| labels.iter().all(|label| line.contains(label)));
    wanted.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Waits until that sum is as wished.
pub(crate) async fn counts(host: &Host, name: &str, labels: &[&str], wished: impl Fn(u64) -> bool) {
    within(async { while !wished(counted(host, name, labels).await) {} }).await;
}

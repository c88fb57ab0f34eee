//! Stopping: requests in flight end, and only then the host.

use crate::raw::Raw;
use crate::support::{Body, Host, MANIFEST, within};
use bytes::Bytes;
use futures::SinkExt;
use futures::channel::mpsc;
use http::{Method, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use std::convert::Infallible;
use tokio::net::TcpStream;

#[tokio::test]
async fn a_request_in_flight_is_answered_before_the_host_ends() {
    let mut host = Host::start(MANIFEST).await;
    let (mut writer, parts) = mpsc::channel::<Result<Frame<Bytes>, Infallible>>(1);
    let body: Body = BodyExt::boxed(StreamBody::new(parts));
    let mut part = async |text: &'static str| {
        writer.send(Ok(Frame::data(Bytes::from_static(text.as_bytes())))).await.expect("a reader");
    };
    let answer = host.send_apart(Method::POST, "/slow", body);
    part("first, ").await;
    host.logged("slow request started").await;
    host.terminate();
    host.logged("requests in flight may end").await;
    part("second").await;
    drop(writer);
    let answer = answer.await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.body(), "done with 13 bytes");
    host.ended().await;
}

#[tokio::test]
async fn a_host_without_requests_ends_when_told() {
    let host = Host::start(MANIFEST).await;
    assert_eq!(host.call("/hello", "").await, "hello");
    host.terminate();
    host.ended().await;
}

#[tokio::test]
async fn while_requests_end_nobody_new_is_served_and_idle_connections_are_closed() {
    let mut host = Host::start(MANIFEST).await;
    let mut idle = Raw::connect(&host).await;
    idle.get("/hello").await;
    assert_eq!(idle.answer().await, (200, "hello".into()));
    let mut busy = Raw::connect(&host).await;
    busy.post("/slow", &["Content-Length: 5"]).await;
    host.logged("slow request started").await;
    host.terminate();
    idle.ended().await;
    // Each attempt is refused, or reset if the system had completed it already.
    within(async {
        while let Ok(stream) = TcpStream::connect(host.address()).await {
            Raw::over(stream).ended().await;
        }
    })
    .await;
    busy.send("hello").await;
    assert_eq!(busy.answer().await, (200, "done with 5 bytes".into()));
    busy.ended().await;
    host.ended().await;
}

#[tokio::test]
async fn a_host_that_is_told_twice_stops_at_once() {
    let mut host = Host::start(MANIFEST).await;
    let mut busy = Raw::connect(&host).await;
    busy.post("/slow", &["Content-Length: 5"]).await;
    host.logged("slow request started").await;
    host.terminate();
    host.logged("requests in flight may end").await;
    host.terminate();
    host.logged("told twice to stop").await;
    let (status, _) = host.ended_somehow().await;
    assert_eq!(status.code(), Some(1), "requests were cut off");
    busy.ended().await;
}

#[tokio::test]
async fn a_host_stops_within_a_bound_whatever_its_guests_do() {
    let manifest = format!("{MANIFEST}\n[component.guest.tool.vwp]\nrequest_ms_max = 600000");
    let mut host = Host::start(&manifest).await;
    let mut looping = Raw::connect(&host).await;
    looping.get("/misbehave/loop").await;
    host.logged("the guest loops").await;
    let mut reading = Raw::connect(&host).await;
    reading.post("/slow", &["Content-Length: 5"]).await;
    host.logged("slow request started").await;
    host.terminate();
    host.logged("stopped with requests still running").await;
    host.ended().await;
    looping.ended().await;
    reading.ended().await;
}

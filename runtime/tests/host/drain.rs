//! Stopping: requests in flight end, and only then the host.

use crate::support::{Body, Host, MANIFEST};
use bytes::Bytes;
use futures::SinkExt;
use futures::channel::mpsc;
use http::{Method, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use std::convert::Infallible;

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

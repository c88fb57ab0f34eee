//! What orchestrators are told: that the host lives, and whether it is ready.

use crate::support::{Body, Host, MANIFEST, Start, folder, within};
use bytes::Bytes;
use futures::SinkExt;
use futures::channel::mpsc;
use http::{Method, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn options() -> Start {
    Start::with(&["--variable", "password=open sesame", "--health-listen", "127.0.0.1:0"])
}

/// What a probe is told: the status and the body.
async fn probe(address: SocketAddr, request: &str) -> (StatusCode, Value) {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let text = format!("{request} HTTP/1.1\r\nHost: probe\r\n\r\n");
        stream.write_all(text.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    };
    let answer = within(exchange).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or_default())
}

#[tokio::test]
async fn a_host_that_serves_is_alive_and_ready_and_says_how_its_store_is() {
    let host = Host::start_with(folder(MANIFEST), &options()).await;
    let well = json!({"ready": true, "phase": "serving", "store": "ok", "machines": {}});
    for path in ["/livez", "/readyz"] {
        assert_eq!(probe(host.health(), &format!("GET {path}")).await, (StatusCode::OK, well.clone()));
    }
    assert_eq!(probe(host.health(), "HEAD /readyz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn probes_and_the_application_do_not_know_each_others_paths() {
    let host = Host::start_with(folder(MANIFEST), &options()).await;
    assert_eq!(host.call("/hello", "").await, "hello");
    assert_eq!(probe(host.health(), "GET /hello").await.0, StatusCode::NOT_FOUND);
    assert_eq!(probe(host.health(), "POST /readyz").await.0, StatusCode::METHOD_NOT_ALLOWED);
    let application: SocketAddr = host.address().parse().expect("an address");
    assert_ne!(probe(application, "GET /readyz").await.1["phase"], "serving");
}

#[tokio::test]
async fn a_host_that_stops_is_alive_and_no_longer_ready_until_its_requests_have_ended() {
    let mut host = Host::start_with(folder(MANIFEST), &options()).await;
    let (mut writer, parts) = mpsc::channel::<Result<Frame<Bytes>, Infallible>>(1);
    let body: Body = BodyExt::boxed(StreamBody::new(parts));
    let answer = host.send_apart(Method::POST, "/slow", body);
    writer.send(Ok(Frame::data(Bytes::from_static(b"a part")))).await.expect("a reader");
    host.logged("slow request started").await;
    host.terminate();
    host.logged("requests in flight may end").await;
    let (status, report) = probe(host.health(), "GET /readyz").await;
    assert_eq!((status, &report["phase"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("stopping")));
    assert_eq!(probe(host.health(), "GET /livez").await.0, StatusCode::OK);
    drop(writer);
    assert_eq!(answer.await.expect("an answer").status(), StatusCode::OK);
    host.ended().await;
}

//! Outbound HTTP, through the interfaces of WASI 0.2 and 0.3.

use crate::support::{Host, Start, folder, within};
use crate::upstream;
use bytes::Bytes;
use futures::SinkExt;
use futures::channel::mpsc;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::convert::Infallible;

/// A component that may reach `ALLOWED`.
pub(crate) const MANIFEST: &str = r#"
    spin_manifest_version = 2
    [application]
    name = "outbound"
    [variables]
    address = { default = "127.0.0.1" }
    password = { default = "none", secret = true }
    [[trigger.http]]
    route = "/..."
    component = "guest"
    [[trigger.http]]
    route = { private = true }
    component = "hidden"
    [[trigger.http]]
    id = "inline"
    route = "/inline/..."
    executor = { type = "spin" }
    component = { source = "OUTBOUND", environment = { NAME = "inline" } }
    [component.guest]
    source = "OUTBOUND"
    allowed_outbound_hosts = [ALLOWED]
    environment = { NAME = "guest" }
    [component.hidden]
    source = "OUTBOUND"
    environment = { NAME = "hidden" }
"#;

/// Both interfaces, by the guest's path.
pub(crate) const BOTH: [&str; 2] = ["/wasi3", "/wasi2"];

/// A host whose guest may reach these.
pub(crate) async fn host(allowed: &[&str]) -> Host {
    let allowed: Vec<String> = allowed.iter().map(|entry| format!("{entry:?}")).collect();
    Host::start(&MANIFEST.replace("ALLOWED", &allowed.join(","))).await
}

/// Has the guest send a request to the URL. Returns the answer's status and text.
pub(crate) async fn ask(
    host: &Host,
    path: &str,
    url: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, String) {
    let (status, body) = send(host, path, Method::GET, url, headers, Bytes::new()).await;
    (status, String::from_utf8_lossy(&body).into_owned())
}

pub(crate) async fn send(
    host: &Host,
    path: &str,
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> (StatusCode, Bytes) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::builder().method(method).uri(format!("{}{path}", host.url())).header("x-url", url);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let request = request.body(Full::new(body)).expect("a request");
    let answer = within(client.request(request)).await.expect("an answer");
    let (head, body) = answer.into_parts();
    (head.status, within(body.collect()).await.expect("a whole body").to_bytes())
}

/// Whether the guest was told this error.
pub(crate) fn refused(answer: &(StatusCode, String), error: &str) {
    assert_eq!(answer.0, StatusCode::BAD_GATEWAY, "{answer:?}");
    assert!(answer.1.contains(error), "not {error}: {answer:?}");
}

#[tokio::test]
async fn a_guest_reaches_the_hosts_that_its_manifest_allows_and_no_others() {
    let upstream = upstream::start().await;
    let other = upstream::start().await;
    let host = host(&[&format!("http://{upstream}"), "https://*.example.com"]).await;
    for path in BOTH {
        let hello = ask(&host, path, &format!("http://{upstream}/hello"), &[]).await;
        assert_eq!(hello, (StatusCode::OK, "hello".to_owned()), "{path}");
        for url in [
            format!("http://{other}/hello"),
            format!("https://{upstream}/hello"),
            "http://www.example.com/".to_owned(),
            "http://self.alt/hello".to_owned(),
            "http://hidden.spin.internal/environment".to_owned(),
        ] {
            refused(&ask(&host, path, &url, &[]).await, "HttpRequestDenied");
        }
    }
}

#[tokio::test]
async fn an_entry_may_be_a_network_a_range_of_ports_or_a_template() {
    let upstream = upstream::start().await;
    let (port, next) = (upstream.port(), upstream.port().saturating_add(1));
    for entry in [
        "http://127.0.0.0/8:*".to_owned(),
        "*://*:*".to_owned(),
        format!("http://127.0.0.1:{port}..{next}"),
        format!("*://{{{{ address }}}}:{port}"),
    ] {
        let host = host(&[&entry]).await;
        let hello = ask(&host, "/wasi3", &format!("http://{upstream}/hello"), &[]).await;
        assert_eq!(hello, (StatusCode::OK, "hello".to_owned()), "{entry}");
    }
}

#[tokio::test]
async fn requests_arrive_as_the_guest_made_them() {
    let upstream = upstream::start().await;
    let host = host(&[&format!("http://{upstream}")]).await;
    for path in BOTH {
        let (_, head) = ask(&host, path, &format!("http://{upstream}/head?a=b"), &[]).await;
        assert!(head.starts_with("GET /head?a=b "), "{path}: {head}");
        assert!(head.contains(&format!("\"host\": \"{upstream}\"")), "{path}: {head}");
        // A request without a body says so, rather than sending an empty stream.
        assert!(!head.contains("transfer-encoding"), "{path}: {head}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let upstream = upstream::start().await;
    let host = host(&[&format!("http://{upstream}")]).await;
    for path in BOTH {
        let answer = ask(&host, path, &format!("http://{upstream}/redirect"), &[]).await;
        assert_eq!(answer, (StatusCode::FOUND, "elsewhere".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn large_bodies_go_both_ways() {
    let upstream = upstream::start().await;
    let host = host(&[&format!("http://{upstream}")]).await;
    let body: Bytes = (0..3_000_000_u32).map(|at| at.to_le_bytes()[at as usize % 4]).collect();
    for path in BOTH {
        let url = format!("http://{upstream}/echo");
        let (status, echo) = send(&host, path, Method::POST, &url, &[], body.clone()).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(echo == body, "{path}: {} bytes came back, or others", echo.len());
    }
}

#[tokio::test]
async fn a_body_is_passed_on_while_it_is_written() {
    let upstream = upstream::start().await;
    let host = host(&[&format!("http://{upstream}")]).await;
    let (mut parts, receiver) = mpsc::channel::<Result<Frame<Bytes>, Infallible>>(1);
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("{}/wasi3", host.url()))
        .header("x-url", format!("http://{upstream}/echo"))
        .body(BodyExt::boxed(StreamBody::new(receiver)))
        .expect("a request");
    let client = Client::builder(TokioExecutor::new()).build_http();
    let first = Frame::data(Bytes::from_static(b"first"));
    let (answer, sent) = within(futures::future::join(client.request(request), parts.send(Ok(first)))).await;
    sent.expect("sent");
    let mut echo = answer.expect("an answer").into_body();
    for part in ["second", "third"] {
        let frame = within(echo.frame()).await.expect("a part").expect("no error");
        assert!(!frame.into_data().expect("data").is_empty());
        // Only now is the next part written: what came back was not kept until the end.
        parts.send(Ok(Frame::data(Bytes::from(part)))).await.expect("sent");
    }
    drop(parts);
    let rest = within(echo.collect()).await.expect("a whole body").to_bytes();
    assert!(rest.ends_with(b"third"), "{rest:?}");
}

#[tokio::test]
async fn a_guest_is_told_what_went_wrong() {
    let upstream = upstream::start().await;
    let nobody = upstream::nobody().await;
    let host = host(&["http://*:*", "https://*:*"]).await;
    for path in BOTH {
        refused(&ask(&host, path, &format!("http://{nobody}/"), &[]).await, "ConnectionRefused");
        refused(&ask(&host, path, "http://missing.invalid/", &[]).await, "DnsError");
        let never = format!("http://{upstream}/never");
        refused(&ask(&host, path, &never, &[("x-first-byte-ms", "50")]).await, "ConnectionReadTimeout");
        // The server speaks no TLS.
        refused(&ask(&host, path, &format!("https://{upstream}/"), &[]).await, "Tls");
    }
}

#[tokio::test]
async fn a_server_of_https_is_reached_if_the_systems_authorities_vouch_for_it() {
    let (port, certificate) = upstream::start_tls().await;
    let url = format!("https://localhost:{port}/hello");
    let manifest = MANIFEST.replace("ALLOWED", "\"https://*:*\"");
    let trusting = folder(&manifest);
    let file = trusting.path().join("authorities.pem");
    std::fs::write(&file, certificate).expect("a file");
    let environment = vec![("SSL_CERT_FILE", file.display().to_string())];
    let trusting = Host::start_with(trusting, &Start { environment, ..Start::default() }).await;
    let host = Host::start(&manifest).await;
    for path in BOTH {
        assert_eq!(ask(&trusting, path, &url, &[]).await, (StatusCode::OK, "hello".to_owned()), "{path}");
        let other_name = format!("https://127.0.0.1:{port}/hello");
        refused(&ask(&trusting, path, &other_name, &[]).await, "TlsCertificateError");
        refused(&ask(&host, path, &url, &[]).await, "TlsCertificateError");
    }
}

#[tokio::test]
async fn a_blocked_network_is_not_reached_whatever_the_manifest_allows() {
    let upstream = upstream::start().await;
    let folder = folder(&MANIFEST.replace("ALLOWED", "\"http://*:*\""));
    let config = "[outbound_networking]\nblock_networks = [\"private\"]";
    std::fs::write(folder.path().join("runtime.toml"), config).expect("a file");
    let host = Host::start_in(folder).await;
    for path in BOTH {
        for name in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1"] {
            let url = format!("http://{name}:{}/hello", upstream.port());
            refused(&ask(&host, path, &url, &[]).await, "DestinationIpProhibited");
        }
    }
}

#[tokio::test]
async fn an_answer_that_pauses_for_too_long_breaks_off() {
    let upstream = upstream::start().await;
    let host = host(&[&format!("http://{upstream}")]).await;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let request = Request::builder()
        .uri(format!("{}/wasi3", host.url()))
        .header("x-url", format!("http://{upstream}/stall"))
        .header("x-between-bytes-ms", "50")
        .body(Full::default())
        .expect("a request");
    let answer = within(client.request(request)).await.expect("an answer");
    // It was streamed, so the client learns that it is not whole.
    assert!(within(answer.into_body().collect()).await.is_err());
}

//! HTTPS, with clients that shake hands and clients that do not.

use crate::raw::Raw;
use crate::support::{Host, Start, folder, run_in, within};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const MANIFEST: &str = r#"
    spin_manifest_version = 2
    [application]
    name = "tls"
    tool.vwp.served_url_variable = "url"
    [variables]
    url = { default = "" }
    [[trigger.http]]
    route = "/..."
    component = "edges"
    [[trigger.http]]
    route = "/settings/..."
    component = "settings"
    [component.edges]
    source = "EDGES"
    [component.settings]
    source = "GUEST"
    variables = { url = "{{ url }}" }
"#;

/// Makes a certificate for `host.test` and writes it, with its key, into the folder.
pub(crate) fn certify(folder: &Path, name: &str) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["host.test".to_owned()]).expect("a certificate");
    std::fs::write(folder.join(format!("{name}.crt")), cert.pem()).expect("a certificate");
    std::fs::write(folder.join(format!("{name}.key")), signing_key.serialize_pem()).expect("a key");
    cert.der().clone()
}

fn options<'a>(certificate: &'a str, key: &'a str) -> Start {
    Start::with(&["--tls-cert", certificate, "--tls-key", key])
}

async fn start() -> (Host, CertificateDer<'static>) {
    let folder = folder(MANIFEST);
    let certificate = certify(folder.path(), "host");
    (Host::start_with(folder, &options("host.crt", "host.key")).await, certificate)
}

async fn connect(host: &Host, certificate: &CertificateDer<'static>) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(host.address()).await.expect("the host listens");
    shake(stream, certificate, &[b"http/1.1"]).await.expect("a handshake")
}

/// Shakes hands over a connection, with these protocols on offer.
pub(crate) async fn shake(
    stream: TcpStream,
    certificate: &CertificateDer<'static>,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("a certificate");
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from("host.test").expect("a name");
    within(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

#[tokio::test]
async fn https_is_served_and_guests_are_told_so() {
    let (host, certificate) = start().await;
    assert!(host.url().starts_with("https://127.0.0.1:"), "{}", host.url());
    let stream = connect(&host, &certificate).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut client = Raw::over(stream);
    for _ in 0..2 {
        client.get("/about/it").await;
        assert_eq!(client.answer().await, (200, "Some(Scheme::Https) host.test /about/it".into()));
    }
    client.get("/settings/spin3/url").await;
    assert_eq!(client.answer().await, (200, host.url().to_owned()));
    // A client that speaks plain HTTP there gets no answer, and does no harm.
    let mut plain = Raw::connect(&host).await;
    plain.get("/hello").await;
    plain.ended().await;
    client.get("/hello").await;
    assert_eq!(client.answer().await, (200, "hello".into()));
}

#[tokio::test]
async fn a_client_that_speaks_http_2_has_many_requests_under_way_in_one_connection() {
    let (host, certificate) = start().await;
    let stream = TcpStream::connect(host.address()).await.expect("the host listens");
    let stream = shake(stream, &certificate, &[b"h2", b"http/1.1"]).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    let ask = |number: usize| {
        let mut sender = sender.clone();
        async move {
            let target = format!("https://host.test/about/{number}");
            let request = Request::get(target).body(Empty::<Bytes>::new()).expect("a request");
            let answer = sender.send_request(request).await.expect("an answer");
            assert_eq!(answer.status(), 200);
            let body = answer.into_body().collect().await.expect("a body").to_bytes();
            assert_eq!(body, format!("Some(Scheme::Https) host.test /about/{number}"));
        }
    };
    within(futures::future::join_all((0..20).map(ask))).await;
}

#[tokio::test]
async fn clients_that_do_not_shake_hands_hold_up_nobody_and_are_ended() {
    let (host, certificate) = start().await;
    // The beginning of a handshake record whose rest never comes, and nothing at all.
    let mut slow = Vec::new();
    for begun in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b""] {
        for _ in 0..50 {
            let mut client = Raw::connect(&host).await;
            client.send(begun).await;
            slow.push(client);
        }
    }
    for _ in 0..5 {
        let mut client = Raw::over(connect(&host, &certificate).await);
        client.get("/hello").await;
        assert_eq!(client.answer().await, (200, "hello".into()));
    }
    for client in slow {
        client.ended().await;
    }
}

#[tokio::test]
async fn a_host_stops_without_waiting_for_handshakes() {
    let (host, _) = start().await;
    let _silent = Raw::connect(&host).await;
    host.terminate();
    host.ended().await;
}

/// `vwp up` refuses these options and says all of this, and nothing of the key.
fn refused(folder: &TempDir, start: &Start, says: &[&str]) {
    let output = run_in("up", folder.path(), start);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "it was taken: {:?}", start.arguments);
    for text in says {
        assert!(said.contains(text), "`{text}` is missing: {said}");
    }
    let key = std::fs::read_to_string(folder.path().join("host.key")).expect("a key");
    assert!(key.lines().all(|line| !said.contains(line)), "{said}");
}

#[test]
fn a_certificate_or_key_that_cannot_be_used_is_refused_at_start() {
    let folder = folder(MANIFEST);
    certify(folder.path(), "host");
    certify(folder.path(), "other");
    refused(&folder, &options("missing.crt", "host.key"), &["--tls-cert", "missing.crt"]);
    refused(&folder, &options("host.crt", "missing.key"), &["--tls-key", "missing.key"]);
    refused(&folder, &options("host.key", "host.key"), &["there is no certificate in host.key"]);
    refused(&folder, &options("host.crt", "host.crt"), &["--tls-key", "host.crt"]);
    refused(&folder, &options("host.crt", "other.key"), &["host.crt", "other.key", "KeyMismatch"]);
    refused(&folder, &Start::with(&["--tls-cert", "host.crt"]), &["--tls-key"]);
    refused(&folder, &Start::with(&["--tls-key", "host.key"]), &["--tls-cert"]);
}

//! A certificate that is replaced while the host serves, and the version of TLS that it serves.

use crate::dns_client::{self, Tcp, question};
use crate::metrics::{COUNTING, counted};
use crate::raw::Raw;
use crate::support::{Host, Start, folder, within};
use crate::tls::{certify, shake};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, version};

const RELOADS: &str = "vwp_tls_certificate_reloads_total";
const NOT_AFTER: &str = "vwp_tls_certificate_not_after_timestamp_seconds";

/// A host that serves HTTPS and DNS over TLS with `tls.crt` and `tls.key`.
async fn start(folder: TempDir) -> Host {
    let mut options =
        vec!["--tls-cert", "tls.crt", "--tls-key", "tls.key", "--dns-tls-listen", "127.0.0.1:0"];
    options.extend(COUNTING);
    Host::start_with(folder, &Start::with(&options)).await
}

/// Connects as somebody who trusts this certificate alone.
async fn https(
    host: &Host,
    certificate: &CertificateDer<'static>,
) -> std::io::Result<Raw<TlsStream<TcpStream>>> {
    let stream = TcpStream::connect(host.address()).await?;
    Ok(Raw::over(shake(stream, certificate, &[b"http/1.1"]).await?))
}

/// Whether DNS over TLS is served with this certificate.
async fn serves_dns(host: &Host, certificate: &CertificateDer<'static>) -> bool {
    let stream = TcpStream::connect(host.dns_over_tls()).await.expect("the host listens");
    let Ok(stream) = shake(stream, certificate, &[b"dot"]).await else { return false };
    Tcp(stream).ask(&question(7, "a.zone.test.", &[])).await.id() == 7
}

#[tokio::test]
async fn a_certificate_is_replaced_on_sighup_and_connections_go_on() {
    let folder = folder(dns_client::MANIFEST);
    let old = certify(folder.path(), "tls");
    let mut host = start(folder).await;
    let mut before = https(&host, &old).await.expect("a handshake");
    let new = certify(host.folder(), "tls");
    host.hang_up();
    host.logged("the certificate was read again").await;
    let mut after = https(&host, &new).await.expect("it is the new one");
    assert!(https(&host, &old).await.is_err(), "and no longer the old one");
    assert!(serves_dns(&host, &new).await && !serves_dns(&host, &old).await, "for DNS as well");
    for client in [&mut before, &mut after] {
        client.get("/count/test/nothing").await;
        assert_eq!(client.answer().await, (200, "0".into()));
    }
    assert!(counted(&host, RELOADS, &["outcome=\"loaded\""]).await >= 1);
    assert!(counted(&host, NOT_AFTER, &[]).await > 1_000_000_000);
}

/// Makes the folder's files what is in `version`, at once, as Kubernetes does with a secret.
fn exchange(folder: &Path, version: &str) {
    symlink(version, folder.join("..data.new")).expect("a link");
    std::fs::rename(folder.join("..data.new"), folder.join("..data")).expect("a link that is exchanged");
}

#[tokio::test]
async fn a_certificate_is_replaced_when_the_link_that_leads_to_it_is() {
    let folder = folder(dns_client::MANIFEST);
    let mut certificates = Vec::new();
    for version in ["first", "second"] {
        std::fs::create_dir(folder.path().join(version)).expect("a folder");
        certificates.push(certify(&folder.path().join(version), "tls"));
    }
    exchange(folder.path(), "first");
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), folder.path().join(name)).expect("a link");
    }
    let mut host = start(folder).await;
    assert!(https(&host, &certificates[0]).await.is_ok());
    exchange(host.folder(), "second");
    host.logged("the certificate was read again").await;
    assert!(https(&host, &certificates[1]).await.is_ok());
    assert!(https(&host, &certificates[0]).await.is_err());
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_does_not_replace_the_one_that_can() {
    let folder = folder(dns_client::MANIFEST);
    let good = certify(folder.path(), "tls");
    let mut host = start(folder).await;
    let certificate = host.folder().join("tls.crt");
    let kept = std::fs::read(&certificate).expect("a certificate");
    certify(host.folder(), "other");
    std::fs::copy(host.folder().join("other.crt"), &certificate).expect("another key's");
    host.hang_up();
    host.logged("KeyMismatch").await;
    std::fs::write(&certificate, "no certificate").expect("a file");
    host.hang_up();
    host.logged("there is no certificate in tls.crt").await;
    std::fs::remove_file(&certificate).expect("a file");
    host.hang_up();
    host.logged("cannot read tls.crt").await;
    assert!(counted(&host, RELOADS, &["outcome=\"failed\""]).await >= 3);
    assert!(https(&host, &good).await.is_ok() && serves_dns(&host, &good).await);
    std::fs::write(&certificate, kept).expect("a file");
    host.logged("the certificate was read again").await;
    assert!(https(&host, &good).await.is_ok());
}

#[tokio::test]
async fn nothing_older_than_tls_1_3_is_spoken() {
    let folder = folder(dns_client::MANIFEST);
    let certificate = certify(folder.path(), "tls");
    let host = start(folder).await;
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("a certificate");
    let old = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS12])
        .expect("a version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(old));
    let name = ServerName::try_from("host.test").expect("a name");
    let stream = TcpStream::connect(host.address()).await.expect("the host listens");
    let refused = within(connector.connect(name, stream)).await.expect_err("refused");
    assert!(refused.to_string().contains("ProtocolVersion"), "{refused}");
    let new = https(&host, &certificate).await.expect("a handshake");
    assert_eq!(new.stream().get_ref().1.protocol_version(), Some(version::TLS13.version));
    assert!(counted(&host, "vwp_connections_ended_total", &["reason=\"handshake_failed\""]).await >= 1);
}

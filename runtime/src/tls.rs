//! TLS for the HTTP trigger and the DNS service, from a certificate and a key in PEM.

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// HTTP/2, by the name that IANA has for RFC 9113.
pub const HTTP_2: &[u8] = b"h2";
/// What is offered to HTTP clients that ask (RFC 7301), the best first.
pub const HTTP: &[&[u8]] = &[HTTP_2, b"http/1.1"];
/// What is offered to DNS clients that ask: the name that IANA has for RFC 7858.
pub const DNS: &[&[u8]] = &[b"dot"];

/// Reads a certificate with the chain behind it, and its key: PKCS#8, PKCS#1 or SEC1. The
/// protocols are what clients that ask are offered.
pub fn acceptor(certificate: &Path, key: &Path, protocols: &[&[u8]]) -> Result<TlsAcceptor> {
    let (certificate_shown, key_shown) = (certificate.display(), key.display());
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("--tls-cert: cannot read {certificate_shown} as PEM"))?;
    if chain.is_empty() {
        bail!("--tls-cert: there is no certificate in {certificate_shown}");
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("--tls-key: cannot read a private key from {key_shown}"))?;
    // Named here, so that another crate's choice of a default cannot change or break it.
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .with_context(|| format!("the certificate in {certificate_shown} and the key in {key_shown}"))?;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

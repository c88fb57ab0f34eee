//! TLS for the HTTP trigger and the DNS service, from a certificate and a key in PEM, which may be
//! replaced while the host serves ([`reload`]).
//!
//! Clients speak TLS 1.3 (RFC 8446) and nothing older: every browser, library and resolver that is
//! still maintained knows it, and with one version there is nothing to be talked down to.

pub mod reload;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, version};
use x509_cert::der::Decode;

/// HTTP/2, by the name that IANA has for RFC 9113.
pub const HTTP_2: &[u8] = b"h2";
/// What is offered to HTTP clients that ask (RFC 7301), the best first.
const HTTP: &[&[u8]] = &[HTTP_2, b"http/1.1"];
/// What is offered to DNS clients that ask: the name that IANA has for RFC 7858.
const DNS: &[&[u8]] = &[b"dot"];
/// The longest certificate or key that is read, in bytes.
const FILE_LENGTH_MAX: u64 = 1024 * 1024;

/// A certificate with its key, as it is used now. Connections that began before it was replaced
/// keep what they agreed on; sessions of before are not resumed.
pub struct Certificate {
    chain_file: PathBuf,
    key_file: PathBuf,
    current: RwLock<Pair>,
}

impl Certificate {
    /// Reads a certificate with the chain behind it, and its key: PKCS#8, PKCS#1 or SEC1.
    ///
    /// # Errors
    /// If a file cannot be read, or they do not go together. What is said names the files, and
    /// nothing of the key.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self> {
        let files = Files::read(certificate, key)?;
        let current = RwLock::new(Pair::of(&files, certificate, key)?);
        Ok(Self { chain_file: certificate.to_owned(), key_file: key.to_owned(), current })
    }

    /// What shakes hands with an HTTP client that connects now.
    pub fn for_http(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current().http)
    }

    /// What shakes hands with a DNS client that connects now.
    pub fn for_dns(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current().dns)
    }

    /// When the first certificate of the chain ends, in seconds since the Unix epoch.
    pub fn not_after_s(&self) -> u64 {
        self.current().not_after_s
    }

    fn current(&self) -> Pair {
        // Nothing is ever half done under this lock.
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The files as they are now.
    fn files(&self) -> Result<Files> {
        Files::read(&self.chain_file, &self.key_file)
    }

    /// Uses these from now on, if they go together.
    fn replace(&self, files: &Files) -> Result<()> {
        let pair = Pair::of(files, &self.chain_file, &self.key_file)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = pair;
        Ok(())
    }
}

/// What stands in the two files.
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// What tells contents of the two files apart.
type Fingerprint = [u8; 32];

impl Files {
    fn read(certificate: &Path, key: &Path) -> Result<Self> {
        let shown = certificate.display();
        let certificate =
            read(certificate).with_context(|| format!("--tls-cert: cannot read {shown} as PEM"))?;
        let shown = key.display();
        let key = read(key).with_context(|| format!("--tls-key: cannot read a private key from {shown}"))?;
        Ok(Self { certificate, key })
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut hash = Sha256::new();
        hash.update((self.certificate.len() as u64).to_be_bytes());
        hash.update(&self.certificate);
        hash.update(&self.key);
        hash.finalize().into()
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_LENGTH_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_LENGTH_MAX {
        return Err(std::io::Error::other(format!("it is longer than {FILE_LENGTH_MAX} bytes")));
    }
    Ok(bytes)
}

/// A certificate and a key that go together, ready for use.
#[derive(Clone)]
struct Pair {
    http: Arc<ServerConfig>,
    dns: Arc<ServerConfig>,
    not_after_s: u64,
    fingerprint: Fingerprint,
}

impl Pair {
    fn of(files: &Files, certificate: &Path, key: &Path) -> Result<Self> {
        let (certificate, key) = (certificate.display(), key.display());
        let chain = CertificateDer::pem_slice_iter(&files.certificate)
            .collect::<Result<Vec<_>, _>>()
            .with_context(|| format!("--tls-cert: cannot read {certificate} as PEM"))?;
        if chain.is_empty() {
            bail!("--tls-cert: there is no certificate in {certificate}");
        }
        let private = PrivateKeyDer::from_pem_slice(&files.key)
            .with_context(|| format!("--tls-key: cannot read a private key from {key}"))?;
        let not_after_s = not_after_s(&chain)
            .with_context(|| format!("--tls-cert: what is in {certificate} is not X.509"))?;
        // Named here, so that another crate's choice of a default cannot change or break it.
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .with_context(|| format!("the certificate in {certificate} and the key in {key}"))?;
        let offering = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Arc::new(config)
        };
        let (http, dns) = (offering(HTTP), offering(DNS));
        Ok(Self { http, dns, not_after_s, fingerprint: files.fingerprint() })
    }
}

/// When the first of these certificates ends, in seconds since the Unix epoch (RFC 5280, section
/// 4.1.2.5): none of them is of use without the others.
fn not_after_s(chain: &[CertificateDer<'_>]) -> Result<u64> {
    let mut first = u64::MAX;
    for certificate in chain {
        let certificate = x509_cert::Certificate::from_der(certificate)?;
        let not_after = certificate.tbs_certificate().validity().not_after;
        first = first.min(not_after.to_unix_duration().as_secs());
    }
    Ok(first)
}

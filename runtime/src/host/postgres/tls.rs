//! TLS to a database, with rustls. The certificate is verified whenever there is TLS, as
//! Spin does: against the system's authorities, and the one that the guest names.

use super::wit::Error;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};
use std::sync::{Arc, OnceLock};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The longest list of certificates that a guest may give, in bytes.
const PEM_LENGTH_MAX: usize = 256 * 1024;

/// An authority that a guest trusts beside the system's.
#[derive(Clone)]
pub(super) struct Authority {
    certificates: Vec<CertificateDer<'static>>,
    /// What tells one from another.
    pub(super) digest: [u8; 32],
}

impl Authority {
    /// Reads certificates in PEM.
    pub(super) fn from_pem(text: &str) -> Result<Self, Error> {
        let invalid = |reason: &str| Error::Other(format!("invalid root certificate: {reason}"));
        if text.len() > PEM_LENGTH_MAX {
            return Err(invalid("it is too long"));
        }
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| invalid(&error.to_string()))?;
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).map_err(|error| invalid(&error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(invalid("it is not PEM"));
        }
        Ok(Self { certificates, digest: Sha256::digest(text).into() })
    }
}

/// How connections are secured, if the address or the server wants that.
pub(super) fn connector(authority: Option<&Authority>) -> Result<MakeRustlsConnect, String> {
    let mut roots = system().clone();
    for certificate in authority.into_iter().flat_map(|authority| &authority.certificates) {
        roots.add(certificate.clone()).map_err(|error| error.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// The system's authorities, which are read once.
fn system() -> &'static RootCertStore {
    static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();
    SYSTEM.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "an authority of the system cannot be read");
        }
        let (_, unusable) = roots.add_parsable_certificates(found.certs);
        if unusable > 0 {
            tracing::debug!(unusable, "authorities of the system are not understood");
        }
        roots
    })
}

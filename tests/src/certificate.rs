//! A certificate for this machine, signed by itself.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A certificate for `localhost` and 127.0.0.1, with its key, in files.
#[derive(Debug)]
pub struct Certificate {
    folder: TempDir,
}

impl Certificate {
    /// A new one.
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("vwp-certificate-").expect("a folder for a certificate");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).expect("a certificate");
        std::fs::write(folder.path().join("cert.pem"), cert.pem()).expect("a certificate's file");
        std::fs::write(folder.path().join("key.pem"), signing_key.serialize_pem()).expect("a key's file");
        Self { folder }
    }

    /// The certificate, in PEM, which is also what vouches for it.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// What `vwp up` takes to serve with it.
    pub fn arguments(&self) -> [String; 4] {
        let shown = |path: &Path| path.display().to_string();
        let key = self.folder.path().join("key.pem");
        ["--tls-cert".to_owned(), shown(&self.file()), "--tls-key".to_owned(), shown(&key)]
    }
}

impl Default for Certificate {
    fn default() -> Self {
        Self::new()
    }
}

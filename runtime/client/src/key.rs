//! Private P-256 keys, kept as JSON Web Keys (RFC 7517) in files that only their owner
//! may read. An operator's id is the thumbprint of its first key (RFC 7638).

use crate::nsupdate;
use anyhow::{Context, bail};
use clap::Subcommand;
use p256::ecdsa::SigningKey;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use vwp_core::environment::Random;
use vwp_core::jose::{self, Header, Jwk};

/// The longest key file that is read, in bytes.
const FILE_LENGTH_MAX: usize = 16 * 1024;

/// Making and naming keys.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a private key in a new file that only you may read, and print its id
    New {
        /// Where the key goes; an existing file is never overwritten
        file: PathBuf,
    },
    /// Print the id of a key: its thumbprint, which is the operator's id
    Id {
        /// The key's file
        file: PathBuf,
    },
    /// Write an operator's key as nsupdate reads it, and print the file that nsupdate -k takes
    Nsupdate(nsupdate::NsupdateArguments),
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    let key = match command {
        Command::New { file } => Key::create(&file)?,
        Command::Id { file } => Key::load(&file)?,
        Command::Nsupdate(arguments) => return nsupdate::run(&arguments),
    };
    println!("{}", key.id());
    Ok(())
}

/// A private key.
#[derive(Clone)]
pub struct Key {
    signing: SigningKey,
}

/// A private key as a JWK (RFC 7518, section 6.2.2). Other members are dropped.
#[derive(Serialize, Deserialize)]
struct PrivateJwk {
    kty: String,
    crv: String,
    x: String,
    y: String,
    d: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
}

/// The operating system's randomness. Its failure is kept for the caller, because a key
/// must never be made from anything else.
struct SystemRandom(std::cell::Cell<Option<getrandom::Error>>);

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) {
        if let Err(error) = getrandom::fill(buffer) {
            // One is a scalar of every curve, so that whoever asked does not ask for ever.
            buffer.fill(1);
            self.0.set(Some(error));
        }
    }
}

impl Key {
    /// A new key.
    pub fn generate() -> anyhow::Result<Self> {
        let random = SystemRandom(std::cell::Cell::new(None));
        let signing = jose::generate_key(&random);
        match random.0.take() {
            Some(error) => Err(error).context("the system gives no randomness"),
            None => Ok(Self { signing }),
        }
    }

    /// A new key in a new file.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let key = Self::generate()?;
        key.save(path)?;
        Ok(key)
    }

    /// Reads a key from its file.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let bytes = crate::input::read(path, FILE_LENGTH_MAX)?;
        Self::from_jwk(&bytes).with_context(|| format!("{} is not a private P-256 key", path.display()))
    }

    /// Reads a key from a file, or makes one there if there is no such file.
    pub fn load_or_create(path: &Path) -> anyhow::Result<Self> {
        if path.try_exists()? { Self::load(path) } else { Self::create(path) }
    }

    fn from_jwk(bytes: &[u8]) -> anyhow::Result<Self> {
        // The cause could quote the key, so it stays here.
        let Ok(jwk) = serde_json::from_slice::<PrivateJwk>(bytes) else {
            bail!("not a JSON Web Key with kty, crv, x, y and d");
        };
        if jwk.kty != "EC" || jwk.crv != "P-256" {
            bail!("kty must be EC and crv must be P-256");
        }
        let Ok(signing) = jose::decode(&jwk.d).map(|bytes| SigningKey::from_slice(&bytes)) else {
            bail!("d is not base64url");
        };
        let key = Self { signing: signing.context("d is not a scalar of P-256")? };
        let public = key.jwk();
        if (public.x, public.y) != (jwk.x, jwk.y) {
            bail!("x and y are not the public half of d");
        }
        Ok(key)
    }

    /// The file appears complete or not at all, and readable by its owner only: it is
    /// written under another name, which temporary files have with mode 0600.
    fn save(&self, path: &Path) -> anyhow::Result<()> {
        let context = || format!("cannot make the key file {}", path.display());
        let jwk = self.jwk();
        let private = PrivateJwk {
            kty: jwk.kty,
            crv: jwk.crv,
            x: jwk.x,
            y: jwk.y,
            d: jose::encode(self.signing.to_bytes()),
            kid: Some(self.id()),
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).with_context(context)?;
        serde_json::to_writer_pretty(&mut file, &private)?;
        file.write_all(b"\n").and_then(|()| file.as_file().sync_all()).with_context(context)?;
        file.persist_noclobber(path).with_context(context)?;
        Ok(())
    }

    /// The public half.
    pub fn jwk(&self) -> Jwk {
        Jwk::from_key(self.signing.verifying_key())
    }

    /// The key's id: its thumbprint.
    pub fn id(&self) -> String {
        self.jwk().thumbprint()
    }

    /// Signs a payload under a header (RFC 7515).
    pub fn sign(&self, header: &Header, payload: &[u8]) -> String {
        jose::sign(header, payload, &self.signing)
    }
}

impl AsRef<SigningKey> for Key {
    fn as_ref(&self) -> &SigningKey {
        &self.signing
    }
}

impl std::fmt::Debug for Key {
    /// Shows the id alone, so that no log can hold the key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Key").field(&self.id()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_after_it_was_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator.jwk");
        let made = Key::create(&path).unwrap();
        assert_eq!(Key::load(&path).unwrap().id(), made.id());
        assert_eq!(Key::load_or_create(&path).unwrap().id(), made.id());
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_may_read_a_key_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator.jwk");
        Key::create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_file_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator.jwk");
        let first = Key::create(&path).unwrap();
        assert!(Key::create(&path).is_err());
        assert_eq!(Key::load(&path).unwrap().id(), first.id());
    }

    #[test]
    fn a_file_that_is_not_a_private_key_is_refused_without_quoting_it() {
        let key = Key::generate().unwrap();
        let jwk = key.jwk();
        let other = Key::generate().unwrap().jwk();
        let d = jose::encode(key.signing.to_bytes());
        let cases = [
            String::new(),
            "[]".into(),
            serde_json::to_string(&jwk).unwrap(),
            serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": jwk.x, "y": jwk.y, "d": d}).to_string(),
            serde_json::json!({"kty": "EC", "crv": "P-256", "x": other.x, "y": other.y, "d": d}).to_string(),
            serde_json::json!({"kty": "EC", "crv": "P-256", "x": jwk.x, "y": jwk.y, "d": ""}).to_string(),
        ];
        for case in cases {
            let error = Key::from_jwk(case.as_bytes()).unwrap_err();
            assert!(!format!("{error:#}").contains(&d));
        }
        assert!(!format!("{key:?}").contains(&d));
    }

    #[test]
    fn an_id_is_the_thumbprint_of_the_public_key() {
        let key = Key::generate().unwrap();
        assert_eq!(key.id(), key.jwk().thumbprint());
        assert_eq!(key.id().len(), 43);
    }
}

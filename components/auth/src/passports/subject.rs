//! What a traveller is called at one world, and nowhere else: a pairwise subject (OpenID
//! Connect Core 1.0, section 8.1).
//!
//! It is an HMAC of the world's name and the traveller's id under a secret of the port's, which
//! is made on first use and sealed at rest. Without the secret two subjects of one traveller
//! cannot be told from those of two.

use crate::error::AuthError;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use vwp_core::name::WorldName;
use vwp_core::seal::{self, Sealed};
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Outcome, Write};

/// Where the secret is kept, and what it is sealed for.
const SECRET: &str = "auth/keys/pairwise";
/// The length of a subject: 32 bytes in base64url.
pub const SUBJECT_LENGTH: usize = 43;

/// The port's secret that subjects are made with.
pub struct Pairwise {
    secret: Vec<u8>,
}

impl Pairwise {
    /// Opens the secret, or makes it if there is none.
    pub async fn open(kv: &impl Kv, environment: &Environment<'_>) -> Result<Self, AuthError> {
        if let Some(entry) = kv.get(SECRET.as_bytes()).await? {
            return Self::unseal(&entry.value, environment);
        }
        let secret = environment.random_bytes::<32>();
        let sealed = seal::seal(SECRET, &secret, environment)?;
        let sealed = serde_json::to_vec(&sealed).map_err(|_| Problem::internal())?;
        match kv.commit(&[Check::absent(SECRET)], &[Write::put(SECRET, sealed)]).await? {
            Outcome::Committed(_) => Ok(Self { secret: secret.to_vec() }),
            // Another request made it first, and that one counts.
            _ => match kv.get(SECRET.as_bytes()).await? {
                Some(entry) => Self::unseal(&entry.value, environment),
                None => Err(Problem::internal().into()),
            },
        }
    }

    fn unseal(value: &[u8], environment: &Environment<'_>) -> Result<Self, AuthError> {
        let sealed: Sealed = serde_json::from_slice(value).map_err(|_| Problem::internal())?;
        Ok(Self { secret: seal::unseal(SECRET, &sealed, environment)? })
    }

    /// What a traveller is called at a world.
    pub fn subject(&self, traveller: &str, world: &WorldName) -> Result<String, AuthError> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).map_err(|_| Problem::internal())?;
        // A world's name has no line feed in it, so that no two pairs are written alike.
        mac.update(world.as_str().as_bytes());
        mac.update(b"\n");
        mac.update(traveller.as_bytes());
        Ok(jose::encode(mac.finalize().into_bytes()))
    }
}

/// Whether a text has the form of a subject.
pub fn is_subject(text: &str) -> bool {
    text.len() == SUBJECT_LENGTH && jose::decode(text).is_ok()
}

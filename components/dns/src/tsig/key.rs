//! A secret that two servers share, and what is done with it.

use super::canonical;
use crate::name::OwnName;
use domain::base::Name;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha384, Sha512};
use std::fmt;
use std::str::FromStr;

/// What a signature is made with (RFC 8945, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `hmac-sha256`.
    Sha256,
    /// `hmac-sha384`.
    Sha384,
    /// `hmac-sha512`.
    Sha512,
}

impl Algorithm {
    /// The name as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "hmac-sha256",
            Self::Sha384 => "hmac-sha384",
            Self::Sha512 => "hmac-sha512",
        }
    }

    /// The name in wire format.
    pub fn name(self) -> OwnName {
        canonical(self.as_str()).unwrap_or_else(Name::root_vec)
    }

    /// How many bytes a signature has, and a secret made for it (RFC 2104, section 3).
    pub fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl FromStr for Algorithm {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Sha256, Self::Sha384, Self::Sha512]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or(())
    }
}

/// A shared secret with its name.
#[derive(Clone)]
pub struct Key {
    name: OwnName,
    algorithm: Algorithm,
    secret: Vec<u8>,
}

impl fmt::Debug for Key {
    /// Leaves out the secret, so that no log can hold it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Key")
            .field("name", &self.name)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl Key {
    /// A key; none if the name is not one.
    pub fn new(name: &str, algorithm: Algorithm, secret: Vec<u8>) -> Option<Self> {
        Some(Self { name: canonical(name)?, algorithm, secret })
    }

    /// The name, in lower case.
    pub fn name(&self) -> &OwnName {
        &self.name
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether a signature under these names is one of this key. A key has one algorithm,
    /// and whoever signs does not choose another.
    pub fn is_for(&self, name: &OwnName, algorithm: &OwnName) -> bool {
        self.name == *name && self.algorithm.name() == *algorithm
    }

    /// The signature of some bytes.
    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        match self.algorithm {
            Algorithm::Sha256 => sign::<Hmac<Sha256>>(&self.secret, bytes),
            Algorithm::Sha384 => sign::<Hmac<Sha384>>(&self.secret, bytes),
            Algorithm::Sha512 => sign::<Hmac<Sha512>>(&self.secret, bytes),
        }
    }

    /// Whether this is the signature of some bytes, or the beginning of it. The time that
    /// this takes does not tell where they differ.
    pub fn verify(&self, bytes: &[u8], mac: &[u8]) -> bool {
        match self.algorithm {
            Algorithm::Sha256 => verify::<Hmac<Sha256>>(&self.secret, bytes, mac),
            Algorithm::Sha384 => verify::<Hmac<Sha384>>(&self.secret, bytes, mac),
            Algorithm::Sha512 => verify::<Hmac<Sha512>>(&self.secret, bytes, mac),
        }
    }
}

fn sign<M: Mac + KeyInit>(secret: &[u8], bytes: &[u8]) -> Vec<u8> {
    // HMAC takes a key of any length, so there is always a signature.
    let mac = <M as KeyInit>::new_from_slice(secret).map(|mac| mac.chain_update(bytes));
    mac.map(|mac| mac.finalize().into_bytes().to_vec()).unwrap_or_default()
}

fn verify<M: Mac + KeyInit>(secret: &[u8], bytes: &[u8], mac: &[u8]) -> bool {
    <M as KeyInit>::new_from_slice(secret)
        .is_ok_and(|made| made.chain_update(bytes).verify_truncated_left(mac).is_ok())
}

//! One entry of a chain, how it is hashed, and what it says beside its kind.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use vwp_core::environment::Timestamp;
use vwp_core::{Problem, jose};

/// The most members of a detail.
pub const DETAIL_MEMBERS_MAX: usize = 8;
/// The most characters of a detail's value; what is longer is cut.
pub const DETAIL_LENGTH_MAX: usize = 200;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A traveller signed up.
    SignedUp,
    /// A session was opened.
    SignedIn,
    /// Somebody tried to sign in and could not.
    SignInFailed,
    /// A session was ended.
    SignedOut,
    /// A traveller has another way to sign in.
    MethodAdded,
    /// A traveller has a way to sign in no longer.
    MethodRemoved,
    /// A recovery was asked for.
    RecoveryStarted,
    /// The traveller said no to a recovery.
    RecoveryCancelled,
    /// A recovery was completed.
    RecoveryCompleted,
    /// A passport was issued.
    PassportIssued,
    /// A passport was revoked.
    PassportRevoked,
    /// A travel ticket was issued.
    TicketIssued,
    /// One of the port's keys was replaced.
    KeyRotated,
    /// A client was registered.
    ClientRegistered,
    /// A client was removed.
    ClientRemoved,
    /// A traveller let a client know something.
    ConsentGiven,
    /// A traveller no longer does.
    ConsentWithdrawn,
    /// A token was used a second time, which ended all of its family.
    TokenReused,
    /// A policy decided about a request.
    PolicyDecided,
    /// A traveller got everything that the port keeps of them.
    DataExported,
    /// A traveller was erased.
    DataErased,
    /// The heads of other chains were noted.
    ChainsAnchored,
}

/// An entry as it is stored and hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    // The members are in the order of their names, so that what serde writes of them is the
    // canonical form (RFC 8785, section 3.2): no white space, sorted, integers and ASCII alone.
    /// When it happened, in milliseconds since the Unix epoch; never before the entry before it.
    pub at: Timestamp,
    /// The chain.
    pub chain: String,
    /// The hash of the detail with its salt.
    pub detail: String,
    /// What happened.
    pub kind: Kind,
    /// The hash of the entry before; empty for the first one.
    pub previous: String,
    /// When the entry before it was made; 0 for the first one.
    pub previous_at: Timestamp,
    /// The number in the chain, from 1 on.
    pub seq: u64,
}

impl Entry {
    /// The canonical form, which is also the stored one.
    pub fn canonical(&self) -> Result<Vec<u8>, Problem> {
        serde_json::to_vec(self).map_err(|_| Problem::internal())
    }

    /// The SHA-256 of the canonical form, base64url.
    pub fn hash(&self) -> Result<String, Problem> {
        Ok(jose::encode(Sha256::digest(self.canonical()?)))
    }
}

/// What an entry says beside its kind. It is kept apart from the entry, which has only a salted
/// hash of it: so it can be erased, salt and all, and the chain stays whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// 16 random bytes, base64url, without which nobody can try what was hashed.
    salt: String,
    /// What there is to say.
    said: BTreeMap<String, String>,
}

impl Detail {
    /// A detail with a salt. Its members are bounded here, wherever they come from.
    pub fn new(salt: [u8; 16], said: &[(&'static str, String)]) -> Self {
        let cut = |text: &String| text.chars().take(DETAIL_LENGTH_MAX).collect();
        let said = said.iter().take(DETAIL_MEMBERS_MAX).map(|(name, text)| ((*name).to_owned(), cut(text)));
        Self { salt: jose::encode(salt), said: said.collect() }
    }

    /// The SHA-256 of the salt and the canonical form, base64url.
    pub fn hash(&self) -> Result<String, Problem> {
        let canonical = serde_json::to_vec(self).map_err(|_| Problem::internal())?;
        Ok(jose::encode(Sha256::digest(canonical)))
    }

    /// What there is to say.
    pub fn said(&self) -> &BTreeMap<String, String> {
        &self.said
    }
}

/// The last entry of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
    /// When it was made.
    pub at: Timestamp,
}

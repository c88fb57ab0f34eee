//! Signing in with a decentralised identifier (DID): the traveller proves possession of the key
//! that the identifier itself is, or that its document has.
//!
//! - [`identifier`]: `did:key` and `did:jwk`, of P-256 keys. No network is needed to know them.
//! - [`web`]: `did:web`, whose document is asked for.
//! - [`link`]: challenges, proofs, and which traveller a DID belongs to.
//! - [`http`]: the same as HTTP resources.
//!
//! A proof is a JWS (ES256, type [`PROOF_TYPE`]) with the DID as `kid` and `iss`, this port as `aud`,
//! its challenge as `nonce`, and the time as `iat`. A challenge is used once, and within five minutes.

pub mod http;
pub mod identifier;
pub mod link;
pub mod web;

use ::http::StatusCode;
use vwp_core::Problem;

/// The type of a proof.
pub const PROOF_TYPE: &str = "vwp-did+jwt";

/// Why a DID was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DidError {
    /// Another method, or another kind of key.
    #[error("the identifier is not a did:key or did:jwk of a P-256 key, and not a did:web")]
    Unsupported,
    /// The deployment named no resolver, without which no host can be told from a private one.
    #[error("this port takes no did:web")]
    WebUnavailable,
    /// The identifier's document cannot be had, or does not have the key. Deliberately says no more:
    /// what the port can reach is nobody else's business.
    #[error("the identifier's document cannot be had, is of another one, or has no such P-256 key")]
    Unresolved,
    /// The proof is not one, or for somebody else.
    #[error("the proof is not a JWS of the identifier's key, for this port and of this moment")]
    Proof,
    /// The challenge was used, is too old, or was never given out.
    #[error("the challenge was used, or has ended; ask for another one")]
    Challenge,
    /// The identifier belongs to a traveller already.
    #[error("the identifier is linked already")]
    Linked,
    /// Nobody has linked the identifier.
    #[error("no traveller has linked this identifier")]
    Unknown,
    /// There is no room for another one.
    #[error("a traveller links at most {} identifiers", link::DIDS_MAX)]
    TooMany,
}

impl From<DidError> for Problem {
    fn from(error: DidError) -> Self {
        let (status, slug) = match error {
            DidError::Unsupported => (StatusCode::UNPROCESSABLE_ENTITY, "did-unsupported"),
            DidError::WebUnavailable => (StatusCode::NOT_IMPLEMENTED, "did-web-unavailable"),
            DidError::Unresolved => (StatusCode::UNAUTHORIZED, "did-unresolved"),
            DidError::Proof => (StatusCode::UNAUTHORIZED, "did-proof-refused"),
            DidError::Challenge => (StatusCode::CONFLICT, "challenge-ended"),
            DidError::Linked => (StatusCode::CONFLICT, "did-linked"),
            DidError::Unknown => (StatusCode::UNAUTHORIZED, "did-unknown"),
            DidError::TooMany => (StatusCode::CONFLICT, "too-many-dids"),
        };
        Self::new(status, slug, "The identifier was not accepted", error.to_string())
    }
}

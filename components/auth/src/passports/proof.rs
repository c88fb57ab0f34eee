//! Proofs of possession (OpenID for Verifiable Credential Issuance 1.0, appendix F.1): a JWS
//! that carries a key and is signed with it, for this port, now.

use crate::strict_json;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use vwp_core::Environment;
use vwp_core::environment::{CLOCK_SKEW_MAX_MS, is_current};
use vwp_core::jose::{self, JoseError, Jwk, Unverified};
use vwp_storage::kv::Write;
use vwp_verifier::verify::{PROOF_TYPE, signing_input};

/// The longest proof that is looked at, in bytes.
pub const PROOF_LENGTH_MAX: usize = 4096;

/// Why a proof of possession was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Longer than the bound.
    #[error("the proof is too long")]
    TooLong,
    /// Not a JWS of a proof's kind.
    #[error("the proof: {0}")]
    Header(JoseError),
    /// The key is not in the header, or not the only one that is named there.
    #[error("the header must carry the key as jwk, and must not name one with kid")]
    Key,
    /// Not signed with the key that it carries.
    #[error("the proof was not signed with the key that it carries")]
    Signature,
    /// A claim is missing or has another form.
    #[error("the proof needs aud and iat, each once")]
    Claims,
    /// Meant for somebody else.
    #[error("the proof is for another issuer")]
    Audience,
    /// Made too long ago, or in the future.
    #[error("the proof was not made within five minutes of now")]
    Time,
    /// Shown by another traveller before.
    #[error("the proof was shown by another traveller; make a new one")]
    Used,
    /// A key twice in a batch, which would link the copies that are bound to it.
    #[error("two proofs are of one key; make a key for each copy")]
    KeyRepeated,
}

impl ProofError {
    /// The reason as it stands in a problem's `type`.
    pub fn slug(&self) -> &'static str {
        match self {
            Self::TooLong => "proof-too-long",
            Self::Header(_) => "proof-header",
            Self::Key => "proof-key",
            Self::Signature => "proof-signature",
            Self::Claims => "proof-claims",
            Self::Audience => "proof-audience",
            Self::Time => "proof-not-current",
            Self::Used => "proof-used",
            Self::KeyRepeated => "proof-key-repeated",
        }
    }
}

/// The claims of a proof; others may be there.
#[derive(Deserialize)]
struct ProofClaims {
    aud: String,
    iat: u64,
}

/// Checks a proof and gives out the key that it proves.
pub(crate) fn verify(proof: &str, environment: &Environment<'_>) -> Result<Jwk, ProofError> {
    if proof.len() > PROOF_LENGTH_MAX {
        return Err(ProofError::TooLong);
    }
    let token = Unverified::parse(proof, PROOF_TYPE).map_err(ProofError::Header)?;
    if token.header.kid.is_some() {
        return Err(ProofError::Key);
    }
    let jwk = token.header.jwk.clone().ok_or(ProofError::Key)?;
    let key = jwk.to_key().map_err(|_| ProofError::Key)?;
    let payload = token.verify(&key).map_err(|_| ProofError::Signature)?;
    let claims = strict_json::parse_object(&payload).map_err(|_| ProofError::Claims)?;
    let claims: ProofClaims =
        serde_json::from_value(Value::Object(claims)).map_err(|_| ProofError::Claims)?;
    if claims.aud != environment.settings.issuer {
        return Err(ProofError::Audience);
    }
    if !is_current(claims.iat, environment.now) {
        return Err(ProofError::Time);
    }
    // From the point itself, so that nothing else that came in is signed.
    Ok(Jwk::from_key(&key))
}

/// Where it is remembered which traveller showed a proof first. Named by what is signed, and
/// not by the signature, of which anybody can make a second valid form.
pub(super) fn key(proof: &str) -> Vec<u8> {
    let digest = Sha256::digest(signing_input(proof).as_bytes());
    format!("auth/proof/{}", jose::encode(digest)).into_bytes()
}

/// The write that ties a proof to the traveller who shows it first.
pub(super) fn claim(proof: &str, traveller: &str, environment: &Environment<'_>) -> Write {
    Write::Put {
        key: key(proof),
        value: traveller.into(),
        // Twice the skew from its earliest to its latest acceptable moment, and a clock's skew.
        expires_at: Some(environment.now.saturating_add(3 * CLOCK_SKEW_MAX_MS)),
    }
}

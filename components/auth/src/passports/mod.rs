//! Passports: SD-JWT credentials (SD-JWT VC) that say who a traveller is and are bound
//! to a key that only the traveller has.
//!
//! A passport shows nothing of the traveller by itself: what it says is disclosed claim by
//! claim, by the traveller. To get one, the traveller proves to have the key. A proof serves
//! one traveller, so that somebody who overhears it cannot have the key bound to another name.
//!
//! Passports are issued in batches of copies, so that none needs to be shown twice: each has a
//! key, salts and a place in a status list of its own, as many digests as every other, and the
//! validity of everybody who was issued one on that day. A copy for one world carries what the
//! port calls the traveller there and nowhere else, so that worlds which put together what they
//! saw have nothing in common to find a traveller by.
//!
//! - [`proof`]: the traveller's key.
//! - [`claims`]: what a passport can disclose.
//! - [`issue`]: making a batch.
//! - [`subject`]: what a traveller is called at one world.
//! - [`issued`]: finding and revoking what was issued.
//! - [`http`]: the same as HTTP resources.

pub mod claims;
pub mod http;
pub mod issue;
pub mod issued;
pub mod proof;
pub mod subject;

pub use issue::{COPIES_MAX, Copy, Order, issue};
pub use proof::{PROOF_LENGTH_MAX, ProofError};
pub use vwp_verifier::verify::{PASSPORT_TOKEN_TYPE, PASSPORT_TYPE, PROOF_TYPE};

use crate::error::AuthError;
use crate::keys;
use crate::status::DAY_S;
use crate::verify::{self, Expected, Passport};
use ::http::StatusCode;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;

/// How long a passport is valid at the most, in seconds: from the beginning of the day on which
/// it is issued to the end of the next one (UTC), and so for at least a day.
pub const LIFETIME_S: u64 = 2 * DAY_S;

/// Why passports were not issued or revoked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PassportError {
    /// No proofs, or more than the bound.
    #[error("send 1 to {COPIES_MAX} proofs, as proof or as proofs")]
    Copies,
    /// A claim that the port does not know, or that the traveller's profile does not have.
    #[error("the passport cannot have the claim {0}")]
    Claim(String),
    /// More copies in a day than the bound.
    #[error("too many passports were issued to this traveller today")]
    Throttled {
        /// Seconds until more are issued.
        retry_after_s: u32,
    },
    /// No passport with this id that the caller may revoke.
    #[error("no passport of the caller's has this id")]
    Unknown,
}

impl PassportError {
    pub(crate) fn into_problem(self) -> Problem {
        let detail = self.to_string();
        match self {
            Self::Copies => Problem::bad_request(detail),
            Self::Claim(_) => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "claim-unavailable",
                "The passport cannot have this claim",
                detail,
            ),
            Self::Throttled { retry_after_s } => {
                let title = "Too many passports were issued";
                let mut problem =
                    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-passports", title, detail);
                problem.retry_after_s = Some(retry_after_s);
                problem
            }
            Self::Unknown => Problem::not_found(detail),
        }
    }
}

/// Verifies a presentation of one of this port's passports with the published keys, and that
/// it was not revoked.
pub async fn verify(
    kv: &impl Kv,
    presentation: &str,
    audience: &str,
    nonce: &str,
    environment: &Environment<'_>,
) -> Result<Passport, AuthError> {
    let keys = keys::published(kv, environment).await?;
    let issuer = &environment.settings.issuer;
    let expected = Expected { issuer, audience, world: audience, nonce, now: environment.now };
    let passport = verify::verify(presentation, &keys, &expected)?;
    issued::require_valid(kv, &passport, environment).await?;
    Ok(passport)
}

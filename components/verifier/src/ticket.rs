//! Travel tickets: what a traveller shows at the door of a world, once.
//!
//! A ticket is a JWS of type `vwp-ticket+jwt` that a port signs for one world: `aud` is the
//! world's name, `sub` what the port calls the traveller there and nowhere else, `jti` what
//! makes it single, `exp` at most two minutes after `iat`. It may carry the entry point, the
//! claims that the traveller approved of, the world that asked for it, and the key that the
//! traveller has (`cnf`, RFC 7800); a ticket with a key is worth nothing without a proof that
//! is made with it.

use crate::keys::KeySet;
use crate::strict_json;
use crate::verify::signing_input;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use vwp_core::environment::{CLOCK_SKEW_MAX_MS, Timestamp, is_current};
use vwp_core::jose::{self, Jwk, Unverified};

/// The type of a ticket.
pub const TICKET_TYPE: &str = "vwp-ticket+jwt";
/// The type of the proof that is made with the key that a ticket is bound to.
pub const TICKET_PROOF_TYPE: &str = "vwp-ticket-proof+jwt";
/// The version of a ticket's claims that this is.
pub const TICKET_VERSION: u64 = 1;
/// The longest life of a ticket, in seconds.
pub const LIFETIME_MAX_S: u64 = 120;
/// The longest ticket, and the longest proof, in bytes.
pub const TICKET_LENGTH_MAX: usize = 16_384;
/// The longest `jti`, in bytes.
pub const ID_LENGTH_MAX: usize = 64;

/// Why a ticket proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// Longer than the bound.
    #[error("the ticket or its proof is too long")]
    TooLong,
    /// Not a JWS of a ticket's kind.
    #[error("the ticket is not a JWS of a ticket's kind")]
    Header,
    /// No key with the id that the ticket names.
    #[error("the ticket was not signed with one of the issuer's keys")]
    UnknownKey,
    /// The issuer's signature.
    #[error("the issuer's signature does not match")]
    Signature,
    /// A claim is missing or has another form.
    #[error("the ticket's claims are not those of a ticket")]
    Claims,
    /// Another issuer.
    #[error("the ticket is of another issuer")]
    Issuer,
    /// For another world.
    #[error("the ticket is for another world")]
    Audience,
    /// Too late.
    #[error("the ticket has expired")]
    Expired,
    /// Too early.
    #[error("the ticket is not valid yet")]
    NotYetValid,
    /// Valid for longer than a ticket may be.
    #[error("the ticket is valid for more than two minutes")]
    Lifetime,
    /// The ticket is bound to a key, and nobody proved to have it.
    #[error("the ticket is bound to a key, and there is no proof of it")]
    ProofMissing,
    /// The proof was made with another key, for another world, ticket or nonce, or at another time.
    #[error("the proof is not one of the ticket's key for this world, ticket, nonce and time")]
    Proof,
}

impl Unproven {
    /// The reason as it stands in a problem's `type`.
    pub fn slug(self) -> &'static str {
        match self {
            Self::TooLong => "ticket-too-long",
            Self::Header => "ticket-header",
            Self::UnknownKey => "ticket-key-unknown",
            Self::Signature => "ticket-signature",
            Self::Claims => "ticket-claims",
            Self::Issuer => "ticket-issuer",
            Self::Audience => "ticket-audience",
            Self::Expired => "ticket-expired",
            Self::NotYetValid => "ticket-not-yet-valid",
            Self::Lifetime => "ticket-lifetime",
            Self::ProofMissing => "ticket-proof-missing",
            Self::Proof => "ticket-proof",
        }
    }
}

/// What a traveller who is banned from a world is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BanNotice {
    /// Why.
    pub reason: String,
    /// When it ends, in seconds since the Unix epoch; never, if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Whom to ask for another decision: an `https:` or `mailto:` URL.
    pub appeal: String,
}

/// Why a traveller is not let through. Every refusal between asking for a ticket and
/// arriving is one of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// There is no such world.
    #[error("there is no world of this name here")]
    WorldNotFound,
    /// The world takes nobody now.
    #[error("the world is closed")]
    WorldClosed,
    /// The world has no room.
    #[error("the world is full")]
    WorldFull,
    /// What was shown does not prove that the traveller may.
    #[error("{0}")]
    Unauthorised(#[from] Unproven),
    /// The world has banned the traveller.
    #[error("the world has banned this traveller: {}", .0.reason)]
    Banned(BanNotice),
    /// Too many at once.
    #[error("too many tickets; wait before the next one")]
    Throttled {
        /// Seconds until the next one is looked at.
        retry_after_s: u32,
    },
    /// The ticket was used.
    #[error("the ticket was used already")]
    TicketSpent,
    /// The client speaks no protocol that the world does, or the ticket is of a version that
    /// the world does not know.
    #[error("the world speaks another protocol, or another version of it")]
    ProtocolMismatch,
}

impl TicketError {
    /// The reason as it stands in a problem's `type`.
    pub fn slug(&self) -> &'static str {
        match self {
            Self::WorldNotFound => "world-not-found",
            Self::WorldClosed => "world-closed",
            Self::WorldFull => "world-full",
            Self::Unauthorised(unproven) => unproven.slug(),
            Self::Banned(_) => "banned",
            Self::Throttled { .. } => "throttled",
            Self::TicketSpent => "ticket-spent",
            Self::ProtocolMismatch => "protocol-mismatch",
        }
    }
}

/// The claims of a ticket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TicketClaims {
    /// The version: [`TICKET_VERSION`].
    pub ver: u64,
    /// The port that signs.
    pub iss: String,
    /// The world that the ticket is for.
    pub aud: String,
    /// What the port calls the traveller at that world.
    pub sub: String,
    /// What names this ticket.
    pub jti: String,
    /// When it was signed, in seconds.
    pub iat: u64,
    /// When it ends, in seconds.
    pub exp: u64,
    /// The world that asked for it, if its operator did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Where in the world the traveller arrives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_point: Option<String>,
    /// What the traveller approved of telling.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub claims: Map<String, Value>,
    /// The traveller's key (RFC 7800, section 3.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
}

/// The key that a ticket is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The public key.
    pub jwk: Jwk,
}

/// What a world expects of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected<'a> {
    /// Whose tickets are accepted.
    pub issuer: &'a str,
    /// The world's name.
    pub world: &'a str,
    /// The nonce that the traveller was given, for tickets that are bound to a key.
    pub nonce: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// A ticket that was believed.
#[derive(Debug, Clone, PartialEq)]
pub struct Ticket {
    /// The port that signed it.
    pub issuer: String,
    /// The world that it is for.
    pub world: String,
    /// What the port calls the traveller at that world.
    pub subject: String,
    /// What names the ticket: the same for every form of its signature.
    pub id: String,
    /// The world that asked for it.
    pub origin: Option<String>,
    /// Where the traveller arrives.
    pub entry_point: Option<String>,
    /// What the traveller approved of telling.
    pub claims: Map<String, Value>,
    /// The thumbprint of the traveller's key (RFC 7638), if it was bound to one and proved.
    pub holder: Option<String>,
    /// When it ends, in seconds.
    pub expires_at_s: u64,
}

/// Verifies a ticket, and the proof of the key that it is bound to, if it is to one. It may
/// still have been used: [`crate::gate::Gate::admit`] knows.
pub fn verify(
    compact: &str,
    proof: Option<&str>,
    keys: &KeySet,
    expected: &Expected<'_>,
) -> Result<Ticket, TicketError> {
    if compact.len() > TICKET_LENGTH_MAX {
        return Err(Unproven::TooLong.into());
    }
    let token = Unverified::parse(compact, TICKET_TYPE).map_err(|_| Unproven::Header)?;
    let kid = token.header.kid.as_deref().ok_or(Unproven::UnknownKey)?;
    let key = keys.get(kid).and_then(|jwk| jwk.to_key().ok()).ok_or(Unproven::UnknownKey)?;
    let payload = token.verify(&key).map_err(|_| Unproven::Signature)?;
    let object = strict_json::parse_object(&payload).map_err(|_| Unproven::Claims)?;
    if object.get("ver").and_then(Value::as_u64).is_some_and(|version| version != TICKET_VERSION) {
        return Err(TicketError::ProtocolMismatch);
    }
    let claims: TicketClaims = serde_json::from_value(Value::Object(object)).map_err(|_| Unproven::Claims)?;
    check_claims(&claims, expected)?;
    let holder = match &claims.cnf {
        None => None,
        Some(confirmation) => Some(check_proof(compact, proof, &confirmation.jwk, expected)?),
    };
    Ok(Ticket {
        issuer: claims.iss,
        world: claims.aud,
        subject: claims.sub,
        id: claims.jti,
        origin: claims.origin,
        entry_point: claims.entry_point,
        claims: claims.claims,
        holder,
        expires_at_s: claims.exp,
    })
}

fn check_claims(claims: &TicketClaims, expected: &Expected<'_>) -> Result<(), Unproven> {
    if claims.iss != expected.issuer {
        return Err(Unproven::Issuer);
    }
    if claims.aud != expected.world {
        return Err(Unproven::Audience);
    }
    if claims.jti.is_empty() || claims.jti.len() > ID_LENGTH_MAX || claims.sub.is_empty() {
        return Err(Unproven::Claims);
    }
    if claims.exp.saturating_sub(claims.iat) > LIFETIME_MAX_S {
        return Err(Unproven::Lifetime);
    }
    if claims.exp.saturating_mul(1000) <= expected.now {
        return Err(Unproven::Expired);
    }
    if claims.iat.saturating_mul(1000) > expected.now.saturating_add(CLOCK_SKEW_MAX_MS) {
        return Err(Unproven::NotYetValid);
    }
    Ok(())
}

/// The claims of a proof; others may be there.
#[derive(Deserialize)]
struct ProofClaims {
    iat: u64,
    aud: String,
    nonce: String,
    ticket_hash: String,
}

/// What a proof says of the ticket that it is for: a digest of what the port signed.
pub fn hash(compact: &str) -> String {
    jose::encode(Sha256::digest(signing_input(compact).as_bytes()))
}

/// Checks that whoever shows the ticket has the key that it is bound to. Gives out the key's
/// thumbprint.
fn check_proof(
    compact: &str,
    proof: Option<&str>,
    holder: &Jwk,
    expected: &Expected<'_>,
) -> Result<String, Unproven> {
    let proof = proof.ok_or(Unproven::ProofMissing)?;
    if proof.len() > TICKET_LENGTH_MAX {
        return Err(Unproven::TooLong);
    }
    let token = Unverified::parse(proof, TICKET_PROOF_TYPE).map_err(|_| Unproven::Proof)?;
    let key = holder.to_key().map_err(|_| Unproven::Claims)?;
    let payload = token.verify(&key).map_err(|_| Unproven::Proof)?;
    let claims = strict_json::parse_object(&payload).map_err(|_| Unproven::Proof)?;
    let claims: ProofClaims = serde_json::from_value(Value::Object(claims)).map_err(|_| Unproven::Proof)?;
    // An empty nonce would be the same every time, so it protects nobody.
    let is_nonce = claims.nonce == expected.nonce && !expected.nonce.is_empty();
    let is_here = claims.aud == expected.world && claims.ticket_hash == hash(compact);
    if is_nonce && is_here && is_current(claims.iat, expected.now) {
        Ok(holder.thumbprint())
    } else {
        Err(Unproven::Proof)
    }
}

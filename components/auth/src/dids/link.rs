//! Challenges, proofs, and which traveller a DID belongs to.

use super::identifier::Did;
use super::{DidError, PROOF_TYPE};
use crate::audit::{self, Event, Kind};
use crate::error::AuthError;
use crate::limits::Client;
use crate::sessions;
use crate::sign_ins::{self, SignedIn};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vwp_core::environment::{Timestamp, is_current};
use vwp_core::jose::Unverified;
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Outcome, Write};

/// The most identifiers of a traveller.
pub const DIDS_MAX: usize = 20;
/// How long a challenge may be answered, in seconds.
pub const CHALLENGE_LIFETIME_S: u64 = 300;
/// The length of a challenge: 256 bits, base64url.
const CHALLENGE_LENGTH: usize = 43;

/// A challenge, as the client is given it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Challenge {
    /// What a proof carries as `nonce`.
    pub nonce: String,
    /// Seconds until it ends.
    pub expires_in: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    nonce: String,
    iat: u64,
}

/// An identifier that a traveller linked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked {
    /// The identifier.
    pub did: String,
    /// When it was linked, in milliseconds since the Unix epoch.
    pub linked_at: Timestamp,
}

/// A proof that was believed, and what uses its challenge up.
struct Proved {
    did: Did,
    check: Check,
    end: Write,
}

/// Gives out a challenge.
pub async fn challenge(kv: &impl Kv, environment: &Environment<'_>) -> Result<Challenge, AuthError> {
    let nonce = jose::encode(environment.random_bytes::<32>());
    let ends_at = environment.now.saturating_add(CHALLENGE_LIFETIME_S * 1000);
    let put = Write::Put {
        key: challenge_key(&nonce),
        value: ends_at.to_be_bytes().to_vec(),
        expires_at: Some(ends_at),
    };
    match kv.commit(&[], &[put]).await? {
        Outcome::Committed(_) => Ok(Challenge { nonce, expires_in: CHALLENGE_LIFETIME_S }),
        _ => Err(Problem::internal().into()),
    }
}

/// Links an identifier to a traveller who has just signed in.
pub async fn link(
    kv: &impl Kv,
    traveller: &str,
    session: &str,
    proof: &str,
    environment: &Environment<'_>,
) -> Result<Linked, AuthError> {
    sessions::require_recent(kv, session, environment).await?;
    let Proved { did, check, end } = believe(kv, proof, environment).await?;
    let (seen, mut dids) = load(kv, traveller).await?;
    if dids.len() >= DIDS_MAX {
        return Err(DidError::TooMany.into());
    }
    let linked = Linked { did: did.as_str().to_owned(), linked_at: environment.now };
    dids.push(linked.clone());
    let owner = owner_key(did.as_str());
    let is_unlinked = Check::absent(owner.clone());
    let writes = [end, put(traveller, &dids)?, Write::put(owner.clone(), traveller)];
    let event = Event::traveller(Kind::MethodAdded, traveller).with("method", "did");
    match audit::commit(kv, &event, &[check, seen, is_unlinked], &writes, environment).await? {
        Outcome::Committed(_) => Ok(linked),
        Outcome::Conflict(keys) if keys.contains(&owner) => Err(DidError::Linked.into()),
        _ => Err(DidError::Challenge.into()),
    }
}

/// Signs the traveller in to whom an identifier is linked.
pub async fn sign_in(
    kv: &impl Kv,
    proof: &str,
    client: &Client,
    environment: &Environment<'_>,
) -> Result<SignedIn, AuthError> {
    let Proved { did, check, end } = believe(kv, proof, environment).await?;
    let owner = owner_key(did.as_str());
    let Some(entry) = kv.get(&owner).await? else {
        // The challenge had its answer.
        kv.commit(&[check], &[end]).await?;
        return Err(DidError::Unknown.into());
    };
    let traveller = std::str::from_utf8(&entry.value).map_err(|_| Problem::internal())?;
    let source = sign_ins::source(kv, client, traveller).await?;
    let (signed_in, mut writes) = sign_ins::open(kv, traveller, client, &source, environment).await?;
    writes.push(end);
    // Still linked when the session opens.
    let is_linked = Check::unchanged(owner, Some(&entry));
    let event = Event::traveller(Kind::SignedIn, traveller).with("method", "did");
    match audit::commit(kv, &event, &[check, is_linked], &writes, environment).await? {
        Outcome::Committed(_) => Ok(signed_in),
        _ => Err(DidError::Challenge.into()),
    }
}

/// A traveller's identifiers, oldest first.
pub async fn list(kv: &impl Kv, traveller: &str) -> Result<Vec<Linked>, AuthError> {
    Ok(load(kv, traveller).await?.1)
}

/// Removes the link of an identifier. The traveller must have signed in just now.
pub async fn unlink(
    kv: &impl Kv,
    traveller: &str,
    session: &str,
    did: &str,
    environment: &Environment<'_>,
) -> Result<(), AuthError> {
    sessions::require_recent(kv, session, environment).await?;
    let (seen, mut dids) = load(kv, traveller).await?;
    let length = dids.len();
    dids.retain(|linked| linked.did != did);
    if dids.len() == length {
        return Err(Problem::not_found("this identifier is not linked").into());
    }
    let event = Event::traveller(Kind::MethodRemoved, traveller).with("method", "did");
    let writes = [put(traveller, &dids)?, Write::delete(owner_key(did))];
    match audit::commit(kv, &event, &[seen], &writes, environment).await? {
        Outcome::Committed(_) => Ok(()),
        _ => Err(Problem::unavailable("the identifiers are being changed elsewhere").into()),
    }
}

/// Believes a proof. The header's `kid` is the identifier, or one of its keys, of which it has one;
/// the key is made of the identifier and never taken from the token (RFC 8725, section 3.1).
async fn believe(kv: &impl Kv, proof: &str, environment: &Environment<'_>) -> Result<Proved, AuthError> {
    let token = Unverified::parse(proof, PROOF_TYPE).map_err(|_| DidError::Proof)?;
    let kid = token.header.kid.clone().filter(|_| token.header.jwk.is_none()).ok_or(DidError::Proof)?;
    let did = Did::new(kid.split('#').next().unwrap_or_default())?;
    let payload = token.verify(did.key()).map_err(|_| DidError::Proof)?;
    let claims: Claims = serde_json::from_slice(&payload).map_err(|_| DidError::Proof)?;
    if claims.iss != did.as_str() {
        return Err(DidError::Proof.into());
    }
    if claims.aud != environment.settings.issuer || !is_current(claims.iat, environment.now) {
        return Err(DidError::Proof.into());
    }
    if claims.nonce.len() != CHALLENGE_LENGTH {
        return Err(DidError::Challenge.into());
    }
    let key = challenge_key(&claims.nonce);
    let entry = kv.get(&key).await?.ok_or(DidError::Challenge)?;
    let ends_at = <[u8; 8]>::try_from(entry.value.as_slice()).map(u64::from_be_bytes);
    if ends_at.is_ok_and(|ends_at| ends_at <= environment.now) {
        return Err(DidError::Challenge.into());
    }
    let check = Check::unchanged(key.clone(), Some(&entry));
    Ok(Proved { did, check, end: Write::delete(key) })
}

async fn load(kv: &impl Kv, traveller: &str) -> Result<(Check, Vec<Linked>), AuthError> {
    let key = dids_key(traveller);
    let entry = kv.get(&key).await?;
    let dids = match &entry {
        Some(entry) => serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?,
        None => Vec::new(),
    };
    Ok((Check::unchanged(key, entry.as_ref()), dids))
}

fn put(traveller: &str, dids: &[Linked]) -> Result<Write, Problem> {
    let value = serde_json::to_vec(dids).map_err(|_| Problem::internal())?;
    Ok(Write::put(dids_key(traveller), value))
}

fn hash(text: &str) -> String {
    jose::encode(Sha256::digest(text.as_bytes()))
}

fn challenge_key(nonce: &str) -> Vec<u8> {
    format!("auth/did-challenge/{}", hash(nonce)).into_bytes()
}

fn owner_key(did: &str) -> Vec<u8> {
    format!("auth/did/{}", hash(did)).into_bytes()
}

fn dids_key(traveller: &str) -> Vec<u8> {
    format!("auth/dids/{traveller}").into_bytes()
}

//! Challenges, proofs, and which traveller a DID belongs to.

use super::identifier::Did;
use super::web::WebDid;
use super::{DidError, PROOF_TYPE};
use crate::audit::{self, Event, Kind};
use crate::error::AuthError;
use crate::limits::Client;
use crate::provider::hashed;
use crate::sign_ins::{self, SignedIn};
use crate::{methods, sessions};
use serde::{Deserialize, Serialize};
use vwp_core::environment::{Timestamp, is_current};
use vwp_core::jose::Unverified;
use vwp_core::{Environment, Outbound, Problem, jose};
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
    did: String,
    /// None for a `did:web`, whose challenge is used up before its host is asked.
    challenge: Option<Challenged>,
}

/// A challenge that has been answered.
struct Challenged {
    check: Check,
    end: Write,
}

impl Proved {
    /// What uses the challenge up, if something is left of it.
    fn ends(self) -> (String, Vec<Check>, Vec<Write>) {
        let (checks, writes) =
            self.challenge.map(|Challenged { check, end }| (check, end)).into_iter().unzip();
        (self.did, checks, writes)
    }
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
    outbound: &impl Outbound,
    (traveller, session): (&str, &str),
    (proof, client): (&str, &Client),
    environment: &Environment<'_>,
) -> Result<Linked, AuthError> {
    sessions::require_recent(kv, session, environment).await?;
    let (did, mut checks, mut writes) = believe(kv, outbound, proof, client, environment).await?.ends();
    let (seen, mut dids) = load(kv, traveller).await?;
    if dids.len() >= DIDS_MAX {
        return Err(DidError::TooMany.into());
    }
    let owner = owner_key(&did);
    let linked = Linked { did, linked_at: environment.now };
    dids.push(linked.clone());
    checks.extend([seen, Check::absent(owner.clone())]);
    writes.extend([put(traveller, &dids)?, Write::put(owner.clone(), traveller)]);
    let event = Event::traveller(Kind::MethodAdded, traveller).with("method", "did");
    match audit::commit(kv, &event, &checks, &writes, environment).await? {
        Outcome::Committed(_) => Ok(linked),
        Outcome::Conflict(keys) if keys.contains(&owner) => Err(DidError::Linked.into()),
        _ => Err(DidError::Challenge.into()),
    }
}

/// Signs the traveller in to whom an identifier is linked.
pub async fn sign_in(
    kv: &impl Kv,
    outbound: &impl Outbound,
    proof: &str,
    client: &Client,
    environment: &Environment<'_>,
) -> Result<SignedIn, AuthError> {
    let (did, mut checks, ends) = believe(kv, outbound, proof, client, environment).await?.ends();
    let owner = owner_key(&did);
    let Some(entry) = kv.get(&owner).await? else {
        // The challenge had its answer.
        kv.commit(&checks, &ends).await?;
        return Err(DidError::Unknown.into());
    };
    let traveller = std::str::from_utf8(&entry.value).map_err(|_| Problem::internal())?;
    let source = sign_ins::source(kv, client, traveller).await?;
    let (signed_in, mut writes) = sign_ins::open(kv, traveller, client, &source, environment).await?;
    writes.extend(ends);
    // Still linked when the session opens.
    checks.push(Check::unchanged(owner, Some(&entry)));
    let event = Event::traveller(Kind::SignedIn, traveller).with("method", "did");
    match audit::commit(kv, &event, &checks, &writes, environment).await? {
        Outcome::Committed(_) => Ok(signed_in),
        _ => Err(DidError::Challenge.into()),
    }
}

/// A traveller's identifiers, oldest first.
pub async fn list(kv: &impl Kv, traveller: &str) -> Result<Vec<Linked>, AuthError> {
    Ok(load(kv, traveller).await?.1)
}

/// Removes the link of an identifier. The traveller must have signed in just now, and keep another way
/// to do so.
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
    let mut checks = methods::require_another(kv, traveller).await?;
    checks.push(seen);
    let event = Event::traveller(Kind::MethodRemoved, traveller).with("method", "did");
    let writes = [put(traveller, &dids)?, Write::delete(owner_key(did))];
    match audit::commit(kv, &event, &checks, &writes, environment).await? {
        Outcome::Committed(_) => Ok(()),
        _ => Err(Problem::unavailable("the identifiers are being changed elsewhere").into()),
    }
}

/// Believes a proof. The header's `kid` is the identifier, or one of its keys; the key is made of the
/// identifier or has its document's word, and is never taken from the token (RFC 8725, section 3.1).
async fn believe(
    kv: &impl Kv,
    outbound: &impl Outbound,
    proof: &str,
    client: &Client,
    environment: &Environment<'_>,
) -> Result<Proved, AuthError> {
    let token = Unverified::parse(proof, PROOF_TYPE).map_err(|_| DidError::Proof)?;
    let kid = token.header.kid.clone().filter(|_| token.header.jwk.is_none()).ok_or(DidError::Proof)?;
    let text = kid.split('#').next().unwrap_or_default();
    let Some(did) = WebDid::new(text)? else {
        let did = Did::new(text)?;
        let payload = token.verify(did.key()).map_err(|_| DidError::Proof)?;
        let challenge = answered(kv, &payload, did.as_str(), environment).await?;
        return Ok(Proved { did: did.as_str().to_owned(), challenge: Some(challenge) });
    };
    // What the proof says must be right before anybody is asked about it, and a challenge makes the
    // port ask once.
    let Challenged { check, end } =
        answered(kv, token.unverified_payload(), did.as_str(), environment).await?;
    match kv.commit(&[check], &[end]).await? {
        Outcome::Committed(_) => {}
        _ => return Err(DidError::Challenge.into()),
    }
    let key = did.resolve(kv, outbound, (&kid, client), environment).await?;
    token.verify(&key).map_err(|_| DidError::Proof)?;
    Ok(Proved { did: did.as_str().to_owned(), challenge: None })
}

/// The challenge that claims answer, if they are those of a proof of this identifier.
async fn answered(
    kv: &impl Kv,
    payload: &[u8],
    did: &str,
    environment: &Environment<'_>,
) -> Result<Challenged, AuthError> {
    let claims: Claims = serde_json::from_slice(payload).map_err(|_| DidError::Proof)?;
    if claims.iss != did {
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
    Ok(Challenged { check: Check::unchanged(key.clone(), Some(&entry)), end: Write::delete(key) })
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

fn challenge_key(nonce: &str) -> Vec<u8> {
    format!("auth/did-challenge/{}", hashed(nonce)).into_bytes()
}

fn owner_key(did: &str) -> Vec<u8> {
    format!("auth/did/{}", hashed(did)).into_bytes()
}

pub(crate) fn dids_key(traveller: &str) -> Vec<u8> {
    format!("auth/dids/{traveller}").into_bytes()
}

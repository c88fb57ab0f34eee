//! Noting the heads of all chains in the port's chain, and the port's own head in a signature.
//!
//! Whoever can write to the store can make a chain anew, hashes and all. What they cannot do is
//! make it fit the heads that the port's chain noted, without making that one anew as well; nor
//! the port's chain fit a signed head that somebody else keeps. Who runs the port calls
//! [`anchor`] regularly and keeps what it answers elsewhere.

use super::entry::{Entry, Head, Kind};
use super::read::{Break, Fault};
use super::{Chain, Event, RETENTION_MS, keys, planned};
use crate::error::AuthError;
use crate::keys as issuer;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use vwp_core::environment::CLOCK_SKEW_MAX_MS;
use vwp_core::jose::{self, Header};
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, Key, KeyRange, Outcome, Write};

/// The most heads that one entry notes.
pub const CHAINS_MAX: u32 = 200;
/// The type of a signed head.
pub const HEAD_TYPE: &str = "vwp-audit-head+jws";
/// How often noting is tried when others add to the port's chain.
const ATTEMPTS_MAX: usize = 8;

/// What was noted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Anchored {
    /// How many heads were noted; none: nothing had changed.
    pub chains: usize,
    /// Whether there are more to note.
    pub more: bool,
    /// The head of the port's chain, if it has one.
    pub head: Option<Head>,
    /// The same, signed by the port (a compact JWS), to be kept elsewhere.
    pub signed: Option<String>,
}

/// What an entry noted, verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Noted {
    /// How many heads the entry noted.
    pub chains: usize,
    /// The chains that have another entry, or none, in the place of the one that was noted.
    pub broken: Vec<Break>,
}

/// Chain, number and hash.
type Line = (String, u64, String);

/// Notes the heads that have changed since they were noted last, a bounded number of them.
pub async fn anchor(kv: &impl Kv, environment: &Environment<'_>) -> Result<Anchored, AuthError> {
    for _ in 0..ATTEMPTS_MAX {
        let changed = kv.scan(&KeyRange::prefix(keys::UNANCHORED), CHAINS_MAX, Direction::Forward).await?;
        let more = changed.next.is_some();
        let chains = changed.items.len();
        if chains > 0 {
            let mut checks = Vec::with_capacity(chains);
            let mut writes = Vec::with_capacity(chains);
            let mut names = Vec::with_capacity(chains);
            for item in &changed.items {
                names.push(chain_of(&item.key)?);
                checks.push(Check::unchanged(item.key.clone(), Some(&item.entry)));
                writes.push(Write::delete(item.key.clone()));
            }
            if !note(kv, &names, checks, writes, environment).await? {
                continue;
            }
        }
        let head: Option<Head> = keys::parse(kv.get(&keys::head(&Chain::Port)).await?.as_ref())?;
        let signed = match &head {
            Some(head) => Some(sign(kv, head, environment).await?),
            None => None,
        };
        return Ok(Anchored { chains, more, head, signed });
    }
    Err(Problem::unavailable("too much happens at once; what has changed can be noted later").into())
}

/// Writes the entry that notes the heads of chains. False if others were faster.
async fn note(
    kv: &impl Kv,
    chains: &[Chain],
    checks: Vec<Check>,
    writes: Vec<Write>,
    environment: &Environment<'_>,
) -> Result<bool, AuthError> {
    let heads: Vec<Key> = chains.iter().map(keys::head).collect();
    let mut lines: Vec<Line> = Vec::with_capacity(chains.len());
    for (chain, head) in chains.iter().zip(kv.get_many(&heads).await?) {
        if let Some(head) = keys::parse::<Head>(head.as_ref())? {
            lines.push((chain.to_string(), head.seq, head.hash));
        }
    }
    let list = keys::json(&lines)?;
    let event = Event::port(Kind::ChainsAnchored)
        .with("chains", lines.len().to_string())
        .with("digest", jose::encode(Sha256::digest(&list)));
    let (mut plan, seq) = planned(kv, &event, environment).await?;
    plan.checks.extend(checks);
    plan.writes.extend(writes);
    let expires_at = Some(environment.now.saturating_add(RETENTION_MS));
    plan.writes.push(Write::Put { key: keys::anchor(seq), value: list, expires_at });
    Ok(matches!(kv.commit(&plan.checks, &plan.writes).await?, Outcome::Committed(_)))
}

async fn sign(kv: &impl Kv, head: &Head, environment: &Environment<'_>) -> Result<String, AuthError> {
    let key = issuer::active(kv, environment).await?;
    let claims = json!({
        "iss": environment.settings.issuer,
        "iat": environment.now_seconds(),
        "chain": Chain::Port.to_string(),
        "seq": head.seq,
        "hash": head.hash,
    });
    let header = Header::new(HEAD_TYPE).with_kid(key.kid);
    Ok(jose::sign(&header, claims.to_string().as_bytes(), &key.key))
}

fn chain_of(key: &[u8]) -> Result<Chain, Problem> {
    let text = std::str::from_utf8(key).ok().and_then(|key| key.strip_prefix(keys::UNANCHORED));
    text.and_then(|text| text.parse().ok()).ok_or_else(Problem::internal)
}

/// Verifies the chains against the heads that the port's entry of a number noted. None if
/// that entry noted none, or has expired.
pub async fn verify(
    kv: &impl Kv,
    seq: u64,
    environment: &Environment<'_>,
) -> Result<Option<Noted>, AuthError> {
    let port = Chain::Port;
    let read = kv.get_many(&[keys::anchor(seq), keys::detail(&port, seq)]).await?;
    let [Some(list), detail] = read.as_slice() else {
        return Ok(None);
    };
    let detail: Option<super::Detail> = keys::parse(detail.as_ref())?;
    let digest = detail.as_ref().and_then(|detail| detail.said().get("digest"));
    if digest.is_none_or(|digest| *digest != jose::encode(Sha256::digest(&list.value))) {
        let broken = Break { chain: port.to_string(), seq, fault: Fault::NotAnchored };
        return Ok(Some(Noted { chains: 0, broken: vec![broken] }));
    }
    let lines: Vec<Line> = serde_json::from_slice(&list.value).map_err(|_| Problem::internal())?;
    let mut wanted: Vec<Key> = Vec::with_capacity(lines.len());
    for (chain, seq, _) in &lines {
        let chain: Chain = chain.parse().map_err(|_| Problem::internal())?;
        wanted.push(keys::entry(&chain, *seq));
    }
    let entries = kv.get_many(&wanted).await?;
    let noted_at =
        keys::parse::<Entry>(kv.get(&keys::entry(&port, seq)).await?.as_ref())?.map_or(0, |entry| entry.at);
    // What was noted is at most as old as an entry can be, so this is known only while none of
    // them can have expired.
    let may_have_expired = noted_at.saturating_add(RETENTION_MS - CLOCK_SKEW_MAX_MS) <= environment.now;
    let mut noted = Noted { chains: lines.len(), broken: Vec::new() };
    for ((chain, seq, hash), entry) in lines.into_iter().zip(entries) {
        let fault = match keys::parse::<Entry>(entry.as_ref()) {
            Ok(Some(entry)) => (entry.hash()? != hash).then_some(Fault::NotAnchored),
            Ok(None) if may_have_expired => None,
            Ok(None) => Some(Fault::Missing),
            Err(_) => Some(Fault::Unreadable),
        };
        noted.broken.extend(fault.map(|fault| Break { chain, seq, fault }));
    }
    Ok(Some(noted))
}

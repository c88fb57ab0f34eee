//! Making passports: a batch of copies in one commit.

use super::claims::Available;
use super::proof::{self, ProofError, Proved};
use super::subject::Pairwise;
use super::{PASSPORT_TOKEN_TYPE, PASSPORT_TYPE, PassportError, issued};
use crate::accounts;
use crate::audit::{self, Event, Kind};
use crate::error::AuthError;
use crate::keys;
use crate::openid4vci::nonce::{self, Nonce};
use crate::sd_jwt;
use crate::status::{self, Bucket, Place};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use vwp_core::environment::Timestamp;
use vwp_core::jose::{self, Jwk};
use vwp_core::keyring::ActiveKey;
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Outcome, Write};

/// The most copies in a batch.
pub const COPIES_MAX: usize = 32;
/// The most copies that one traveller is issued in a day.
pub const COPIES_PER_DAY_MAX: i64 = 1024;
/// How many digests every passport has, so that their number does not tell travellers apart.
pub const DIGESTS: usize = 16;
/// How often a batch is tried when others take the same places at the same time.
const ATTEMPTS_MAX: usize = 16;

/// What a traveller asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// A proof of possession for each copy.
    pub proofs: Vec<String>,
    /// The world that the copies are for; none: any world.
    pub world: Option<WorldName>,
    /// The claims that the copies can disclose; none: all that there are.
    pub claims: Option<Vec<String>>,
}

/// A passport that was just issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Copy {
    /// What names it to who may revoke it.
    pub id: String,
    /// The SD-JWT with all disclosures and without a key binding.
    pub passport: String,
    /// When it ends, in milliseconds since the Unix epoch.
    pub expires_at: Timestamp,
}

/// Issues passports to a traveller who is signed in, one for each proof.
pub async fn issue(
    kv: &impl Kv,
    (traveller, session): (&str, &str),
    order: &Order,
    environment: &Environment<'_>,
) -> Result<Vec<Copy>, AuthError> {
    let proved = prove(&order.proofs, environment)?;
    let holders = proved.into_iter().map(|proved| proved.holder).collect();
    issue_to(kv, (traveller, session), order, (holders, None), environment).await
}

/// The same for a wallet, which is a client. Its proofs all carry one nonce of this port, which is
/// used up with it.
pub(crate) async fn issue_to_client(
    kv: &impl Kv,
    owner: (&str, &str),
    client: &str,
    order: &Order,
    environment: &Environment<'_>,
) -> Result<Vec<Copy>, AuthError> {
    let proved = prove(&order.proofs, environment)?;
    let nonce = proved.first().and_then(|proved| proved.nonce.as_ref()).ok_or(ProofError::NonceMissing)?;
    if proved.iter().any(|other| other.nonce.as_ref() != Some(nonce)) {
        return Err(ProofError::NonceMissing.into());
    }
    // Appendix F.1: iss may be left out.
    if proved.iter().any(|proved| proved.client.as_deref().is_some_and(|id| id != client)) {
        return Err(ProofError::Client.into());
    }
    let nonce = nonce::believe(kv, nonce, environment).await?;
    let holders = proved.into_iter().map(|proved| proved.holder).collect();
    issue_to(kv, owner, order, (holders, Some(nonce)), environment).await
}

async fn issue_to(
    kv: &impl Kv,
    (traveller, session): (&str, &str),
    order: &Order,
    (holders, nonce): (Vec<Jwk>, Option<Nonce>),
    environment: &Environment<'_>,
) -> Result<Vec<Copy>, AuthError> {
    let traveller = accounts::traveller(kv, traveller).await?;
    let bucket = Bucket::at(environment.now);
    let mut available = Available::read(kv, &traveller, bucket.begins_at(), environment).await?;
    let mut subject = None;
    if let Some(world) = &order.world {
        available = available.without_id();
        subject = Some((Pairwise::open(kv, environment).await?.subject(&traveller.id, world)?, world));
    }
    let disclosed = available.choose(order.claims.as_deref())?;
    // The key is made before the commit, so that nothing can fail after it.
    let key = keys::active(kv, environment).await?;
    let owner = issued::Owner::new(&traveller.id, session, order.world.as_ref(), environment);
    let places = take(kv, order, &owner, (bucket, nonce.as_ref()), environment).await?;
    let common = Common { bucket, subject, disclosed, key, environment };
    Ok(holders.into_iter().zip(places).map(|(holder, place)| common.copy(&holder, &place)).collect())
}

/// Checks all proofs and gives out what they say.
fn prove(proofs: &[String], environment: &Environment<'_>) -> Result<Vec<Proved>, AuthError> {
    if proofs.is_empty() || proofs.len() > COPIES_MAX {
        return Err(PassportError::Copies.into());
    }
    let proved: Vec<Proved> =
        proofs.iter().map(|proof| proof::read(proof, environment)).collect::<Result<_, _>>()?;
    let different: HashSet<String> = proved.iter().map(|proved| proved.holder.thumbprint()).collect();
    if different.len() < proved.len() {
        return Err(ProofError::KeyRepeated.into());
    }
    Ok(proved)
}

/// Takes a place in a status list for each proof, ties the proofs to the traveller and counts
/// them, in one commit.
async fn take(
    kv: &impl Kv,
    order: &Order,
    owner: &issued::Owner,
    (bucket, nonce): (Bucket, Option<&Nonce>),
    environment: &Environment<'_>,
) -> Result<Vec<Place>, AuthError> {
    let count = order.proofs.len();
    for _ in 0..ATTEMPTS_MAX {
        let mut commit = Vec::new();
        let mut checks = Vec::new();
        if let Some((check, spent)) = nonce.map(Nonce::spend) {
            checks.push(check);
            commit.push(spent);
        }
        claim_proofs(kv, order, owner, &mut checks, &mut commit, environment).await?;
        let counter = format!("auth/passport-count/{}/{}", owner.traveller(), bucket.day()).into_bytes();
        let before = kv.get(&counter).await?;
        commit.push(count_write(&counter, before.as_ref(), count, bucket));
        if before.is_none() {
            checks.push(Check::absent(counter.clone()));
        }
        let draw = status::draw(kv, bucket, count, environment).await?;
        for place in draw.places() {
            checks.push(Check::absent(place.key()));
            commit.extend(owner.writes(place)?);
        }
        commit.push(draw.fill());
        let event =
            Event::traveller(Kind::PassportIssued, owner.traveller()).with("copies", count.to_string());
        match audit::commit(kv, &event, &checks, &commit, environment).await? {
            Outcome::Committed(_) => return Ok(draw.into_places()),
            Outcome::Conflict(keys)
                if nonce.is_some_and(|nonce| keys.iter().any(|key| key == nonce.key())) =>
            {
                return Err(ProofError::Nonce.into());
            }
            Outcome::Conflict(_) => {}
            Outcome::OutOfBounds(keys) if keys.contains(&counter) => {
                let left_ms = bucket.next_day_at().saturating_sub(environment.now);
                let retry_after_s = u32::try_from(left_ms.div_ceil(1000)).unwrap_or(u32::MAX);
                return Err(PassportError::Throttled { retry_after_s }.into());
            }
            Outcome::OutOfBounds(_) => draw.open_next(kv).await?,
            Outcome::NotACounter(_) => return Err(Problem::internal().into()),
        }
    }
    Err(Problem::unavailable("too many passports are being issued at the same time").into())
}

/// Ties proofs to the traveller who shows them first. The same traveller may show them again,
/// so that a request whose answer was lost can be repeated.
async fn claim_proofs(
    kv: &impl Kv,
    order: &Order,
    owner: &issued::Owner,
    checks: &mut Vec<Check>,
    writes: &mut Vec<Write>,
    environment: &Environment<'_>,
) -> Result<(), AuthError> {
    let keys: Vec<Vec<u8>> = order.proofs.iter().map(|proof| proof::key(proof)).collect();
    let seen = kv.get_many(&keys).await?;
    for ((proof, key), entry) in order.proofs.iter().zip(keys).zip(seen) {
        match entry {
            None => {
                checks.push(Check::absent(key));
                writes.push(proof::claim(proof, owner.traveller(), environment));
            }
            Some(entry) if entry.value == owner.traveller().as_bytes() => {}
            Some(_) => return Err(ProofError::Used.into()),
        }
    }
    Ok(())
}

/// Counts copies; the first write of a day makes the counter, with its end.
fn count_write(key: &[u8], counted: Option<&Entry>, count: usize, bucket: Bucket) -> Write {
    let delta = i64::try_from(count).unwrap_or(i64::MAX);
    match counted {
        None => Write::Put {
            key: key.to_vec(),
            value: delta.to_le_bytes().to_vec(),
            expires_at: Some(bucket.next_day_at()),
        },
        Some(_) => Write::Add { key: key.to_vec(), delta, minimum: 0, maximum: COPIES_PER_DAY_MAX },
    }
}

/// What all copies of a batch have in common.
struct Common<'a> {
    bucket: Bucket,
    subject: Option<(String, &'a WorldName)>,
    disclosed: Map<String, Value>,
    key: ActiveKey,
    environment: &'a Environment<'a>,
}

impl Common<'_> {
    fn copy(&self, holder: &Jwk, place: &Place) -> Copy {
        let environment = self.environment;
        let disclosures: Vec<String> =
            self.disclosed.iter().map(|(name, value)| sd_jwt::disclosure(name, value, environment)).collect();
        let mut claims: Map<String, Value> = Map::new();
        claims.insert("iss".into(), environment.settings.issuer.clone().into());
        claims.insert("vct".into(), PASSPORT_TYPE.into());
        claims.insert("iat".into(), self.bucket.begins_at_s().into());
        claims.insert("exp".into(), self.bucket.ends_at_s().into());
        claims.insert("cnf".into(), json!({ "jwk": holder }));
        let status = json!({ "idx": place.index(), "uri": place.list().uri(environment) });
        claims.insert("status".into(), json!({ "status_list": status }));
        if let Some((subject, world)) = &self.subject {
            claims.insert("sub".into(), subject.clone().into());
            claims.insert("aud".into(), world.as_str().into());
        }
        let decoys = DIGESTS.saturating_sub(disclosures.len());
        let decoys = (0..decoys).map(|_| sd_jwt::decoy(environment)).collect();
        sd_jwt::conceal_among(&mut claims, &disclosures, decoys);
        let header = jose::Header::new(PASSPORT_TOKEN_TYPE).with_kid(&self.key.kid);
        let mut passport = jose::sign(&header, Value::Object(claims).to_string().as_bytes(), &self.key.key);
        passport.push('~');
        for disclosure in disclosures {
            passport.push_str(&disclosure);
            passport.push('~');
        }
        Copy { id: place.to_string(), passport, expires_at: self.bucket.ends_at() }
    }
}

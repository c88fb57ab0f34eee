//! Registering a world in one commit, and looking it up.
//!
//! Two records of a name live side by side. The *world* expires with the signed
//! record, and is what lookups, searches and DNS answers read. The *holder* says who
//! holds the name and the last sequence number; it never expires, so a name is not
//! free again when its record ends (assets are named after worlds, and what `gold@arena`
//! means must not change hands), and an old record stays a replay for ever.

use crate::error::DiscoveryError;
use crate::index;
use crate::keys;
use crate::record::{RECORD_LENGTH_MAX, RECORD_TYPE, Record};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vwp_core::directory::{self, Operator};
use vwp_core::jose::{self, Header, JoseError, Unverified};
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem, keyring, reply};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Outcome, Version, Write};

/// The type of a receipt.
pub const RECEIPT_TYPE: &str = "vwp-registration+jwt";
/// How often a registration is tried when others change the same records.
const ATTEMPTS_MAX: usize = 16;

/// A world as registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    /// The operator's id.
    pub operator: String,
    /// What the operator said, with names in the form that DNS carries.
    pub fields: Record,
    /// The signed record itself, so that anybody can verify it.
    pub record: String,
}

/// Who holds a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    operator: String,
    seq: u64,
}

/// What a registration did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Registration {
    /// The world's name, an A-label.
    pub name: String,
    /// The world's name in DNS, without a final dot.
    pub fqdn: String,
    /// The operator's id.
    pub operator: String,
    /// The record's sequence number.
    pub seq: u64,
    /// The commit that made the record durable.
    pub version: Version,
    /// When the record ends, in seconds.
    pub expires_at: u64,
    /// The port's signed proof of the registration.
    pub receipt: String,
    /// Whether the name was not registered before.
    #[serde(skip)]
    pub is_new: bool,
}

/// The claims of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptClaims {
    /// The port's URL.
    pub iss: String,
    /// The operator's id.
    pub sub: String,
    /// When the port accepted the record, in seconds.
    pub iat: u64,
    /// The world's name.
    pub name: String,
    /// The record's sequence number.
    pub seq: u64,
    /// The commit that made the record durable.
    pub version: Version,
    /// SHA-256 of the signed record's bytes, base64url.
    pub record_sha256: String,
}

/// Registers a world from a signed record, or replaces its record by a newer one.
pub async fn register<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    compact: &str,
) -> Result<Registration, Problem> {
    if compact.len() > RECORD_LENGTH_MAX {
        return Err(reply::too_large(RECORD_LENGTH_MAX));
    }
    let token = Unverified::parse(compact, RECORD_TYPE)?;
    let operator = token.header.kid.clone().ok_or(DiscoveryError::NoOperator)?;
    for _ in 0..ATTEMPTS_MAX {
        let known = store.get(&directory::operator_key(&operator)).await?;
        let (keys, payload) = verify(&token, &operator, known.as_ref())?;
        let (name, fields) = Record::parse(&payload, environment)?;
        let world = World { operator: operator.clone(), fields, record: compact.to_owned() };
        // The key is made before the commit, so that nothing can fail after it.
        let signer = keyring::active(store, keys::ZONE_KEYRING, environment, |_| Vec::new()).await?;
        let seen = Seen::read(store, &name, known).await?;
        seen.require_newer(&world)?;
        let (mut checks, mut writes) = seen.commit(&name, &world, &keys)?;
        let before = seen.world.as_ref().map_or(Ok(None), |entry| read_world(entry, environment))?;
        let plan = index::plan(store, environment, name.as_str(), before.as_ref(), Some(&world)).await?;
        checks.extend(plan.checks);
        writes.extend(plan.writes);
        match store.commit(&checks, &writes).await? {
            Outcome::Committed(version) => {
                let receipt = receipt(&world, version, &signer, environment);
                return Ok(registration(world, version, receipt, seen.holder.is_none(), environment));
            }
            Outcome::Conflict(_) => {}
            Outcome::OutOfBounds(_) | Outcome::NotACounter(_) => return Err(Problem::internal()),
        }
    }
    Err(Problem::unavailable("the name is changing too often"))
}

/// The world of a name, if it is registered and its record has not ended.
pub async fn lookup<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    name: &WorldName,
) -> Result<Option<World>, Problem> {
    let entry = store.get(&keys::world(name)).await?;
    entry.map_or(Ok(None), |entry| read_world(&entry, environment))
}

/// Reads a stored world; none if its record has ended.
pub(crate) fn read_world(entry: &Entry, environment: &Environment<'_>) -> Result<Option<World>, Problem> {
    let world: World = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    Ok((world.fields.exp > environment.now_seconds()).then_some(world))
}

/// Verifies a record with the keys of its operator: those that are registered or,
/// for an operator that is new here, the one that came along, if the id names it.
fn verify(
    token: &Unverified<'_>,
    operator: &str,
    known: Option<&Entry>,
) -> Result<(Operator, Vec<u8>), Problem> {
    let keys = if let Some(entry) = known {
        serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?
    } else {
        let mut jwk = token.header.jwk.clone().ok_or(DiscoveryError::UnknownOperator)?;
        // The key's id is its thumbprint, whatever the header calls it.
        jwk.kid = None;
        jwk.to_key()?;
        if jwk.thumbprint() != operator {
            return Err(DiscoveryError::OperatorMismatch.into());
        }
        Operator { keys: vec![jwk] }
    };
    // The newest key first: it signed most of what arrives.
    for jwk in keys.keys.iter().rev() {
        if let Ok(payload) = token.clone().verify(&jwk.to_key()?) {
            return Ok((keys, payload));
        }
    }
    Err(JoseError::Signature.into())
}

/// What the store held before a registration.
struct Seen {
    operator: Option<Entry>,
    holder: Option<Entry>,
    world: Option<Entry>,
}

impl Seen {
    async fn read<S: Kv>(store: &S, name: &WorldName, operator: Option<Entry>) -> Result<Self, Problem> {
        let mut entries = store.get_many(&[keys::holder(name), keys::world(name)]).await?.into_iter();
        let holder = entries.next().flatten();
        let world = entries.next().flatten();
        Ok(Self { operator, holder, world })
    }

    fn require_newer(&self, world: &World) -> Result<(), Problem> {
        let Some(entry) = &self.holder else {
            return Ok(());
        };
        let holder: Holder = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
        if holder.operator != world.operator {
            return Err(DiscoveryError::NameTaken.into());
        }
        if world.fields.seq <= holder.seq {
            return Err(DiscoveryError::RecordReplayed { registered: holder.seq }.into());
        }
        Ok(())
    }

    /// The one commit of a registration. The holder's version is the check that lets
    /// one of two racing registrations win: each of them writes it.
    fn commit(
        &self,
        name: &WorldName,
        world: &World,
        keys: &Operator,
    ) -> Result<(Vec<Check>, Vec<Write>), Problem> {
        let operator_key = directory::operator_key(&world.operator);
        let checks = vec![
            Check::unchanged(keys::holder(name), self.holder.as_ref()),
            Check::unchanged(operator_key.clone(), self.operator.as_ref()),
        ];
        let holder = Holder { operator: world.operator.clone(), seq: world.fields.seq };
        let mut writes = vec![
            Write::put(keys::holder(name), json(&holder)?),
            Write::Add { key: keys::SERIAL.into(), delta: 1, minimum: 0, maximum: i64::MAX },
        ];
        if self.holder.is_none() {
            let entry = directory::World { operator: world.operator.clone() };
            writes.push(Write::put(directory::world_key(name), json(&entry)?));
        }
        if self.operator.is_none() {
            writes.push(Write::put(operator_key, json(keys)?));
        }
        let expires_at = Some(world.fields.exp.saturating_mul(1000));
        writes.push(Write::Put { key: keys::world(name), value: json(world)?, expires_at });
        Ok((checks, writes))
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value).map_err(|_| Problem::internal())
}

fn receipt(
    world: &World,
    version: Version,
    signer: &keyring::ActiveKey,
    environment: &Environment<'_>,
) -> String {
    let claims = ReceiptClaims {
        iss: environment.settings.issuer.clone(),
        sub: world.operator.clone(),
        iat: environment.now_seconds(),
        name: world.fields.name.clone(),
        seq: world.fields.seq,
        version,
        record_sha256: jose::encode(Sha256::digest(world.record.as_bytes())),
    };
    let header = Header::new(RECEIPT_TYPE).with_kid(signer.kid.clone());
    // Claims are texts and numbers, whose serialisation cannot fail.
    jose::sign(&header, &serde_json::to_vec(&claims).unwrap_or_default(), &signer.key)
}

fn registration(
    world: World,
    version: Version,
    receipt: String,
    is_new: bool,
    environment: &Environment<'_>,
) -> Registration {
    Registration {
        fqdn: fqdn(&world.fields.name, environment),
        name: world.fields.name,
        operator: world.operator,
        seq: world.fields.seq,
        version,
        expires_at: world.fields.exp,
        receipt,
        is_new,
    }
}

/// A world's name in DNS, without a final dot.
pub fn fqdn(name: &str, environment: &Environment<'_>) -> String {
    format!("{name}.{}", environment.settings.zone)
}

impl Registration {
    /// 201 if the name is new, 200 if its record was replaced.
    pub fn status(&self) -> StatusCode {
        if self.is_new { StatusCode::CREATED } else { StatusCode::OK }
    }
}

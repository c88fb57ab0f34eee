//! Deciding with what the store has: whose world it is, who is in the team, what the policies say.

use crate::decide::{self, Decision, PrincipalKind, Request, ResourceKind, Sets};
use crate::error::PolicyError;
use crate::set::{self, Set, Texts};
use crate::store::{self, Owner, Versioned};
use crate::teams;
use serde::{Deserialize, Serialize};
use vwp_core::directory::{self, World};
use vwp_core::environment::Timestamp;
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, KeyRange, Outcome, Write};

/// What the keys of the store name sets.
const KIND: &str = "set";
/// How long a decision is kept, in milliseconds: 30 days.
pub const DECISIONS_KEPT_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// The most decisions of a page.
pub const DECISIONS_MAX: u32 = 100;

/// Policies as they are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policies {
    /// The policies, by id.
    pub policies: Texts,
}

/// A decision as it is kept: who asked for it, what it was about, and what decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// When it was decided, in milliseconds since the Unix epoch.
    pub at: Timestamp,
    /// Who asked.
    pub asked_by: String,
    /// The principal's kind.
    pub kind: PrincipalKind,
    /// The principal's id.
    pub principal: String,
    /// The action.
    pub action: String,
    /// The world, or the operator.
    pub resource: String,
    /// The version of the operator's policies; 0: it has none.
    pub version: u64,
    /// What was decided.
    #[serde(flatten)]
    pub decision: Decision,
}

/// A page of decisions, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decisions {
    /// The decisions.
    pub decisions: Vec<Logged>,
    /// What to ask with for older ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Somebody's policies; none if none were ever written.
pub async fn policies(kv: &impl Kv, owner: &Owner) -> Result<Versioned<Policies>, PolicyError> {
    store::current(kv, KIND, owner).await
}

/// A version of somebody's policies, if it is kept.
pub async fn version(
    kv: &impl Kv,
    owner: &Owner,
    version: u64,
) -> Result<Option<Versioned<Policies>>, PolicyError> {
    store::version(kv, KIND, owner, version).await
}

/// Puts policies in the place of the version that they replace, if they have no errors.
pub async fn replace(
    kv: &impl Kv,
    owner: &Owner,
    replaces: u64,
    policies: Policies,
    by: &str,
    environment: &Environment<'_>,
) -> Result<Versioned<Policies>, PolicyError> {
    set::admit(&policies.policies).map_err(PolicyError::Policies)?;
    store::replace(kv, KIND, owner, replaces, policies, by, environment).await
}

/// The operator of a world that is registered here.
pub async fn operator_of(kv: &impl Kv, world: &str) -> Result<String, PolicyError> {
    let name: WorldName = world.parse().map_err(|_| PolicyError::UnknownWorld)?;
    let entry = kv.get(&directory::world_key(&name)).await?.ok_or(PolicyError::UnknownWorld)?;
    let world: World = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    Ok(world.operator)
}

/// Decides about a request, whatever it says of the world's operator, the role and the time: those
/// are what the port knows.
pub async fn decide(
    kv: &impl Kv,
    request: &Request,
    environment: &Environment<'_>,
) -> Result<(Decision, Owner, u64), PolicyError> {
    let operator = match request.resource.kind {
        ResourceKind::World => operator_of(kv, &request.resource.id).await?,
        ResourceKind::Operator => request.resource.id.clone(),
    };
    let owner = Owner::parse(&operator).filter(|owner| *owner != Owner::Port);
    let owner = owner.ok_or(PolicyError::UnknownWorld)?;
    let mut request = request.clone();
    request.resource.operator = Some(operator.clone());
    request.now = environment.now_seconds();
    let team = teams::team(kv, &operator).await?;
    request.principal.role = team.content.role(request.principal.kind, &request.principal.id);
    let port = policies(kv, &Owner::Port).await?;
    let own = policies(kv, &owner).await?;
    let (port_set, own_set) = (readable(&port)?, readable(&own)?);
    let sets = Sets { port: Some(&port_set), operator: Some(&own_set) };
    Ok((decide::decide(sets, &request)?, owner, own.version))
}

/// The same, and keeps what was decided.
pub async fn decide_and_log(
    kv: &impl Kv,
    request: &Request,
    asked_by: &str,
    environment: &Environment<'_>,
) -> Result<Decision, PolicyError> {
    let (decision, owner, version) = decide(kv, request, environment).await?;
    let logged = Logged {
        at: environment.now,
        asked_by: asked_by.to_owned(),
        kind: request.principal.kind,
        principal: request.principal.id.clone(),
        action: request.action.clone(),
        resource: request.resource.id.clone(),
        version,
        decision,
    };
    let unique = jose::encode(environment.random_bytes::<9>());
    let put = Write::Put {
        key: format!("{}{:016x}/{unique}", decisions_of(&owner), environment.now).into_bytes(),
        value: serde_json::to_vec(&logged).map_err(|_| Problem::internal())?,
        expires_at: Some(environment.now.saturating_add(DECISIONS_KEPT_MS)),
    };
    match kv.commit(&[], &[put]).await? {
        Outcome::Committed(_) => Ok(logged.decision),
        _ => Err(Problem::internal().into()),
    }
}

/// The decisions about an operator's worlds and team before one of the cursor, newest first.
pub async fn decisions(kv: &impl Kv, owner: &Owner, cursor: Option<&str>) -> Result<Decisions, PolicyError> {
    let prefix = decisions_of(owner);
    let mut range = KeyRange::prefix(prefix.clone());
    if let Some(cursor) = cursor {
        range.end = format!("{prefix}{cursor}").into_bytes();
    }
    let page = kv.scan(&range, DECISIONS_MAX, Direction::Backward).await?;
    let read = |item: &vwp_storage::kv::Item| serde_json::from_slice(&item.entry.value);
    let decisions = page.items.iter().map(read).collect::<Result<_, _>>().map_err(|_| Problem::internal())?;
    let last = page.items.last().filter(|_| page.next.is_some());
    let cursor = last.and_then(|item| item.key.get(prefix.len()..));
    let cursor = cursor.map(|rest| String::from_utf8_lossy(rest).into_owned());
    Ok(Decisions { decisions, cursor })
}

fn decisions_of(owner: &Owner) -> String {
    format!("policy/decision/{}/", owner.as_str())
}

/// The set that was admitted when it was written. What is there and unreadable decides nothing,
/// and nothing is decided without it: it may be what forbids.
fn readable(policies: &Versioned<Policies>) -> Result<Set, PolicyError> {
    set::parse(&policies.content.policies).map_err(|_| Problem::internal().into())
}

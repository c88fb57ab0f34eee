//! Deciding about a request: pure, with everything that matters in the request and the sets.
//!
//! Nothing is permitted that no policy permits, and what one policy forbids no other can permit.
//! A set that was written for an operator takes part only where the resource is one of that
//! operator's worlds; whether somebody may change policies and teams is decided by the port's
//! policies alone, so that a careless permission for travellers is none for that.

use crate::set::{Set, base, schema};
use cedar_policy::{
    Authorizer, Context, Decision as Verdict, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    PolicySet, Request as Asked, RestrictedExpression as Value,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::str::FromStr;

/// The longest id of anybody or anything in a request, in bytes.
pub const ID_LENGTH_MAX: usize = 128;
/// The most scopes or languages of a request.
pub const ITEMS_MAX: usize = 32;

/// Who asks to do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrincipalKind {
    /// A traveller, by id.
    Traveller,
    /// A key of somebody in a team, by thumbprint.
    Key,
    /// A client, by id.
    Client,
}

/// What something is to be done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceKind {
    /// A world, by name.
    World,
    /// An operator, by id: its policies and its team.
    Operator,
}

/// A role in an operator's team, the highest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May do everything, and say who is in the team.
    Owner,
    /// May change worlds and policies.
    Admin,
    /// May keep worlds in order.
    Moderator,
    /// May help travellers.
    Support,
}

impl Role {
    /// All roles, the highest first.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Moderator, Self::Support];

    /// The role's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Moderator => "moderator",
            Self::Support => "support",
        }
    }
}

/// Who asks, with what is known of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// What it is.
    pub kind: PrincipalKind,
    /// Its id.
    pub id: String,
    /// Its role in the team of the resource's operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The scopes that a client was granted for itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// A traveller's age, at least, as a passport disclosed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_over: Option<u8>,
    /// A traveller's home world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home_world: Option<String>,
    /// A traveller's languages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub languages: Option<Vec<String>>,
}

/// What something is to be done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// What it is.
    pub kind: ResourceKind,
    /// Its name, or id.
    pub id: String,
    /// The operator of a world. The port knows it itself; a decision without a port is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
}

/// A request to decide about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Who asks.
    pub principal: Principal,
    /// What is to be done, by the name of an action of the schema.
    pub action: String,
    /// What it is to be done to.
    pub resource: Resource,
    /// The scopes of the token that was shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The client that acts for the principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The time in seconds since the Unix epoch.
    #[serde(default)]
    pub now: u64,
}

/// What was decided, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Whether it is permitted.
    pub allow: bool,
    /// The policies that decided: those that permit, or those that forbid. None: none permits.
    pub policies: Vec<String>,
    /// Policies that failed, and therefore took no part.
    pub errors: Vec<String>,
}

/// Why a request cannot be decided about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Something is longer than it may be, or empty.
    #[error("{0}")]
    Bounds(&'static str),
    /// The request does not fit the schema.
    #[error("the request does not fit the schema: {0}")]
    Schema(String),
}

/// The sets that decide together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sets<'a> {
    /// The port's, besides its rules about teams.
    pub port: Option<&'a Set>,
    /// The one of the operator whose world the resource is.
    pub operator: Option<&'a Set>,
}

/// Decides about a request.
pub fn decide(sets: Sets<'_>, request: &Request) -> Result<Decision, RequestError> {
    bounded(request)?;
    let operator_id = operator_of(request)?;
    let entities = entities(request, operator_id)?;
    let asked = Asked::new(
        uid(kind_of(request.principal.kind), &request.principal.id)?,
        uid("Action", &request.action)?,
        uid(resource_kind(request.resource.kind), &request.resource.id)?,
        context(request)?,
        Some(schema()),
    )
    .map_err(fits)?;
    let mut policies = base().policies.clone();
    add(&mut policies, "port", sets.port)?;
    if request.resource.kind == ResourceKind::World {
        add(&mut policies, "operator", sets.operator)?;
    }
    let response = Authorizer::new().is_authorized(&asked, &policies, &entities);
    let sorted = |texts: BTreeSet<String>| texts.into_iter().collect();
    Ok(Decision {
        allow: response.decision() == Verdict::Allow,
        policies: sorted(response.diagnostics().reason().map(ToString::to_string).collect()),
        errors: sorted(response.diagnostics().errors().map(ToString::to_string).collect()),
    })
}

/// Adds a set's policies, each under its owner's name, so that none is taken for another's.
fn add(policies: &mut PolicySet, owner: &str, set: Option<&Set>) -> Result<(), RequestError> {
    for policy in set.into_iter().flat_map(|set| set.policies.policies()) {
        let id = format!("{owner}/{}", policy.id());
        policies.add(policy.new_id(cedar_policy::PolicyId::new(id))).map_err(fits)?;
    }
    Ok(())
}

fn bounded(request: &Request) -> Result<(), RequestError> {
    let Request { principal, resource, .. } = request;
    let lists = [&principal.scopes, &request.scopes];
    let languages = principal.languages.as_deref().unwrap_or_default();
    if lists.iter().any(|list| list.len() > ITEMS_MAX) || languages.len() > ITEMS_MAX {
        return Err(RequestError::Bounds("a request has at most 32 scopes and 32 languages"));
    }
    let needed = [&principal.id, &request.action, &resource.id];
    let optional = [&resource.operator, &request.client, &principal.home_world];
    let all = needed
        .into_iter()
        .chain(optional.into_iter().flatten())
        .chain(lists.into_iter().flatten())
        .chain(languages);
    for text in all {
        if text.is_empty() || text.len() > ID_LENGTH_MAX {
            return Err(RequestError::Bounds("each name and id of a request has 1 to 128 bytes"));
        }
    }
    Ok(())
}

fn operator_of(request: &Request) -> Result<&str, RequestError> {
    match request.resource.kind {
        ResourceKind::Operator => Ok(&request.resource.id),
        ResourceKind::World => request
            .resource
            .operator
            .as_deref()
            .ok_or(RequestError::Bounds("a world's operator is to be named")),
    }
}

fn kind_of(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::Traveller => "Traveller",
        PrincipalKind::Key => "Key",
        PrincipalKind::Client => "Client",
    }
}

fn resource_kind(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::World => "World",
        ResourceKind::Operator => "Operator",
    }
}

/// The name of an entity. The id is data, whatever characters it has.
fn uid(kind: &str, id: &str) -> Result<EntityUid, RequestError> {
    let kind = EntityTypeName::from_str(kind).map_err(fits)?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

/// A role of an operator's team. Another operator's role of the same name is another entity.
fn role_uid(operator: &str, role: Role) -> Result<EntityUid, RequestError> {
    uid("Role", &format!("{operator}/{}", role.as_str()))
}

fn scopes(texts: &[String]) -> Result<HashSet<EntityUid>, RequestError> {
    texts.iter().map(|scope| uid("Scope", scope)).collect()
}

/// The principal, the resource and what they are in.
fn entities(request: &Request, operator: &str) -> Result<Entities, RequestError> {
    let mut all = Vec::new();
    let operator_uid = uid("Operator", operator)?;
    let mut attributes = HashMap::new();
    let mut above: Option<Role> = None;
    for role in Role::ALL.into_iter().rev() {
        // Whoever is in a role is in those below it.
        let parents = above.map(|below| role_uid(operator, below)).transpose()?;
        all.push(Entity::new_no_attrs(role_uid(operator, role)?, parents.into_iter().collect()));
        attributes.insert(role.as_str().to_owned(), Value::new_entity_uid(role_uid(operator, role)?));
        above = Some(role);
    }
    all.push(Entity::new(operator_uid.clone(), attributes, HashSet::new()).map_err(fits)?);
    let Principal { kind, id, role, .. } = &request.principal;
    let mut parents = match kind {
        PrincipalKind::Client => scopes(&request.principal.scopes)?,
        PrincipalKind::Traveller | PrincipalKind::Key => HashSet::new(),
    };
    if let (Some(role), PrincipalKind::Traveller | PrincipalKind::Key) = (role, kind) {
        parents.insert(role_uid(operator, *role)?);
    }
    let attributes =
        if *kind == PrincipalKind::Traveller { disclosed(&request.principal) } else { HashMap::new() };
    all.push(Entity::new(uid(kind_of(*kind), id)?, attributes, parents).map_err(fits)?);
    if request.resource.kind == ResourceKind::World {
        let attributes =
            HashMap::from([("operator".to_owned(), Value::new_entity_uid(operator_uid.clone()))]);
        let world = uid("World", &request.resource.id)?;
        all.push(Entity::new(world, attributes, HashSet::from([operator_uid])).map_err(fits)?);
    }
    Entities::from_entities(all, Some(schema())).map_err(fits)
}

/// What a traveller's passport disclosed.
fn disclosed(principal: &Principal) -> HashMap<String, Value> {
    let mut attributes = HashMap::new();
    if let Some(age) = principal.age_over {
        attributes.insert("age_over".to_owned(), Value::new_long(i64::from(age)));
    }
    if let Some(world) = &principal.home_world {
        attributes.insert("home_world".to_owned(), Value::new_string(world.clone()));
    }
    if let Some(languages) = &principal.languages {
        let languages = languages.iter().cloned().map(Value::new_string);
        attributes.insert("languages".to_owned(), Value::new_set(languages));
    }
    attributes
}

fn context(request: &Request) -> Result<Context, RequestError> {
    let now = i64::try_from(request.now).map_err(|_| RequestError::Bounds("the time is too late"))?;
    let scopes = scopes(&request.scopes)?.into_iter().map(Value::new_entity_uid);
    let mut pairs =
        vec![("now".to_owned(), Value::new_long(now)), ("scopes".to_owned(), Value::new_set(scopes))];
    if let Some(client) = &request.client {
        pairs.push(("client".to_owned(), Value::new_entity_uid(uid("Client", client)?)));
    }
    Context::from_pairs(pairs).map_err(fits)
}

fn fits(error: impl std::fmt::Display) -> RequestError {
    RequestError::Schema(error.to_string())
}

//! Who is in an operator's team, and as what.
//!
//! Whoever holds a key of the operator's own needs no team: they are the operator. A team is for
//! others whom the operator trusts with a part of that, by traveller id or by the thumbprint of
//! a key of theirs.

use crate::decide::{PrincipalKind, Role};
use crate::error::PolicyError;
use crate::store::{self, Owner, Versioned};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use vwp_core::Environment;
use vwp_storage::Kv;

/// The most members of a team.
pub const MEMBERS_MAX: usize = 64;
/// What the keys of the store name teams.
const KIND: &str = "team";

/// A member of a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// A traveller, or a key.
    pub kind: PrincipalKind,
    /// The traveller's id, or the key's thumbprint.
    pub id: String,
    /// What the member may do.
    pub role: Role,
}

/// An operator's team.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// Its members.
    pub members: Vec<Member>,
}

impl Team {
    /// The role of somebody, if they are in the team.
    pub fn role(&self, kind: PrincipalKind, id: &str) -> Option<Role> {
        let is_it = |member: &&Member| member.kind == kind && member.id == id;
        self.members.iter().find(is_it).map(|member| member.role)
    }

    fn check(&self) -> Result<(), PolicyError> {
        if self.members.len() > MEMBERS_MAX {
            return Err(PolicyError::Team("a team has at most 64 members"));
        }
        let mut seen = BTreeSet::new();
        for member in &self.members {
            // 128 random bits, or a SHA-256, in base64url.
            let length = match member.kind {
                PrincipalKind::Traveller => 22,
                PrincipalKind::Key => 43,
                PrincipalKind::Client => {
                    return Err(PolicyError::Team("a member is a traveller or a key"));
                }
            };
            let is_id = member.id.len() == length
                && member.id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
            if !is_id {
                return Err(PolicyError::Team("a member is named by a traveller's id or a key's thumbprint"));
            }
            if !seen.insert(&member.id) {
                return Err(PolicyError::Team("somebody is in the team twice"));
            }
        }
        Ok(())
    }
}

/// An operator's team; an empty one if none was ever written.
pub async fn team(kv: &impl Kv, operator: &str) -> Result<Versioned<Team>, PolicyError> {
    store::current(kv, KIND, &Owner::Operator(operator.to_owned())).await
}

/// Puts a team in the place of the version that it replaces.
pub async fn replace(
    kv: &impl Kv,
    operator: &str,
    replaces: u64,
    team: Team,
    by: &str,
    environment: &Environment<'_>,
) -> Result<Versioned<Team>, PolicyError> {
    team.check()?;
    store::replace(kv, KIND, &Owner::Operator(operator.to_owned()), replaces, team, by, environment).await
}

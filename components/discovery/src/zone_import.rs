//! Putting the names of a master file into a zone, for the administrator.
//!
//! A name in the file then holds what the file says, and nothing else; names that are not in it
//! stay. The names of worlds are their operators', and are refused. Names are put in small
//! groups, each in one commit: a file may be long, and what cannot be put keeps nothing else
//! from it.

use crate::update;
use vwp_core::{Environment, Problem, directory};
use vwp_dns::DnsError;
use vwp_dns::authority::Authority;
use vwp_dns::edit::{self, Edit};
use vwp_dns::keys as zone_keys;
use vwp_dns::name::OrderedName;
use vwp_dns::zone::Zone;
use vwp_storage::Kv;
use vwp_storage::kv::Check;

/// How many names one commit puts.
const GROUP: usize = 12;
/// How often a group is tried when others change the same names.
const ATTEMPTS_MAX: usize = 16;

/// What became of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It now holds what the file says.
    Changed,
    /// It did already.
    Unchanged,
    /// It stays as it was, and why.
    Refused(String),
}

/// Puts names into a zone. Says of each what became of it.
pub async fn apply<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    authority: &Authority,
    zone: &Zone,
    edit: &Edit,
) -> Result<Vec<(String, Fate)>, Problem> {
    if zone == authority.catalog() {
        return Err(Problem::bad_request("the catalog is made by the port itself"));
    }
    let import = Import { store, environment, authority, zone };
    let mut fates = Vec::new();
    let names: Vec<&OrderedName> = edit.keys().collect();
    for group in names.chunks(GROUP) {
        let part = |names: &[&OrderedName]| -> Edit {
            names
                .iter()
                .filter_map(|name| edit.get_key_value(*name))
                .map(|(name, content)| (name.clone(), content.clone()))
                .collect()
        };
        match import.put(&part(group)).await? {
            Fate::Refused(_) if group.len() > 1 => {
                for name in group {
                    fates.push((text(name, zone), import.put(&part(&[name])).await?));
                }
            }
            fate => fates.extend(group.iter().map(|name| (text(name, zone), fate.clone()))),
        }
    }
    Ok(fates)
}

struct Import<'a, S> {
    store: &'a S,
    environment: &'a Environment<'a>,
    authority: &'a Authority,
    zone: &'a Zone,
}

impl<S: Kv> Import<'_, S> {
    /// Puts a group of names in one commit, all of them or none.
    async fn put(&self, part: &Edit) -> Result<Fate, Problem> {
        let mut checks = Vec::new();
        for name in part.keys() {
            if update::is_browsing(name) {
                return Ok(Fate::Refused("the name is one by which worlds are browsed".to_owned()));
            }
            let Some(world) = update::world_at(self.authority, self.zone, name) else {
                continue;
            };
            let key = directory::world_key(&world);
            if self.store.get(&key).await?.is_some() {
                return Ok(Fate::Refused(format!("the name belongs to the operator of {world}")));
            }
            checks.push(Check::absent(key));
        }
        let (policy, now_s) = (self.authority.policy(self.zone), self.environment.now_seconds());
        for _ in 0..ATTEMPTS_MAX {
            let signer = zone_keys::signer(self.store, self.zone, policy, self.environment).await?;
            let mut plan = match edit::plan(self.store, self.zone, policy, Some(&signer), part, now_s).await {
                Ok(plan) if plan.is_empty() => return Ok(Fate::Unchanged),
                Ok(plan) => plan,
                Err(DnsError::Refused(why)) => return Ok(Fate::Refused(why)),
                Err(error) => return Err(error.into()),
            };
            plan.checks.extend(checks.iter().cloned());
            match plan.commit(self.store).await {
                Ok(_) => return Ok(Fate::Changed),
                Err(DnsError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(DnsError::Conflict.into())
    }
}

fn text(name: &OrderedName, zone: &Zone) -> String {
    name.to_name(zone.apex()).map(|name| format!("{name}.")).unwrap_or_default()
}

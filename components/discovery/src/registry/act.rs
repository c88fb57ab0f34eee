//! Withdrawing a world, and handing a name over to another operator.

use super::holder::{Claim, Holder, OFFER_S, Offer};
use super::transition::{self, After, Seen};
use crate::actions::Action;
use crate::changes::{Change, Kind};
use crate::commit::{Commit, read};
use crate::lease::Lease;
use crate::operators::Signed;
use crate::operators::error::OperatorError;
use crate::registry::error::NamingError;
use crate::{confusables, keys};
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem, directory};
use vwp_storage::Kv;
use vwp_storage::kv::Version;

/// Who does something about a name.
pub(crate) struct Acting<'a> {
    /// Who signed.
    pub(crate) signed: &'a Signed,
    /// The action's sequence number.
    pub(crate) seq: u64,
    /// The name.
    pub(crate) name: &'a WorldName,
}

/// Does what an operator signed about a name. None if others changed it meanwhile.
pub(crate) async fn act<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    acting: &Acting<'_>,
    action: &Action,
) -> Result<Option<Version>, Problem> {
    let Acting { signed, seq, name } = acting;
    let now_s = environment.now_seconds();
    let entry = store.get(&keys::holder(name)).await?;
    let mut holder: Holder = read(entry.as_ref())?
        .ok_or_else(|| Problem::not_found(format!("no operator holds the name {name}")))?;
    let may = match action {
        Action::Accept { .. } => holder.is_offered_to(&signed.id, now_s),
        _ => holder.operator == signed.id,
    };
    if !may {
        let is_accept = matches!(action, Action::Accept { .. });
        let refusal = if is_accept { NamingError::NotOffered } else { NamingError::NotHolder };
        return Err(refusal.into());
    }
    if *seq <= holder.seq {
        return Err(OperatorError::ActionReplayed { last: holder.seq }.into());
    }
    holder.seq = *seq;
    let mut commit = Commit::default();
    commit.require(keys::holder(name), entry.as_ref());
    let operator_key = directory::operator_key(&signed.id);
    commit.require(operator_key.clone(), signed.entry.as_ref());
    if signed.entry.is_none() {
        commit.put(operator_key, &signed.operator)?;
    }
    match action {
        Action::Withdraw { .. } => {
            holder.withdrawn_at = Some(now_s);
            holder.offer = None;
            commit.tell(&change(Kind::Withdrawn, acting, environment))?;
            transition::thin_out(store, environment, name).await?;
            let seen = Seen::read(store, name).await?;
            transition::stage(store, environment, name, &seen, &After::Gone, &mut commit).await?;
        }
        Action::Transfer { to, .. } => {
            holder.offer = Some(Offer { to: to.clone(), until: now_s + OFFER_S });
        }
        Action::Accept { .. } => {
            commit.tell(&change(Kind::Transferred, acting, environment))?;
            accept(store, name, signed, &mut holder, &mut commit).await?;
        }
        _ => return Err(Problem::internal()),
    }
    commit.put(keys::holder(name), &holder)?;
    commit.apply(store).await
}

fn change(kind: Kind, acting: &Acting<'_>, environment: &Environment<'_>) -> Change {
    let (name, operator) = (acting.name.to_string(), acting.signed.id.clone());
    Change { kind, name, operator, seq: None, at: environment.now }
}

/// Makes an operator the holder of a name. The world is served on as it is; it is the new
/// holder who registers its next record.
async fn accept<S: Kv>(
    store: &S,
    name: &WorldName,
    signed: &Signed,
    holder: &mut Holder,
    commit: &mut Commit,
) -> Result<(), Problem> {
    let claim = Claim { operator: signed.id.clone(), name: name.to_string() };
    let mut claims = vec![keys::uuid(&holder.uuid)];
    if !name.is_domain() {
        claims.push(keys::skeleton(&confusables::skeleton(name)));
    }
    for (key, entry) in claims.iter().zip(store.get_many(&claims).await?) {
        let known: Option<Claim> = read(entry.as_ref())?;
        // One that another name of the old holder was the first to make stays with that name.
        if known.is_none_or(|known| known.name == name.as_str()) {
            commit.require(key.clone(), entry.as_ref());
            commit.put(key.clone(), &claim)?;
        }
    }
    let seen = Seen::read(store, name).await?;
    if let (Some(before), Some(world)) = (&seen.lease, &seen.world) {
        let transferred_to = (world.operator != signed.id).then(|| signed.id.clone());
        seen.require_lease(name, commit);
        commit.put(keys::lease(name), &Lease { transferred_to, ..before.clone() })?;
    }
    let entry = directory::World { operator: signed.id.clone(), assets_of: holder.assets_of.clone() };
    commit.put(directory::world_key(name), &entry)?;
    holder.operator.clone_from(&signed.id);
    holder.offer = None;
    Ok(())
}

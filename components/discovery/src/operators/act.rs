//! What an operator does to its own keys.

use super::{KEYS_MAX, Pending, RECOVERY_DELAY_S, State};
use crate::actions::{Action, Claims};
use crate::changes::{Change, Kind};
use crate::commit::{self, Commit};
use crate::keys;
use crate::operators::error::OperatorError;
use vwp_core::directory::{self, Operator};
use vwp_core::jose::Jwk;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Entry, Version};

/// Who acts on which operator.
pub(crate) struct Subject<'a> {
    /// The operator's id.
    pub(crate) id: &'a str,
    /// The operator's keys, and where they were read.
    pub(crate) operator: &'a Operator,
    /// The directory's entry of it.
    pub(crate) entry: Option<&'a Entry>,
    /// Whether the recovery key signed, and no key of the operator's.
    pub(crate) is_recovery: bool,
}

/// Changes an operator. None if others changed it meanwhile.
pub(crate) async fn act<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    subject: &Subject<'_>,
    claims: &Claims,
    action: &Action,
) -> Result<Option<Version>, Problem> {
    let state_key = keys::operator(subject.id);
    let entry = store.get(&state_key).await?;
    let mut state: State = commit::read(entry.as_ref())?.unwrap_or_default();
    if claims.seq <= state.seq {
        return Err(OperatorError::ActionReplayed { last: state.seq }.into());
    }
    state.seq = claims.seq;
    let mut commit = Commit::default();
    let operator_key = directory::operator_key(subject.id);
    commit.require(state_key.clone(), entry.as_ref());
    commit.require(operator_key.clone(), subject.entry);
    let mut operator = subject.operator.clone();
    match action {
        Action::AddKey { key } => add_key(&mut operator, key)?,
        Action::RevokeKey { thumbprint } => revoke_key(&mut operator, thumbprint)?,
        Action::SetRecovery { thumbprint } => state.recovery.clone_from(thumbprint),
        Action::Recover { key } => {
            // A key of the operator's needs no delay: it can add and revoke keys itself.
            if !subject.is_recovery {
                return Err(OperatorError::NotRecoverable.into());
            }
            let now_s = environment.now_seconds();
            let effective_at = now_s + RECOVERY_DELAY_S;
            withdraw_pending(&mut commit, subject.id, &mut state);
            commit.tell(&Change {
                kind: Kind::Recovering,
                name: String::new(),
                operator: subject.id.to_owned(),
                seq: None,
                at: environment.now,
            })?;
            commit.mark(keys::recovery(effective_at * 1000, subject.id));
            state.pending = Some(Pending { key: public(key)?, requested_at: now_s, effective_at });
        }
        Action::Object => {
            if state.pending.is_none() {
                return Err(OperatorError::NothingToObject.into());
            }
            withdraw_pending(&mut commit, subject.id, &mut state);
        }
        Action::Withdraw { .. } | Action::Transfer { .. } | Action::Accept { .. } => {
            return Err(Problem::internal());
        }
    }
    commit.put(state_key, &state)?;
    if subject.entry.is_none() || operator != *subject.operator {
        commit.put(operator_key, &operator)?;
    }
    commit.apply(store).await
}

fn withdraw_pending(commit: &mut Commit, id: &str, state: &mut State) {
    if let Some(pending) = state.pending.take() {
        commit.delete(keys::recovery(pending.effective_at * 1000, id));
    }
}

fn add_key(operator: &mut Operator, key: &Jwk) -> Result<(), Problem> {
    let key = public(key)?;
    if operator.keys.iter().any(|known| known.thumbprint() == key.thumbprint()) {
        return Err(OperatorError::KnownKey.into());
    }
    if operator.keys.len() >= KEYS_MAX {
        return Err(OperatorError::TooManyKeys.into());
    }
    operator.keys.push(key);
    Ok(())
}

fn revoke_key(operator: &mut Operator, thumbprint: &str) -> Result<(), Problem> {
    let before = operator.keys.len();
    operator.keys.retain(|key| key.thumbprint() != thumbprint);
    if operator.keys.len() == before {
        return Err(OperatorError::UnknownKey.into());
    }
    if operator.keys.is_empty() {
        return Err(OperatorError::LastKey.into());
    }
    Ok(())
}

/// A key that can be used, without what else came with it.
fn public(key: &Jwk) -> Result<Jwk, Problem> {
    Ok(Jwk::from_key(&key.to_key()?))
}

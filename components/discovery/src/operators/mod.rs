//! Operators: their keys, and how they get them back.
//!
//! An operator's id is the thumbprint of its first key and never changes; its keys do. They
//! are in the directory, where every component reads them. What only the registry needs is
//! here: the sequence number of the operator's last action, and its recovery key.
//!
//! A recovery key is for the day on which the other keys are lost or in wrong hands, and is
//! best kept on paper. What it asks for waits for [`RECOVERY_DELAY_S`], everybody can see
//! it, and a key of the operator's can stop it meanwhile: so that a stolen recovery key is
//! no way to take worlds in silence.

mod act;
pub mod error;
mod identify;

pub(crate) use act::{Subject, act};
pub(crate) use identify::{Signed, identify};

use crate::commit::{self, Commit};
use crate::keys;
use serde::{Deserialize, Serialize};
use vwp_core::directory::{self, Operator};
use vwp_core::jose::Jwk;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, Entry, KeyRange};

/// The most keys of one operator.
pub const KEYS_MAX: usize = 8;
/// How long a recovery waits, in seconds.
pub const RECOVERY_DELAY_S: u64 = 7 * 24 * 60 * 60;
/// How many recoveries one call completes.
const RECOVERIES_MAX: u32 = 16;

/// What the registry knows of an operator besides its keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The sequence number of the operator's last action.
    pub seq: u64,
    /// The thumbprint of the recovery key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<String>,
    /// The recovery that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
}

/// A recovery that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The key that will be the operator's only one.
    pub key: Jwk,
    /// When it was asked for, in seconds.
    pub requested_at: u64,
    /// When it takes effect, in seconds.
    pub effective_at: u64,
}

/// An operator as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OperatorView {
    /// The operator's id.
    pub id: String,
    /// The keys that may sign for it, newest last.
    pub keys: Vec<Jwk>,
    /// The rest.
    #[serde(flatten)]
    pub state: State,
}

/// An operator; none if it is not known here.
pub async fn lookup<S: Kv>(store: &S, id: &str) -> Result<Option<OperatorView>, Problem> {
    let entries = store.get_many(&[directory::operator_key(id), keys::operator(id)]).await?;
    let [operator, state] = entries.as_slice() else {
        return Err(Problem::internal());
    };
    let Some(operator) = commit::read::<Operator>(operator.as_ref())? else {
        return Ok(None);
    };
    let state = commit::read(state.as_ref())?.unwrap_or_default();
    let with_id = |key: Jwk| {
        let id = key.thumbprint();
        key.with_kid(id)
    };
    let keys = operator.keys.into_iter().map(with_id).collect();
    Ok(Some(OperatorView { id: id.to_owned(), keys, state }))
}

/// The keys of an operator, and the entry that they are from.
pub(crate) async fn read<S: Kv>(store: &S, id: &str) -> Result<Option<(Operator, Entry)>, Problem> {
    let Some(entry) = store.get(&directory::operator_key(id)).await? else {
        return Ok(None);
    };
    Ok(commit::read(Some(&entry))?.map(|operator| (operator, entry)))
}

/// Completes recoveries that have waited long enough. Says whether more of them are due.
pub async fn complete_recoveries<S: Kv>(store: &S, environment: &Environment<'_>) -> Result<bool, Problem> {
    let due = KeyRange { start: keys::recovery(0, ""), end: keys::recovery(environment.now + 1, "") };
    let page = store.scan(&due, RECOVERIES_MAX, Direction::Forward).await?;
    for item in &page.items {
        let Some((effective_ms, id)) = keys::parts_of_recovery(&item.key) else {
            return Err(Problem::internal());
        };
        let (operator_key, state_key) = (directory::operator_key(id), keys::operator(id));
        let entries = store.get_many(&[operator_key.clone(), state_key.clone()]).await?;
        let [operator, state] = entries.as_slice() else {
            return Err(Problem::internal());
        };
        let mut commit = Commit::default();
        commit.require(state_key.clone(), state.as_ref());
        commit.require(operator_key.clone(), operator.as_ref());
        commit.delete(item.key.clone());
        let mut state: State = commit::read(state.as_ref())?.unwrap_or_default();
        // One that was stopped, or asked for anew, has left this entry behind.
        if let Some(pending) = state.pending.take_if(|pending| pending.effective_at * 1000 == effective_ms) {
            commit.put(operator_key, &Operator { keys: vec![pending.key] })?;
            commit.put(state_key, &state)?;
        }
        // Whoever changed the operator meanwhile left the entry, and the next call finds it.
        commit.apply(store).await?;
    }
    Ok(page.next.is_some())
}

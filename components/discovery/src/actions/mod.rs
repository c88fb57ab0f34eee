//! What operators do besides registering: withdraw a world, hand a name over, and manage
//! their keys.
//!
//! An action is a compact JWS of type `vwp-action+jws` whose `kid` is the operator's id. It
//! says everything about itself, and so needs no other proof of who sends it. It is done
//! once: its `seq` is larger than that of the last record or action about the same name, or,
//! for what is about the operator, of the operator's last action.

mod claims;

pub use claims::{
    ACTION_LENGTH_MAX, ACTION_LIFETIME_MAX_S, ACTION_TYPE, Action, Claims, Kind, is_operator_id, sign,
};

use crate::commit::{self, ATTEMPTS_MAX, contended};
use crate::error::DiscoveryError;
use crate::operators::{self, Signed, State, Subject};
use crate::{keys, registry};
use serde::Serialize;
use vwp_core::jose::{JoseError, Unverified};
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;
use vwp_storage::kv::Version;

/// What an action did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Done {
    /// What was done.
    pub action: Kind,
    /// The operator's id.
    pub operator: String,
    /// The world's name, if the action was about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The action's sequence number.
    pub seq: u64,
    /// The commit that made it durable.
    pub version: Version,
}

/// Does what an operator signed.
pub async fn act<S: Kv>(store: &S, environment: &Environment<'_>, compact: &str) -> Result<Done, Problem> {
    if compact.len() > ACTION_LENGTH_MAX {
        return Err(reply::too_large(ACTION_LENGTH_MAX));
    }
    let token = Unverified::parse(compact, ACTION_TYPE)?;
    for _ in 0..ATTEMPTS_MAX {
        let (signed, is_recovery) = identify(store, &token).await?;
        let (claims, action) = Claims::parse(&signed.payload, environment)?;
        if is_recovery && !matches!(action, Action::Recover { .. }) {
            return Err(JoseError::Signature.into());
        }
        let done = |name, version| Done {
            action: claims.action,
            operator: signed.id.clone(),
            name,
            seq: claims.seq,
            version,
        };
        if let Some(name) = action.name() {
            let about = registry::Acting { signed: &signed, seq: claims.seq, name };
            if let Some(version) = registry::act(store, environment, &about, &action).await? {
                return Ok(done(Some(name.to_string()), version));
            }
        } else {
            let subject = Subject {
                id: &signed.id,
                operator: &signed.operator,
                entry: signed.entry.as_ref(),
                is_recovery,
            };
            if let Some(version) = operators::act(store, environment, &subject, &claims, &action).await? {
                return Ok(done(None, version));
            }
        }
    }
    Err(contended())
}

/// Who signed: an operator, or the holder of its recovery key.
async fn identify<S: Kv>(store: &S, token: &Unverified<'_>) -> Result<(Signed, bool), Problem> {
    let refusal = match operators::identify(store, token).await {
        Ok(signed) => return Ok((signed, false)),
        Err(refusal) => refusal,
    };
    let (Some(id), Some(jwk)) = (&token.header.kid, &token.header.jwk) else {
        return Err(refusal);
    };
    let state: State = commit::read(store.get(&keys::operator(id)).await?.as_ref())?.unwrap_or_default();
    if state.recovery.is_none_or(|thumbprint| thumbprint != jwk.thumbprint()) {
        return Err(refusal);
    }
    let payload = token.clone().verify(&jwk.to_key()?)?;
    let (operator, entry) = operators::read(store, id).await?.ok_or(DiscoveryError::UnknownOperator)?;
    Ok((Signed { id: id.clone(), entry: Some(entry), operator, payload }, true))
}

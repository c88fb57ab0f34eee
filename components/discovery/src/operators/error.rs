//! Refusals of what operators do to their keys, and of actions as such.

use http::StatusCode;
use vwp_core::Problem;

/// Why an action was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// The signed payload is not an action.
    #[error("{0}")]
    BadAction(String),
    /// The action is not newer than the last one.
    #[error("seq must be larger than {last}, that of the last record or action")]
    ActionReplayed {
        /// The sequence number of the last one.
        last: u64,
    },
    /// The operator has that key already.
    #[error("the operator has this key already")]
    KnownKey,
    /// The operator has no such key.
    #[error("the operator has no key with this thumbprint")]
    UnknownKey,
    /// The operator has as many keys as it may.
    #[error("an operator has at most 8 keys")]
    TooManyKeys,
    /// The operator would have no key left.
    #[error("an operator keeps at least one key; add another one first")]
    LastKey,
    /// The action is for the recovery key.
    #[error("a recovery is signed with the recovery key; with a key of its own an operator adds keys")]
    NotRecoverable,
    /// No recovery is under way.
    #[error("no recovery is under way")]
    NothingToObject,
}

impl From<OperatorError> for Problem {
    fn from(error: OperatorError) -> Self {
        use OperatorError as E;
        let detail = error.to_string();
        let (status, slug, title) = match error {
            E::BadAction(_) => (StatusCode::BAD_REQUEST, "bad-action", "The action is not acceptable"),
            E::ActionReplayed { .. } => {
                (StatusCode::CONFLICT, "action-replayed", "The action is not newer than the last one")
            }
            E::KnownKey => (StatusCode::CONFLICT, "known-key", "The operator has the key already"),
            E::UnknownKey => (StatusCode::CONFLICT, "unknown-key", "The operator has no such key"),
            E::TooManyKeys => (StatusCode::CONFLICT, "too-many-keys", "The operator has too many keys"),
            E::LastKey => (StatusCode::CONFLICT, "last-key", "The operator would have no key left"),
            E::NotRecoverable => {
                (StatusCode::FORBIDDEN, "not-recoverable", "The action is for the recovery key")
            }
            E::NothingToObject => (StatusCode::CONFLICT, "nothing-to-object", "No recovery is under way"),
        };
        Self::new(status, slug, title, detail)
    }
}

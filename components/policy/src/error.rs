//! Every refusal of this component, and the problem that it becomes.

use crate::decide::RequestError;
use crate::set::Diagnostic;
use http::StatusCode;
use vwp_core::Problem;
use vwp_storage::StorageError;

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PolicyError {
    /// The policies are not taken.
    #[error("the policies have errors, or there are too many of them")]
    Policies(Vec<Diagnostic>),
    /// The request cannot be decided about.
    #[error("{0}")]
    Request(#[from] RequestError),
    /// The team breaks a rule.
    #[error("{0}")]
    Team(&'static str),
    /// Others changed it since it was read.
    #[error("`replaces` must be {current}, the version that is kept")]
    Replaced {
        /// The version that is kept.
        current: u64,
    },
    /// The signed object is for another port.
    #[error("aud is not this port")]
    WrongAudience,
    /// The signed object is for another operator.
    #[error("the signed object names another operator than the path")]
    WrongOperator,
    /// The signed object is too old or too new.
    #[error("iat is more than five minutes from now")]
    NotCurrent,
    /// The world is not known here.
    #[error("no world of this name is registered here")]
    UnknownWorld,
    /// A refusal that all components share: who is calling, or what the store answered.
    #[error("{}", .0.detail)]
    Shared(Problem),
}

impl From<Problem> for PolicyError {
    fn from(problem: Problem) -> Self {
        Self::Shared(problem)
    }
}

impl From<StorageError> for PolicyError {
    fn from(error: StorageError) -> Self {
        Self::Shared(error.into())
    }
}

impl From<PolicyError> for Problem {
    fn from(error: PolicyError) -> Self {
        let detail = error.to_string();
        let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
        match error {
            PolicyError::Policies(said) => {
                let said = serde_json::to_value(said).unwrap_or_default();
                Self::new(unprocessable, "policies-unacceptable", "The policies are not acceptable", detail)
                    .with("diagnostics", said)
            }
            PolicyError::Request(_) => Self::new(
                unprocessable,
                "request-unacceptable",
                "The request cannot be decided about",
                detail,
            ),
            PolicyError::Team(_) => {
                Self::new(unprocessable, "team-unacceptable", "The team breaks a rule", detail)
            }
            PolicyError::Replaced { current } => {
                Self::new(StatusCode::CONFLICT, "replaced-meanwhile", "Others changed it meanwhile", detail)
                    .with("current", current)
            }
            PolicyError::WrongAudience => {
                Self::new(unprocessable, "wrong-audience", "The statement is for another port", detail)
            }
            PolicyError::WrongOperator => Self::new(
                StatusCode::FORBIDDEN,
                "wrong-operator",
                "The statement is for another operator",
                detail,
            ),
            PolicyError::NotCurrent => {
                Self::new(unprocessable, "clock-skew", "The statement was not made now", detail)
            }
            PolicyError::UnknownWorld => {
                Self::new(StatusCode::NOT_FOUND, "unknown-world", "There is no such world", detail)
            }
            PolicyError::Shared(problem) => problem,
        }
    }
}

//! Every refusal of this component, and the problem that it becomes.
//!
//! Policy: the modules return [`WebhookError`]; the only place that turns one into a [`Problem`] is here.

use ::http::StatusCode;
use vwp_core::Problem;
use vwp_storage::StorageError;

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WebhookError {
    /// The request breaks a rule that is written down; the text says which one.
    #[error("{0}")]
    Invalid(String),
    /// The caller is known and may not do this; the text says why.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The caller has no endpoint with this id.
    #[error("the caller has no endpoint with this id")]
    UnknownEndpoint,
    /// The endpoint has no delivery with this id, or it is no longer kept.
    #[error("the endpoint has no delivery with this id, or it is no longer kept")]
    UnknownDelivery,
    /// The caller has as many endpoints as it may.
    #[error("the caller has as many endpoints as it may; delete one")]
    TooManyEndpoints,
    /// The port does not send there; the text says why.
    #[error("{0}")]
    Destination(&'static str),
    /// Nothing is sent to an endpoint that is disabled.
    #[error("nothing is sent to an endpoint that is disabled; enable it first")]
    Disabled,
    /// A refusal that all components share: who is calling, or what the store answered.
    #[error("{}", .0.detail)]
    Shared(Problem),
}

impl From<Problem> for WebhookError {
    fn from(problem: Problem) -> Self {
        Self::Shared(problem)
    }
}

impl From<StorageError> for WebhookError {
    fn from(error: StorageError) -> Self {
        Self::Shared(error.into())
    }
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        let text = error.to_string();
        match error {
            WebhookError::Shared(problem) => problem,
            WebhookError::Invalid(text) => Self::bad_request(text),
            WebhookError::Forbidden(text) => Self::forbidden(text),
            WebhookError::UnknownEndpoint | WebhookError::UnknownDelivery => Self::not_found(text),
            WebhookError::TooManyEndpoints => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "too-many-endpoints",
                "There are too many endpoints",
                text,
            ),
            WebhookError::Destination(_) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "destination-refused",
                "The port does not send there",
                text,
            ),
            WebhookError::Disabled => {
                Self::new(StatusCode::CONFLICT, "endpoint-disabled", "The endpoint is disabled", text)
            }
        }
    }
}

//! Every refusal of this component, and the problem that it becomes.
//!
//! Policy: the modules return [`AuthError`] or a part of it; the only place that turns one
//! into a [`Problem`] is here. No text holds a password, a token or anything else that
//! the caller sent as a secret.

use crate::dids::DidError;
use crate::handle::HandleError;
use crate::limits::Standing;
use crate::passkeys::PasskeyError;
use crate::passports::{PassportError, ProofError};
use crate::password::PasswordError;
use crate::profile::ProfileError;
use crate::recovery::RecoveryError;
use crate::tickets::statement::StatementError;
use crate::tickets::{self, TicketError};
use crate::upstream::UpstreamError;
use crate::verify::PresentationError;
use http::StatusCode;
use vwp_core::Problem;
use vwp_storage::StorageError;

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AuthError {
    /// The handle breaks a rule.
    #[error("{0}")]
    Handle(#[from] HandleError),
    /// The password breaks a rule.
    #[error("{0}")]
    Password(#[from] PasswordError),
    /// Another traveller has this handle.
    #[error("another traveller has this handle, or one that differs only in case or form")]
    HandleTaken,
    /// The handle and the password do not belong together. Deliberately says no more:
    /// whether there is such a traveller must not be found out by guessing.
    #[error("the handle and the password do not belong together")]
    WrongCredentials,
    /// Too many sign-ins failed for this handle.
    #[error("too many sign-ins failed for this handle; wait before the next one")]
    TooManyAttempts {
        /// Seconds until the next one is looked at.
        retry_after_s: u32,
    },
    /// A network, or everybody together, asked for too much.
    #[error("too many requests; wait before the next one")]
    Throttled(Standing),
    /// This needs a session that was opened a few minutes ago.
    #[error("sign in again, and then do this within five minutes")]
    SignInNotRecent,
    /// Without this way to sign in there would be none.
    #[error("this is the last way to sign in; add another one first")]
    LastMethod,
    /// A passkey's ceremony failed.
    #[error("{0}")]
    Passkey(#[from] PasskeyError),
    /// An account could not be recovered.
    #[error("{0}")]
    Recovery(#[from] RecoveryError),
    /// A DID's proof is not acceptable.
    #[error("{0}")]
    Did(#[from] DidError),
    /// Another provider's word was not taken.
    #[error("{0}")]
    Upstream(#[from] UpstreamError),
    /// The proof of possession is not acceptable.
    #[error("{0}")]
    Proof(#[from] ProofError),
    /// The presentation is not acceptable.
    #[error("{0}")]
    Presentation(#[from] PresentationError),
    /// Passports were not issued or revoked.
    #[error("{0}")]
    Passport(#[from] PassportError),
    /// The profile breaks a rule.
    #[error("{0}")]
    Profile(#[from] ProfileError),
    /// A traveller is not let through.
    #[error("{0}")]
    Ticket(#[from] TicketError),
    /// What an operator signed is not acceptable.
    #[error("{0}")]
    Statement(#[from] StatementError),
    /// A refusal that all components share: who is calling, or what the store answered.
    #[error("{}", .0.detail)]
    Shared(Problem),
}

impl From<Problem> for AuthError {
    fn from(problem: Problem) -> Self {
        Self::Shared(problem)
    }
}

impl From<StorageError> for AuthError {
    fn from(error: StorageError) -> Self {
        Self::Shared(error.into())
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        let detail = error.to_string();
        let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
        match error {
            AuthError::Handle(_) => {
                Self::new(unprocessable, "handle-unacceptable", "The handle breaks a rule", detail)
            }
            AuthError::Password(_) => {
                Self::new(unprocessable, "password-unacceptable", "The password breaks a rule", detail)
            }
            AuthError::HandleTaken => {
                Self::new(StatusCode::CONFLICT, "handle-taken", "The handle is taken", detail)
            }
            AuthError::WrongCredentials => {
                Self::new(StatusCode::UNAUTHORIZED, "wrong-credentials", "The sign-in failed", detail)
            }
            AuthError::TooManyAttempts { retry_after_s } => {
                let mut problem = Self::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "too-many-attempts",
                    "Too many sign-ins failed",
                    detail,
                );
                problem.retry_after_s = Some(retry_after_s);
                problem
            }
            AuthError::Throttled(standing) => {
                let status = StatusCode::TOO_MANY_REQUESTS;
                let mut problem = Self::new(status, "throttled", "Too many requests", detail);
                let wait_s = standing.wait_ms.div_ceil(1000).max(1);
                problem.retry_after_s = Some(u32::try_from(wait_s).unwrap_or(u32::MAX));
                problem
            }
            AuthError::SignInNotRecent => {
                let title = "The sign-in is not recent enough";
                Self::new(StatusCode::FORBIDDEN, "sign-in-not-recent", title, detail)
            }
            AuthError::LastMethod => {
                Self::new(StatusCode::CONFLICT, "last-method", "This way to sign in has to stay", detail)
            }
            AuthError::Passkey(error) => error.into(),
            AuthError::Recovery(error) => error.into(),
            AuthError::Did(error) => error.into(),
            AuthError::Upstream(error) => error.into(),
            AuthError::Proof(error) => {
                Self::new(unprocessable, error.slug(), "The proof of possession is not acceptable", detail)
            }
            AuthError::Presentation(error) => {
                Self::new(unprocessable, error.slug(), "The presentation is not acceptable", detail)
            }
            AuthError::Passport(error) => error.into_problem(),
            AuthError::Profile(error) => error.into_problem(),
            AuthError::Ticket(error) => tickets::problem(&error),
            AuthError::Statement(error) => error.into_problem(),
            AuthError::Shared(problem) => problem,
        }
    }
}

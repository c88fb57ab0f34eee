//! Getting back into an account whose passkeys and password are gone.
//!
//! - [`codes`]: ten codes to keep on paper, each of which signs in once.
//! - [`delayed`]: without a code, from a device that was signed in before, after three days in
//!   which the owner can say no.
//! - [`http`]: the same as HTTP resources.

pub mod codes;
pub mod delayed;
pub mod http;

use ::http::StatusCode;
use vwp_core::Problem;

/// Why an account was not recovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// The handle and the code do not belong together. Says no more, as a sign-in does.
    #[error("the handle and the recovery code do not belong together, or the code was used")]
    WrongCode,
    /// The wait is not over.
    #[error("the recovery is possible after the wait that its request was answered with")]
    NotYet {
        /// Seconds until it is.
        wait_s: u64,
    },
    /// There is no such request, or it was cancelled, or the device may not recover the account.
    #[error("the recovery was cancelled, is over, or was never possible")]
    Refused,
}

impl From<RecoveryError> for Problem {
    fn from(error: RecoveryError) -> Self {
        let title = "The account was not recovered";
        match error {
            RecoveryError::WrongCode => {
                Self::new(StatusCode::UNAUTHORIZED, "wrong-recovery-code", title, error.to_string())
            }
            RecoveryError::NotYet { wait_s } => {
                let mut problem =
                    Self::new(StatusCode::CONFLICT, "recovery-not-yet", title, error.to_string());
                problem.retry_after_s = Some(u32::try_from(wait_s).unwrap_or(u32::MAX));
                problem
            }
            RecoveryError::Refused => {
                Self::new(StatusCode::FORBIDDEN, "recovery-refused", title, error.to_string())
            }
        }
    }
}

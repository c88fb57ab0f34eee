//! Every refusal of this crate, and the problem that it becomes.
//!
//! Policy: the modules return [`Error`]; the only place that turns one into a [`Problem`] is here.

use crate::breaks::Status;
use crate::money::Money;
use http::StatusCode;
use vwp_core::Problem;
use vwp_storage::StorageError;

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The request breaks a rule that is written down; the text says which one.
    #[error("{0}")]
    Invalid(String),
    /// The statement cannot be read; the text says where and why.
    #[error("{0}")]
    Unreadable(String),
    /// The statement's own figures contradict each other.
    #[error("statement {statement}: {opening} and its entries {entries} do not make {closing}")]
    Unbalanced {
        /// The statement's id.
        statement: String,
        /// Its opening balance.
        opening: Money,
        /// The sum of its entries.
        entries: Money,
        /// Its closing balance.
        closing: Money,
    },
    /// The statement is in another currency than the source.
    #[error("the statement is in {found}, and the source in {expected}")]
    WrongCurrency {
        /// The statement's currency.
        found: String,
        /// The source's.
        expected: String,
    },
    /// No source has this name.
    #[error("no source is called {0}")]
    UnknownSource(String),
    /// There is no such line, entry, match or break.
    #[error("no {0} of this source has this id")]
    Unknown(&'static str),
    /// What makes amounts comparable cannot change once there is something to compare.
    #[error("a source keeps its account, asset, currency and sign once it has statements or entries")]
    SourceInUse,
    /// Somebody changed it first.
    #[error("it is at version {current}, which is not the one that the request names")]
    Replaced {
        /// The version now.
        current: u64,
    },
    /// The step is not one of a break in this state.
    #[error("a break that is {status} takes no step {step}")]
    IllegalStep {
        /// What state it is in.
        status: Status,
        /// What was asked for.
        step: &'static str,
    },
    /// A line or an entry is in another match.
    #[error("{0} is matched already")]
    Matched(String),
    /// The two sides of a match are not worth the same.
    #[error("the lines are {lines}, the entries {entries}, and the tolerance is {tolerance}")]
    SumsDiffer {
        /// The sum of the lines.
        lines: Money,
        /// The sum of the entries.
        entries: Money,
        /// How far they may be apart.
        tolerance: u64,
    },
    /// More is there than one answer looks at.
    #[error("{0}")]
    TooMuch(&'static str),
    /// Others kept changing the same things.
    #[error("others are changing the same source; send the request again")]
    Busy,
    /// A refusal that all components share.
    #[error("{}", .0.detail)]
    Shared(Problem),
}

impl Error {
    fn parts(&self) -> (StatusCode, &'static str, &'static str) {
        let refused = StatusCode::UNPROCESSABLE_ENTITY;
        match self {
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "bad-request", "The request is malformed"),
            Self::Unreadable(_) => (refused, "statement-unreadable", "The statement cannot be read"),
            Self::Unbalanced { .. } => (refused, "statement-unbalanced", "The statement contradicts itself"),
            Self::WrongCurrency { .. } => (refused, "wrong-currency", "The statement has another currency"),
            Self::UnknownSource(_) => (StatusCode::NOT_FOUND, "unknown-source", "There is no such source"),
            Self::Unknown(_) => (StatusCode::NOT_FOUND, "not-found", "There is no such thing"),
            Self::SourceInUse => (StatusCode::CONFLICT, "source-in-use", "The source is in use"),
            Self::Replaced { .. } => (StatusCode::CONFLICT, "replaced", "It was changed meanwhile"),
            Self::IllegalStep { .. } => {
                (StatusCode::CONFLICT, "illegal-step", "The break does not take this step")
            }
            Self::Matched(_) => (StatusCode::CONFLICT, "already-matched", "It is matched already"),
            Self::SumsDiffer { .. } => (refused, "sums-differ", "The two sides are not worth the same"),
            Self::TooMuch(_) => (refused, "too-much", "There is more than one answer holds"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "The source is being changed"),
            Self::Shared(problem) => (problem.status, problem.slug, problem.title),
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Shared(problem)
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        Self::Shared(error.into())
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, slug, title) = error.parts();
        match error {
            Error::Shared(problem) => problem,
            Error::Busy => {
                let mut problem = Self::new(status, slug, title, error.to_string());
                problem.retry_after_s = Some(1);
                problem
            }
            other => Self::new(status, slug, title, other.to_string()),
        }
    }
}

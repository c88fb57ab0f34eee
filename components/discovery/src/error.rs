//! Every refusal of this component, by name, and the problem document that each
//! becomes. Faults of storage and of the port itself stay [`Problem`]s.

use http::StatusCode;
use vwp_core::Problem;

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// The text is not a world's name.
    #[error("{0}")]
    BadName(String),
    /// The name is one that the port keeps.
    #[error("this name is reserved")]
    NameReserved,
    /// The name belongs to another operator.
    #[error("another operator has registered this name")]
    NameTaken,
    /// The signed payload is not a world record.
    #[error("{0}")]
    BadRecord(String),
    /// The record has ended.
    #[error("exp is not in the future")]
    RecordExpired,
    /// The record is not newer than the one that is registered, or is the same.
    #[error("seq must be larger than {registered}, the one that is registered")]
    RecordReplayed {
        /// The sequence number that is registered.
        registered: u64,
    },
    /// The signer's clock and ours disagree.
    #[error("iat must be within five minutes of the port's time, {now}")]
    ClockSkew {
        /// Our time, in seconds.
        now: u64,
    },
    /// The record is for another port.
    #[error("aud must be {0}")]
    WrongAudience(String),
    /// The header names no operator.
    #[error("the header must name the operator in kid")]
    NoOperator,
    /// The operator is not known, and its key did not come with the record.
    #[error("the operator is new here: the header must carry its key as jwk")]
    UnknownOperator,
    /// The key that came with the record is not the one that the operator's id names.
    #[error("kid must be the SHA-256 thumbprint (RFC 7638) of jwk")]
    OperatorMismatch,
    /// The cursor is not one that this search gave out.
    #[error("the cursor is not one that this search gave out")]
    BadCursor,
    /// The changes after the cursor are no longer all kept.
    #[error(
        "changes this old are no longer kept: ask for the changes without since, which tells where they are now, and \
         then for all worlds"
    )]
    ChangesGone,
}

impl From<DiscoveryError> for Problem {
    fn from(error: DiscoveryError) -> Self {
        use DiscoveryError as E;
        let detail = error.to_string();
        let (status, slug, title) = match error {
            E::BadName(_) => (StatusCode::BAD_REQUEST, "bad-name", "The name is not a world's name"),
            E::NameReserved => (StatusCode::FORBIDDEN, "name-reserved", "The name is reserved"),
            E::NameTaken => (StatusCode::CONFLICT, "name-taken", "The name is taken"),
            E::BadRecord(_) => (StatusCode::BAD_REQUEST, "bad-record", "The record is not acceptable"),
            E::RecordExpired => (StatusCode::BAD_REQUEST, "record-expired", "The record has expired"),
            E::RecordReplayed { .. } => {
                (StatusCode::CONFLICT, "record-replayed", "The record is not newer than the registered one")
            }
            E::ClockSkew { .. } => (StatusCode::BAD_REQUEST, "clock-skew", "The signer's clock is off"),
            E::WrongAudience(_) => {
                (StatusCode::BAD_REQUEST, "wrong-audience", "The record is for another port")
            }
            E::NoOperator => (StatusCode::BAD_REQUEST, "bad-jws", "The signed object is not acceptable"),
            E::UnknownOperator => (StatusCode::UNAUTHORIZED, "unknown-operator", "The operator is not known"),
            E::OperatorMismatch => {
                (StatusCode::UNAUTHORIZED, "operator-mismatch", "The key is not the operator's")
            }
            E::ChangesGone => (StatusCode::GONE, "changes-gone", "The changes are no longer kept"),
            E::BadCursor => (StatusCode::BAD_REQUEST, "bad-cursor", "The cursor is not acceptable"),
        };
        Self::new(status, slug, title, detail)
    }
}

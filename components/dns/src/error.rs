//! What can go wrong with a zone.

use vwp_core::Problem;
use vwp_storage::StorageError;

/// Why a zone could not be read or changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DnsError {
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What the store holds is not what was put there; the text says where.
    #[error("the store holds something else than {0}")]
    Corrupt(&'static str),
    /// Others change the same names; the caller starts over.
    #[error("others are changing the same names")]
    Conflict,
    /// The change is not one that the zone can hold; the text is for whoever asked for it.
    #[error("{0}")]
    Refused(String),
    /// The journal no longer goes back as far as was asked.
    #[error("the zone's journal no longer goes back so far")]
    Forgotten,
    /// A key could not be opened or made.
    #[error("the zone's keys: {}", .0.detail)]
    Keys(Problem),
}

impl From<DnsError> for Problem {
    fn from(error: DnsError) -> Self {
        match error {
            DnsError::Storage(error) => error.into(),
            DnsError::Corrupt(_) => Self::internal(),
            DnsError::Conflict => Self::unavailable("the zone is changing too often"),
            DnsError::Refused(why) => Self::bad_request(why),
            DnsError::Forgotten => Self::unavailable("the zone's journal no longer goes back so far"),
            DnsError::Keys(problem) => problem,
        }
    }
}

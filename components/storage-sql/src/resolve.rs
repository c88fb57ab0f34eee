//! What became of a statement that inserts: whether it applied, and if its reply was
//! lost, how that is found out.

use crate::store::{Backoff, RESOLUTIONS_MAX};
use crate::{Database, DatabaseError, Host, Row, SqlStore, Statement};
use vwp_storage::StorageError;
use vwp_storage::machine::StateMachine;

/// An insertion that carries a unique id.
pub(crate) struct Insertion {
    /// The statement itself.
    pub(crate) statement: Statement,
    /// Finds the row with the id: its first column is positive, or negative if it is a
    /// fence; its other columns are those that the statement itself returns.
    pub(crate) lookup: Statement,
    /// Inserts a row with the same id and a negative number, which keeps the statement
    /// from ever applying.
    pub(crate) fence: Statement,
}

/// What became of an insertion.
pub(crate) enum Inserted {
    /// It ran; these are the rows that it returned.
    Ran(Vec<Row>),
    /// It did not apply and never will; the same may be tried again with another id.
    NotApplied(String),
}

impl<D: Database, H: Host, M: StateMachine> SqlStore<D, H, M> {
    /// Runs an insertion and finds out what became of it.
    pub(crate) async fn insert(&self, insertion: Insertion) -> Result<Inserted, StorageError> {
        match self.database.run(insertion.statement).await {
            Ok(rows) => Ok(Inserted::Ran(rows)),
            Err(DatabaseError::NotApplied(text)) => Ok(Inserted::NotApplied(text)),
            Err(DatabaseError::Refused(text)) => Err(StorageError::Unavailable(text)),
            Err(DatabaseError::Unknown(text)) => {
                self.resolve(&insertion.lookup, &insertion.fence, text).await
            }
        }
    }

    /// Looks for the row; if it is not there, keeps it from ever coming.
    async fn resolve(
        &self,
        lookup: &Statement,
        fence: &Statement,
        cause: String,
    ) -> Result<Inserted, StorageError> {
        let mut backoff = Backoff::default();
        while backoff.attempt() < RESOLUTIONS_MAX {
            let found = self.database.run(lookup.clone()).await.map(|mut rows| rows.pop());
            match found {
                Ok(Some(row)) if row.0.first().is_some_and(is_positive) => {
                    return Ok(Inserted::Ran(vec![row]));
                }
                Ok(Some(_)) => return Ok(Inserted::NotApplied(cause)),
                // A fence that does not take means that the row came after all, or an earlier
                // fence did, or nothing: the next look tells.
                Ok(None) if self.database.run(fence.clone()).await.is_ok() => {
                    return Ok(Inserted::NotApplied(cause));
                }
                Ok(None) | Err(_) => {}
            }
            backoff.wait(&self.host).await;
        }
        Err(StorageError::Unknown(cause))
    }

    /// A negative number that no other fence has.
    pub(crate) fn fence_number(&self) -> i64 {
        let random = self.host.random().first_chunk().copied().map_or(0, i64::from_le_bytes);
        // The smallest number has no positive counterpart; -1 to the one above it remain.
        -(random & i64::MAX).max(1)
    }
}

fn is_positive(value: &crate::Value) -> bool {
    matches!(value, crate::Value::Integer(number) if *number > 0)
}

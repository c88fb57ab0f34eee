//! The newest rows of keys, read in one statement.

use crate::{Database, Host, SqlStore};
use std::collections::BTreeMap;
use vwp_storage::StorageError;
use vwp_storage::kv::{Entry, Key, Timestamp};
use vwp_storage::machine::StateMachine;

/// What a key holds.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) entry: Entry,
    pub(crate) expires_at: Option<Timestamp>,
}

impl<D: Database, H: Host, M: StateMachine> SqlStore<D, H, M> {
    /// What these keys hold at a time, in one snapshot; absent keys are left out.
    pub(crate) async fn live<'a>(
        &self,
        keys: impl Iterator<Item = &'a [u8]>,
        now: Timestamp,
    ) -> Result<BTreeMap<Key, Live>, StorageError> {
        let mut statement = self.statement("WITH c (key) AS (VALUES ");
        let mut seen = std::collections::BTreeSet::new();
        for key in keys {
            if seen.insert(key) {
                let separator = if seen.len() == 1 { "(" } else { ", (" };
                statement = statement.sql(separator).bytes(key).sql(")");
            }
        }
        if seen.is_empty() {
            return Ok(BTreeMap::new());
        }
        let newest = self.database.dialect().with_newest("c");
        let statement = statement
            .sql(&format!(
                ") SELECT v.key, v.version, v.value, v.expires_at FROM {newest} \
                 WHERE v.value IS NOT NULL AND (v.expires_at IS NULL OR v.expires_at > "
            ))
            .integer(now)
            .sql(")");
        let mut live = BTreeMap::new();
        for mut row in self.read(statement).await? {
            let entry = Entry { version: row.unsigned(1)?, value: row.bytes(2)? };
            // A time that is too far off for the database was stored as its largest.
            let expires_at = row.integer_or_null(3)?.map(|at| u64::try_from(at).unwrap_or(0));
            live.insert(row.bytes(0)?, Live { entry, expires_at });
        }
        Ok(live)
    }
}

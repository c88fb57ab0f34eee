//! Changes: what followers of a prefix see.

use crate::{Database, Host, SqlStore};
use vwp_storage::StorageError;
use vwp_storage::kv::{COMMIT_ITEMS_MAX, Change, Version};
use vwp_storage::limits::{self, PAGE_BYTES_MAX};
use vwp_storage::machine::StateMachine;

/// The first and the longest pause between two looks for changes, in milliseconds.
const PAUSES_MS: (u32, u32) = (10, 250);

impl<D: Database, H: Host, M: StateMachine> SqlStore<D, H, M> {
    /// The highest version, and the version up to which superseded rows may be gone.
    pub(crate) async fn head(&self) -> Result<(Version, Version), StorageError> {
        let none = self.database.dialect().no_bytes();
        let statement = self.statement(&format!(
            "SELECT coalesce((SELECT version FROM vwp_kv WHERE key = {none} AND version > 0 \
             ORDER BY version DESC LIMIT 1), 0), \
             coalesce((SELECT value FROM vwp_meta WHERE name = 'forgotten'), 0)"
        ));
        let mut row = self.read(statement).await?.pop().unwrap_or(crate::Row(Vec::new()));
        Ok((row.unsigned(0)?, row.unsigned(1)?))
    }

    /// Looks for changes until there are some, or the time is over. A look that finds no
    /// new commit costs one small read.
    pub(crate) async fn follow(
        &self,
        prefix: &[u8],
        since: Version,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<Change>, StorageError> {
        let (mut waited, mut pause) = (0, PAUSES_MS.0);
        // Everything up to here has been looked at and is not under the prefix.
        let mut seen = since;
        loop {
            self.sweep().await?;
            let (head, forgotten) = self.head().await?;
            kept(since, forgotten)?;
            if head > seen {
                let changes = self.changed(prefix, seen, limit).await?;
                // Asked for again after the rows, because it is raised before any is deleted.
                kept(since, self.head().await?.1)?;
                if !changes.is_empty() {
                    return Ok(changes);
                }
                seen = head;
            }
            if waited >= wait_ms {
                return Ok(Vec::new());
            }
            pause = pause.min(wait_ms - waited);
            self.host.sleep(pause).await;
            waited += pause;
            pause = (pause * 2).min(PAUSES_MS.1);
        }
    }

    /// The first whole commits after a version, with their rows under a prefix: no more
    /// than the limit and about the bytes of a page, but at least one.
    async fn changed(&self, prefix: &[u8], since: Version, limit: u32) -> Result<Vec<Change>, StorageError> {
        let most = u64::from(limit) + COMMIT_ITEMS_MAX as u64 + 1;
        let mut statement = self.statement("WITH found AS (SELECT version, key, value FROM vwp_kv ");
        statement = statement.sql("WHERE version > ").integer(since).sql(" AND key >= ").bytes(prefix);
        if let Some(end) = prefix_end(prefix) {
            statement = statement.sql(" AND key < ").bytes(&end);
        }
        statement = statement.sql(" ORDER BY version, key LIMIT ").integer(most).sql(&format!(
            "), summed AS (SELECT version, key, value, \
             sum(length(key) + coalesce(length(value), 0)) OVER (ORDER BY version) \
             - sum(length(key) + coalesce(length(value), 0)) OVER (PARTITION BY version) AS bytes_before \
             FROM found) SELECT version, key, value FROM summed WHERE bytes_before <= {PAGE_BYTES_MAX} \
             ORDER BY version, key"
        ));
        let mut changes = Vec::new();
        for mut row in self.read(statement).await? {
            let (version, key) = (row.unsigned(0)?, row.bytes(1)?);
            changes.push(Change { version, key, value: row.bytes_or_null(2)? });
        }
        Ok(limits::whole_commits(changes.iter(), limit))
    }
}

/// Fails if changes after `since` may be gone.
fn kept(since: Version, forgotten: Version) -> Result<(), StorageError> {
    if since < forgotten {
        return Err(StorageError::Invalid("the changes asked for are no longer kept".to_owned()));
    }
    Ok(())
}

/// The first key after all that start with a prefix; none if there is no such key.
fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte < u8::MAX)?;
    let mut end = prefix.get(..=last)?.to_vec();
    if let Some(byte) = end.last_mut() {
        *byte += 1;
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::prefix_end;

    #[test]
    fn a_prefix_ends_before_the_next_key_that_lacks_it() {
        assert_eq!(prefix_end(b"s/"), Some(b"s0".to_vec()));
        assert_eq!(prefix_end(b"s\xff\xff"), Some(b"t".to_vec()));
        assert_eq!(prefix_end(b"\xff"), None);
    }
}

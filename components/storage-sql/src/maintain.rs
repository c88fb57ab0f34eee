//! Upkeep: removing what has expired, and deleting what nobody needs any more. It is done
//! by commits and calls that come by. Each step may fail or be cut off: the next does it.

use crate::{Database, Host, SqlStore};
use vwp_storage::StorageError;
use vwp_storage::kv::{COMMIT_ITEMS_MAX, Version};
use vwp_storage::machine::StateMachine;

/// A commit whose version this divides does the upkeep.
const UPKEEP_COMMITS: u64 = 256;
/// How often one instance looks for expired keys, in milliseconds.
const SWEEP_MS: u64 = 1_000;
/// How long head rows stay at least, in milliseconds: longer than anybody looks for a
/// commit whose reply was lost.
const HEADS_MS: u64 = 10 * 60 * 1_000;
/// How long fences stay, in milliseconds: longer than any statement is on its way.
const FENCES_MS: u64 = 24 * 60 * 60 * 1_000;

impl<D: Database, H: Host, M: StateMachine> SqlStore<D, H, M> {
    /// Does what is due after a commit. An error is left to the next one who comes by.
    pub(crate) async fn maintain(&self, version: Version) {
        if version.is_multiple_of(UPKEEP_COMMITS) {
            let _ = self.sweep().await;
            let _ = self.prune(version).await;
        }
    }

    /// Removes keys whose time has come, as a commit that followers see. A few at a time.
    pub(crate) async fn sweep(&self) -> Result<(), StorageError> {
        let now = self.host.now();
        if self.swept_at.get() != 0 && now.abs_diff(self.swept_at.get()) < SWEEP_MS {
            return Ok(());
        }
        self.swept_at.set(now.max(1));
        let statement = self
            .statement("SELECT k.key, k.version FROM vwp_kv k WHERE k.expires_at <= ")
            .integer(now)
            .sql(
                " AND k.value IS NOT NULL AND NOT EXISTS (SELECT 1 FROM vwp_kv n \
                 WHERE n.key = k.key AND n.version > k.version) ORDER BY k.expires_at LIMIT ",
            )
            .integer(COMMIT_ITEMS_MAX as u64);
        let mut expired = Vec::new();
        for mut row in self.read(statement).await? {
            expired.push((row.bytes(0)?, row.unsigned(1)?));
        }
        if expired.is_empty() { Ok(()) } else { self.remove(&expired).await }
    }

    /// Deletes what was superseded before the commits that are kept. First it is said
    /// how far back `changes` can look; then rows are deleted; then it is noted how far
    /// they are, so that a deletion which is cut off is done again.
    pub(crate) async fn prune(&self, version: Version) -> Result<(), StorageError> {
        let Some(forgotten) = version.checked_sub(self.kept_commits).filter(|&version| version > 0) else {
            return Ok(());
        };
        self.raise("forgotten", forgotten).await?;
        let pruned = self.statement("SELECT value FROM vwp_meta WHERE name = 'pruned'");
        let pruned = self.read(pruned).await?.pop().map(|mut row| row.unsigned(0)).transpose()?;
        let pruned = pruned.unwrap_or(0);
        let none = self.database.dialect().no_bytes();
        // Of each key that changed since the last time: all but its newest row, and that
        // too if it is a removal. Of one statement, so that nothing reappears in between.
        let within = |statement: crate::Statement| {
            statement.integer(pruned).sql(" AND n.version <= ").integer(forgotten)
        };
        let statement = self.statement(&format!(
            "DELETE FROM vwp_kv WHERE key <> {none} AND (key, version) IN (SELECT o.key, o.version \
             FROM vwp_kv n JOIN vwp_kv o ON o.key = n.key AND o.version < n.version \
             WHERE n.key <> {none} AND n.version > "
        ));
        let statement = within(statement).sql(&format!(
            " UNION ALL SELECT n.key, n.version FROM vwp_kv n WHERE n.value IS NULL \
             AND n.key <> {none} AND n.version > "
        ));
        self.read(within(statement).sql(")")).await?;
        self.raise("pruned", forgotten).await?;
        let now = self.host.now();
        let heads = self.statement(&format!("DELETE FROM vwp_kv WHERE key = {none} AND ((version > 0 "));
        let heads = heads.sql("AND version <= ").integer(forgotten).sql(" AND made_at < ");
        let heads = heads.integer(now.saturating_sub(HEADS_MS)).sql(") OR (version < 0 AND made_at < ");
        self.read(heads.integer(now.saturating_sub(FENCES_MS)).sql("))")).await?;
        Ok(())
    }

    /// Raises a number; never lowers it. Repeating it is harmless.
    async fn raise(&self, name: &str, value: Version) -> Result<(), StorageError> {
        let greatest = self.database.dialect().greatest();
        let statement = self.statement("INSERT INTO vwp_meta (name, value) VALUES (").text(name);
        let statement = statement.sql(", ").integer(value).sql(&format!(
            ") ON CONFLICT (name) DO UPDATE SET value = {greatest}(vwp_meta.value, excluded.value)"
        ));
        self.read(statement).await?;
        Ok(())
    }
}

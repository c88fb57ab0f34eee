//! The tables, and their creation by whoever comes first.

use crate::store::{ATTEMPTS_MAX, Backoff};
use crate::{Database, DatabaseError, Dialect, Host, SqlStore, Statement};
use vwp_storage::StorageError;
use vwp_storage::machine::StateMachine;

/// The version of the tables.
pub const VERSION: i64 = 2;

/// The statements that create what is missing, in order.
///
/// - `vwp_kv`: every version of every key; without a value: the key was removed. Rows
///   with the empty key are heads of commits, and fences, at negative versions.
/// - `vwp_meta`: numbers by name: the schema's version, and how far pruning has come.
/// - `vwp_log`: the commands of each machine, each with the root of the tree over its blocks;
///   fences at negative positions.
/// - `vwp_tree`: hashes of the tree over each log, which follow from it.
/// - `vwp_snapshots`: parts of a machine's state; part -1 completes a snapshot.
pub fn creation(dialect: Dialect) -> Vec<String> {
    let (bytes, keyed) = (dialect.bytes_type(), dialect.keyed_table());
    vec![
        format!(
            "CREATE TABLE IF NOT EXISTS vwp_kv (key {bytes} NOT NULL, version BIGINT NOT NULL, \
             value {bytes}, expires_at BIGINT, commit_id {bytes}, made_at BIGINT, \
             PRIMARY KEY (key, version)){keyed}"
        ),
        "CREATE UNIQUE INDEX IF NOT EXISTS vwp_kv_commits ON vwp_kv (commit_id) WHERE commit_id IS NOT NULL"
            .to_owned(),
        "CREATE INDEX IF NOT EXISTS vwp_kv_versions ON vwp_kv (version)".to_owned(),
        "CREATE INDEX IF NOT EXISTS vwp_kv_expiries ON vwp_kv (expires_at) WHERE expires_at IS NOT NULL"
            .to_owned(),
        format!(
            "CREATE TABLE IF NOT EXISTS vwp_log (machine TEXT NOT NULL, position BIGINT NOT NULL, \
             time BIGINT NOT NULL, command_id {bytes} NOT NULL UNIQUE, root {bytes} NOT NULL, \
             command {bytes} NOT NULL, \
             PRIMARY KEY (machine, position)){keyed}"
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS vwp_snapshots (machine TEXT NOT NULL, position BIGINT NOT NULL, \
             part BIGINT NOT NULL, body {bytes} NOT NULL, PRIMARY KEY (machine, position, part))"
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS vwp_tree (machine TEXT NOT NULL, level BIGINT NOT NULL, \
             number BIGINT NOT NULL, hash {bytes} NOT NULL, PRIMARY KEY (machine, level, number)){keyed}"
        ),
        "CREATE TABLE IF NOT EXISTS vwp_meta (name TEXT NOT NULL PRIMARY KEY, value BIGINT NOT NULL)"
            .to_owned(),
        format!("INSERT INTO vwp_meta (name, value) VALUES ('schema', {VERSION}) ON CONFLICT DO NOTHING"),
    ]
}

impl<D: Database, H: Host, M: StateMachine> SqlStore<D, H, M> {
    /// Sees to it that the tables are there; asks the database once per instance.
    pub(crate) async fn prepare(&self) -> Result<(), StorageError> {
        if self.prepared.get() {
            return Ok(());
        }
        let dialect = self.database.dialect();
        let known = Statement::new(dialect, "SELECT value FROM vwp_meta WHERE name = 'schema'");
        // An error is most likely the missing table; if not, creating it meets the same one.
        let known = match self.database.run(known).await {
            Ok(mut rows) => rows.pop().map(|mut row| row.integer(0)).transpose()?,
            Err(_) => None,
        };
        match known {
            Some(VERSION) => {}
            Some(other) => {
                return Err(StorageError::Unavailable(format!(
                    "the database holds version {other} of the tables, this program needs {VERSION}"
                )));
            }
            None => self.create().await?,
        }
        self.prepared.set(true);
        Ok(())
    }

    async fn create(&self) -> Result<(), StorageError> {
        let dialect = self.database.dialect();
        if dialect == Dialect::Sqlite {
            // Readers and the writer then do not wait for each other. It stays with the
            // file; a database that cannot have it works without.
            let _ = self.database.run(Statement::new(dialect, "PRAGMA journal_mode = WAL")).await;
        }
        for text in creation(dialect) {
            self.create_one(&Statement::new(dialect, text)).await?;
        }
        Ok(())
    }

    /// Each statement can be repeated: after any error but a refusal it is.
    async fn create_one(&self, statement: &Statement) -> Result<(), StorageError> {
        let mut backoff = Backoff::default();
        loop {
            match self.database.run(statement.clone()).await {
                Ok(_) => return Ok(()),
                Err(DatabaseError::Refused(text)) => return Err(StorageError::Unavailable(text)),
                Err(DatabaseError::NotApplied(text) | DatabaseError::Unknown(text)) => {
                    if backoff.attempt() >= ATTEMPTS_MAX {
                        return Err(StorageError::Unavailable(text));
                    }
                    backoff.wait(&self.host).await;
                }
            }
        }
    }
}

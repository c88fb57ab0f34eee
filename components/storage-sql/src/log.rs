//! The log of a machine: appending to it, and reading it.

use crate::fold::CommandId;
use crate::resolve::{Inserted, Insertion};
use crate::store::{ATTEMPTS_MAX, Backoff};
use crate::{Database, Host, SqlStore};
use vwp_storage::StorageError;
use vwp_storage::kv::Timestamp;
use vwp_storage::limits::PAGE_BYTES_MAX;
use vwp_storage::machine::StateMachine;
use vwp_tlog::leaf::command_root;

/// An entry of the log.
#[derive(Debug, Clone)]
pub(crate) struct LogRow {
    pub(crate) position: u64,
    pub(crate) time: Timestamp,
    pub(crate) command: Vec<u8>,
    pub(crate) id: CommandId,
}

impl<D: Database, H: Host, M: StateMachine> SqlStore<D, H, M> {
    /// Appends a command and returns its position and time. `id` is told each attempt's id,
    /// before the command can be seen under it.
    pub(crate) async fn append(
        &self,
        machine: &str,
        command: &[u8],
        mut id: impl FnMut(CommandId),
    ) -> Result<(u64, Timestamp), StorageError> {
        let mut backoff = Backoff::default();
        loop {
            let attempt = self.host.random();
            id(attempt);
            let cause = match self.insert(self.appending(machine, command, attempt)).await? {
                Inserted::Ran(rows) => match rows.into_iter().next() {
                    Some(mut row) => return Ok((row.unsigned(0)?, row.unsigned(1)?)),
                    None => "the log took no command".to_owned(),
                },
                Inserted::NotApplied(cause) => cause,
            };
            if backoff.attempt() >= ATTEMPTS_MAX {
                return Err(StorageError::Unavailable(cause));
            }
            backoff.wait(&self.host).await;
        }
    }

    /// The one statement of an append: the position after the last, and a time that is not
    /// before the last one's.
    fn appending(&self, machine: &str, command: &[u8], id: CommandId) -> Insertion {
        let greatest = self.database.dialect().greatest();
        let statement = self
            .statement(
                "INSERT INTO vwp_log (machine, position, time, command_id, root, command) \
                 SELECT ",
            )
            .text(machine)
            .sql(&format!(", coalesce(l.position, 0) + 1, {greatest}(coalesce(l.time, 0), "))
            .integer(self.host.now())
            .sql("), ")
            .bytes(&id)
            .sql(", ")
            .bytes(&command_root(command))
            .sql(", ")
            .bytes(command)
            .sql(
                " FROM (SELECT 1 AS one) AS o LEFT JOIN (SELECT position, time FROM vwp_log \
                 WHERE machine = ",
            )
            .text(machine)
            .sql(
                " AND position > 0 ORDER BY position DESC LIMIT 1) AS l ON 1 = 1 \
                 RETURNING position, time",
            );
        Insertion {
            statement,
            lookup: self.statement("SELECT position, time FROM vwp_log WHERE command_id = ").bytes(&id),
            fence: self
                .statement(
                    "INSERT INTO vwp_log (machine, position, time, command_id, root, command) VALUES (",
                )
                .text(machine)
                .sql(", ")
                .signed(self.fence_number())
                .sql(", 0, ")
                .bytes(&id)
                .sql(&format!(", {0}, {0})", self.database.dialect().no_bytes())),
        }
    }

    /// Entries from a position on: at most `limit`, and about the bytes of a page.
    pub(crate) async fn log_rows(
        &self,
        machine: &str,
        start: u64,
        limit: u32,
    ) -> Result<Vec<LogRow>, StorageError> {
        let statement = self
            .statement(
                "SELECT position, time, command_id, command FROM (SELECT position, time, command_id, \
                 command, sum(length(command)) OVER (ORDER BY position) - length(command) AS bytes_before \
                 FROM (SELECT position, time, command_id, command FROM vwp_log WHERE machine = ",
            )
            .text(machine)
            .sql(" AND position >= ")
            .integer(start)
            .sql(" ORDER BY position LIMIT ")
            .integer(limit.into())
            .sql(&format!(
                ") AS entries) AS summed WHERE bytes_before <= {PAGE_BYTES_MAX} ORDER BY position"
            ));
        let mut rows = Vec::new();
        for mut row in self.read(statement).await? {
            let (position, time) = (row.unsigned(0)?, row.unsigned(1)?);
            // Only another program could have written an id of another length; then no
            // call of ours waits for it.
            let id = row.bytes(2)?.try_into().unwrap_or_default();
            rows.push(LogRow { position, time, command: row.bytes(3)?, id });
        }
        Ok(rows)
    }
}

/// Whether these rows, asked for with this limit, are all that there were.
pub(crate) fn are_all(rows: &[LogRow], limit: u32) -> bool {
    let bytes: usize = rows.iter().map(|row| row.command.len()).sum();
    rows.len() < limit as usize && bytes <= PAGE_BYTES_MAX
}

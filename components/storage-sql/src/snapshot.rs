//! Snapshots: a machine's state in parts, so that an instance need not apply the whole
//! log. A snapshot is believed if its last row, which holds the number of parts and
//! their digest, is there and right; another is as good as none.

use crate::{Database, Host, SqlStore};
use sha2::{Digest, Sha256};
use vwp_storage::StorageError;
use vwp_storage::machine::StateMachine;

/// A snapshot is considered at positions that this divides.
pub(crate) const INTERVAL: u64 = 1_000;
/// A snapshot is written when the log after the last one has grown by this part of it:
/// all snapshots together then cost a multiple of the last, however long the log is.
const GROWTH: u64 = 10;
/// The longest part, in bytes.
const PART_LENGTH: u32 = 512 * 1024;
/// The number of the row that completes a snapshot.
const COMPLETION: i64 = -1;
/// How many complete snapshots are kept: the newest, and one more for those who are
/// reading it when a newer one comes.
const KEPT: u64 = 2;
/// How often, and for how many milliseconds, a call looks whether another one has
/// restored the machine, before it does so itself.
const RESTORE_WAITS: (u32, u32) = (500, 10);

impl<D: Database, H: Host, M: StateMachine> SqlStore<D, H, M> {
    /// Restores the newest snapshot, once in the life of an instance.
    pub(crate) async fn restore(&self, machine: &str) -> Result<(), StorageError> {
        for _ in 0..RESTORE_WAITS.0 {
            if self.fold.borrow().restored || !self.fold.borrow().restoring {
                break;
            }
            self.host.sleep(RESTORE_WAITS.1).await;
        }
        if self.fold.borrow().restored {
            return Ok(());
        }
        self.fold.borrow_mut().restoring = true;
        let _restoring = Restoring(self);
        let newest = self
            .statement("SELECT position, body FROM vwp_snapshots WHERE machine = ")
            .text(machine)
            .sql(" AND part = ")
            .signed(COMPLETION)
            .sql(" ORDER BY position DESC LIMIT ")
            .integer(KEPT);
        for mut row in self.read(newest).await? {
            let (position, completion) = (row.unsigned(0)?, row.bytes(1)?);
            let Some(parts) = self.parts(machine, position, &completion).await? else { continue };
            // A machine that refuses a snapshot, as one of a newer version would, is as it
            // was before; then an older one, or the log from its beginning, has to do.
            if self.fold.borrow_mut().restore(position, &parts).is_ok() {
                break;
            }
        }
        self.fold.borrow_mut().restored = true;
        Ok(())
    }

    /// The parts of a snapshot, if they are what its last row says.
    async fn parts(
        &self,
        machine: &str,
        position: u64,
        completion: &[u8],
    ) -> Result<Option<Vec<Vec<u8>>>, StorageError> {
        let mut parts = Vec::new();
        loop {
            // A few at a time: no answer of the database is larger than a page.
            let statement = self.statement("SELECT part, body FROM vwp_snapshots WHERE machine = ");
            let statement = statement.text(machine).sql(" AND position = ").integer(position);
            let statement = statement.sql(" AND part >= ").integer(parts.len() as u64);
            let rows = self.read(statement.sql(" ORDER BY part LIMIT 8")).await?;
            if rows.is_empty() {
                break;
            }
            for mut row in rows {
                if row.unsigned(0)? != parts.len() as u64 {
                    return Ok(None);
                }
                parts.push(row.bytes(1)?);
            }
        }
        Ok((self::completion(&parts) == completion).then_some(parts))
    }

    /// Writes a snapshot, if one is due after the command at this position. A snapshot
    /// that fails is left to the next one.
    pub(crate) async fn snapshot(&self, machine: &str, position: u64) {
        let due = |known: u64| position >= known + self.snapshot_interval.max(known / GROWTH);
        if position.is_multiple_of(self.snapshot_interval) && due(self.fold.borrow().snapshot) {
            let newest = self.newest_snapshot(machine).await;
            if let Ok(newest) = newest {
                self.fold.borrow_mut().snapshot = newest;
                if due(newest) {
                    let _ = self.write_snapshot(machine).await;
                }
            }
        }
    }

    async fn newest_snapshot(&self, machine: &str) -> Result<u64, StorageError> {
        let statement =
            self.statement("SELECT coalesce(max(position), 0) FROM vwp_snapshots WHERE machine = ");
        let statement = statement.text(machine).sql(" AND part = ").signed(COMPLETION);
        self.read(statement).await?.pop().map_or(Ok(0), |mut row| row.unsigned(0))
    }

    async fn write_snapshot(&self, machine: &str) -> Result<(), StorageError> {
        // All parts are taken before anything awaits, so that they are of one state.
        let (position, parts) = {
            let fold = self.fold.borrow();
            let mut parts: Vec<Vec<u8>> = Vec::new();
            let mut offset = 0;
            loop {
                let part = fold.machine().checkpoint(offset, PART_LENGTH);
                if part.is_empty() {
                    break;
                }
                offset += part.len() as u64;
                parts.push(part);
            }
            (fold.applied(), parts)
        };
        self.fold.borrow_mut().snapshot = position;
        let last = completion(&parts);
        let parts = (0_i64..).zip(parts).chain([(COMPLETION, last)]);
        for (number, body) in parts {
            let statement =
                self.statement("INSERT INTO vwp_snapshots (machine, position, part, body) VALUES (");
            let statement = statement.text(machine).sql(", ").integer(position).sql(", ").signed(number);
            let statement = statement.sql(", ").bytes(&body);
            // Two that write the snapshot of one position write the same bytes.
            self.read(statement.sql(") ON CONFLICT DO NOTHING")).await?;
        }
        self.delete_old_snapshots(machine).await
    }

    async fn delete_old_snapshots(&self, machine: &str) -> Result<(), StorageError> {
        let statement = self.statement("DELETE FROM vwp_snapshots WHERE machine = ").text(machine);
        let statement = statement.sql(" AND position < (SELECT position FROM vwp_snapshots WHERE machine = ");
        let statement = statement.text(machine).sql(" AND part = ").signed(COMPLETION);
        let statement = statement.sql(" ORDER BY position DESC LIMIT 1 OFFSET ").integer(KEPT - 1);
        self.read(statement.sql(")")).await?;
        Ok(())
    }
}

/// Says that nobody restores any more, also where the call is dropped midway.
struct Restoring<'a, D, H, M>(&'a SqlStore<D, H, M>);

impl<D, H, M> Drop for Restoring<'_, D, H, M> {
    fn drop(&mut self) {
        if let Ok(mut fold) = self.0.fold.try_borrow_mut() {
            fold.restoring = false;
        }
    }
}

/// What the last row of a snapshot holds: how many parts there are, and their digest.
fn completion(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    [(parts.len() as u64).to_be_bytes().as_slice(), &digest.finalize()].concat()
}

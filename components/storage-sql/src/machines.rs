//! The traits of the contract, over what the other modules do.

use crate::fold::CommandId;
use crate::log::{LogRow, are_all};
use crate::{Database, Host, SqlStore};
use std::cell::Cell;
use vwp_storage::kv::{Change, Check, Direction, Entry, Key, KeyRange, Outcome, Page, Version, Write};
use vwp_storage::limits::{self, PAGE_ITEMS_MAX};
use vwp_storage::machine::{Applied, Hash, Head, Leaf, LogEntry, Node, StateMachine};
use vwp_storage::{Kv, Machines, StorageError};

impl<D: Database, H: Host, M: StateMachine> Kv for SqlStore<D, H, M> {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, StorageError> {
        limits::keys(keys)?;
        self.prepare().await?;
        let live = self.live(keys.iter().map(Vec::as_slice), self.host.now()).await?;
        Ok(keys.iter().map(|key| live.get(key).map(|live| live.entry.clone())).collect())
    }

    async fn scan(&self, range: &KeyRange, limit: u32, direction: Direction) -> Result<Page, StorageError> {
        limits::scan(range, limit)?;
        self.prepare().await?;
        self.page(range, limit, direction).await
    }

    async fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Outcome, StorageError> {
        limits::commit(checks, writes)?;
        self.prepare().await?;
        self.commit_all(checks, writes).await
    }

    async fn changes(
        &self,
        prefix: &[u8],
        since: Version,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<Change>, StorageError> {
        limits::changes(prefix, limit, wait_ms)?;
        self.prepare().await?;
        self.follow(prefix, since, limit, wait_ms).await
    }
}

impl<D: Database, H: Host, M: StateMachine> Machines for SqlStore<D, H, M> {
    async fn submit(&self, machine: &str, command: Vec<u8>) -> Result<Applied, StorageError> {
        limits::machine_name(machine)?;
        limits::command(&command)?;
        self.fold.borrow_mut().claim(machine)?;
        self.prepare().await?;
        self.restore(machine).await?;
        let expected = Expected { store: self, id: Cell::new(None) };
        let (position, time) = self.append(machine, &command, |id| expected.replace(id)).await?;
        let applied_before = self.fold.borrow().applied();
        if applied_before + 1 == position
            && let Some(id) = expected.id.get()
        {
            self.fold.borrow_mut().apply(vec![LogRow { position, time, command, id }])?;
        } else {
            self.catch_up(machine, Some(position)).await.map_err(in_the_log)?;
        }
        let answer = expected.answer().ok_or_else(|| in_the_log(unanswered()))?;
        self.complete_tile(machine, position).await;
        self.snapshot(machine, position).await;
        Ok(Applied { position, time, answer })
    }

    async fn query(&self, machine: &str, query: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        limits::machine_name(machine)?;
        limits::query(&query)?;
        self.fold.borrow_mut().claim(machine)?;
        self.prepare().await?;
        self.restore(machine).await?;
        self.catch_up(machine, None).await?;
        Ok(self.fold.borrow().machine().query(&query))
    }

    async fn entries(&self, machine: &str, start: u64, limit: u32) -> Result<Vec<LogEntry>, StorageError> {
        limits::machine_name(machine)?;
        limits::entries(start, limit)?;
        self.prepare().await?;
        let rows = self.log_rows(machine, start, limit).await?;
        let entry = |LogRow { position, time, command, .. }| LogEntry { position, time, command };
        Ok(rows.into_iter().map(entry).collect())
    }

    async fn tree_head(&self, machine: &str) -> Result<Head, StorageError> {
        limits::machine_name(machine)?;
        self.prepare().await?;
        self.log_head(machine).await
    }

    async fn tree_nodes(&self, machine: &str, nodes: &[Node]) -> Result<Vec<Hash>, StorageError> {
        limits::machine_name(machine)?;
        self.prepare().await?;
        limits::tree_nodes(nodes, self.log_size(machine).await?)?;
        self.node_hashes(machine, nodes).await
    }

    async fn tree_leaves(&self, machine: &str, start: u64, limit: u32) -> Result<Vec<Leaf>, StorageError> {
        limits::machine_name(machine)?;
        limits::tree_leaves(limit)?;
        self.prepare().await?;
        self.leaf_page(machine, start, limit).await
    }
}

impl<D: Database, H: Host, M: StateMachine> SqlStore<D, H, M> {
    /// Applies the log up to a position, or up to its end.
    async fn catch_up(&self, machine: &str, target: Option<u64>) -> Result<(), StorageError> {
        loop {
            let applied = self.fold.borrow().applied();
            if target.is_some_and(|target| applied >= target) {
                return Ok(());
            }
            let rows = self.log_rows(machine, applied + 1, PAGE_ITEMS_MAX).await?;
            let complete = are_all(&rows, PAGE_ITEMS_MAX);
            self.fold.borrow_mut().apply(rows)?;
            if complete && target.is_none_or(|target| self.fold.borrow().applied() < target) {
                return if target.is_none() { Ok(()) } else { Err(unanswered()) };
            }
        }
    }
}

/// A command whose answer this call waits for; it no longer does when the call ends,
/// however it ends.
struct Expected<'a, D, H, M: StateMachine> {
    store: &'a SqlStore<D, H, M>,
    id: Cell<Option<CommandId>>,
}

impl<D, H, M: StateMachine> Expected<'_, D, H, M> {
    /// Waits for this one instead of the one before.
    fn replace(&self, id: CommandId) {
        let mut fold = self.store.fold.borrow_mut();
        if let Some(old) = self.id.replace(Some(id)) {
            fold.forget(&old);
        }
        fold.expect(id);
    }

    fn answer(&self) -> Option<Vec<u8>> {
        self.store.fold.borrow_mut().answer(&self.id.get()?)
    }
}

impl<D, H, M: StateMachine> Drop for Expected<'_, D, H, M> {
    fn drop(&mut self) {
        if let (Some(id), Ok(mut fold)) = (self.id.get(), self.store.fold.try_borrow_mut()) {
            fold.forget(&id);
        }
    }
}

fn unanswered() -> StorageError {
    StorageError::Unavailable("the machine's answer is missing".to_owned())
}

/// The command is durable; what is missing is its answer. Trying again would be wrong.
fn in_the_log(error: StorageError) -> StorageError {
    match error {
        StorageError::Unavailable(text) => StorageError::Unknown(text),
        other => other,
    }
}

//! The machine that the suite expects to be empty, made of one that is not: positions
//! and counts are told as they would be if it had begun now.

use vwp_guest::Store;
use vwp_storage::conformance::TALLY;
use vwp_storage::machine::{Applied, Hash, Head, Leaf, LogEntry, Node};
use vwp_storage::{Machines, StorageError};

/// A machine as it is after `base` commands.
pub struct Since {
    base: u64,
}

/// The machine from now on.
pub async fn fresh() -> Since {
    let answer = Store.query(TALLY, Vec::new()).await.expect("the machine answers");
    Since { base: answer.try_into().map_or(0, u64::from_be_bytes) }
}

impl Since {
    /// A tally's answer: its count, and what it was told or asked.
    fn answer(&self, answer: Vec<u8>) -> Vec<u8> {
        match answer.split_first_chunk() {
            Some((count, rest)) => {
                let count = u64::from_be_bytes(*count).saturating_sub(self.base);
                [count.to_be_bytes().as_slice(), rest].concat()
            }
            None => answer,
        }
    }
}

impl Machines for Since {
    async fn submit(&self, machine: &str, command: Vec<u8>) -> Result<Applied, StorageError> {
        let applied = Store.submit(machine, command).await?;
        let position = applied.position.saturating_sub(self.base);
        Ok(Applied { position, answer: self.answer(applied.answer), ..applied })
    }

    async fn query(&self, machine: &str, query: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        Ok(self.answer(Store.query(machine, query).await?))
    }

    async fn entries(&self, machine: &str, start: u64, limit: u32) -> Result<Vec<LogEntry>, StorageError> {
        // The first position of a log stays what it is, so that asking before it is refused.
        let start = if start == 0 { 0 } else { start.saturating_add(self.base) };
        let entries = Store.entries(machine, start, limit).await?;
        let position = |entry: LogEntry| entry.position.saturating_sub(self.base);
        Ok(entries.into_iter().map(|entry| LogEntry { position: position(entry.clone()), ..entry }).collect())
    }

    // A tree cannot be told as if it had begun later; the suite asks for its size first.
    async fn tree_head(&self, machine: &str) -> Result<Head, StorageError> {
        Store.tree_head(machine).await
    }

    async fn tree_nodes(&self, machine: &str, nodes: &[Node]) -> Result<Vec<Hash>, StorageError> {
        Store.tree_nodes(machine, nodes).await
    }

    async fn tree_leaves(&self, machine: &str, start: u64, limit: u32) -> Result<Vec<Leaf>, StorageError> {
        Store.tree_leaves(machine, start, limit).await
    }
}

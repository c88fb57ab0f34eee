//! Machines in memory, for the tests of handlers that submit commands to them.

use crate::kv::Timestamp;
use crate::machine::{Applied, Head, Leaf, LogEntry, Machines, Node, StateMachine};
use crate::memory::Clock;
use crate::{StorageError, limits};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vwp_tlog::hash::{self, Hash};

/// Replicates machines of one kind, by name, on nothing but memory.
///
/// Clones share the machines and their logs.
#[derive(Clone)]
pub struct LocalMachine<M> {
    machines: Arc<BTreeMap<String, Mutex<Local<M>>>>,
    clock: Clock,
}

struct Local<M> {
    machine: M,
    log: Vec<LogEntry>,
    time: Timestamp,
}

impl<M: StateMachine> LocalMachine<M> {
    /// Hosts these machines, each with an empty log.
    pub fn new<N: Into<String>>(
        machines: impl IntoIterator<Item = (N, M)>,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        let local = |machine| Mutex::new(Local { machine, log: Vec::new(), time: 0 });
        let machines = machines.into_iter().map(|(name, machine)| (name.into(), local(machine))).collect();
        Self { machines: Arc::new(machines), clock: Arc::new(clock) }
    }

    fn lock(&self, name: &str) -> Result<MutexGuard<'_, Local<M>>, StorageError> {
        let local =
            self.machines.get(name).ok_or_else(|| StorageError::Denied(format!("machine {name:?}")))?;
        Ok(local.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<M> Local<M> {
    /// The leaves of the log, from an index on.
    fn leaves(&self, start: u64) -> impl Iterator<Item = Leaf> {
        let from = self.log.iter().skip(usize::try_from(start).unwrap_or(usize::MAX));
        from.map(|entry| Leaf::new(entry.time, &entry.command))
    }

    /// The hash of a complete node, by its definition.
    fn node(&self, node: Node) -> Hash {
        let leaves = node.leaves().unwrap_or_default();
        let count = usize::try_from(leaves.end - leaves.start).unwrap_or(usize::MAX);
        let hashes: Vec<Hash> = self.leaves(leaves.start).take(count).map(|leaf| leaf.hash()).collect();
        hash::root(&hashes)
    }
}

impl<M: StateMachine> Machines for LocalMachine<M> {
    async fn submit(&self, machine: &str, command: Vec<u8>) -> Result<Applied, StorageError> {
        limits::command(&command)?;
        let mut local = self.lock(machine)?;
        let time = local.time.max((self.clock)());
        let position = local.log.last().map_or(1, |entry| entry.position + 1);
        let mut answers = local.machine.apply(position, time, std::slice::from_ref(&command));
        local.time = time;
        local.log.push(LogEntry { position, time, command });
        match (answers.pop(), answers.is_empty()) {
            (Some(answer), true) => Ok(Applied { position, time, answer }),
            _ => Err(StorageError::Unknown("the machine did not answer its command once".to_owned())),
        }
    }

    async fn query(&self, machine: &str, query: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        limits::query(&query)?;
        Ok(self.lock(machine)?.machine.query(&query))
    }

    async fn entries(&self, machine: &str, start: u64, limit: u32) -> Result<Vec<LogEntry>, StorageError> {
        limits::entries(start, limit)?;
        let local = self.lock(machine)?;
        let from = local.log.iter().skip_while(|entry| entry.position < start);
        Ok(from.take(limit as usize).cloned().collect())
    }

    async fn tree_head(&self, machine: &str) -> Result<Head, StorageError> {
        let local = self.lock(machine)?;
        let hashes: Vec<Hash> = local.leaves(0).map(|leaf| leaf.hash()).collect();
        Ok(Head { size: hashes.len() as u64, root: hash::root(&hashes) })
    }

    async fn tree_nodes(&self, machine: &str, nodes: &[Node]) -> Result<Vec<Hash>, StorageError> {
        let local = self.lock(machine)?;
        limits::tree_nodes(nodes, local.log.len() as u64)?;
        Ok(nodes.iter().map(|node| local.node(*node)).collect())
    }

    async fn tree_leaves(&self, machine: &str, start: u64, limit: u32) -> Result<Vec<Leaf>, StorageError> {
        limits::tree_leaves(limit)?;
        Ok(self.lock(machine)?.leaves(start).take(limit as usize).collect())
    }
}

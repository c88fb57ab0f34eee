//! Hashing the commands of a batch, beside what else is done with them.

use std::thread::{Builder, Scope, ScopedJoinHandle};
use vwp_storage::kv::Timestamp;
use vwp_storage::machine::{Hash, Leaf};

/// From this many bytes of commands on, a thread of its own is worth its start.
const THREAD_BYTES_MIN: usize = 64 * 1024;

/// A command's leaf and the leaf's hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Hashed {
    pub(super) leaf: Leaf,
    pub(super) hash: Hash,
}

/// Hashes commands.
pub(super) fn hash(time: Timestamp, commands: &[Vec<u8>]) -> Vec<Hashed> {
    let hash = |command: &Vec<u8>| {
        let leaf = Leaf::new(time, command);
        Hashed { leaf, hash: leaf.hash() }
    };
    commands.iter().map(hash).collect()
}

/// The hashes of a batch, which are there when they are asked for.
pub(in super::super) struct Hashing<'scope, 'commands> {
    time: Timestamp,
    commands: &'commands [Vec<u8>],
    thread: Option<ScopedJoinHandle<'scope, Vec<Hashed>>>,
}

impl<'scope, 'commands: 'scope> Hashing<'scope, 'commands> {
    /// Begins. Short commands are hashed when they are asked for, and so is everything if
    /// there is no thread to be had.
    pub(in super::super) fn start(
        scope: &'scope Scope<'scope, '_>,
        time: Timestamp,
        commands: &'commands [Vec<u8>],
    ) -> Self {
        let long = commands.iter().map(Vec::len).sum::<usize>() >= THREAD_BYTES_MIN;
        let start =
            || Builder::new().name("hashing".to_owned()).spawn_scoped(scope, move || hash(time, commands));
        Self { time, commands, thread: long.then(|| start().ok()).flatten() }
    }

    /// The commands' leaves.
    pub(in super::super) fn finish(self) -> Vec<Hashed> {
        // Hashing does not panic; if it did, it would here too.
        let hashed = self.thread.and_then(|thread| thread.join().ok());
        hashed.unwrap_or_else(|| hash(self.time, self.commands))
    }
}

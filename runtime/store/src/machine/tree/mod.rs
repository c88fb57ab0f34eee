//! The tree over a machine's log: what its root, its nodes and its leaves are read from.
//!
//! Everything here follows from the log, which is the truth. So that a start need not hash the
//! whole log, the folder `tree` beside it keeps what never changes:
//!
//! | file | what |
//! |---|---|
//! | `leaves` | the leaves of all full tiles, 49 bytes each |
//! | `nodes-08`, `nodes-16` and so on | the hashes of all complete nodes of that level |
//! | `mark` | up to where the files are on stable storage, and the root there |
//!
//! The leaves after the last full tile, at most 255, are in memory. A start believes the files up
//! to the mark, if they lead to its root, and hashes the log from there on; what is after the mark,
//! whole or torn, is cut off. What is damaged within full tiles is not looked at: then the folder is
//! removed, and the next start hashes the whole log. Only what the log has acknowledged is ever added, so the tree is
//! never ahead of it, and a mark that is says that the log lost what it had.
//!
//! Commands are hashed while their batch is written, on a thread beside if they are long, and added
//! before anybody is answered: so the tree has whatever was acknowledged.

mod files;
mod hashing;
mod mark;

pub(super) use hashing::{Hashed, Hashing};

use super::batch;
use crate::StoreError;
use crate::log::LogReader;
use files::Files;
use mark::Mark;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use vwp_storage::machine::{Hash, Head, Leaf, Node};
use vwp_storage::{StorageError, limits};
use vwp_tlog::Edge;
use vwp_tlog::hash;
use vwp_tlog::node::{Stored, TILE_WIDTH};

/// After this many leaves the files are synced and marked at the next full tile.
const MARK_LEAVES: u64 = 65_536;
/// The same, in bytes of commands.
const MARK_BYTES: u64 = 64 * 1_048_576;

/// The tree as its machine's thread adds to it.
pub(super) struct Tree {
    shared: TreeReader,
    mark: Mark,
    /// What was added since the mark.
    leaves: u64,
    bytes: u64,
}

/// The tree as anybody reads it.
#[derive(Clone)]
pub(super) struct TreeReader(Arc<RwLock<State>>);

struct State {
    edge: Edge,
    /// The leaves after the last full tile.
    tail: Vec<Hashed>,
    files: Files,
    /// A file could not be written. The machine serves on, and a restart builds the tree again.
    broken: bool,
}

impl Tree {
    /// Opens the tree of a log, and adds what the log has and the files have not.
    pub(super) fn open(dir: &Path, identity: u64, log: &LogReader) -> Result<Self, StoreError> {
        let dir: PathBuf = dir.join("tree");
        std::fs::create_dir_all(&dir).map_err(StoreError::io(&dir, "create the folder"))?;
        let (mark, marked) = Mark::open(&dir, identity)?;
        let acknowledged = log.next_position().saturating_sub(1);
        if marked.is_some_and(|head| head.size > acknowledged) {
            let reason = format!("the log ends at {acknowledged}, and the tree over it was longer");
            return Err(StoreError::LostData { path: dir, reason });
        }
        let files = Files::open(&dir)?;
        let edge = match marked {
            Some(head) => files.edge(head)?,
            None => Edge::default(),
        };
        files.cut(edge.size())?;
        let state = State { edge, tail: Vec::new(), files, broken: false };
        let mut tree = Self { shared: TreeReader(Arc::new(RwLock::new(state))), mark, leaves: 0, bytes: 0 };
        tree.catch_up(log)?;
        Ok(tree)
    }

    fn catch_up(&mut self, log: &LogReader) -> Result<(), StoreError> {
        let next = self.shared.read().edge.size() + 1;
        log.visit(next, |record| {
            let Some((time, commands)) = batch::decode(&record) else {
                return Err(StoreError::corrupt(Path::new("log"), record.first, "this is not a batch"));
            };
            // A full tile may have ended within a batch.
            let known = usize::try_from(next.saturating_sub(record.first)).unwrap_or(usize::MAX);
            let commands = commands.get(known..).unwrap_or_default();
            self.extend(hashing::hash(time, commands))?;
            Ok(true)
        })
    }

    pub(super) fn reader(&self) -> TreeReader {
        self.shared.clone()
    }

    /// Adds commands that the log has acknowledged, the next ones in order.
    pub(super) fn extend(&mut self, hashed: Vec<Hashed>) -> Result<(), StoreError> {
        self.leaves += hashed.len() as u64;
        self.bytes += hashed.iter().map(|hashed| hashed.leaf.length).sum::<u64>();
        let due = self.leaves >= MARK_LEAVES || self.bytes >= MARK_BYTES;
        let mut state = self.shared.0.write().unwrap_or_else(PoisonError::into_inner);
        if state.broken {
            return Ok(());
        }
        let added = state.extend(hashed, due);
        state.broken = added.is_err();
        drop(state);
        if let Some(head) = added? {
            let synced = self.shared.read().files.sync();
            if let Err(error) = synced.and_then(|()| self.mark.note(head)) {
                // A second sync could succeed without having written anything.
                self.shared.0.write().unwrap_or_else(PoisonError::into_inner).broken = true;
                return Err(error);
            }
            (self.leaves, self.bytes) = (0, 0);
        }
        Ok(())
    }
}

impl State {
    /// Adds leaves; returns the head at the last full tile among them, if it is asked for.
    fn extend(&mut self, hashed: Vec<Hashed>, marks: bool) -> Result<Option<Head>, StoreError> {
        let mut last = None;
        for added in hashed {
            let (hash, mut completed) = (added.hash, Vec::new());
            self.tail.push(added);
            self.edge.push(hash, |level, hash| completed.push((level, hash)));
            if completed.is_empty() {
                continue;
            }
            let size = self.edge.size();
            self.files.write_leaves(size - TILE_WIDTH, &self.tail)?;
            self.tail.clear();
            for (level, hash) in completed {
                self.files.write_node(Node { level, index: (size >> level) - 1 }, &hash)?;
            }
            if marks {
                last = Some(Head { size, root: self.edge.root() });
            }
        }
        Ok(last)
    }

    /// The hashes of leaves of the tile at the edge.
    fn tail(&self, stored: &Stored) -> Option<Vec<Hash>> {
        let within = |index: u64| usize::try_from(index.checked_sub(self.full())?).ok();
        let indices = within(stored.indices.start)?..within(stored.indices.end)?;
        Some(self.tail.get(indices)?.iter().map(|hashed| hashed.hash).collect())
    }

    /// How many leaves are in full tiles.
    fn full(&self) -> u64 {
        self.edge.size() - self.tail.len() as u64
    }
}

impl TreeReader {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn whole(&self) -> Result<RwLockReadGuard<'_, State>, StorageError> {
        let state = self.read();
        if state.broken {
            return Err(StorageError::Unavailable("the log's tree could not be written".to_owned()));
        }
        Ok(state)
    }

    /// The tree's size and root.
    pub(super) fn head(&self) -> Result<Head, StorageError> {
        let state = self.whole()?;
        Ok(Head { size: state.edge.size(), root: state.edge.root() })
    }

    /// The hashes of complete nodes.
    pub(super) fn nodes(&self, nodes: &[Node]) -> Result<Vec<Hash>, StorageError> {
        let state = self.whole()?;
        limits::tree_nodes(nodes, state.edge.size())?;
        nodes.iter().map(|node| state.node(*node).map_err(|error| unreadable(&error))).collect()
    }

    /// At most `limit` leaves from an index on.
    pub(super) fn leaves(&self, start: u64, limit: u32) -> Result<Vec<Leaf>, StorageError> {
        limits::tree_leaves(limit)?;
        let state = self.whole()?;
        let end = start.saturating_add(limit.into()).min(state.edge.size());
        let full = state.full().clamp(start.min(end), end);
        let mut leaves = state.files.leaves(&(start.min(end)..full)).map_err(|error| unreadable(&error))?;
        let skipped = usize::try_from(full.saturating_sub(state.full())).unwrap_or(usize::MAX);
        let rest = usize::try_from(end - full).unwrap_or(usize::MAX);
        leaves.extend(state.tail.iter().skip(skipped).take(rest).map(|hashed| hashed.leaf));
        Ok(leaves)
    }
}

impl State {
    fn node(&self, node: Node) -> Result<Hash, StoreError> {
        let Some(stored) = node.stored() else { return Err(StoreError::Stopped) };
        let hashes = match stored.level {
            0 if stored.indices.start >= self.full() => self.tail(&stored).ok_or(StoreError::Stopped)?,
            0 => self.files.leaves(&stored.indices)?.iter().map(Leaf::hash).collect(),
            level => self.files.nodes(level, &stored.indices)?,
        };
        Ok(hash::root(&hashes))
    }
}

fn unreadable(error: &StoreError) -> StorageError {
    tracing::error!(%error, "the tree over a machine's log could not be read");
    StorageError::Unavailable("the log's tree could not be read".to_owned())
}

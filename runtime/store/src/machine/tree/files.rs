//! The files that keep what of a tree never changes.

use super::Hashed;
use crate::StoreError;
use crate::log::sync_dir;
use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use vwp_storage::machine::{Hash, Head, Leaf, Node};
use vwp_tlog::node::{TILE_HEIGHT, TILE_WIDTH};
use vwp_tlog::{Edge, HASH_LENGTH, LEAF_LENGTH};

/// The levels whose hashes are kept, other than the leaves': a log of 2^62 commands has no others.
const LEVELS: u8 = 7;

/// The leaves' file, and that of each level above.
pub(super) struct Files {
    dir: PathBuf,
    leaves: Kept,
    levels: Vec<Kept>,
}

/// A file of things of one length, one after the other.
struct Kept {
    path: PathBuf,
    file: File,
    length: usize,
}

impl Files {
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        let leaves = Kept::open(dir.join("leaves"), LEAF_LENGTH)?;
        let level =
            |tiles: u8| Kept::open(dir.join(format!("nodes-{:02}", tiles * TILE_HEIGHT)), HASH_LENGTH);
        let levels = (1..=LEVELS).map(level).collect::<Result<_, _>>()?;
        Ok(Self { dir: dir.to_owned(), leaves, levels })
    }

    /// The edge of the tree that the mark is of; the empty one if the files do not lead there.
    pub(super) fn edge(&self, marked: Head) -> Result<Edge, StoreError> {
        let has_leaves = marked.size.is_multiple_of(TILE_WIDTH) && self.leaves.count()? >= marked.size;
        let hashes = |level, start, count| match (level, count) {
            (0, _) => Ok(Some(Vec::new())),
            (level, count) => {
                let Some(kept) = self.level(level) else { return Ok(None) };
                let has_nodes = kept.count()? >= marked.size >> level;
                has_nodes.then(|| kept.hashes(&(start..start + count))).transpose()
            }
        };
        let edge = if has_leaves { Edge::restore(marked.size, hashes)? } else { None };
        let edge = edge.filter(|edge| edge.root() == marked.root);
        if edge.is_none() {
            let tree = self.dir.display();
            tracing::warn!(%tree, "the files of a log's tree are damaged; the log is hashed again");
        }
        Ok(edge.unwrap_or_default())
    }

    /// Cuts off what a tree of this size, all of it in full tiles, does not have.
    pub(super) fn cut(&self, size: u64) -> Result<(), StoreError> {
        self.leaves.cut(size)?;
        for (kept, tiles) in self.levels.iter().zip(1_u32..) {
            kept.cut(size.checked_shr(tiles * u32::from(TILE_HEIGHT)).unwrap_or(0))?;
        }
        sync_dir(&self.dir)
    }

    pub(super) fn write_leaves(&self, start: u64, leaves: &[Hashed]) -> Result<(), StoreError> {
        let bytes: Vec<u8> = leaves.iter().flat_map(|hashed| hashed.leaf.encode()).collect();
        self.leaves.write(start, &bytes)
    }

    pub(super) fn write_node(&self, node: Node, hash: &Hash) -> Result<(), StoreError> {
        // A log that is long enough for a level without a file cannot be written.
        self.level(node.level).map_or(Ok(()), |kept| kept.write(node.index, hash))
    }

    /// Leaves of full tiles.
    pub(super) fn leaves(&self, indices: &Range<u64>) -> Result<Vec<Leaf>, StoreError> {
        let bytes = self.leaves.read(indices)?;
        let leaves: Option<Vec<Leaf>> = bytes.chunks(LEAF_LENGTH).map(Leaf::decode).collect();
        leaves.ok_or_else(|| self.leaves.corrupt(indices.start, "this is not a leaf"))
    }

    /// Hashes of complete nodes of a level that is kept.
    pub(super) fn nodes(&self, level: u8, indices: &Range<u64>) -> Result<Vec<Hash>, StoreError> {
        self.level(level).ok_or(StoreError::Stopped)?.hashes(indices)
    }

    /// Makes everything that was written durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        let mut all = std::iter::once(&self.leaves).chain(&self.levels);
        all.try_for_each(|kept| kept.file.sync_data().map_err(StoreError::io(&kept.path, "sync")))
    }

    fn level(&self, level: u8) -> Option<&Kept> {
        self.levels.get(usize::from(level / TILE_HEIGHT).checked_sub(1)?)
    }
}

impl Kept {
    fn open(path: PathBuf, length: usize) -> Result<Self, StoreError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(StoreError::io(&path, "open"))?;
        Ok(Self { path, file, length })
    }

    fn count(&self) -> Result<u64, StoreError> {
        let bytes = self.file.metadata().map_err(StoreError::io(&self.path, "read the length"))?.len();
        Ok(bytes / self.length as u64)
    }

    fn cut(&self, count: u64) -> Result<(), StoreError> {
        self.file.set_len(count * self.length as u64).map_err(StoreError::io(&self.path, "cut"))
    }

    fn write(&self, index: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let offset = index * self.length as u64;
        self.file.write_all_at(bytes, offset).map_err(StoreError::io(&self.path, "write"))
    }

    fn read(&self, indices: &Range<u64>) -> Result<Vec<u8>, StoreError> {
        let count = usize::try_from(indices.end.saturating_sub(indices.start)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; count.saturating_mul(self.length)];
        let offset = indices.start * self.length as u64;
        self.file.read_exact_at(&mut bytes, offset).map_err(StoreError::io(&self.path, "read"))?;
        Ok(bytes)
    }

    fn hashes(&self, indices: &Range<u64>) -> Result<Vec<Hash>, StoreError> {
        Ok(self.read(indices)?.as_chunks().0.to_vec())
    }

    fn corrupt(&self, index: u64, reason: &str) -> StoreError {
        StoreError::corrupt(&self.path, index * self.length as u64, reason)
    }
}

//! The nodes of a tree, and which of them cover a range of leaves.
//!
//! A node at level *l* with index *i* stands for the leaves from `i << l` up to
//! `(i + 1) << l`. Once a tree has all of these the node never changes, however the tree grows:
//! only such *complete* nodes are ever kept, and every other hash of a tree follows from them.

use crate::hash::{self, Hash};
use std::ops::Range;

/// The height of a tile: hashes are kept at the levels that this divides (C2SP tlog-tiles).
pub const TILE_HEIGHT: u8 = 8;
/// How many hashes a full tile has.
pub const TILE_WIDTH: u64 = 1 << TILE_HEIGHT;
/// The highest level that a node can have, with positions of 63 bits.
pub const LEVEL_MAX: u8 = 62;

/// A complete node of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    /// How far above the leaves it is; they are at level 0.
    pub level: u8,
    /// How many nodes of this level are to the left of it.
    pub index: u64,
}

/// Consecutive nodes at a level whose hashes are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The level: a multiple of [`TILE_HEIGHT`].
    pub level: u8,
    /// Their indices; they are in one tile.
    pub indices: Range<u64>,
}

impl Node {
    /// The leaf at an index.
    pub fn leaf(index: u64) -> Self {
        Self { level: 0, index }
    }

    /// The leaves that it stands for; none if there is no such node in any tree.
    pub fn leaves(self) -> Option<Range<u64>> {
        if self.level > LEVEL_MAX {
            return None;
        }
        let length = 1_u64 << self.level;
        let start = self.index.checked_mul(length)?;
        Some(start..start.checked_add(length)?)
    }

    /// Whether a tree of this size has all of its leaves.
    pub fn is_complete(self, size: u64) -> bool {
        self.leaves().is_some_and(|leaves| leaves.end <= size)
    }

    /// The kept hashes that its own follows from: itself, or those below it in its tile.
    pub fn stored(self) -> Option<Stored> {
        self.leaves()?;
        let above = self.level % TILE_HEIGHT;
        let start = self.index << above;
        Some(Stored { level: self.level - above, indices: start..start + (1 << above) })
    }

    /// The fewest complete nodes that cover a range of leaves, from left to right.
    pub fn covering(leaves: &Range<u64>) -> Vec<Self> {
        let mut nodes = Vec::new();
        let mut start = leaves.start;
        while start < leaves.end {
            let aligned = if start == 0 { LEVEL_MAX.into() } else { start.trailing_zeros() };
            let level = aligned.min((leaves.end - start).ilog2());
            nodes.push(Self { level: u8::try_from(level).unwrap_or(LEVEL_MAX), index: start >> level });
            start += 1 << level;
        }
        nodes
    }
}

/// The hash over nodes as [`Node::covering`] gives them: that of the range, if the range starts
/// where a subtree of the whole tree does. None if there are no nodes.
pub fn joined(hashes: &[Hash]) -> Option<Hash> {
    let (last, before) = hashes.split_last()?;
    Some(before.iter().rev().fold(*last, |right, left| hash::node(left, &right)))
}

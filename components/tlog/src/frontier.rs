//! A tree that only grows, as the few hashes that its root follows from: those of the complete
//! nodes that cover all leaves.

use crate::hash::{self, Hash};
use crate::node::{self, TILE_HEIGHT, TILE_WIDTH};

/// The nodes that cover a tree. Adding a leaf hashes about one node; the root takes one hash
/// for each bit of the size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Of the nodes that cover it, the largest first.
    nodes: Vec<Hash>,
}

impl Frontier {
    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut added = leaf;
        // Each node as large as the one that is added joins it into a larger one.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.nodes.pop() {
                added = hash::node(&left, &added);
            }
        }
        self.nodes.push(added);
        self.size += 1;
    }

    /// The tree's root.
    pub fn root(&self) -> Hash {
        node::joined(&self.nodes).unwrap_or_else(hash::empty_root)
    }
}

/// The right edge of a tree that is kept in tiles: of each level of tiles the one that is not
/// full yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    tiles: Vec<Frontier>,
}

impl Edge {
    /// The edge of a tree of this size. `hashes` gives the hashes of consecutive nodes of a level,
    /// from an index on; none if it has not as many.
    pub fn restore<E>(
        size: u64,
        mut hashes: impl FnMut(u8, u64, u64) -> Result<Option<Vec<Hash>>, E>,
    ) -> Result<Option<Self>, E> {
        let mut edge = Self::default();
        let (mut level, mut nodes) = (0, size);
        while nodes > 0 {
            let mut tile = Frontier::default();
            let Some(kept) = hashes(level, nodes - nodes % TILE_WIDTH, nodes % TILE_WIDTH)? else {
                return Ok(None);
            };
            for hash in kept {
                tile.push(hash);
            }
            if tile.size() != nodes % TILE_WIDTH {
                return Ok(None);
            }
            edge.tiles.push(tile);
            (level, nodes) = (level + TILE_HEIGHT, nodes / TILE_WIDTH);
        }
        Ok(Some(edge))
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.tiles.iter().rev().fold(0, |size, tile| size * TILE_WIDTH + tile.size())
    }

    /// Adds a leaf by its hash. `completed` is told the level and the hash of each node that
    /// stands for a tile which is full now.
    pub fn push(&mut self, leaf: Hash, mut completed: impl FnMut(u8, Hash)) {
        let (mut added, mut level) = (leaf, 0);
        for at in 0.. {
            if self.tiles.len() == at {
                self.tiles.push(Frontier::default());
            }
            let Some(tile) = self.tiles.get_mut(at) else { return };
            tile.push(added);
            if tile.size() < TILE_WIDTH {
                return;
            }
            added = std::mem::take(tile).root();
            level += TILE_HEIGHT;
            completed(level, added);
        }
    }

    /// The tree's root.
    pub fn root(&self) -> Hash {
        let nodes: Vec<Hash> = self.tiles.iter().rev().flat_map(|tile| tile.nodes.iter().copied()).collect();
        node::joined(&nodes).unwrap_or_else(hash::empty_root)
    }
}

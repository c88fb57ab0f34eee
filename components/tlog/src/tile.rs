//! A tree as files: C2SP tlog-tiles.
//!
//! A tile is 256 consecutive hashes, or fewer at the right edge, of a level that 8 divides. An
//! entry bundle is the leaves below a tile of level 0, each after its length in two bytes.

use crate::leaf::LEAF_LENGTH;
use crate::node::{TILE_HEIGHT, TILE_WIDTH};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// The highest level of tiles.
pub const TILE_LEVEL_MAX: u8 = 63;
/// The longest path of a tile: of its index alone, 20 digits with what divides them.
const PATH_LENGTH_MAX: usize = 64;

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Hashes, at this level of tiles: of nodes of eight times this level.
    Hashes(u8),
    /// Leaves.
    Entries,
}

/// A tile or an entry bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// What it holds.
    pub kind: Kind,
    /// How many tiles are to the left of it.
    pub index: u64,
    /// How many hashes or leaves it holds: 1 to 256.
    pub width: u16,
}

/// The text names no tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a tile: <level>/<index>[.p/<width>] or entries/<index>[.p/<width>]")]
pub struct TilePathError;

impl Tile {
    /// Whether it is as wide as a tile can be; such a one never changes.
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// The level of the nodes whose hashes it holds; those of leaves are at level 0.
    pub fn node_level(&self) -> u8 {
        match self.kind {
            // Above this level no tree has nodes; the largest number that fits says as much.
            Kind::Hashes(level) => level.saturating_mul(TILE_HEIGHT),
            Kind::Entries => 0,
        }
    }

    /// The indices of the nodes or leaves that it holds; none if no tree has so many.
    pub fn indices(&self) -> Option<Range<u64>> {
        let start = self.index.checked_mul(TILE_WIDTH)?;
        Some(start..start.checked_add(self.width.into())?)
    }
}

impl fmt::Display for Tile {
    /// The path below `<prefix>/tile/`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Hashes(level) => write!(formatter, "{level}/")?,
            Kind::Entries => formatter.write_str("entries/")?,
        }
        let mut groups = Vec::new();
        let mut rest = self.index;
        loop {
            groups.push(rest % 1000);
            rest /= 1000;
            if rest == 0 {
                break;
            }
        }
        while let Some(group) = groups.pop() {
            let (mark, end) = if groups.is_empty() { ("", "") } else { ("x", "/") };
            write!(formatter, "{mark}{group:03}{end}")?;
        }
        if self.is_full() { Ok(()) } else { write!(formatter, ".p/{}", self.width) }
    }
}

impl FromStr for Tile {
    type Err = TilePathError;

    fn from_str(path: &str) -> Result<Self, TilePathError> {
        let read = || {
            if path.len() > PATH_LENGTH_MAX {
                return None;
            }
            let (level, rest) = path.split_once('/')?;
            let kind = match level {
                "entries" => Kind::Entries,
                level => Kind::Hashes(level.parse().ok().filter(|level| *level <= TILE_LEVEL_MAX)?),
            };
            let (index, width) = match rest.split_once(".p/") {
                Some((index, width)) => (index, width.parse().ok().filter(|width| (1..256).contains(width))?),
                None => (rest, 256),
            };
            let mut number = 0_u64;
            for group in index.split('/') {
                let digits = group.strip_prefix('x').unwrap_or(group);
                if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                number = number.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
            }
            Some(Self { kind, index: number, width })
        };
        // There is one path for a tile, and what it is read from must be that.
        read().filter(|tile: &Self| tile.to_string() == path).ok_or(TilePathError)
    }
}

/// An entry bundle of these leaves, whose bytes follow each other.
pub fn bundle(leaves: &[u8]) -> Vec<u8> {
    let length = u16::try_from(LEAF_LENGTH).unwrap_or(u16::MAX).to_be_bytes();
    let (leaves, _) = leaves.as_chunks::<LEAF_LENGTH>();
    leaves.iter().flat_map(|leaf| length.into_iter().chain(*leaf)).collect()
}

/// The leaves of an entry bundle, each still as bytes; none if it is not one.
pub fn unbundle(mut bundle: &[u8]) -> Option<Vec<&[u8]>> {
    let mut leaves = Vec::new();
    while let Some((length, rest)) = bundle.split_first_chunk() {
        let (leaf, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        leaves.push(leaf);
        bundle = rest;
    }
    bundle.is_empty().then_some(leaves)
}

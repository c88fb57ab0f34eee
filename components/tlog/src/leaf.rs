//! The leaf that stands for a command of a machine's log.
//!
//! A command may have a megabyte, of which a receipt has to show a few bytes. So a leaf does
//! not hold the command: it is a record of [`LEAF_LENGTH`] bytes, which holds the root of a tree
//! over the command's blocks. Integers are big-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 0 | the format of leaves: 1 |
//! | 1..9 | the time that the command is applied with |
//! | 9..17 | the command's length |
//! | 17..49 | the root of the tree over its blocks |
//!
//! A block has [`BLOCK_LENGTH`] bytes, the last one fewer, and is a leaf of the command's tree as
//! it is. A command of no bytes has no blocks. The first command of a log, which is at position
//! 1, is the leaf at index 0.

use crate::frontier::Frontier;
use crate::hash::{self, Hash};
use crate::node::Node;
use crate::proof::{Plan, ProofError, verify_inclusion};

/// The length of a leaf, in bytes.
pub const LEAF_LENGTH: usize = 49;
/// The length of a command's blocks, in bytes.
pub const BLOCK_LENGTH: usize = 512;
/// The format that this code writes, and the only one that it reads.
const FORMAT: u8 = 1;

/// What a leaf says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// The time that the command is applied with, in milliseconds since the Unix epoch.
    pub time: u64,
    /// The command's length, in bytes.
    pub length: u64,
    /// The root of the tree over the command's blocks.
    pub root: Hash,
}

impl Leaf {
    /// The leaf for a command.
    pub fn new(time: u64, command: &[u8]) -> Self {
        Self { time, length: command.len() as u64, root: command_root(command) }
    }

    /// The leaf's bytes.
    pub fn encode(&self) -> [u8; LEAF_LENGTH] {
        let mut bytes = [0; LEAF_LENGTH];
        bytes[0] = FORMAT;
        bytes[1..9].copy_from_slice(&self.time.to_be_bytes());
        bytes[9..17].copy_from_slice(&self.length.to_be_bytes());
        bytes[17..].copy_from_slice(&self.root);
        bytes
    }

    /// Reads a leaf; none if it is of another length or format.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (format, rest) = bytes.split_first()?;
        let (time, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let root = rest.try_into().ok()?;
        let leaf = Self { time: u64::from_be_bytes(*time), length: u64::from_be_bytes(*length), root };
        (*format == FORMAT).then_some(leaf)
    }

    /// The leaf's hash in the log's tree.
    pub fn hash(&self) -> Hash {
        hash::leaf(&self.encode())
    }

    /// How many blocks the command has.
    pub fn blocks(&self) -> u64 {
        self.length.div_ceil(BLOCK_LENGTH as u64)
    }

    /// Verifies that a block is at this index of the command.
    pub fn verify_block(&self, index: u64, block: &[u8], path: &[Hash]) -> Result<(), ProofError> {
        let is_last = index.checked_add(1) == Some(self.blocks());
        let rest = self.length % BLOCK_LENGTH as u64;
        let expected = if is_last && rest > 0 { rest } else { BLOCK_LENGTH as u64 };
        if block.len() as u64 != expected {
            return Err(ProofError::Shape);
        }
        verify_inclusion(index, &hash::leaf(block), self.blocks(), &self.root, path)
    }
}

/// The root of the tree over a command's blocks.
pub fn command_root(command: &[u8]) -> Hash {
    let mut frontier = Frontier::default();
    command.chunks(BLOCK_LENGTH).for_each(|block| frontier.push(hash::leaf(block)));
    frontier.root()
}

/// A command with the hashes of its blocks.
#[derive(Debug, Clone)]
pub struct Blocks<'a> {
    leaf: Leaf,
    command: &'a [u8],
    hashes: Vec<Hash>,
}

impl<'a> Blocks<'a> {
    /// Hashes the blocks of a command.
    pub fn new(time: u64, command: &'a [u8]) -> Self {
        let hashes: Vec<Hash> = command.chunks(BLOCK_LENGTH).map(hash::leaf).collect();
        let leaf = Leaf { time, length: command.len() as u64, root: hash::root(&hashes) };
        Self { leaf, command, hashes }
    }

    /// The leaf that stands for the command.
    pub fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    /// The bytes of the block at an index.
    pub fn block(&self, index: u64) -> Option<&'a [u8]> {
        self.command.chunks(BLOCK_LENGTH).nth(usize::try_from(index).ok()?)
    }

    /// The proof that the block at an index is in the command; none if there is no such block.
    pub fn path(&self, index: u64) -> Option<Vec<Hash>> {
        let plan = Plan::inclusion(index, self.hashes.len() as u64)?;
        let hash = |node: &Node| {
            let leaves = node.leaves()?;
            let (start, end) = (usize::try_from(leaves.start).ok()?, usize::try_from(leaves.end).ok()?);
            self.hashes.get(start..end).map(hash::root)
        };
        let hashes: Option<Vec<Hash>> = plan.nodes().iter().map(hash).collect();
        plan.proof(&hashes?)
    }
}

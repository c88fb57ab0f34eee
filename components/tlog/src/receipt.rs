//! That a part of a command is in a log, provable offline.
//!
//! [`LogProof`] is C2SP tlog-proof: a leaf's place, its path, and the checkpoint that it leads to.
//! [`Evidence`] adds the leaf, and the blocks of the command that matter with their paths in it.
//! Hashes and bytes are in base64 (RFC 4648, section 4).

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::Hash;
use crate::leaf::{BLOCK_LENGTH, Blocks, Leaf};
use crate::note::{NOTE_LENGTH_MAX, Verifier};
use crate::proof::{Head, PROOF_LENGTH_MAX, ProofError, verify_inclusion};
use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// What a proof starts with.
const PROOF_MARK: &str = "c2sp.org/tlog-proof@v1";
/// What precedes the place of the leaf.
const INDEX_MARK: &str = "index ";
/// What precedes what an application adds; nothing of ours does.
const EXTRA_MARK: &str = "extra ";

/// Why a receipt is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// It is not written as a receipt is; the text says where.
    #[error("the receipt is malformed: {0}")]
    Malformed(&'static str),
    /// Its checkpoint is not believed.
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The leaf is not where it says.
    #[error("the leaf's path: {0}")]
    Leaf(ProofError),
    /// A block is not in the command.
    #[error("the path of block {0}: {1}")]
    Block(u64, ProofError),
}

/// A leaf's place in a log, and the proof of it (C2SP tlog-proof).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// The leaf's index.
    pub index: u64,
    /// Its path (RFC 9162, section 2.1.3).
    pub path: Vec<Hash>,
    /// The signed checkpoint that the path leads to.
    pub checkpoint: String,
}

impl fmt::Display for LogProof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{PROOF_MARK}\n{INDEX_MARK}{}", self.index)?;
        for hash in &self.path {
            writeln!(formatter, "{}", Base64::encode_string(hash))?;
        }
        write!(formatter, "\n{}", self.checkpoint)
    }
}

impl FromStr for LogProof {
    type Err = ReceiptError;

    fn from_str(text: &str) -> Result<Self, ReceiptError> {
        let malformed = || ReceiptError::Malformed("the proof is not a C2SP tlog-proof");
        if text.len() > 2 * NOTE_LENGTH_MAX {
            return Err(malformed());
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(malformed)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(PROOF_MARK) {
            return Err(malformed());
        }
        lines.next_if(|line| line.starts_with(EXTRA_MARK));
        let digits = lines.next().and_then(|line| line.strip_prefix(INDEX_MARK)).ok_or_else(malformed)?;
        let index: u64 = digits.parse().map_err(|_| malformed())?;
        let path: Option<Vec<Hash>> = lines
            .map(|line| Base64::decode_vec(line).ok()?.try_into().ok())
            .take(PROOF_LENGTH_MAX + 1)
            .collect();
        let path = path.filter(|_| index.to_string() == digits).ok_or_else(malformed)?;
        Ok(Self { index, path, checkpoint: checkpoint.to_owned() })
    }
}

/// A block of a command, and its path in the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// How many blocks come before it.
    pub index: u64,
    /// Its bytes.
    pub data: String,
    /// The hashes beside its way to the command's root.
    pub path: Vec<String>,
}

/// That blocks of a command are in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The leaf that stands for the command.
    pub leaf: String,
    /// The blocks that matter, consecutive ones.
    pub blocks: Vec<Block>,
    /// Where the leaf is: a C2SP tlog-proof.
    pub proof: String,
}

/// What evidence proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The checkpoint of the log, as its key signed it.
    pub checkpoint: Checkpoint,
    /// The command's position in the log.
    pub position: u64,
    /// The leaf that stands for the command.
    pub leaf: Leaf,
    /// Where in the command the bytes begin.
    pub offset: u64,
    /// The bytes of the command that were shown.
    pub bytes: Vec<u8>,
}

impl Evidence {
    /// Writes evidence for some bytes of a command. None if the command has no such bytes, or they
    /// are none.
    pub fn new(command: &Blocks<'_>, bytes: &Range<u64>, proof: &LogProof) -> Option<Self> {
        let leaf = command.leaf();
        if bytes.is_empty() || bytes.end > leaf.length {
            return None;
        }
        let length = BLOCK_LENGTH as u64;
        let encoded = |hash: &Hash| Base64::encode_string(hash);
        let block = |index| {
            let data = Base64::encode_string(command.block(index)?);
            Some(Block { index, data, path: command.path(index)?.iter().map(encoded).collect() })
        };
        let blocks: Option<Vec<Block>> =
            (bytes.start / length..bytes.end.div_ceil(length)).map(block).collect();
        Some(Self { leaf: Base64::encode_string(&leaf.encode()), blocks: blocks?, proof: proof.to_string() })
    }

    /// Verifies everything with the log's keys and nothing else.
    pub fn verify(&self, known: &[Verifier]) -> Result<Proven, ReceiptError> {
        let malformed = ReceiptError::Malformed;
        let proof: LogProof = self.proof.parse()?;
        let checkpoint = Checkpoint::open(&proof.checkpoint, known)?;
        let leaf = Base64::decode_vec(&self.leaf).ok().and_then(|bytes| Leaf::decode(&bytes));
        let leaf = leaf.ok_or(malformed("the leaf is not one of format 1"))?;
        let Head { size, root } = checkpoint.head;
        verify_inclusion(proof.index, &leaf.hash(), size, &root, &proof.path).map_err(ReceiptError::Leaf)?;
        let first = self.blocks.first().ok_or(malformed("there are no blocks"))?.index;
        let mut bytes = Vec::new();
        for (expected, block) in (first..).zip(&self.blocks) {
            if block.index != expected {
                return Err(malformed("the blocks are not consecutive"));
            }
            let data = Base64::decode_vec(&block.data).map_err(|_| malformed("a block is not base64"))?;
            let hash = |text: &String| Base64::decode_vec(text).ok()?.try_into().ok();
            let path: Option<Vec<Hash>> = block.path.iter().map(hash).collect();
            let path = path.ok_or(malformed("a block's path is not of hashes"))?;
            leaf.verify_block(expected, &data, &path)
                .map_err(|error| ReceiptError::Block(expected, error))?;
            bytes.extend(data);
        }
        let offset = first.saturating_mul(BLOCK_LENGTH as u64);
        Ok(Proven { position: proof.index + 1, checkpoint, leaf, offset, bytes })
    }
}

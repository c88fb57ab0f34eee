//! Inclusion proofs (RFC 9162, section 2.1.3) and consistency proofs (section 2.1.4).
//!
//! A [`Plan`] names the complete nodes whose hashes a proof takes; whoever has them passes them
//! to [`Plan::proof`]. Verifying takes nothing but the proof.

use crate::hash::{self, Hash};
use crate::node::{self, Node};
use std::ops::Range;

/// The longest proof that can be right, in hashes: one for each bit of a size, and one.
pub const PROOF_LENGTH_MAX: usize = 65;

/// The nodes that a proof, or a root, is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    nodes: Vec<Node>,
    /// How many of the nodes each hash of the proof is joined from.
    joins: Vec<usize>,
}

/// What is wrong with a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It has too few or too many hashes, or is about a leaf or a size that cannot be.
    #[error("the proof is not one for a leaf or a tree of this size")]
    Shape,
    /// It leads to another root.
    #[error("the proof leads to another root")]
    Root,
}

impl Plan {
    /// For the root of a tree of this size; for none, [`hash::empty_root`] is it.
    pub fn root(size: u64) -> Option<Self> {
        (size > 0).then(|| Self::of(std::iter::once(0..size).collect()))
    }

    /// For the proof that the leaf at an index is in the tree of a size (section 2.1.3.1).
    pub fn inclusion(index: u64, size: u64) -> Option<Self> {
        if index >= size {
            return None;
        }
        let (mut tree, mut ranges) = (0..size, Vec::new());
        while tree.end - tree.start > 1 {
            let split = tree.start + split(tree.end - tree.start);
            let (inside, beside) = if index < split {
                (tree.start..split, split..tree.end)
            } else {
                (split..tree.end, tree.start..split)
            };
            ranges.push(beside);
            tree = inside;
        }
        ranges.reverse();
        Some(Self::of(ranges))
    }

    /// For the proof that the tree of the size `new` begins with that of the size `old` (section
    /// 2.1.4.1). It is empty if they are the same, or the old one has no leaves.
    pub fn consistency(old: u64, new: u64) -> Option<Self> {
        if old > new {
            return None;
        }
        let mut ranges = Vec::new();
        // Whether what is left is the old tree itself, whose root the verifier has.
        let (mut tree, mut known) = (0..new, true);
        while old > 0 && tree.end > old {
            let split = tree.start + split(tree.end - tree.start);
            let (inside, beside) = if old <= split {
                (tree.start..split, split..tree.end)
            } else {
                known = false;
                (split..tree.end, tree.start..split)
            };
            ranges.push(beside);
            tree = inside;
        }
        if !known {
            ranges.push(tree);
        }
        ranges.reverse();
        Some(Self::of(ranges))
    }

    fn of(ranges: Vec<Range<u64>>) -> Self {
        let (mut nodes, mut joins) = (Vec::new(), Vec::new());
        for range in ranges {
            let covering = Node::covering(&range);
            joins.push(covering.len());
            nodes.extend(covering);
        }
        Self { nodes, joins }
    }

    /// The nodes whose hashes are needed.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The proof, given the nodes' hashes in their order; none if they are not as many.
    pub fn proof(&self, hashes: &[Hash]) -> Option<Vec<Hash>> {
        if hashes.len() != self.nodes.len() {
            return None;
        }
        let mut rest = hashes;
        let mut proof = Vec::with_capacity(self.joins.len());
        for &count in &self.joins {
            let (joined, after) = rest.split_at_checked(count)?;
            proof.push(node::joined(joined)?);
            rest = after;
        }
        Some(proof)
    }
}

/// The largest power of two that is smaller than a length of at least two.
fn split(length: u64) -> u64 {
    1 << (length - 1).ilog2()
}

/// Verifies that the leaf with this hash is at an index of the tree with this size and root
/// (section 2.1.3.2).
pub fn verify_inclusion(
    index: u64,
    leaf: &Hash,
    size: u64,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if index >= size || proof.len() > PROOF_LENGTH_MAX {
        return Err(ProofError::Shape);
    }
    // As the RFC has it: `fn`, `sn` and `r`.
    let (mut place, mut last, mut seen) = (index, size - 1, *leaf);
    for beside in proof {
        if last == 0 {
            return Err(ProofError::Shape);
        }
        if place & 1 == 1 || place == last {
            seen = hash::node(beside, &seen);
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            seen = hash::node(&seen, beside);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    if last != 0 {
        return Err(ProofError::Shape);
    }
    if seen == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// A size of a tree and its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many leaves it has.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// Verifies that the tree `new` begins with the tree `old` (section 2.1.4.2).
pub fn verify_consistency(old: &Head, new: &Head, proof: &[Hash]) -> Result<(), ProofError> {
    if old.size > new.size || proof.len() > PROOF_LENGTH_MAX {
        return Err(ProofError::Shape);
    }
    if old.size == 0 || old.size == new.size {
        // Every tree begins with that of no leaves, and with itself: there is nothing to prove.
        let same = if old.size == 0 { old.root == hash::empty_root() } else { old.root == new.root };
        return match (proof.is_empty(), same) {
            (false, _) => Err(ProofError::Shape),
            (true, false) => Err(ProofError::Root),
            (true, true) => Ok(()),
        };
    }
    // The old tree is a whole subtree of the new one: its root is where the proof begins.
    let whole = old.size.is_power_of_two().then_some(old.root);
    let mut path = whole.iter().chain(proof);
    let first = *path.next().ok_or(ProofError::Shape)?;
    // As the RFC has it: `fn` and `sn`, `fr` and `sr`.
    let (mut place, mut last) = (old.size - 1, new.size - 1);
    let shared = place.trailing_ones();
    (place, last) = (place >> shared, last >> shared);
    let (mut old_seen, mut new_seen) = (first, first);
    for beside in path {
        if last == 0 {
            return Err(ProofError::Shape);
        }
        if place & 1 == 1 || place == last {
            old_seen = hash::node(beside, &old_seen);
            new_seen = hash::node(beside, &new_seen);
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            new_seen = hash::node(&new_seen, beside);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    if last != 0 {
        return Err(ProofError::Shape);
    }
    if old_seen == old.root && new_seen == new.root { Ok(()) } else { Err(ProofError::Root) }
}

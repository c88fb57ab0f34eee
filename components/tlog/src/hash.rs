//! The hashes of a Merkle tree: RFC 9162, section 2.1.1, with SHA-256.

use sha2::{Digest, Sha256};

/// The length of a hash, in bytes.
pub const HASH_LENGTH: usize = 32;

/// The hash of a leaf, or of the two nodes below a node.
pub type Hash = [u8; HASH_LENGTH];

/// What is hashed before a leaf, and before the hashes of two nodes: a leaf can so never be
/// taken for a node.
const LEAF: [u8; 1] = [0];
const NODE: [u8; 1] = [1];

/// The root of a tree without leaves: the hash of nothing.
pub fn empty_root() -> Hash {
    Sha256::new().finalize().into()
}

/// The hash of a leaf.
pub fn leaf(data: &[u8]) -> Hash {
    Sha256::new().chain_update(LEAF).chain_update(data).finalize().into()
}

/// The hash of a node, from those of the two below it.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    // One update is faster than three.
    let mut input = [0; 1 + 2 * HASH_LENGTH];
    let (prefix, hashes) = input.split_at_mut(NODE.len());
    prefix.copy_from_slice(&NODE);
    let (first, second) = hashes.split_at_mut(HASH_LENGTH);
    first.copy_from_slice(left);
    second.copy_from_slice(right);
    Sha256::digest(input).into()
}

/// The root of the tree over these leaves, given their hashes: the definition, as it stands in
/// the RFC.
pub fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [one] => *one,
        _ => {
            // The largest power of two that is smaller than their number.
            let split = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(split);
            node(&root(left), &root(right))
        }
    }
}

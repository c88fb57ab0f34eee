//! Transparency logs: what makes a log provable to those who do not trust who keeps it.
//!
//! - [`hash`]: the hashes of a Merkle tree (RFC 9162, section 2.1).
//! - [`node`]: the nodes of a tree, and which of them cover a range of leaves.
//! - [`frontier`]: a tree that only grows, as the few hashes that its root follows from.
//! - [`proof`]: inclusion and consistency proofs: which hashes they take, and verifying them.
//! - [`leaf`]: the leaf that stands for a command of a machine's log.
//! - [`tile`]: a tree as files (C2SP tlog-tiles).
//!
//! and with the feature `notes`:
//!
//! - [`note`]: texts with signatures (C2SP signed-note), by P-256 keys.
//! - [`checkpoint`]: the head of a tree as such a text (C2SP tlog-checkpoint).
//! - [`receipt`]: that a part of a command is in a log, provable offline.
//!
//! Nothing here reads or writes: a plan says which hashes it needs, whoever keeps them
//! fetches them, and the plan makes of them what was asked for. So the same code serves a
//! file, a database, a component and a program that has only downloads.
//!
//! # Why own code
//! Of the maintained crates, cloudflare's `tlog_tiles` and `signed_note` are closest. They know
//! Ed25519 alone, where this project has ES256 alone, read through a trait that cannot wait,
//! and need older generations of crates that the components have in newer ones.

#[cfg(feature = "notes")]
pub mod checkpoint;
pub mod frontier;
pub mod hash;
pub mod leaf;
pub mod node;
#[cfg(feature = "notes")]
pub mod note;
pub mod proof;
#[cfg(feature = "notes")]
pub mod receipt;
pub mod tile;

pub use frontier::{Edge, Frontier};
pub use hash::{HASH_LENGTH, Hash};
pub use leaf::{LEAF_LENGTH, Leaf};
pub use node::Node;

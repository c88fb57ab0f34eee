//! Ids that follow from what they name.

use sha2::{Digest, Sha256};

/// The first 128 bits of a SHA-256 over a domain and parts, each preceded by its length: no two lists
/// of parts have the same bytes, and nobody outside chooses what comes of it.
pub fn digest(domain: &str, parts: &[&str]) -> u128 {
    let mut hash = Sha256::new();
    for part in [&domain].into_iter().chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    digest.first_chunk::<16>().map_or(0, |first| u128::from_be_bytes(*first))
}

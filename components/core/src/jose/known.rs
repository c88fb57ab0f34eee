//! Tokens whose signatures this instance has verified. A bearer token comes with every request of a session, and
//! to verify it again would be most of what a small request takes. Only the signature is remembered: who
//! believes a token checks its claims, and whether it has been ended, each time.

use p256::ecdsa::Signature;
use p256::ecdsa::VerifyingKey;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// How many are remembered; of more, the one that was verified first is forgotten.
const KNOWN_MAX: usize = 256;

type Mark = [u8; 32];

static KNOWN: Mutex<VecDeque<Mark>> = Mutex::new(VecDeque::new());

/// What only this signature of this text with this key has: they have fixed lengths but for the text.
pub(super) fn mark(key: &VerifyingKey, signature: &Signature, text: &str) -> Mark {
    let mut hash = Sha256::new();
    hash.update(key.to_sec1_point(false).as_bytes());
    hash.update(signature.to_bytes());
    hash.update(text);
    hash.finalize().into()
}

/// Whether the signature was verified.
pub(super) fn is_known(mark: &Mark) -> bool {
    // The marks are of tokens, which are secrets, but whoever could learn one from the time that this takes would
    // know a hash of a token at most.
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).contains(mark)
}

/// Remembers one that was verified.
pub(super) fn remember(mark: Mark) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= KNOWN_MAX {
        known.pop_front();
    }
    known.push_back(mark);
}

//! What a commit does, as the log keeps it.
//!
//! The log keeps effects, not requests: checks, clocks and counters were evaluated
//! when the commit was accepted, so a replay needs none of them and repeating one is
//! harmless. A record's payload is a list of commits; a commit is the number of its
//! effects (four bytes) and the effects: a tag, the key's length (two bytes), the key,
//! and what the tag asks for. Integers are little-endian.

use crate::log::format::{u32_at, u64_at};
use vwp_storage::kv::{Key, Timestamp};

const PUT: u8 = 1;
const DELETE: u8 = 2;
const EXPIRE: u8 = 3;
const FORGET: u8 = 4;

/// Stands for "does not expire".
pub(super) const NEVER: Timestamp = Timestamp::MAX;

/// One key's change in a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// The key holds this value now.
    Put { key: Key, value: Vec<u8>, expires_at: Timestamp },
    /// The key is gone.
    Delete { key: Key },
    /// The key is gone because it expired at this time.
    Expire { key: Key, at: Timestamp },
    /// The key was written again since it was to expire at this time.
    Forget { key: Key, at: Timestamp },
}

/// Appends a commit to a payload.
pub(super) fn encode(effects: &[Effect], payload: &mut Vec<u8>) {
    // A commit has at most a few hundred effects, and a key 1,024 bytes.
    payload.extend_from_slice(&u32::try_from(effects.len()).unwrap_or(u32::MAX).to_le_bytes());
    for effect in effects {
        let (tag, key) = match effect {
            Effect::Put { key, .. } => (PUT, key),
            Effect::Delete { key } => (DELETE, key),
            Effect::Expire { key, .. } => (EXPIRE, key),
            Effect::Forget { key, .. } => (FORGET, key),
        };
        payload.push(tag);
        payload.extend_from_slice(&u16::try_from(key.len()).unwrap_or(u16::MAX).to_le_bytes());
        payload.extend_from_slice(key);
        match effect {
            Effect::Put { value, expires_at, .. } => {
                payload.extend_from_slice(&expires_at.to_le_bytes());
                payload.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
                payload.extend_from_slice(value);
            }
            Effect::Expire { at, .. } | Effect::Forget { at, .. } => {
                payload.extend_from_slice(&at.to_le_bytes());
            }
            Effect::Delete { .. } => {}
        }
    }
}

/// Reads the commits of a payload one after the other.
pub(super) struct Commits<'a>(pub(super) &'a [u8]);

impl Commits<'_> {
    /// The next commit's effects; none if the payload does not hold another.
    pub(super) fn next_commit(&mut self) -> Option<Vec<Effect>> {
        let count = u32_at(self.take(4)?, 0);
        (0..count).map(|_| self.effect()).collect()
    }

    fn effect(&mut self) -> Option<Effect> {
        let tag = *self.take(1)?.first()?;
        let length = u16::from_le_bytes(self.take(2)?.try_into().ok()?);
        let key = self.take(usize::from(length))?.to_vec();
        Some(match tag {
            PUT => {
                let expires_at = u64_at(self.take(8)?, 0);
                let length = u32_at(self.take(4)?, 0);
                let value = self.take(usize::try_from(length).ok()?)?.to_vec();
                Effect::Put { key, value, expires_at }
            }
            DELETE => Effect::Delete { key },
            EXPIRE => Effect::Expire { key, at: u64_at(self.take(8)?, 0) },
            FORGET => Effect::Forget { key, at: u64_at(self.take(8)?, 0) },
            _ => return None,
        })
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let (taken, left) = self.0.split_at_checked(length)?;
        self.0 = left;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_read_back_as_they_were_written() {
        let effects = [
            Effect::Put { key: b"a".to_vec(), value: vec![], expires_at: NEVER },
            Effect::Put { key: vec![0; 1024], value: vec![7; 65_536], expires_at: 5 },
            Effect::Delete { key: b"b".to_vec() },
            Effect::Expire { key: b"c".to_vec(), at: 9 },
            Effect::Forget { key: b"d".to_vec(), at: 10 },
        ];
        let mut payload = Vec::new();
        encode(&effects, &mut payload);
        encode(&[], &mut payload);
        let mut commits = Commits(&payload);
        assert_eq!(commits.next_commit().as_deref(), Some(effects.as_slice()));
        assert_eq!(commits.next_commit(), Some(vec![]));
        assert_eq!(commits.next_commit(), None);
    }
}

//! The head of a tree as a signed note: C2SP tlog-checkpoint.

use crate::hash::Hash;
use crate::note::{self, NoteError, Verifier};
use crate::proof::Head;
use base64ct::{Base64, Encoding};
use p256::ecdsa::SigningKey;
use std::fmt;
use std::str::FromStr;

/// What a log says about itself: its name, how long it is, and its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name; its keys have it too.
    pub origin: String,
    /// The head of its tree.
    pub head: Head,
}

/// Why a checkpoint is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note is none, or not one of a known key.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The note's text is not a checkpoint.
    #[error("not a checkpoint: a name, a size and a root")]
    Text,
    /// It is a checkpoint of another log than the key's.
    #[error("the checkpoint is of another log")]
    Origin,
}

impl Checkpoint {
    /// Signs it with the log's key.
    pub fn sign(&self, key: &SigningKey) -> Result<String, NoteError> {
        note::sign(&self.to_string(), &self.origin, key)
    }

    /// Reads a checkpoint that one of these keys of its log signed.
    pub fn open(note: &str, known: &[Verifier]) -> Result<Self, CheckpointError> {
        let checkpoint: Self = note::open(note, known)?.parse()?;
        // Keys of several logs may be known, each of which speaks for its own log alone.
        let own: Vec<Verifier> =
            known.iter().filter(|verifier| verifier.name() == checkpoint.origin).cloned().collect();
        if own.is_empty() {
            return Err(CheckpointError::Origin);
        }
        note::open(note, &own)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for Checkpoint {
    /// The note's text.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = Base64::encode_string(&self.head.root);
        write!(formatter, "{}\n{}\n{root}\n", self.origin, self.head.size)
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    /// Reads a note's text. Lines after the third are passed over, as the specification has it.
    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let read = || {
            let mut lines = text.strip_suffix('\n')?.split('\n');
            let (origin, digits, root) = (lines.next()?, lines.next()?, lines.next()?);
            let size: u64 = digits.parse().ok()?;
            let root: Hash = Base64::decode_vec(root).ok()?.try_into().ok()?;
            let whole =
                !origin.is_empty() && size.to_string() == digits && lines.all(|line| !line.is_empty());
            whole.then(|| Self { origin: origin.to_owned(), head: Head { size, root } })
        };
        read().ok_or(CheckpointError::Text)
    }
}

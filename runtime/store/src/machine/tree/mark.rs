//! The mark: up to where a tree's files are on stable storage, and what the root is there.

use crate::StoreError;
use crate::log::format::{u32_at, u64_at};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use vwp_storage::machine::Head;

const NAME: &str = "mark";
const MAGIC: [u8; 8] = *b"VWPTREE\x01";
/// The bytes that the checksum covers: the magic, the log's identity, the size and the root.
const COVERED: usize = 56;
const LENGTH: usize = COVERED + 4;

/// The mark's file.
pub(super) struct Mark {
    path: PathBuf,
    file: File,
    identity: u64,
}

impl Mark {
    /// Opens the mark of a log's tree and reads what it says, if it is one of this log.
    pub(super) fn open(dir: &Path, identity: u64) -> Result<(Self, Option<Head>), StoreError> {
        let path = dir.join(NAME);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(StoreError::io(&path, "open the mark"))?;
        let mut bytes = Vec::with_capacity(LENGTH);
        let read = std::io::Read::read_to_end(&mut std::io::Read::take(&file, LENGTH as u64), &mut bytes);
        read.map_err(StoreError::io(&path, "read"))?;
        let head = decode(&bytes, identity);
        if head.is_none() && !bytes.is_empty() {
            tracing::warn!(path = %path.display(), "the tree's mark is not this log's; the log is hashed again");
        }
        Ok((Self { path, file, identity }, head))
    }

    /// Notes a head up to which the files are on stable storage.
    pub(super) fn note(&self, head: Head) -> Result<(), StoreError> {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend(MAGIC);
        bytes.extend(self.identity.to_le_bytes());
        bytes.extend(head.size.to_le_bytes());
        bytes.extend(head.root);
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        self.file.write_all_at(&bytes, 0).map_err(StoreError::io(&self.path, "write"))?;
        self.file.sync_data().map_err(StoreError::io(&self.path, "sync"))
    }
}

fn decode(bytes: &[u8], identity: u64) -> Option<Head> {
    let covered = bytes.get(..COVERED)?;
    let checksum = bytes.get(COVERED..LENGTH)?;
    let sound = covered.starts_with(&MAGIC) && crc32c::crc32c(covered) == u32_at(checksum, 0);
    let root = *covered.last_chunk()?;
    (sound && u64_at(covered, 8) == identity).then(|| Head { size: u64_at(covered, 16), root })
}

//! Checkpoint files: a machine's serialisation at a position of its log.
//!
//! A file is 40 bytes of header, the serialisation, and the SHA-256 of both. The
//! header is `VWPCKPT` and a zero, the format version and four zero bytes, the
//! identity of the log, the position after the last command applied, and the time
//! that command was applied with. Integers are little-endian.
//!
//! A checkpoint only saves time: one that is missing, damaged or made from another log
//! is passed over, and the log is replayed from the one before, or from its start.

use super::host::{HostMachine, MachineError, MachineFactory};
use crate::StoreError;
use crate::log::format::{u32_at, u64_at};
use crate::log::sync_dir;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use vwp_storage::kv::Timestamp;

const MAGIC: [u8; 8] = *b"VWPCKPT\0";
const VERSION: u32 = crate::formats::CHECKPOINT;
const HEADER: usize = 40;
const DIGEST: usize = 32;
/// How much of a serialisation is taken and given at a time.
const PART: u32 = 256 * 1024;
/// How many checkpoints are kept: the newest, and one to fall back on.
const KEPT: usize = 2;

/// What a machine has applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The position of the next command.
    pub(super) next: u64,
    /// The time of the last one.
    pub(super) time: Timestamp,
}

impl Progress {
    /// Nothing is applied.
    pub(super) const NONE: Self = Self { next: 1, time: 0 };
}

/// The checkpoints in the folder, newest first.
pub(crate) fn list(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(StoreError::io(dir, "list the folder"))? {
        let path = entry.map_err(StoreError::io(dir, "list the folder"))?.path();
        if path.extension().is_some_and(|extension| extension == "checkpoint") {
            found.push(path);
        }
    }
    found.sort();
    found.reverse();
    Ok(found)
}

/// A machine and what it has applied, and the length of what it was restored from.
type Restored = (Box<dyn HostMachine>, Progress, u64);

/// A machine restored from the newest checkpoint that is sound and not beyond the log,
/// if there is one.
pub(super) fn restore(
    dir: &Path,
    identity: u64,
    log_next: u64,
    factory: &MachineFactory,
) -> Result<Option<Restored>, StoreError> {
    for path in list(dir)? {
        match verify(&path, identity, log_next) {
            Ok((progress, length)) => {
                let mut machine = factory().map_err(|error| failed(&path, &error))?;
                match feed(&path, length, machine.as_mut()) {
                    Ok(()) => return Ok(Some((machine, progress, length))),
                    Err(error) => {
                        tracing::warn!(path = %path.display(), %error, "a checkpoint is passed over");
                    }
                }
            }
            Err(reason) => tracing::warn!(path = %path.display(), %reason, "a checkpoint is passed over"),
        }
    }
    Ok(None)
}

/// Reads the whole file and checks it, before any of it reaches a machine.
pub(crate) fn verify(path: &Path, identity: u64, log_next: u64) -> Result<(Progress, u64), String> {
    let text = |error: std::io::Error| error.to_string();
    let file = File::open(path).map_err(text)?;
    let length = file.metadata().map_err(text)?.len();
    let body = length.checked_sub((HEADER + DIGEST) as u64).ok_or("it is cut short")?;
    let mut reader = BufReader::with_capacity(PART as usize, file);
    let mut header = [0; HEADER];
    reader.read_exact(&mut header).map_err(text)?;
    if !header.starts_with(&MAGIC) || u32_at(&header, 8) != VERSION {
        return Err("it has another format".to_owned());
    }
    let mut hasher = Sha256::new();
    hasher.update(header);
    let mut part = vec![0; PART as usize];
    let mut left = body;
    while left > 0 {
        let wanted = part.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let Some(part) = part.get_mut(..wanted) else { break };
        reader.read_exact(part).map_err(text)?;
        hasher.update(&*part);
        left -= wanted as u64;
    }
    let mut digest = [0; DIGEST];
    reader.read_exact(&mut digest).map_err(text)?;
    if hasher.finalize().as_slice() != digest {
        return Err("it fails its checksum".to_owned());
    }
    let progress = Progress { next: u64_at(&header, 24), time: u64_at(&header, 32) };
    if u64_at(&header, 16) != identity || progress.next > log_next {
        return Err("it was not made from this log".to_owned());
    }
    Ok((progress, body))
}

fn feed(path: &Path, length: u64, machine: &mut dyn HostMachine) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let mut file = File::open(path).map_err(text)?;
    std::io::copy(&mut (&mut file).take(HEADER as u64), &mut std::io::sink()).map_err(text)?;
    let mut left = length;
    while left > 0 {
        let wanted = u64::from(PART).min(left);
        let mut part = vec![0; usize::try_from(wanted).unwrap_or_default()];
        file.read_exact(&mut part).map_err(text)?;
        machine.restore(&part).map_err(|error| error.to_string())?;
        left -= wanted;
    }
    machine.restore(&[]).map_err(|error| error.to_string())
}

/// Writes a checkpoint, durably, and removes the oldest ones. The file appears under
/// its name only when complete. Returns the serialisation's length.
pub(super) fn write(
    dir: &Path,
    identity: u64,
    progress: Progress,
    machine: &mut dyn HostMachine,
) -> Result<u64, StoreError> {
    let path = dir.join(format!("{:020}.checkpoint", progress.next));
    let temporary = dir.join("checkpoint.tmp");
    let file = File::create(&temporary).map_err(StoreError::io(&temporary, "create"))?;
    let mut output = BufWriter::with_capacity(PART as usize, file);
    let mut hasher = Sha256::new();
    let mut put = |bytes: &[u8]| {
        hasher.update(bytes);
        output.write_all(bytes).map_err(StoreError::io(&temporary, "write"))
    };
    put(&MAGIC)?;
    put(&u64::from(VERSION).to_le_bytes())?;
    put(&identity.to_le_bytes())?;
    put(&progress.next.to_le_bytes())?;
    put(&progress.time.to_le_bytes())?;
    let mut offset = 0;
    loop {
        let part = machine.checkpoint(offset, PART).map_err(|error| failed(&path, &error))?;
        if part.is_empty() {
            break;
        }
        put(&part)?;
        offset += part.len() as u64;
    }
    let digest = hasher.finalize();
    output.write_all(digest.as_slice()).map_err(StoreError::io(&temporary, "write"))?;
    let file =
        output.into_inner().map_err(|error| StoreError::io(&temporary, "write")(error.into_error()))?;
    file.sync_all().map_err(StoreError::io(&temporary, "sync"))?;
    std::fs::rename(&temporary, &path).map_err(StoreError::io(&path, "rename"))?;
    sync_dir(dir)?;
    for old in list(dir)?.iter().skip(KEPT) {
        std::fs::remove_file(old).map_err(StoreError::io(old, "remove"))?;
    }
    Ok(offset)
}

fn failed(path: &Path, error: &MachineError) -> StoreError {
    let name = path.parent().and_then(Path::parent).and_then(Path::file_name);
    let name = name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    StoreError::Machine { name, reason: error.to_string() }
}

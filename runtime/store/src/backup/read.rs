//! Reading a backup: what is wrong with it is found before anything of it is believed.

use super::format::{self, DIGEST, FRAME_HEADER, FrameHeader, HEADER, Kind, RECORD_LEAD};
use super::restore::Target;
use super::{BackupError, Extra, FILE_LENGTH_MAX, FILES_MAX, Summary};
use crate::log::Record;
use crate::log::format::{u32_at, u64_at};
use sha2::{Digest, Sha256};
use std::io::{ErrorKind, Read};
use std::path::Path;
use vwp_storage::limits;

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// What is in the backup.
    pub summary: Summary,
    /// The files beside the store.
    pub files: Vec<Extra>,
}

/// Reads a backup to its end and verifies all of it. With a folder, makes a store in it: the
/// folder must be empty, and holds a store that is complete and durable only if this succeeds.
/// `told` is called now and then with the number of bytes so far.
pub fn read(
    input: &mut dyn Read,
    folder: Option<&Path>,
    told: &mut dyn FnMut(u64),
) -> Result<Contents, BackupError> {
    let mut frames = Frames { input, digest: Sha256::new(), number: 0, bytes: 0, payload: Vec::new() };
    let mut header = [0; HEADER];
    frames.fill(&mut header)?;
    format::check_header(&header)?;
    let mut reader = Reader { target: folder.map(Target::new).transpose()?, ..Reader::default() };
    loop {
        let offset = frames.bytes;
        let before = frames.digest.clone();
        let kind = frames.next()?;
        told(frames.bytes);
        if kind == Kind::End {
            return reader.end(frames, offset, before);
        }
        let taken = reader.take(kind, &frames.payload);
        taken.map_err(|fault| fault.at(offset, frames.bytes))?;
    }
}

/// What is wrong with a frame.
enum Fault {
    /// It does not hold what such a frame holds, or does not belong there.
    Frame(&'static str),
    /// What it holds could not be kept.
    Kept(BackupError),
}

impl Fault {
    fn at(self, offset: u64, end: u64) -> BackupError {
        match self {
            Self::Frame(reason) => BackupError::Damaged { offset, end, reason },
            Self::Kept(error) => error,
        }
    }
}

impl From<BackupError> for Fault {
    fn from(error: BackupError) -> Self {
        Self::Kept(error)
    }
}

/// What was read so far, and what may follow.
#[derive(Default)]
struct Reader {
    target: Option<Target>,
    contents: Contents,
    machines_expected: u32,
    /// The last key of the index.
    last_key: Vec<u8>,
    /// The kind of the frame before.
    before: Option<Kind>,
    /// The position that the machine's next record begins at, and where its log ends.
    position: u64,
    until: u64,
}

impl Reader {
    /// Takes what a frame holds, if such a frame may stand here.
    fn take(&mut self, kind: Kind, payload: &[u8]) -> Result<(), Fault> {
        self.require_place(kind)?;
        match kind {
            Kind::About => self.about(payload)?,
            Kind::Kv => self.kv(payload)?,
            Kind::Entries => self.entries(payload)?,
            Kind::Machine => self.machine(payload)?,
            Kind::Record => self.record(payload)?,
            Kind::Checkpoint => {
                let position = payload.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
                let position = position.ok_or(Fault::Frame("a checkpoint has no position"))?;
                self.target.as_mut().map_or(Ok(()), |target| target.checkpoint(position))?;
            }
            Kind::Part => self.target.as_mut().map_or(Ok(()), |target| target.part(payload))?,
            Kind::File => self.file(payload)?,
            Kind::End => {}
        }
        self.before = Some(kind);
        Ok(())
    }

    /// The order of the frames is fixed.
    fn require_place(&self, kind: Kind) -> Result<(), Fault> {
        let fits = match kind {
            Kind::About => self.before.is_none(),
            Kind::Kv => self.before == Some(Kind::About),
            Kind::Entries => matches!(self.before, Some(Kind::Kv | Kind::Entries)),
            Kind::Record | Kind::Checkpoint => matches!(self.before, Some(Kind::Machine | Kind::Record)),
            Kind::Part => matches!(self.before, Some(Kind::Checkpoint | Kind::Part)),
            Kind::Machine => !matches!(self.before, None | Some(Kind::About | Kind::File)),
            Kind::File | Kind::End => !matches!(self.before, None | Some(Kind::About)),
        };
        // What ends a machine's log finds all of it.
        let ends = matches!(kind, Kind::Machine | Kind::Checkpoint | Kind::File | Kind::End);
        match (fits, ends && self.position != self.until) {
            (false, _) => Err(Fault::Frame("it is not where it belongs")),
            (true, true) => Err(Fault::Frame("commands are missing before it")),
            (true, false) => Ok(()),
        }
    }

    fn about(&mut self, payload: &[u8]) -> Result<(), Fault> {
        if payload.len() != 12 {
            return Err(Fault::Frame("it does not say what the backup is"));
        }
        self.contents.summary.taken_at = u64_at(payload, 0);
        self.machines_expected = u32_at(payload, 8);
        Ok(())
    }

    fn kv(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let (identity, next) = format::two(payload).ok_or(Fault::Frame("it names no log"))?;
        if next == 0 {
            return Err(Fault::Frame("it names no version"));
        }
        self.contents.summary.version = next - 1;
        self.target.as_mut().map_or(Ok(()), |target| target.kv(identity, next))?;
        Ok(())
    }

    fn entries(&mut self, mut payload: &[u8]) -> Result<(), Fault> {
        while !payload.is_empty() {
            let (key, value, rest) = format::entry(payload).ok_or(Fault::Frame("an entry is cut short"))?;
            if key <= self.last_key.as_slice() {
                return Err(Fault::Frame("its entries are not in order"));
            }
            if let Some(target) = &mut self.target {
                target.entry(key, value)?;
            }
            self.last_key.clear();
            self.last_key.extend_from_slice(key);
            self.contents.summary.entries += 1;
            payload = rest;
        }
        Ok(())
    }

    fn machine(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let (identity, until) = format::two(payload).ok_or(Fault::Frame("it names no log"))?;
        let name = payload.get(16..).and_then(|name| std::str::from_utf8(name).ok());
        let name = name.filter(|name| limits::machine_name(name).is_ok());
        let name = name.ok_or(Fault::Frame("it is no machine's name"))?;
        let is_known = self.contents.summary.machines.iter().any(|(known, _)| known == name);
        if is_known || until == 0 {
            return Err(Fault::Frame("the machine is there already, or its log has no end"));
        }
        if u32::try_from(self.contents.summary.machines.len()).ok() >= Some(self.machines_expected) {
            return Err(Fault::Frame("it is a machine too many"));
        }
        self.contents.summary.machines.push((name.to_owned(), until - 1));
        (self.position, self.until) = (1, until);
        self.target.as_mut().map_or(Ok(()), |target| target.machine(name, identity))?;
        Ok(())
    }

    fn record(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let (lead, commands) =
            payload.split_at_checked(RECORD_LEAD).ok_or(Fault::Frame("a record is cut short"))?;
        let record = Record { first: u64_at(lead, 0), count: u32_at(lead, 8), payload: commands };
        let after = record.first.checked_add(u64::from(record.count));
        match after {
            Some(after) if record.first == self.position && record.count > 0 && after <= self.until => {
                self.position = after;
            }
            _ => return Err(Fault::Frame("a record does not follow the one before")),
        }
        self.target.as_mut().map_or(Ok(()), |target| target.record(record))?;
        Ok(())
    }

    fn file(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let parts = payload.split_first_chunk::<2>().and_then(|(length, rest)| {
            let (name, contents) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            Some((std::str::from_utf8(name).ok()?, contents))
        });
        let (name, contents) = parts.ok_or(Fault::Frame("a file has no name"))?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || !name.bytes().all(is_plain) {
            return Err(Fault::Frame("a file's name is a path"));
        }
        let files = &self.contents.files;
        if contents.len() > FILE_LENGTH_MAX || files.len() >= FILES_MAX {
            return Err(Fault::Frame("a file is too long, or one too many"));
        }
        if files.iter().any(|known| known.name == name) {
            return Err(Fault::Frame("the file is there already"));
        }
        self.contents.summary.files.push(name.to_owned());
        self.contents.files.push(Extra { name: name.to_owned(), contents: contents.to_vec() });
        Ok(())
    }

    /// The last frame: the whole must be what was written, and nothing may follow it.
    fn end(mut self, mut frames: Frames<'_>, offset: u64, before: Sha256) -> Result<Contents, BackupError> {
        let damaged = |reason| BackupError::Damaged { offset: 0, end: offset, reason };
        self.require_place(Kind::End).map_err(|fault| fault.at(offset, frames.bytes))?;
        if before.finalize().as_slice() != frames.payload || frames.payload.len() != DIGEST {
            return Err(damaged("it fails its digest"));
        }
        if frames.follows()? {
            return Err(BackupError::Damaged {
                offset: frames.bytes,
                end: frames.bytes + 1,
                reason: "something follows its end",
            });
        }
        if u32::try_from(self.contents.summary.machines.len()).ok() != Some(self.machines_expected) {
            return Err(damaged("a machine is missing"));
        }
        self.contents.summary.bytes = frames.bytes;
        if let Some(target) = self.target.take() {
            target.finish()?;
        }
        Ok(self.contents)
    }
}

/// The input, and what is known of it so far.
struct Frames<'a> {
    input: &'a mut dyn Read,
    digest: Sha256,
    number: u64,
    bytes: u64,
    payload: Vec<u8>,
}

impl Frames<'_> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), BackupError> {
        self.input.read_exact(bytes).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => BackupError::CutShort(self.bytes),
            _ => BackupError::Input(error),
        })?;
        self.digest.update(&*bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Reads the next frame into `payload`.
    fn next(&mut self) -> Result<Kind, BackupError> {
        let offset = self.bytes;
        let mut lead = [0; FRAME_HEADER];
        self.fill(&mut lead)?;
        let damaged = |end, reason| BackupError::Damaged { offset, end, reason };
        let header = FrameHeader::decode(&lead)
            .ok_or_else(|| damaged(self.bytes, "this is not a frame of a backup"))?;
        // It grows with what is really there: the length may be wrong.
        self.payload.clear();
        let read = (&mut *self.input).take(header.length as u64).read_to_end(&mut self.payload);
        read.map_err(BackupError::Input)?;
        self.digest.update(&self.payload);
        self.bytes += self.payload.len() as u64;
        if self.payload.len() != header.length {
            return Err(BackupError::CutShort(self.bytes));
        }
        if !header.is_sound(self.number, &lead, &self.payload) {
            return Err(damaged(self.bytes, "it fails its checksum"));
        }
        self.number += 1;
        Ok(header.kind)
    }

    fn follows(&mut self) -> Result<bool, BackupError> {
        let mut byte = [0; 1];
        match self.input.read_exact(&mut byte) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(BackupError::Input(error)),
        }
    }
}

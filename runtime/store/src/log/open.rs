//! Opening a log: what is sound, what a crash left, and what is a loss.

use super::format::SegmentHeader;
use super::mark::{Mark, Span};
use super::reader::LogReader;
use super::segment::{Segment, Tail, sync_dir};
use super::{Log, LogOptions, lock_dir};
use crate::StoreError;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

impl Log {
    /// Opens the log in this folder, or creates it. Verifies every record; see the
    /// module's documentation for what is repaired and what is refused.
    pub fn open(dir: &Path, options: LogOptions) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).map_err(StoreError::io(dir, "create the folder"))?;
        let lock = lock_dir(dir)?;
        let (mark, span) = Mark::open(dir)?;
        let mut segments = Vec::new();
        for path in segment_paths(dir, span)? {
            segments.push(Segment::open(&path)?);
        }
        if segments.is_empty() {
            segments.push(create_first(dir, span, &options)?);
        }
        verify(&segments, span, &options)?;
        let segments: Vec<_> = segments.into_iter().map(Arc::new).collect();
        let Some(active) = segments.last().cloned() else {
            return Err(StoreError::Stopped);
        };
        let identity = active.identity;
        let reader = LogReader { segments: Arc::new(RwLock::new(segments)) };
        let dir = dir.to_owned();
        let record = Vec::new();
        let log = Self { dir, options, identity, reader, active, mark, record, failed: false, _lock: lock };
        log.mark.note(log.span())?;
        log.mark.sync()?;
        Ok(log)
    }
}

/// The segments' paths in order. What a crash left of a creation or of a pruning is
/// removed.
fn segment_paths(dir: &Path, span: Option<Span>) -> Result<Vec<PathBuf>, StoreError> {
    let listed = std::fs::read_dir(dir).map_err(StoreError::io(dir, "list the folder"))?;
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for entry in listed {
        let path = entry.map_err(StoreError::io(dir, "list the folder"))?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let base = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        match (extension, base) {
            (Some("log"), Some(base)) => found.push((base, path)),
            (Some("tmp"), Some(_)) => remove(&path)?,
            _ => {}
        }
    }
    found.sort();
    let first = span.map_or(0, |span| span.first);
    let (pruned, kept): (Vec<_>, Vec<_>) = found.into_iter().partition(|&(base, _)| base < first);
    for (_, path) in pruned {
        remove(&path)?;
    }
    Ok(kept.into_iter().map(|(_, path)| path).collect())
}

fn remove(path: &Path) -> Result<(), StoreError> {
    std::fs::remove_file(path).map_err(StoreError::io(path, "remove"))
}

/// Creates the first segment of a new log.
fn create_first(dir: &Path, span: Option<Span>, options: &LogOptions) -> Result<Segment, StoreError> {
    if let Some(span) = span {
        let reason = format!("positions {} to {} are gone", span.first, span.next.saturating_sub(1));
        return Err(StoreError::LostData { path: dir.to_owned(), reason });
    }
    let identity = getrandom::u64().map_err(|error| {
        StoreError::io(dir, "choose an identity")(std::io::Error::other(error.to_string()))
    })?;
    sync_dir(dir)?;
    if let Some(parent) = dir.parent() {
        sync_dir(parent)?;
    }
    Segment::create(dir, SegmentHeader { identity, base: 1 }, options.segment_bytes)
}

/// Scans all segments and checks them against each other and against the mark.
fn verify(segments: &[Segment], span: Option<Span>, options: &LogOptions) -> Result<(), StoreError> {
    let mut expected: Option<(u64, u64)> = span.map(|span| (span.identity, span.first));
    for (at, segment) in segments.iter().enumerate() {
        if let Some((identity, base)) = expected {
            if segment.identity != identity {
                return Err(StoreError::corrupt(&segment.path, 0, "the segment belongs to another log"));
            }
            if segment.base != base {
                let reason = format!("the segment starts at {}, not at {base}", segment.base);
                return Err(StoreError::corrupt(&segment.path, 0, reason));
            }
        }
        let name = segment.path.file_name().and_then(|name| name.to_str());
        if name != Some(&Segment::name(segment.base)) {
            return Err(StoreError::corrupt(&segment.path, 0, "the segment has another's name"));
        }
        let tail = segment.scan()?;
        let last = at + 1 == segments.len();
        if tail == Tail::Torn && !last {
            return Err(StoreError::corrupt(&segment.path, segment.end(), "a record is unsound"));
        }
        if last {
            finish(segment, &tail, span, options)?;
        }
        expected = Some((segment.identity, segment.next()));
    }
    Ok(())
}

/// Makes the last segment ready for appending, if nothing acknowledged is missing.
fn finish(
    segment: &Segment,
    tail: &Tail,
    span: Option<Span>,
    options: &LogOptions,
) -> Result<(), StoreError> {
    let acknowledged = span.map_or(0, |span| span.next);
    if segment.next() < acknowledged {
        let (next, last) = (segment.next(), acknowledged - 1);
        let reason = format!("positions {next} to {last} were acknowledged, but are unsound or missing");
        return Err(StoreError::corrupt(&segment.path, segment.end(), reason));
    }
    if *tail == Tail::Torn {
        let (file, offset) = (segment.path.display(), segment.end());
        tracing::warn!(%file, offset, "cut off a record that a crash left incomplete");
    }
    segment.resume(tail, options.segment_bytes)
}

//! Brings the index up to the log when the engine opens.

use super::effect::Commits;
use super::index::{Index, Staged};
use crate::StoreError;
use crate::log::{Log, Record};
use std::path::Path;

/// Opens the index and replays into it what the log holds beyond it. Refuses if
/// either of them misses what the other needs.
pub(super) fn index(path: &Path, log: &Log, cache_bytes: u64) -> Result<Index, StoreError> {
    let (first, next) = (log.first_position(), log.next_position());
    let index = Index::open(path, cache_bytes, first == 1)?;
    let lost = |reason: String| StoreError::LostData { path: path.to_owned(), reason };
    let applied = match index.applied()? {
        Some((_, identity)) if identity != log.identity() => {
            return Err(lost("the index was made from another log".to_owned()));
        }
        Some((applied, _)) => applied,
        None => 1,
    };
    if applied < first {
        return Err(lost(format!("the index ends before version {applied}, the log starts at {first}")));
    }
    if applied > next {
        return Err(lost(format!("the index holds versions before {applied}, the log ends before {next}")));
    }
    if applied < next {
        tracing::info!(from = applied, to = next - 1, "replaying the log into the index");
    }
    let mut staged = Staged::default();
    log.reader().visit(applied, |record| {
        stage(&record, applied, &mut staged).ok_or_else(|| {
            let reason = "the payload is not a list of commits";
            StoreError::corrupt(path, record.first, reason)
        })?;
        index.apply(&mut staged, record.next(), log.identity())?;
        Ok(true)
    })?;
    Ok(index)
}

/// Stages the record's commits from a version on; none if it cannot be read.
fn stage(record: &Record<'_>, from: u64, staged: &mut Staged) -> Option<()> {
    let mut commits = Commits(record.payload);
    for version in record.first..record.next() {
        let effects = commits.next_commit()?;
        if version >= from {
            staged.stage(version, &effects);
        }
    }
    commits.0.is_empty().then_some(())
}

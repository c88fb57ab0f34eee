//! Folding deltas into postings.
//!
//! A fold is several commits, each of which checks and raises the generation in the index's
//! state: when two hosts compact at once, one of them goes on and the other one stops. The
//! order of the commits makes a fold safe to break off anywhere and to begin again:
//!
//! 1. Each document's base takes in the terms of its delta, so that it names every term under
//!    which the postings may come to know the document.
//! 2. New words go into the vocabulary.
//! 3. The postings change. Adding what is there and removing what is not changes nothing.
//! 4. Deltas and bases go, but for those of documents that have changed meanwhile: those
//!    are folded another time, from a base that still covers what was done now.

use super::keys;
use super::stored::{self, CHUNK, State};
use super::vocabulary::Pages;
use crate::terms;
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, BTreeSet};
use vwp_core::Problem;
use vwp_storage::kv::{Check, Direction, Key, Outcome, READ_KEYS_MAX, Version, Write};
use vwp_storage::limits::commit_bytes;
use vwp_storage::{Kv, StorageError};

/// How many deltas one fold takes.
const DOCUMENTS_MAX: u32 = 512;
/// How many deltas may wait before they are worth a fold. A fold writes about as many values for
/// one document as for ten, and a question reads so few deltas in one go.
pub const DELTAS_MIN: u32 = 128;
/// How many documents one commit takes the deltas of: two writes for each.
const DOCUMENTS_PER_COMMIT: usize = 120;
/// How many writes one commit has, one less than allowed because the state is written too.
const WRITES_MAX: usize = 255;
/// How many bytes one commit has, with some room for the state.
const BYTES_MAX: usize = 1_000_000;
/// A window is left when this much of it is taken: a free number is then found at the first look
/// in nine cases of ten.
const WINDOW_FULL: u64 = (CHUNK / 4 * 3) as u64;

/// What came of a fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folded {
    /// Fewer deltas wait than are worth a fold.
    Nothing,
    /// These many were folded, and more may wait.
    Some(usize),
    /// Another compaction is at work.
    Overtaken,
}

/// Folds some deltas, if at least `deltas_min` wait.
pub async fn run<S: Kv>(store: &S, deltas_min: u32) -> Result<Folded, Problem> {
    let mut commits = Commits::open(store).await?;
    let page = store.scan(&keys::deltas(), DOCUMENTS_MAX, Direction::Forward).await?;
    if page.items.is_empty() || page.items.len() < deltas_min as usize {
        return Ok(Folded::Nothing);
    }
    let mut documents = Vec::with_capacity(page.items.len());
    for item in page.items {
        let number = keys::number_of_delta(&item.key).ok_or_else(Problem::internal)?;
        let delta = stored::terms_of(&item.entry.value)?;
        documents.push(Folding { number, version: item.entry.version, delta, base: None });
    }
    match fold(&mut commits, &mut documents).await {
        Ok(()) => Ok(Folded::Some(documents.len())),
        Err(Stop::Overtaken) => Ok(Folded::Overtaken),
        Err(Stop::Failed(problem)) => Err(problem),
    }
}

/// A document whose delta is being folded.
struct Folding {
    number: u32,
    version: Version,
    delta: BTreeSet<String>,
    base: Option<BTreeSet<String>>,
}

/// Why a fold ends early.
enum Stop {
    Overtaken,
    Failed(Problem),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

impl From<StorageError> for Stop {
    fn from(error: StorageError) -> Self {
        Self::Failed(error.into())
    }
}

async fn fold<S: Kv>(commits: &mut Commits<'_, S>, documents: &mut [Folding]) -> Result<(), Stop> {
    widen_bases(commits, documents).await?;
    let changes = changes(documents);
    let new = new_words(commits.store, &changes).await?;
    commits.write_all(Pages::changed(commits.store, &new, &BTreeSet::new()).await?.writes()).await?;
    let gone = change_postings(commits, &changes).await?;
    commits.write_all(Pages::changed(commits.store, &BTreeSet::new(), &gone).await?.writes()).await?;
    for part in documents.chunks(DOCUMENTS_PER_COMMIT) {
        finish(commits, part).await?;
    }
    Ok(())
}

async fn widen_bases<S: Kv>(commits: &mut Commits<'_, S>, documents: &mut [Folding]) -> Result<(), Stop> {
    let wanted: Vec<Key> = documents.iter().map(|document| keys::base(document.number)).collect();
    let mut writes = Vec::new();
    for (document, entry) in documents.iter_mut().zip(commits.store.get_many(&wanted).await?) {
        let base = entry.map_or(Ok(BTreeSet::new()), |entry| stored::terms_of(&entry.value))?;
        let wide: BTreeSet<&String> = base.union(&document.delta).collect();
        if wide.len() > base.len() {
            writes.push(Write::put(keys::base(document.number), stored::lines(wide)));
        }
        document.base = Some(base);
    }
    let chunks = documents.iter().map(|document| stored::chunk_of(document.number) + 1).max();
    commits.state.chunks = commits.state.chunks.max(chunks.unwrap_or_default());
    commits.write_all(writes).await
}

/// The documents that come to a chunk of a posting, and those that leave it.
#[derive(Default)]
struct Change {
    put: Vec<u32>,
    removed: Vec<u32>,
}

fn changes(documents: &[Folding]) -> BTreeMap<(String, u16), Change> {
    let mut changes: BTreeMap<(String, u16), Change> = BTreeMap::new();
    let none = BTreeSet::new();
    for document in documents {
        let chunk = stored::chunk_of(document.number);
        let base = document.base.as_ref().unwrap_or(&none);
        // What the base has may have been taken out by a fold that was broken off, so
        // all terms are put, and not only the new ones.
        for term in &document.delta {
            changes.entry((term.clone(), chunk)).or_default().put.push(document.number);
        }
        for term in base.difference(&document.delta) {
            changes.entry((term.clone(), chunk)).or_default().removed.push(document.number);
        }
    }
    changes
}

/// The words that come to a chunk in which no document has them.
async fn new_words<S: Kv>(
    store: &S,
    changes: &BTreeMap<(String, u16), Change>,
) -> Result<BTreeSet<String>, Problem> {
    let is_put = |((term, _), change): &(&(String, u16), &Change)| {
        term.starts_with(terms::WORD) && !change.put.is_empty()
    };
    let put: Vec<_> = changes.iter().filter(is_put).map(|(key, _)| key).collect();
    let mut new = BTreeSet::new();
    for part in put.chunks(READ_KEYS_MAX) {
        let wanted: Vec<Key> = part.iter().map(|(term, chunk)| keys::posting(term, *chunk)).collect();
        let entries = store.get_many(&wanted).await?;
        let absent = part.iter().zip(entries).filter(|(_, entry)| entry.is_none());
        new.extend(absent.filter_map(|((term, _), _)| term.strip_prefix(terms::WORD)).map(str::to_owned));
    }
    Ok(new)
}

/// Changes the postings; the words that no document has any more.
async fn change_postings<S: Kv>(
    commits: &mut Commits<'_, S>,
    changes: &BTreeMap<(String, u16), Change>,
) -> Result<BTreeSet<String>, Stop> {
    let mut emptied = BTreeSet::new();
    let changes: Vec<_> = changes.iter().collect();
    for part in changes.chunks(WRITES_MAX) {
        let wanted: Vec<Key> = part.iter().map(|((term, chunk), _)| keys::posting(term, *chunk)).collect();
        let entries = commits.store.get_many(&wanted).await?;
        let mut writes = Vec::new();
        for ((((term, chunk), change), key), entry) in part.iter().zip(wanted).zip(entries) {
            let before =
                entry.as_ref().map_or(Ok(RoaringBitmap::new()), |entry| stored::bitmap(&entry.value))?;
            let mut after = before.clone();
            after.extend(change.put.iter().copied());
            for number in &change.removed {
                after.remove(*number);
            }
            if term == terms::ALL && *chunk == commits.state.window && after.len() > WINDOW_FULL {
                commits.state.window += 1;
            }
            if after.is_empty() {
                emptied.extend(term.strip_prefix(terms::WORD).map(str::to_owned));
                writes.extend(entry.is_some().then(|| Write::delete(key)));
            } else if after != before {
                writes.push(Write::put(key, stored::bytes(&mut after)?));
            }
        }
        commits.write_all(writes).await?;
    }
    let mut gone = BTreeSet::new();
    for word in emptied {
        let term = format!("{}{word}", terms::WORD);
        let left = commits.store.scan(&keys::postings_between(&term, &term), 1, Direction::Forward).await?;
        if left.items.is_empty() {
            gone.insert(word);
        }
    }
    Ok(gone)
}

/// Takes away the deltas and bases of documents that have not changed since they were read.
async fn finish<S: Kv>(commits: &mut Commits<'_, S>, documents: &[Folding]) -> Result<(), Stop> {
    let mut left: Vec<&Folding> = documents.iter().collect();
    while !left.is_empty() {
        let checks = left
            .iter()
            .map(|document| Check { key: keys::delta(document.number), version: Some(document.version) });
        let writes = left
            .iter()
            .flat_map(|document| [keys::delta(document.number), keys::base(document.number)])
            .map(Write::delete);
        let changed = commits.commit(checks.collect(), writes.collect()).await?;
        if changed.is_empty() {
            return Ok(());
        }
        left.retain(|document| !changed.contains(&keys::delta(document.number)));
    }
    Ok(())
}

/// Writes, as long as no other compaction does.
struct Commits<'a, S> {
    store: &'a S,
    state: State,
    seen: Option<Version>,
}

impl<'a, S: Kv> Commits<'a, S> {
    async fn open(store: &'a S) -> Result<Self, Problem> {
        let entry = store.get(keys::STATE.as_bytes()).await?;
        let state = entry.as_ref().map_or(Ok(State::default()), |entry| stored::read(&entry.value))?;
        Ok(Self { store, state, seen: entry.map(|entry| entry.version) })
    }

    /// Writes in as many commits as it takes.
    async fn write_all(&mut self, writes: Vec<Write>) -> Result<(), Stop> {
        let (mut part, mut bytes) = (Vec::new(), 0);
        for write in writes {
            let size = commit_bytes(&[], std::slice::from_ref(&write));
            if part.len() == WRITES_MAX || bytes + size > BYTES_MAX {
                self.commit(Vec::new(), std::mem::take(&mut part)).await?;
                bytes = 0;
            }
            bytes += size;
            part.push(write);
        }
        if !part.is_empty() {
            self.commit(Vec::new(), part).await?;
        }
        Ok(())
    }

    /// One commit. If it was not made, because of something else than another
    /// compaction, the keys that had changed.
    async fn commit(&mut self, mut checks: Vec<Check>, mut writes: Vec<Write>) -> Result<Vec<Key>, Stop> {
        let state = State { generation: self.state.generation + 1, ..self.state };
        checks.push(Check { key: keys::STATE.into(), version: self.seen });
        writes.push(Write::put(keys::STATE, stored::json(&state)?));
        match self.store.commit(&checks, &writes).await? {
            Outcome::Committed(version) => {
                (self.state, self.seen) = (state, Some(version));
                Ok(Vec::new())
            }
            Outcome::Conflict(changed) if changed.iter().any(|key| key == keys::STATE.as_bytes()) => {
                Err(Stop::Overtaken)
            }
            Outcome::Conflict(changed) => Ok(changed),
            Outcome::OutOfBounds(_) | Outcome::NotACounter(_) => Err(Problem::internal().into()),
        }
    }
}

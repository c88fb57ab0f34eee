//! Reading the index: postings, with the deltas that they do not know yet.

use super::keys;
use super::stored::{self, Document, Leaf, State};
use crate::terms;
use h3o::CellIndex;
use roaring::{MultiOps, RoaringBitmap};
use std::collections::BTreeMap;
use std::ops::Range;
use vwp_core::Problem;
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, Entry, Key, KeyRange, READ_KEYS_MAX};
use vwp_storage::limits::PAGE_ITEMS_MAX;

/// How many pages of deltas a question reads. Compaction keeps them at one or two; when it is
/// not run at all, a question is refused rather than answered slower and slower.
const DELTA_PAGES_MAX: usize = 64;
/// How many pages of longer words one word may be the start of.
const PREFIX_PAGES_MAX: usize = 8;

/// The index as a question sees it.
pub(crate) struct View<'a, S> {
    store: &'a S,
    chunks: u16,
    deltas: Vec<Delta>,
    /// The documents that have a delta. What the postings say of them is old.
    masked: RoaringBitmap,
}

/// The terms of one document.
struct Delta {
    number: u32,
    text: String,
    /// Where the terms are in the text, in order.
    terms: Vec<Range<usize>>,
}

impl<'a, S: Kv> View<'a, S> {
    /// Reads the deltas. They come before any posting, so that what is folded between two reads
    /// is seen at least in one place, and in the newest state.
    pub(crate) async fn open(store: &'a S) -> Result<Self, Problem> {
        let (mut deltas, mut masked) = (Vec::new(), RoaringBitmap::new());
        let mut left = Some(keys::deltas());
        for _ in 0..DELTA_PAGES_MAX {
            let Some(range) = left.take() else { break };
            let page = store.scan(&range, PAGE_ITEMS_MAX, Direction::Forward).await?;
            for item in page.items {
                let number = keys::number_of_delta(&item.key).ok_or_else(Problem::internal)?;
                masked.insert(number);
                deltas.push(Delta::read(number, item.entry.value)?);
            }
            left = page.next;
        }
        if left.is_some() {
            return Err(Problem::unavailable("the search index is behind"));
        }
        let state = store.get(keys::STATE.as_bytes()).await?;
        let state: State = state.map_or(Ok(State::default()), |entry| stored::read(&entry.value))?;
        Ok(Self { store, chunks: state.chunks, deltas, masked })
    }

    /// The documents that have each of these terms.
    pub(crate) async fn terms(&self, wanted: &[String]) -> Result<Vec<RoaringBitmap>, Problem> {
        let keys: Vec<Key> = wanted
            .iter()
            .flat_map(|term| (0..self.chunks).map(move |chunk| keys::posting(term, chunk)))
            .collect();
        let mut entries = self.get(&keys).await?.into_iter();
        let mut found = Vec::with_capacity(wanted.len());
        for term in wanted {
            let mut bitmap = RoaringBitmap::new();
            for entry in entries.by_ref().take(usize::from(self.chunks)).flatten() {
                bitmap |= stored::bitmap(&entry.value)?;
            }
            bitmap -= &self.masked;
            bitmap.extend(self.deltas.iter().filter(|delta| delta.has(term)).map(|delta| delta.number));
            found.push(bitmap);
        }
        Ok(found)
    }

    /// The documents that have a term which starts with this text.
    pub(crate) async fn prefix(&self, prefix: &str) -> Result<RoaringBitmap, Problem> {
        let mut parts = Vec::new();
        let mut left = Some(keys::postings_with_prefix(prefix));
        for _ in 0..PREFIX_PAGES_MAX {
            let Some(range) = left.take() else { break };
            let page = self.store.scan(&range, PAGE_ITEMS_MAX, Direction::Forward).await?;
            for item in page.items {
                parts.push(stored::bitmap(&item.entry.value)?);
            }
            left = page.next;
        }
        // All at once: most of many are small, and one after the other would each copy the union.
        let mut bitmap = parts.union();
        bitmap -= &self.masked;
        let has = |delta: &&Delta| delta.from(prefix).next().is_some_and(|term| term.starts_with(prefix));
        bitmap.extend(self.deltas.iter().filter(has).map(|delta| delta.number));
        Ok(bitmap)
    }

    /// The documents that have a term from one to another.
    pub(crate) async fn between(&self, first: &str, last: &str) -> Result<RoaringBitmap, Problem> {
        let mut bitmap = RoaringBitmap::new();
        let mut left = Some(keys::postings_between(first, last));
        while let Some(range) = left.take() {
            let page = self.store.scan(&range, PAGE_ITEMS_MAX, Direction::Forward).await?;
            for item in page.items {
                bitmap |= stored::bitmap(&item.entry.value)?;
            }
            left = page.next;
        }
        bitmap -= &self.masked;
        let has = |delta: &&Delta| delta.from(first).next().is_some_and(|term| term <= last);
        bitmap.extend(self.deltas.iter().filter(has).map(|delta| delta.number));
        Ok(bitmap)
    }

    /// The cells from one to another that have documents, with these.
    pub(crate) async fn cells(
        &self,
        first: CellIndex,
        last: CellIndex,
    ) -> Result<BTreeMap<CellIndex, RoaringBitmap>, Problem> {
        let (first, last) = (terms::cell(first), terms::cell(last));
        let mut found: BTreeMap<CellIndex, RoaringBitmap> = BTreeMap::new();
        let mut left: Option<KeyRange> = Some(keys::postings_between(&first, &last));
        // A range has at most 49 cells, so there is an end to its pages.
        while let Some(range) = left.take() {
            let page = self.store.scan(&range, PAGE_ITEMS_MAX, Direction::Forward).await?;
            for item in page.items {
                let cell = keys::term_of_posting(&item.key).and_then(terms::cell_of);
                let cell = cell.ok_or_else(Problem::internal)?;
                *found.entry(cell).or_default() |= stored::bitmap(&item.entry.value)?;
            }
            left = page.next;
        }
        for bitmap in found.values_mut() {
            *bitmap -= &self.masked;
        }
        for delta in &self.deltas {
            for cell in delta.from(&first).take_while(|term| *term <= last.as_str()) {
                let cell = terms::cell_of(cell).ok_or_else(Problem::internal)?;
                found.entry(cell).or_default().insert(delta.number);
            }
        }
        Ok(found)
    }

    /// The documents of these numbers; none where one has gone.
    pub(crate) async fn documents(&self, numbers: &[u32]) -> Result<Vec<Option<Document>>, Problem> {
        let keys: Vec<Key> = numbers.iter().map(|number| keys::document(*number)).collect();
        let read = |entry: Option<Entry>| entry.map(|entry| stored::read(&entry.value)).transpose();
        self.get(&keys).await?.into_iter().map(read).collect()
    }

    /// The finest cells of the documents of these numbers; none where one has gone, or is nowhere.
    pub(crate) async fn leaves(&self, numbers: &[u32]) -> Result<Vec<Option<CellIndex>>, Problem> {
        let keys: Vec<Key> = numbers.iter().map(|number| keys::document(*number)).collect();
        let leaf = |entry: Option<Entry>| {
            let Some(entry) = entry else { return Ok(None) };
            let Leaf { cell } = stored::read(&entry.value)?;
            Ok(cell.and_then(|cell| CellIndex::try_from(cell).ok()))
        };
        self.get(&keys).await?.into_iter().map(leaf).collect()
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, Problem> {
        let mut entries = Vec::with_capacity(keys.len());
        for part in keys.chunks(READ_KEYS_MAX) {
            entries.extend(self.store.get_many(part).await?);
        }
        Ok(entries)
    }

    /// The words of documents with a delta, which the vocabulary may not have yet.
    pub(crate) fn new_words(&self) -> impl Iterator<Item = &str> {
        let terms = self.deltas.iter().flat_map(|delta| delta.from("w"));
        terms.filter_map(|term| term.strip_prefix(terms::WORD))
    }

    /// The store that the index is in.
    pub(crate) fn store(&self) -> &'a S {
        self.store
    }
}

impl Delta {
    fn read(number: u32, bytes: Vec<u8>) -> Result<Self, Problem> {
        let text = String::from_utf8(bytes).map_err(|_| Problem::internal())?;
        let mut terms = Vec::new();
        let mut start = 0;
        for term in text.split('\n').filter(|_| !text.is_empty()) {
            terms.push(start..start + term.len());
            start += term.len() + 1;
        }
        Ok(Self { number, text, terms })
    }

    fn has(&self, term: &str) -> bool {
        self.terms.binary_search_by(|range| self.text[range.clone()].cmp(term)).is_ok()
    }

    /// The terms from one on, in order.
    fn from(&self, first: &str) -> impl Iterator<Item = &str> {
        let at = self.terms.partition_point(|range| &self.text[range.clone()] < first);
        self.terms[at..].iter().map(|range| &self.text[range.clone()])
    }
}

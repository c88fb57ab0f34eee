//! Reading the index: postings, with the deltas that they do not know yet.

use super::keys;
use super::recent::{Cells, Place, Recent};
use super::stored::{self, Document, Leaf, State};
use crate::terms;
use h3o::CellIndex;
use roaring::{MultiOps, RoaringBitmap};
use std::ops::Range;
use std::rc::Rc;
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
    recent: Recent,
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
        let recent = Recent::of(store.identity(), state.as_ref().map(|entry| entry.version));
        let state: State = state.map_or(Ok(State::default()), |entry| stored::read(&entry.value))?;
        Ok(Self { store, chunks: state.chunks, deltas, masked, recent })
    }

    /// The documents that have each of these terms.
    pub(crate) async fn terms(&self, wanted: &[String]) -> Result<Vec<Rc<RoaringBitmap>>, Problem> {
        let known: Vec<_> = wanted.iter().map(|term| self.recent.set(term)).collect();
        let keys: Vec<Key> = wanted
            .iter()
            .zip(&known)
            .filter(|(_, known)| known.is_none())
            .flat_map(|(term, _)| (0..self.chunks).map(move |chunk| keys::posting(term, chunk)))
            .collect();
        let mut entries = self.get(&keys).await?.into_iter();
        let mut found = Vec::with_capacity(wanted.len());
        for (term, known) in wanted.iter().zip(known) {
            let set = if let Some(set) = known {
                set
            } else {
                let mut set = RoaringBitmap::new();
                for entry in entries.by_ref().take(usize::from(self.chunks)).flatten() {
                    set |= stored::bitmap(&entry.value)?;
                }
                self.kept(term, set)
            };
            found.push(self.current(set, |delta| delta.has(term)));
        }
        Ok(found)
    }

    /// The documents that have a term which starts with this text.
    pub(crate) async fn prefix(&self, prefix: &str) -> Result<Rc<RoaringBitmap>, Problem> {
        // No term begins as this name does, nor as the one below.
        let name = format!("\nprefix {prefix}");
        let set = self.union(&name, keys::postings_with_prefix(prefix), PREFIX_PAGES_MAX).await?;
        let has = |delta: &Delta| delta.from(prefix).next().is_some_and(|term| term.starts_with(prefix));
        Ok(self.current(set, has))
    }

    /// The documents that have a term from one to another.
    pub(crate) async fn between(&self, first: &str, last: &str) -> Result<Rc<RoaringBitmap>, Problem> {
        let name = format!("\nbetween {first}\n{last}");
        let set = self.union(&name, keys::postings_between(first, last), usize::MAX).await?;
        Ok(self.current(set, |delta| delta.from(first).next().is_some_and(|term| term <= last)))
    }

    /// The cells from one to another that have documents, with these.
    pub(crate) async fn cells(&self, first: CellIndex, last: CellIndex) -> Result<Rc<Cells>, Problem> {
        let (first, last) = (terms::cell(first), terms::cell(last));
        let cells = if let Some(cells) = self.recent.cells(&first) {
            cells
        } else {
            let cells = Rc::new(self.read_cells(&first, &last).await?);
            self.recent.keep_cells(&first, &cells);
            cells
        };
        if self.deltas.is_empty() {
            return Ok(cells);
        }
        let mut cells = Rc::unwrap_or_clone(cells);
        for set in cells.values_mut() {
            *set -= &self.masked;
        }
        for delta in &self.deltas {
            for cell in delta.from(&first).take_while(|term| *term <= last.as_str()) {
                let cell = terms::cell_of(cell).ok_or_else(Problem::internal)?;
                cells.entry(cell).or_default().insert(delta.number);
            }
        }
        Ok(Rc::new(cells))
    }

    async fn read_cells(&self, first: &str, last: &str) -> Result<Cells, Problem> {
        let mut cells = Cells::new();
        let mut left: Option<KeyRange> = Some(keys::postings_between(first, last));
        // A range has at most 49 cells, so there is an end to its pages.
        while let Some(range) = left.take() {
            let page = self.store.scan(&range, PAGE_ITEMS_MAX, Direction::Forward).await?;
            for item in page.items {
                let cell = keys::term_of_posting(&item.key).and_then(terms::cell_of);
                let cell = cell.ok_or_else(Problem::internal)?;
                *cells.entry(cell).or_default() |= stored::bitmap(&item.entry.value)?;
            }
            left = page.next;
        }
        Ok(cells)
    }

    /// The documents in the postings of a range, which are remembered under a name. The postings are united at the
    /// end, because most of many are small, and uniting them one after the other would each time copy the union.
    async fn union(
        &self,
        name: &str,
        range: KeyRange,
        pages_max: usize,
    ) -> Result<Rc<RoaringBitmap>, Problem> {
        if let Some(set) = self.recent.set(name) {
            return Ok(set);
        }
        let (mut parts, mut left) = (Vec::new(), Some(range));
        for _ in 0..pages_max {
            let Some(range) = left.take() else { break };
            let page = self.store.scan(&range, PAGE_ITEMS_MAX, Direction::Forward).await?;
            for item in page.items {
                parts.push(stored::bitmap(&item.entry.value)?);
            }
            left = page.next;
        }
        Ok(self.kept(name, parts.union()))
    }

    fn kept(&self, name: &str, set: RoaringBitmap) -> Rc<RoaringBitmap> {
        let set = Rc::new(set);
        self.recent.keep_set(name, &set);
        set
    }

    /// A set of postings, as the deltas have it.
    fn current(&self, set: Rc<RoaringBitmap>, has: impl Fn(&Delta) -> bool) -> Rc<RoaringBitmap> {
        let having: Vec<u32> =
            self.deltas.iter().filter(|delta| has(delta)).map(|delta| delta.number).collect();
        if having.is_empty() && set.is_disjoint(&self.masked) {
            return set;
        }
        let mut set = Rc::unwrap_or_clone(set);
        set -= &self.masked;
        set.extend(having);
        Rc::new(set)
    }

    /// The documents of these numbers; none where one has gone.
    pub(crate) async fn documents(&self, numbers: &[u32]) -> Result<Vec<Option<Document>>, Problem> {
        let keys: Vec<Key> = numbers.iter().map(|number| keys::document(*number)).collect();
        let read = |entry: Option<Entry>| entry.map(|entry| stored::read(&entry.value)).transpose();
        self.get(&keys).await?.into_iter().map(read).collect()
    }

    /// The finest cells of the documents of these numbers; none where one has gone, or is nowhere.
    pub(crate) async fn leaves(&self, numbers: &[u32]) -> Result<Vec<Option<CellIndex>>, Problem> {
        // Of a document that has changed since the index was compacted another cell may be remembered.
        let is_old = |number: u32| self.masked.contains(number);
        let remembered = |number: &u32| if is_old(*number) { None } else { self.recent.place(*number) };
        let known: Vec<Option<Place>> = numbers.iter().map(remembered).collect();
        let unknown = numbers.iter().zip(&known).filter(|(_, known)| known.is_none());
        let keys: Vec<Key> = unknown.map(|(number, _)| keys::document(*number)).collect();
        let mut entries = self.get(&keys).await?.into_iter();
        let mut leaves = Vec::with_capacity(numbers.len());
        for (number, known) in numbers.iter().zip(known) {
            let place = if let Some(place) = known {
                place
            } else {
                let entry = entries.next().flatten();
                let leaf = entry.map(|entry| stored::read::<Leaf>(&entry.value)).transpose()?;
                let place = Place(leaf.and_then(|leaf| CellIndex::try_from(leaf.cell?).ok()));
                if !is_old(*number) {
                    self.recent.keep_place(*number, place);
                }
                place
            };
            leaves.push(place.0);
        }
        Ok(leaves)
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

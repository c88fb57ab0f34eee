//! What questions have read of the index, for those that come after them.
//!
//! Most questions share a part: a language, an age, the cells around a city. Each is read and decoded once, and
//! again when the index was compacted, because every such commit gives [`keys::STATE`](super::keys) another
//! version. A question reads the deltas first and then that version, so what is remembered of it is as new as the
//! deltas, or newer, which is what a reading of the postings themselves would be.
//!
//! It is for one store and one version, and bounded. A host that starts an instance for each request has nothing
//! of it, and loses nothing.

use h3o::CellIndex;
use roaring::RoaringBitmap;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use vwp_storage::kv::Version;

/// How many bytes of sets are remembered, and of cells again so many.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// What a set takes beside its numbers, about, in bytes.
const OVERHEAD: usize = 96;
/// Of how many documents the place is remembered.
const PLACES_MAX: usize = 1 << 17;

/// Cells that have documents, with these.
pub(crate) type Cells = BTreeMap<CellIndex, RoaringBitmap>;

/// The finest cell that a document is in, or none: it is nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place(pub(crate) Option<CellIndex>);

/// A store, by its identity, and the version of the index in it.
type Of = (u64, Version);

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

#[derive(Default)]
struct Kept {
    of: Option<Of>,
    sets: Shelf<RoaringBitmap>,
    cells: Shelf<Cells>,
    places: HashMap<u32, Place>,
}

/// What is remembered of the index in one store at one version; of others nothing.
pub(crate) struct Recent {
    of: Option<Of>,
}

impl Recent {
    /// For a question that has just read this version. What is of another one is forgotten.
    pub(crate) fn of(store: Option<u64>, version: Option<Version>) -> Self {
        let of = store.zip(version);
        if of.is_some() {
            KEPT.with_borrow_mut(|kept| {
                if kept.of != of {
                    *kept = Kept { of, ..Kept::default() };
                }
            });
        }
        Self { of }
    }

    /// A set of documents that was read under a name.
    pub(crate) fn set(&self, name: &str) -> Option<Rc<RoaringBitmap>> {
        self.kept(|kept| kept.sets.get(name)).flatten()
    }

    /// Remembers a set.
    pub(crate) fn keep_set(&self, name: &str, set: &Rc<RoaringBitmap>) {
        self.kept(|kept| kept.sets.put(name, set, bytes(set)));
    }

    /// Cells that were read under a name.
    pub(crate) fn cells(&self, name: &str) -> Option<Rc<Cells>> {
        self.kept(|kept| kept.cells.get(name)).flatten()
    }

    /// Remembers cells.
    pub(crate) fn keep_cells(&self, name: &str, cells: &Rc<Cells>) {
        self.kept(|kept| kept.cells.put(name, cells, cells.values().map(bytes).sum()));
    }

    /// Where a document is, if that was read.
    pub(crate) fn place(&self, number: u32) -> Option<Place> {
        self.kept(|kept| kept.places.get(&number).copied()).flatten()
    }

    /// Remembers where a document is.
    pub(crate) fn keep_place(&self, number: u32, place: Place) {
        self.kept(|kept| {
            if kept.places.len() >= PLACES_MAX {
                kept.places.clear();
            }
            kept.places.insert(number, place);
        });
    }

    /// Another question may have seen another version meanwhile.
    fn kept<T>(&self, use_it: impl FnOnce(&mut Kept) -> T) -> Option<T> {
        self.of?;
        KEPT.with_borrow_mut(|kept| (kept.of == self.of).then(|| use_it(kept)))
    }
}

fn bytes(set: &RoaringBitmap) -> usize {
    set.serialized_size() + OVERHEAD
}

/// Values by their names, of which those that were not asked for lately make room for others.
struct Shelf<T> {
    values: HashMap<String, Shelved<T>>,
    bytes: usize,
    /// Counts what is asked for and put.
    turn: u64,
}

struct Shelved<T> {
    value: Rc<T>,
    bytes: usize,
    turn: u64,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { values: HashMap::new(), bytes: 0, turn: 0 }
    }
}

impl<T> Shelf<T> {
    fn get(&mut self, name: &str) -> Option<Rc<T>> {
        let shelved = self.values.get_mut(name)?;
        self.turn += 1;
        shelved.turn = self.turn;
        Some(shelved.value.clone())
    }

    fn put(&mut self, name: &str, value: &Rc<T>, bytes: usize) {
        let bytes = bytes + name.len() + OVERHEAD;
        self.turn += 1;
        let shelved = Shelved { value: value.clone(), bytes, turn: self.turn };
        let before = self.values.insert(name.to_owned(), shelved);
        self.bytes = self.bytes - before.map_or(0, |before| before.bytes) + bytes;
        while self.bytes > BYTES_MAX && !self.values.is_empty() {
            self.forget_half();
        }
    }

    /// Forgets those that were not asked for the longest, half of all.
    fn forget_half(&mut self) {
        let mut turns: Vec<u64> = self.values.values().map(|shelved| shelved.turn).collect();
        let middle = turns.len() / 2;
        let (_, middle, _) = turns.select_nth_unstable(middle);
        self.values.retain(|_, shelved| shelved.turn > *middle);
        self.bytes = self.values.values().map(|shelved| shelved.bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(numbers: std::ops::Range<u32>) -> Rc<RoaringBitmap> {
        Rc::new(numbers.collect())
    }

    #[test]
    fn a_set_is_remembered_for_its_store_and_version_only() {
        let recent = Recent::of(Some(1), Some(5));
        recent.keep_set("wsun", &set(0..3));
        assert_eq!(Recent::of(Some(1), Some(5)).set("wsun"), Some(set(0..3)));
        assert_eq!(Recent::of(Some(1), Some(6)).set("wsun"), None);
        // The one that began before knows nothing any more, and says nothing.
        recent.keep_set("wsun", &set(0..3));
        assert_eq!(recent.set("wsun"), None);
        assert_eq!(Recent::of(Some(1), Some(6)).set("wsun"), None);
        assert_eq!(Recent::of(Some(2), Some(6)).set("wsun"), None);
    }

    #[test]
    fn of_a_store_without_an_identity_nothing_is_remembered() {
        let recent = Recent::of(None, Some(5));
        recent.keep_set("wsun", &set(0..3));
        recent.keep_place(7, Place(None));
        assert_eq!((recent.set("wsun"), recent.place(7)), (None, None));
    }

    #[test]
    fn what_was_not_asked_for_makes_room() {
        let mut shelf = Shelf::default();
        shelf.put("often", &set(0..1), 1);
        for n in 0..100 {
            shelf.put(&n.to_string(), &set(0..1), BYTES_MAX / 10);
            assert!(shelf.get("often").is_some(), "{n}");
            assert!(shelf.bytes <= BYTES_MAX);
        }
        assert!(shelf.get("0").is_none() && shelf.get("99").is_some());
        shelf.put("too large", &set(0..1), BYTES_MAX + 1);
        assert!(shelf.get("too large").is_none());
        assert!(shelf.bytes <= BYTES_MAX);
    }
}

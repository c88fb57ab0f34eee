//! Rows in insertion order, found by a 128-bit id in constant time.
//!
//! Rows live in chunks of fixed size, so that growth never copies them, and are never
//! removed, so that a row's number names it for ever. The index holds row numbers, and
//! the hashes beside them: growing it then touches no row, and a row is touched only
//! when its hash agrees. The hash is fixed, as determinism demands; that is safe because ids are made
//! by hashing (see `vwp-transactions`) and cannot be chosen freely from outside.

use alloc::vec::Vec;
use hashbrown::HashTable;

/// Rows per chunk; a power of two, so that finding a chunk is a shift.
const CHUNK_ROWS: usize = 4096;

/// A row that knows its id.
pub trait Row {
    /// The id that the row is found by.
    fn id(&self) -> u128;
}

/// Rows in insertion order, found by id.
#[derive(Debug, Clone)]
pub struct Table<T> {
    chunks: Vec<Vec<T>>,
    index: HashTable<Slot>,
    length: u32,
}

/// Where the row of an id with this hash is.
#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u32,
    row: u32,
}

impl Slot {
    /// The hash as the index takes it, which looks at both ends of 64 bits.
    fn spread(hash: u32) -> u64 {
        u64::from(hash) << 32 | u64::from(hash.rotate_left(7))
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), index: HashTable::new(), length: 0 }
    }
}

impl<T: Row> Table<T> {
    /// How many rows there are.
    pub fn len(&self) -> u32 {
        self.length
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The number of the row with this id.
    pub fn find(&self, id: u128) -> Option<u32> {
        let hash = hash(id);
        let is_it = |slot: &Slot| slot.hash == hash && self.get(slot.row).is_some_and(|row| row.id() == id);
        self.index.find(Slot::spread(hash), is_it).map(|slot| slot.row)
    }

    /// The row with this number.
    pub fn get(&self, row: u32) -> Option<&T> {
        let row = row as usize;
        self.chunks.get(row / CHUNK_ROWS)?.get(row % CHUNK_ROWS)
    }

    /// The row with this number, to change it. Its id must stay as it is.
    pub fn get_mut(&mut self, row: u32) -> Option<&mut T> {
        let row = row as usize;
        self.chunks.get_mut(row / CHUNK_ROWS)?.get_mut(row % CHUNK_ROWS)
    }

    /// The row with this id.
    pub fn get_by_id(&self, id: u128) -> Option<&T> {
        self.get(self.find(id)?)
    }

    /// Appends a row whose id is not in the table yet, and returns its number; none
    /// if no number is left.
    pub fn push(&mut self, row: T) -> Option<u32> {
        let number = self.length;
        let next = number.checked_add(1)?;
        let id = row.id();
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK_ROWS) {
            self.chunks.push(Vec::with_capacity(CHUNK_ROWS));
        }
        self.chunks.last_mut()?.push(row);
        self.length = next;
        let hash = hash(id);
        let slot = Slot { hash, row: number };
        self.index.insert_unique(Slot::spread(hash), slot, |slot| Slot::spread(slot.hash));
        Some(number)
    }
}

/// Spreads an id over 32 bits: two rounds of multiply and fold, which leave no pattern
/// of sequential ids in the bits that the index uses.
fn hash(id: u128) -> u32 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let [a, b, c, d] = words(id);
    let low = (u64::from(a) << 32 | u64::from(b)).wrapping_mul(ODD);
    let high = (u64::from(c) << 32 | u64::from(d)).wrapping_add(low ^ (low >> 32)).wrapping_mul(ODD);
    let [_, _, fold, last] = words(u128::from(high ^ (high >> 29)));
    fold ^ last
}

fn words(id: u128) -> [u32; 4] {
    let bytes = id.to_be_bytes();
    let (words, _) = bytes.as_chunks::<4>();
    let word = |index: usize| words.get(index).map_or(0, |word| u32::from_be_bytes(*word));
    [word(0), word(1), word(2), word(3)]
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Number(u128);

    impl Row for Number {
        fn id(&self) -> u128 {
            self.0
        }
    }

    #[test]
    fn every_row_is_found_by_its_id_and_no_other() {
        let mut table = Table::default();
        for id in 0..10_000_u128 {
            assert_eq!(table.find(id << 40), None);
            assert_eq!(table.push(Number(id << 40)), u32::try_from(id).ok());
        }
        for id in 0..10_000_u128 {
            assert_eq!(table.find(id << 40), u32::try_from(id).ok());
            assert_eq!(table.find((id << 40) + 1), None);
        }
        assert_eq!(table.len(), 10_000);
    }

    #[test]
    fn sequential_ids_spread_over_the_whole_hash() {
        let low: std::collections::BTreeSet<u32> = (0..4096).map(|id| hash(id) & 0xfff).collect();
        let high: std::collections::BTreeSet<u32> = (0..4096).map(|id| hash(id) >> 20).collect();
        assert!(low.len() > 2300 && high.len() > 2300, "{} {}", low.len(), high.len());
    }
}

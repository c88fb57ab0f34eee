//! Rows in insertion order, some of them found by a 128-bit id in constant time.
//!
//! Rows live in chunks of fixed size, so that growth never copies them, and only the last
//! ones are ever removed (when a chain is taken back), so that a row's number names it for
//! ever. The index holds row numbers with 32 bits of the hash beside them: growing it
//! touches no row, and a row is touched only when those bits agree. It is in shards, each of
//! which grows by itself, so that no single command waits for all of it.
//!
//! The index probes linearly. A look-up then touches one cache line of the index in most
//! cases, where tables with control bytes touch two, and needs no SIMD, which baseline
//! WebAssembly lacks.

use crate::hash;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::{Index as At, IndexMut as AtMut};

/// Rows per chunk; a power of two, so that finding a chunk is a shift.
const CHUNK_ROWS: usize = 4096;
/// How many shards an index has; a power of two.
const SHARDS: usize = 64;
/// How many slots a shard starts with; a power of two.
const SLOTS_MIN: usize = 16;

/// A row that knows its id.
pub(crate) trait Row {
    /// The id that the row is found by.
    fn id(&self) -> u128;
}

/// Rows in insertion order. Indexing takes the number of a row that is there.
#[derive(Debug, Clone)]
pub(crate) struct Rows<T> {
    chunks: Vec<Vec<T>>,
    length: u32,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), length: 0 }
    }
}

impl<T> Rows<T> {
    /// How many rows there are.
    pub(crate) fn len(&self) -> u32 {
        self.length
    }

    /// The row with this number.
    pub(crate) fn get(&self, row: u32) -> Option<&T> {
        let row = row as usize;
        self.chunks.get(row / CHUNK_ROWS)?.get(row % CHUNK_ROWS)
    }

    /// Appends a row and returns its number. There is always one: the ledger's bound on
    /// memory is reached long before 2^32 rows.
    pub(crate) fn push(&mut self, row: T) -> u32 {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK_ROWS => chunk.push(row),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK_ROWS);
                chunk.push(row);
                self.chunks.push(chunk);
            }
        }
        let number = self.length;
        self.length += 1;
        number
    }

    /// Removes the last row.
    fn pop(&mut self) -> Option<T> {
        let row = self.chunks.last_mut()?.pop();
        if self.chunks.last().is_some_and(Vec::is_empty) {
            self.chunks.pop();
        }
        self.length -= u32::from(row.is_some());
        row
    }

    /// Removes the rows from this number on.
    pub(crate) fn truncate(&mut self, length: u32) {
        while self.length > length && self.pop().is_some() {}
    }

    /// The rows in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    /// How many bytes the rows take.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.chunks.len() * (CHUNK_ROWS * size_of::<T>() + size_of::<Vec<T>>())
    }
}

impl<T> At<u32> for Rows<T> {
    type Output = T;

    fn index(&self, row: u32) -> &T {
        let row = row as usize;
        &self.chunks[row / CHUNK_ROWS][row % CHUNK_ROWS]
    }
}

impl<T> AtMut<u32> for Rows<T> {
    fn index_mut(&mut self, row: u32) -> &mut T {
        let row = row as usize;
        &mut self.chunks[row / CHUNK_ROWS][row % CHUNK_ROWS]
    }
}

/// Rows in insertion order, found by id.
#[derive(Debug, Clone)]
pub(crate) struct Table<T> {
    rows: Rows<T>,
    shards: Vec<Shard>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: Rows::default(), shards: vec![Shard::default(); SHARDS] }
    }
}

impl<T: Row> Table<T> {
    /// How many rows there are.
    pub(crate) fn len(&self) -> u32 {
        self.rows.len()
    }

    /// The row with this number.
    pub(crate) fn get(&self, row: u32) -> Option<&T> {
        self.rows.get(row)
    }

    /// The rows in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.rows.iter()
    }

    /// The number of the row with this id.
    pub(crate) fn find(&self, id: u128) -> Option<u32> {
        let (shard, tag) = placed(id);
        let found = |row| self.rows.get(row).is_some_and(|row| row.id() == id);
        self.shards[shard].find(tag, found).map(|(_, row)| row)
    }

    /// The row with this id.
    pub(crate) fn get_by_id(&self, id: u128) -> Option<&T> {
        self.rows.get(self.find(id)?)
    }

    /// Loads the line of the index where an id's look-up begins. See [`Self::touch_row`].
    pub(crate) fn touch_slot(&self, id: u128) -> u64 {
        let (shard, tag) = placed(id);
        self.shards[shard].first_slot(tag)
    }

    /// Loads the row that an id's look-up comes to, in most cases. Its result says nothing;
    /// but a processor waits for many such loads at once, and for look-ups, each of which
    /// decides what comes next, one by one.
    pub(crate) fn touch_row(&self, id: u128) -> u64 {
        let (_, row) = parts(self.touch_slot(id));
        self.rows.get(row).map_or(0, |row| half(row.id()))
    }

    /// Appends a row whose id is not in the table yet, and returns its number.
    pub(crate) fn push(&mut self, row: T) -> u32 {
        let (shard, tag) = placed(row.id());
        let number = self.rows.push(row);
        self.shards[shard].insert(tag, number);
        number
    }

    /// Removes the rows from this number on.
    pub(crate) fn truncate(&mut self, length: u32) {
        while self.rows.len() > length {
            let Some(row) = self.rows.pop() else { return };
            let (shard, tag) = placed(row.id());
            self.shards[shard].remove(tag, self.rows.len());
        }
    }

    /// How many bytes rows and index take.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.rows.bytes() + self.shards.iter().map(|shard| shard.slots.len() * 8).sum::<usize>()
    }
}

impl<T> At<u32> for Table<T> {
    type Output = T;

    fn index(&self, row: u32) -> &T {
        &self.rows[row]
    }
}

impl<T> AtMut<u32> for Table<T> {
    fn index_mut(&mut self, row: u32) -> &mut T {
        &mut self.rows[row]
    }
}

/// The shard of an id, and the bits of its hash that the shard keeps.
#[allow(clippy::cast_possible_truncation, reason = "both ends of the hash are wanted")]
fn placed(id: u128) -> (usize, u32) {
    let hash = hash::of_id(id);
    ((hash >> 32) as usize % SHARDS, hash as u32)
}

#[allow(clippy::cast_possible_truncation, reason = "any part of it will do")]
fn half(id: u128) -> u64 {
    id as u64
}

/// A part of an index: slots of a tag and a row's number, or zero.
#[derive(Debug, Clone, Default)]
struct Shard {
    slots: Vec<u64>,
    used: usize,
}

/// A slot: the tag, and the row's number plus one.
fn slot(tag: u32, row: u32) -> u64 {
    u64::from(tag) << 32 | (u64::from(row) + 1)
}

#[allow(clippy::cast_possible_truncation, reason = "a slot is two numbers of 32 bits")]
fn parts(slot: u64) -> (u32, u32) {
    ((slot >> 32) as u32, (slot as u32).wrapping_sub(1))
}

impl Shard {
    /// Where the row is that has this tag and is it, and its number.
    fn find(&self, tag: u32, is_it: impl Fn(u32) -> bool) -> Option<(usize, u32)> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = tag as usize & mask;
        // There is always an empty slot: a shard is at most three quarters full.
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return None;
            }
            let (found, row) = parts(slot);
            if found == tag && is_it(row) {
                return Some((at, row));
            }
            at = (at + 1) & mask;
        }
    }

    fn first_slot(&self, tag: u32) -> u64 {
        let mask = self.slots.len().saturating_sub(1);
        self.slots.get(tag as usize & mask).copied().unwrap_or_default()
    }

    fn insert(&mut self, tag: u32, row: u32) {
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            let larger = vec![0; (self.slots.len() * 2).max(SLOTS_MIN)];
            for slot in core::mem::replace(&mut self.slots, larger) {
                if slot != 0 {
                    self.place(slot);
                }
            }
        }
        self.place(slot(tag, row));
        self.used += 1;
    }

    fn place(&mut self, slot: u64) {
        let mask = self.slots.len() - 1;
        let mut at = parts(slot).0 as usize & mask;
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }

    /// Removes a row, and closes the gap, so that what was placed past it is still found.
    fn remove(&mut self, tag: u32, row: u32) {
        let Some((mut gap, _)) = self.find(tag, |found| found == row) else { return };
        let mask = self.slots.len() - 1;
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let slot = self.slots[at];
            if slot == 0 {
                break;
            }
            // It may move into the gap unless its own place lies after the gap.
            let home = parts(slot).0 as usize & mask;
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(gap) & mask) {
                self.slots[gap] = slot;
                gap = at;
            }
        }
        self.slots[gap] = 0;
        self.used -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone)]
    struct Number(u128);

    impl Row for Number {
        fn id(&self) -> u128 {
            self.0
        }
    }

    fn filled(rows: u32) -> Table<Number> {
        let mut table = Table::default();
        for id in 0..u128::from(rows) {
            assert_eq!(table.find(id << 40), None);
            table.push(Number(id << 40));
        }
        table
    }

    #[test]
    fn every_row_is_found_by_its_id_and_no_other() {
        let table = filled(20_000);
        for row in 0..20_000 {
            let id = u128::from(row) << 40;
            assert_eq!(table.find(id), Some(row));
            assert_eq!(table.find(id + 1), None);
        }
        assert_eq!(table.len(), 20_000);
    }

    #[test]
    fn what_is_left_after_a_truncation_is_found_and_what_was_cut_is_not() {
        for left in (0..3000).step_by(97) {
            let mut table = filled(3000);
            table.truncate(left);
            for row in 0..3000 {
                assert_eq!(table.find(u128::from(row) << 40), (row < left).then_some(row));
            }
            assert_eq!(table.push(Number(1)), left);
            assert_eq!(table.find(1), Some(left));
        }
    }

    #[test]
    fn a_row_is_found_for_22_bytes_at_most() {
        for rows in [200_000, 1_000_000] {
            let table = filled(rows);
            let index = table.bytes() - table.rows.bytes();
            assert!(index < 22 * rows as usize, "{index} bytes for {rows} rows");
        }
    }
}

//! The two fixed hashes of the ledger. Neither is cryptographic, and neither needs to be.
//!
//! [`fingerprint`] stands for the bytes of an item, so that a repeat is told from another
//! item under the same id without keeping the bytes. An id belongs to one caller (it is made
//! from the caller and its idempotency key, see `vwp-transactions`), so who finds two bodies
//! with one fingerprint has fooled nobody but itself: it gets the first body's answer.
//!
//! [`of_id`] places ids in the index. It is fixed, as determinism demands; that is safe
//! because ids are made by hashing with SHA-256 and cannot be chosen from outside.

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
const LANES: [u64; 4] =
    [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0, 0x082e_fa98_ec4e_6c89];

/// 64 well mixed bits of the bytes, whose length is a multiple of 32: four lanes, which a
/// processor runs side by side. Each step is a bijection of its lane, so two inputs that
/// differ in one word differ in the end.
pub(crate) fn fingerprint(bytes: &[u8]) -> u64 {
    let mut lanes = LANES;
    let (words, _) = bytes.as_chunks::<8>();
    let (rounds, _) = words.as_chunks::<4>();
    for round in rounds {
        for (lane, word) in lanes.iter_mut().zip(round) {
            *lane = (*lane ^ u64::from_le_bytes(*word)).wrapping_mul(ODD);
            *lane ^= *lane >> 32;
        }
    }
    lanes.into_iter().fold(bytes.len() as u64, |sum, lane| mixed(sum ^ lane))
}

/// 64 well mixed bits of an id.
pub(crate) fn of_id(id: u128) -> u64 {
    let (low, high) = halves(id);
    mixed(low ^ mixed(high ^ ODD))
}

/// The finaliser of MurmurHash3: every bit of the input changes half of the output's.
fn mixed(mut word: u64) -> u64 {
    word = (word ^ (word >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    word = (word ^ (word >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    word ^ (word >> 33)
}

#[allow(clippy::cast_possible_truncation, reason = "the halves are wanted")]
fn halves(id: u128) -> (u64, u64) {
    (id as u64, (id >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn sequential_ids_spread_over_both_ends_of_the_hash() {
        let low: BTreeSet<u64> = (0..4096).map(|id| of_id(id) & 0xfff).collect();
        let high: BTreeSet<u64> = (0..4096).map(|id| of_id(id << 64) >> 52).collect();
        assert!(low.len() > 2300 && high.len() > 2300, "{} {}", low.len(), high.len());
    }

    #[test]
    fn every_bit_of_an_item_changes_its_fingerprint() {
        let item = [7; 128];
        let mut seen = BTreeSet::from([fingerprint(&item)]);
        for bit in 0..1024 {
            let mut other = item;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(seen.insert(fingerprint(&other)), "bit {bit}");
        }
    }
}

//! What the index's keys hold, and how it is written down.

use crate::index::facts::Facts;
use crate::terms;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::Range;
use vwp_core::Problem;
use vwp_core::environment::Timestamp;

/// How many low bits of a number tell a document's place in its chunk. A chunk of a posting is
/// then at most four bitmaps of 8 KiB, half of the longest value; and the many terms that few
/// documents have are in as few values as can be.
const CHUNK_BITS: u32 = 18;
/// How many documents a chunk has room for.
pub(crate) const CHUNK: u32 = 1 << CHUNK_BITS;
/// The most chunks: what numbers of 32 bits allow.
pub(crate) const CHUNKS_MAX: u16 = 1 << (32 - CHUNK_BITS);

/// The chunk that a document is in.
pub(crate) fn chunk_of(number: u32) -> u16 {
    // At most 15 bits are left.
    u16::try_from(number >> CHUNK_BITS).unwrap_or(u16::MAX)
}

/// The numbers of a chunk.
pub(crate) fn numbers(chunk: u16) -> Range<u64> {
    let start = u64::from(chunk) << CHUNK_BITS;
    start..start + u64::from(CHUNK)
}

/// How far the index reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// How many chunks the postings may have.
    pub(crate) chunks: u16,
    /// The chunk in which new documents get their numbers.
    pub(crate) window: u16,
    /// Counts the commits of compaction, so that two compactions cannot mix.
    pub(crate) generation: u64,
}

/// What is kept of a document beside its terms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Document {
    /// The world's name. Empty where the number may never be given again, because postings may
    /// still have it.
    #[serde(rename = "n")]
    pub(crate) name: String,
    /// The average of its users, as [`super::popularity`] tells.
    #[serde(rename = "s", default, skip_serializing_if = "is_zero")]
    pub(crate) score: f64,
    /// When the average was last right, in milliseconds.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub(crate) observed_at: Option<Timestamp>,
    /// Its cell of the finest resolution.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(crate) cell: Option<u64>,
    /// Its terms of the families that are counted.
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) facets: Vec<String>,
}

/// Where a document is, for those who want to know no more of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Leaf {
    /// [`Document::cell`].
    #[serde(rename = "c", default)]
    pub(crate) cell: Option<u64>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(score: &f64) -> bool {
    *score == 0.0
}

impl Document {
    /// The document of a world that has these terms.
    pub(crate) fn new(facts: &Facts, terms: &BTreeSet<String>) -> Self {
        let is_counted = |term: &&String| term.starts_with(terms::FACETS);
        Self {
            name: facts.name.clone(),
            score: 0.0,
            observed_at: None,
            cell: facts.position.and_then(terms::leaf).map(u64::from),
            facets: terms.iter().filter(is_counted).cloned().collect(),
        }
    }

    /// Stands where a number may never be given again.
    pub(crate) fn grave() -> Self {
        Self { name: String::new(), score: 0.0, observed_at: None, cell: None, facets: Vec::new() }
    }
}

/// Reads what was written as JSON.
pub(crate) fn read<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|_| Problem::internal())
}

/// Writes something as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value).map_err(|_| Problem::internal())
}

/// Terms as a delta and a base hold them: in order, one a line. No term has a line's end.
pub(crate) fn lines<'a>(terms: impl IntoIterator<Item = &'a String>) -> Vec<u8> {
    let terms: Vec<&str> = terms.into_iter().map(String::as_str).collect();
    terms.join("\n").into_bytes()
}

/// The terms of a delta or a base.
pub(crate) fn terms_of(bytes: &[u8]) -> Result<BTreeSet<String>, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|_| Problem::internal())?;
    Ok(text.split('\n').filter(|term| !term.is_empty()).map(str::to_owned).collect())
}

/// Reads a chunk of a posting.
pub(crate) fn bitmap(bytes: &[u8]) -> Result<RoaringBitmap, Problem> {
    RoaringBitmap::deserialize_from(bytes).map_err(|_| Problem::internal())
}

/// Writes a chunk of a posting.
pub(crate) fn bytes(bitmap: &mut RoaringBitmap) -> Result<Vec<u8>, Problem> {
    bitmap.optimize();
    let mut bytes = Vec::with_capacity(bitmap.serialized_size());
    bitmap.serialize_into(&mut bytes).map_err(|_| Problem::internal())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vwp_storage::kv::VALUE_LENGTH_MAX;

    #[test]
    fn every_number_is_in_a_chunk() {
        assert_eq!(chunk_of(u32::MAX), CHUNKS_MAX - 1);
        for number in [0, CHUNK - 1, CHUNK, u32::MAX] {
            assert!(numbers(chunk_of(number)).contains(&u64::from(number)));
        }
    }

    #[test]
    fn a_chunk_of_a_posting_fits_into_a_value() {
        let mut longest: RoaringBitmap = (0..CHUNK).step_by(2).collect();
        let written = bytes(&mut longest).unwrap();
        assert!(written.len() <= VALUE_LENGTH_MAX);
        assert_eq!(bitmap(&written).unwrap(), longest);
        assert!(bitmap(&written[..written.len() - 1]).is_err());
    }
}

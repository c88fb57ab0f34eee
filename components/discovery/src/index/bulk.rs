//! Building the index of many worlds at once, in memory: each posting is written once, in
//! place of once for every fold that touches it. For an empty index only.

use super::facts::Facts;
use super::keys;
use super::popularity;
use super::stored::{self, CHUNK, Document, State};
use super::vocabulary::{self, cut};
use crate::terms;
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use vwp_core::Problem;
use vwp_core::environment::Timestamp;
use vwp_storage::kv::Write;

/// An index in the making.
#[derive(Debug, Default)]
pub struct Builder {
    postings: HashMap<String, RoaringBitmap>,
    next: u32,
}

impl Builder {
    /// Takes a world in, with the average of its users at a time; the writes of its own keys.
    pub fn add(&mut self, facts: &Facts, score: f64, at: Timestamp) -> Result<[Write; 2], Problem> {
        let number = self.next;
        self.next = number.checked_add(1).ok_or_else(Problem::internal)?;
        let terms = terms::of_facts(facts, popularity::degree(score));
        let document =
            Document { score, observed_at: (score > 0.0).then_some(at), ..Document::new(facts, &terms) };
        for term in terms {
            self.postings.entry(term).or_default().insert(number);
        }
        Ok([
            Write::put(keys::number(&facts.name), number.to_be_bytes()),
            Write::put(keys::document(number), stored::json(&document)?),
        ])
    }

    /// The writes of what all worlds share, in the order of keys, ending with the state, which
    /// makes the index seen.
    pub fn finish(self) -> impl Iterator<Item = Result<Write, Problem>> {
        let chunks = self.next.div_ceil(CHUNK);
        let full = self.next / CHUNK;
        // Both are at most 32,768.
        let [chunks, window] = [chunks, full].map(|count| u16::try_from(count).unwrap_or(u16::MAX));
        let state = State { chunks, window, generation: 1 };
        let mut postings: Vec<(String, RoaringBitmap)> = self.postings.into_iter().collect();
        postings.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let pages = vocabulary_writes(&postings);
        let postings = postings.into_iter().flat_map(move |(term, all)| {
            (0..chunks).filter_map(move |chunk| posting_write(&term, chunk, &all))
        });
        postings
            .chain(pages.into_iter().map(Ok))
            .chain(std::iter::once_with(move || Ok(Write::put(keys::STATE, stored::json(&state)?))))
    }
}

fn posting_write(term: &str, chunk: u16, all: &RoaringBitmap) -> Option<Result<Write, Problem>> {
    let numbers = stored::numbers(chunk);
    // No number is above 32 bits.
    let within = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let mut part: RoaringBitmap = all.range(within(numbers.start)..=within(numbers.end - 1)).collect();
    (!part.is_empty())
        .then(|| stored::bytes(&mut part).map(|bytes| Write::put(keys::posting(term, chunk), bytes)))
}

fn vocabulary_writes(postings: &[(String, RoaringBitmap)]) -> Vec<Write> {
    let mut buckets: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for word in postings.iter().filter_map(|(term, _)| term.strip_prefix(terms::WORD)) {
        buckets.entry(vocabulary::bucket(word)).or_default().insert(word);
    }
    let pages = |(bucket, words): (String, BTreeSet<&str>)| {
        let pages = cut(words.into_iter()).into_iter();
        pages.map(move |page| Write::put(keys::vocabulary(&bucket, &page.first), page.text))
    };
    buckets.into_iter().flat_map(pages).collect()
}

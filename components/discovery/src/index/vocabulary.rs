//! All words of the index, to find those that a mistyped word may mean.
//!
//! A word is in the *bucket* of its first letter and its length, and a bucket is kept in pages
//! of some KiB, each under its first word. A typo changes a word's length by no more than there
//! are typos, so a question reads only the buckets of a few lengths: about a
//! fiftieth of all words. The first letter is taken to be right, but for another
//! one before it, or its having changed places with the second.

use super::keys;
use std::collections::{BTreeMap, BTreeSet};
use vwp_core::Problem;
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, KeyRange, Write};

/// A longer page is cut in two, in bytes.
const PAGE_LENGTH_MAX: usize = 8 * 1024;
/// How many pages of one bucket a question reads.
const PAGES_READ_MAX: u32 = 16;
/// How many words a mistyped one is taken for at the most.
const MEANT_MAX: usize = 16;

/// How many typos a word may have: none in short ones, where everything is near everything.
pub(crate) fn typos_max(word: &str) -> usize {
    match word.chars().count() {
        0..4 => 0,
        4..8 => 1,
        _ => 2,
    }
}

/// The words that a word may mean, nearest first: of the vocabulary, and of those that are not
/// in it yet.
pub(crate) async fn near<'a, S: Kv>(
    store: &S,
    new: impl Iterator<Item = &'a str>,
    word: &str,
) -> Result<Vec<String>, Problem> {
    let typos_max = typos_max(word);
    if typos_max == 0 {
        return Ok(Vec::new());
    }
    let mut meant = Meant { word, letters: letters(word), typos_max, found: BTreeSet::new() };
    let buckets = buckets_near(word, typos_max);
    for bucket in &buckets {
        let page = store.scan(&keys::vocabulary_of(bucket), PAGES_READ_MAX, Direction::Forward).await?;
        for item in page.items {
            words(&item.entry.value)?.for_each(|candidate| meant.consider(candidate));
        }
    }
    for candidate in new {
        // The bucket is looked at last, because it is the dearest to find out.
        if meant.may_be(candidate) && buckets.contains(&bucket(candidate)) {
            meant.consider(candidate);
        }
    }
    Ok(meant.found.into_iter().take(MEANT_MAX).map(|(_, word)| word).collect())
}

/// The words that one may mean, by their distances.
struct Meant<'a> {
    word: &'a str,
    letters: u32,
    typos_max: usize,
    found: BTreeSet<(usize, String)>,
}

impl Meant<'_> {
    /// Whether a word can be that near, by its letters: each typo puts at most one in and takes
    /// at most one out.
    fn may_be(&self, candidate: &str) -> bool {
        let other = letters(candidate);
        let most = (self.letters & !other).count_ones().max((other & !self.letters).count_ones());
        most as usize <= self.typos_max
    }

    fn consider(&mut self, candidate: &str) {
        if self.may_be(candidate) {
            // Counts two letters that changed places as one typo.
            let distance = strsim::osa_distance(self.word, candidate);
            if (1..=self.typos_max).contains(&distance) {
                self.found.insert((distance, candidate.to_owned()));
            }
        }
    }
}

/// The buckets in which words are that a word may mean.
fn buckets_near(word: &str, typos_max: usize) -> BTreeSet<String> {
    let length = word.chars().count();
    let mut letters = word.chars();
    let first = letters.next();
    let mut buckets = BTreeSet::new();
    for letter in [first, letters.next()].into_iter().flatten() {
        let lengths = length.saturating_sub(typos_max).max(1)..=length + typos_max;
        buckets.extend(lengths.map(|length| bucket_of(letter, length)));
    }
    buckets
}

fn bucket_of(letter: char, length: usize) -> String {
    format!("{letter}{length:02}")
}

/// The bucket of a word.
pub(crate) fn bucket(word: &str) -> String {
    bucket_of(word.chars().next().unwrap_or_default(), word.chars().count())
}

/// Which letters a word has, folded into 32 bits.
fn letters(word: &str) -> u32 {
    word.chars().fold(0, |letters, letter| letters | 1 << (u32::from(letter) % 32))
}

/// The words of a page.
fn words(page: &[u8]) -> Result<impl Iterator<Item = &str>, Problem> {
    let text = std::str::from_utf8(page).map_err(|_| Problem::internal())?;
    Ok(text.split('\n').filter(|word| !word.is_empty()))
}

/// A change of pages that was worked out on what they were.
pub(crate) struct Pages {
    /// The words of each page that is looked at, under its key.
    pages: BTreeMap<Vec<u8>, BTreeSet<String>>,
    stored: BTreeSet<Vec<u8>>,
}

impl Pages {
    /// The pages with these words in, and without those.
    pub(crate) async fn changed<S: Kv>(
        store: &S,
        put: &BTreeSet<String>,
        removed: &BTreeSet<String>,
    ) -> Result<Self, Problem> {
        let mut changed = Self { pages: BTreeMap::new(), stored: BTreeSet::new() };
        for word in put {
            let key = changed.page(store, word).await?;
            changed.pages.entry(key).or_default().insert(word.clone());
        }
        for word in removed.difference(put) {
            let key = changed.page(store, word).await?;
            changed.pages.entry(key).or_default().remove(word);
        }
        Ok(changed)
    }

    /// The key of the page that a word belongs to: the last that starts at or before it, or
    /// one that starts with it.
    async fn page<S: Kv>(&mut self, store: &S, word: &str) -> Result<Vec<u8>, Problem> {
        let bucket = bucket(word);
        let own = keys::vocabulary(&bucket, word);
        let start = keys::vocabulary_of(&bucket).start;
        let near = self.pages.range(start.clone()..=own.clone()).next_back();
        if let Some((key, _)) = near.filter(|(_, words)| words.range(word.to_owned()..).next().is_some()) {
            // It has words on both sides, so no page in the store can lie between.
            return Ok(key.clone());
        }
        let range = KeyRange { start: start.clone(), end: [own.as_slice(), &[0]].concat() };
        let page = store.scan(&range, 1, Direction::Backward).await?;
        if let Some(item) = page.items.into_iter().next() {
            let near = self.pages.range(start..=own).next_back().map(|(key, _)| key.clone());
            // One that was made here meanwhile may start nearer.
            if let Some(near) = near.filter(|near| *near >= item.key) {
                return Ok(near);
            }
            let words = words(&item.entry.value)?.map(str::to_owned).collect();
            self.stored.insert(item.key.clone());
            self.pages.insert(item.key.clone(), words);
            return Ok(item.key);
        }
        let near = self.pages.range(start..=own.clone()).next_back().map(|(key, _)| key.clone());
        Ok(near.unwrap_or(own))
    }

    /// The writes that make it so. A page that has become long is cut.
    pub(crate) fn writes(self) -> Vec<Write> {
        let mut writes = Vec::new();
        for (key, words) in self.pages {
            if words.is_empty() {
                writes.extend(self.stored.contains(&key).then(|| Write::delete(key)));
                continue;
            }
            let bucket = words.first().map(|word| bucket(word)).unwrap_or_default();
            let mut key = Some(key);
            for page in cut(words.iter().map(String::as_str)) {
                // The first part stays where the page was, whatever it starts with now.
                let key = key.take().unwrap_or_else(|| keys::vocabulary(&bucket, &page.first));
                writes.push(Write::put(key, page.text));
            }
        }
        writes
    }
}

/// A page of a bucket.
pub(crate) struct Page {
    /// Its first word.
    pub(crate) first: String,
    /// Its words.
    pub(crate) text: Vec<u8>,
}

/// Cuts the words of a bucket, which come in order, into pages.
pub(crate) fn cut<'a>(words: impl Iterator<Item = &'a str>) -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::new();
    for word in words {
        match pages.last_mut() {
            Some(page) if page.text.len() + word.len() < PAGE_LENGTH_MAX => {
                page.text.push(b'\n');
                page.text.extend_from_slice(word.as_bytes());
            }
            _ => pages.push(Page { first: word.to_owned(), text: word.as_bytes().to_vec() }),
        }
    }
    pages
}

//! Where the index is in the store, all of it under `discovery/index/`. Numbers are
//! big-endian, so that the store's order is theirs.

use vwp_storage::kv::{Key, KeyRange};

/// How far the index reaches; see [`super::state`].
pub(crate) const STATE: &str = "discovery/index/state";

/// How far popularities were looked at; see [`super::decay`].
pub(crate) const DECAY: &str = "discovery/index/decay";

const DELTA: &str = "discovery/index/delta/";
const BASE: &str = "discovery/index/base/";
const DOCUMENT: &str = "discovery/index/document/";
const NUMBER: &str = "discovery/index/number/";
const POSTING: &str = "discovery/index/posting/";
const VOCABULARY: &str = "discovery/index/vocabulary/";

/// The number of a world's document.
pub(crate) fn number(name: &str) -> Key {
    format!("{NUMBER}{name}").into_bytes()
}

/// The document of a number.
pub(crate) fn document(number: u32) -> Key {
    numbered(DOCUMENT, number)
}

/// The documents from a number on.
pub(crate) fn documents_from(number: u32) -> KeyRange {
    KeyRange { start: document(number), end: KeyRange::prefix(DOCUMENT).end }
}

/// The number in a document's key.
pub(crate) fn number_of_document(key: &[u8]) -> Option<u32> {
    let number = key.strip_prefix(DOCUMENT.as_bytes())?;
    Some(u32::from_be_bytes(number.try_into().ok()?))
}

/// The terms that a document has now, while the postings do not know it.
pub(crate) fn delta(number: u32) -> Key {
    numbered(DELTA, number)
}

/// All deltas.
pub(crate) fn deltas() -> KeyRange {
    KeyRange::prefix(DELTA)
}

/// The number in a delta's key.
pub(crate) fn number_of_delta(key: &[u8]) -> Option<u32> {
    let number = key.strip_prefix(DELTA.as_bytes())?;
    Some(u32::from_be_bytes(number.try_into().ok()?))
}

/// The terms under which the postings may know a document that has a delta.
pub(crate) fn base(number: u32) -> Key {
    numbered(BASE, number)
}

/// The documents of one chunk that have a term.
pub(crate) fn posting(term: &str, chunk: u16) -> Key {
    let mut key = Vec::with_capacity(POSTING.len() + term.len() + 3);
    key.extend_from_slice(POSTING.as_bytes());
    key.extend_from_slice(term.as_bytes());
    // Ends the term, which has no such byte, so that a term's chunks come before those of a
    // longer term.
    key.push(0);
    key.extend_from_slice(&chunk.to_be_bytes());
    key
}

/// The postings of all terms that start with a text.
pub(crate) fn postings_with_prefix(prefix: &str) -> KeyRange {
    KeyRange::prefix(format!("{POSTING}{prefix}"))
}

/// The postings of the terms from one to another, both included.
pub(crate) fn postings_between(first: &str, last: &str) -> KeyRange {
    KeyRange {
        start: format!("{POSTING}{first}").into_bytes(),
        // The smallest key behind the last term's chunks.
        end: format!("{POSTING}{last}\u{1}").into_bytes(),
    }
}

/// The term in a posting's key.
pub(crate) fn term_of_posting(key: &[u8]) -> Option<&str> {
    let rest = key.strip_prefix(POSTING.as_bytes())?;
    let (term, chunk) = rest.split_at_checked(rest.len().checked_sub(3)?)?;
    (chunk.first() == Some(&0)).then_some(())?;
    std::str::from_utf8(term).ok()
}

/// The page of the vocabulary that starts with a word of a bucket.
pub(crate) fn vocabulary(bucket: &str, word: &str) -> Key {
    format!("{VOCABULARY}{bucket}/{word}").into_bytes()
}

/// All pages of a bucket of the vocabulary.
pub(crate) fn vocabulary_of(bucket: &str) -> KeyRange {
    KeyRange::prefix(format!("{VOCABULARY}{bucket}/"))
}

fn numbered(prefix: &str, number: u32) -> Key {
    [prefix.as_bytes(), &number.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_what_they_were_made_of() {
        assert_eq!(number_of_delta(&delta(7)), Some(7));
        assert_eq!(number_of_delta(b"discovery/index/delta/x"), None);
        assert_eq!(term_of_posting(&posting("wcafé", 300)), Some("wcafé"));
        assert_eq!(term_of_posting(b"discovery/index/posting/"), None);
    }

    #[test]
    fn a_range_of_postings_has_the_chunks_of_its_terms_only() {
        let has = |range: &KeyRange, key: Key| range.start <= key && key < range.end;
        let range = postings_between("c2a", "c2c");
        assert!(has(&range, posting("c2a", 0)) && has(&range, posting("c2c", u16::MAX)));
        assert!(!has(&range, posting("c2d", 0)) && !has(&range, posting("c29", 5)));
        let range = postings_with_prefix("war");
        assert!(has(&range, posting("war", 0)) && has(&range, posting("warena", 9)));
        assert!(!has(&range, posting("wa", 0)) && !has(&range, posting("was", 0)));
    }
}

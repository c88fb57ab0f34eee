//! The words of a world: how a text becomes the words that the index holds.
//!
//! A text is folded by NFKC and Unicode's case folding (which, unlike lower case, does
//! not depend on a letter's place), and each run of letters and digits is a word. A question is folded the same way, so both always agree.

use crate::names;
use crate::record::Record;
use caseless::Caseless;
use std::collections::BTreeSet;
use std::ops::Bound;
use unicode_normalization::UnicodeNormalization;

/// The longest word in the index, in bytes. A longer one is cut, in the index and in
/// a question alike.
pub const WORD_LENGTH_MAX: usize = 64;
/// The most words of one world. A registration removes at most this many and puts at
/// most this many, and so stays within one commit. Words beyond are not indexed.
pub const WORDS_MAX: usize = 100;

/// The words of a text, in order, each as often as it occurs.
pub fn of_text(text: &str) -> impl Iterator<Item = String> {
    // Folding can take a text out of NFKC, hence the second pass.
    let folded: String = text.nfkc().default_case_fold().nfkc().collect();
    let words: Vec<String> = folded
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| cut(word).to_owned())
        .collect();
    words.into_iter()
}

/// The words of a world: of its name, title and tags first, because the description's
/// are the first to be left out when there are too many.
pub fn of_record(record: &Record) -> BTreeSet<String> {
    let name = record.name.parse().map(|name| names::to_unicode(&name)).unwrap_or_default();
    let texts = [name.as_str(), record.name.as_str()].into_iter().chain(record.title.values());
    let texts = texts.chain(record.tags.iter().map(String::as_str)).chain(record.description.values());
    let mut words = BTreeSet::new();
    for word in texts.flat_map(of_text) {
        if words.len() == WORDS_MAX {
            break;
        }
        words.insert(word);
    }
    words
}

/// The first word that starts with `prefix`.
pub fn first_with_prefix<'a>(words: &'a BTreeSet<String>, prefix: &str) -> Option<&'a str> {
    // Words that start with a prefix follow it directly, in the order of bytes.
    let next = words.range::<str, _>((Bound::Included(prefix), Bound::Unbounded)).next()?;
    next.starts_with(prefix).then_some(next.as_str())
}

fn cut(word: &str) -> &str {
    &word[..word.floor_char_boundary(WORD_LENGTH_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        of_text(text).collect()
    }

    #[test]
    fn texts_fold_to_the_words_that_people_mean() {
        assert_eq!(words("The GOLDEN-Arena, 2nd  edition!"), ["the", "golden", "arena", "2nd", "edition"]);
        // Full-width letters and ligatures, by compatibility.
        assert_eq!(words("ＡＲＥＮＡ ﬁre"), ["arena", "fire"]);
        // Composed and decomposed forms are one word.
        assert_eq!(words("Cafe\u{301}"), words("café"));
        assert_eq!(words("ΣΊΣΥΦΟΣ"), words("Σίσυφος"));
        assert_eq!(words("STRASSE"), words("Straße"));
        assert_eq!(words("世界 мир"), ["世界", "мир"]);
        assert_eq!(words("!? -- "), Vec::<String>::new());
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        let cut = words(&"é".repeat(100));
        assert_eq!(cut, ["é".repeat(32)]);
        assert!(words(&"a€".repeat(100))[0].len() <= WORD_LENGTH_MAX);
    }

    #[test]
    fn a_prefix_finds_the_first_word_that_has_it() {
        let words = BTreeSet::from(["are".to_owned(), "arena".to_owned(), "bird".to_owned()]);
        assert_eq!(first_with_prefix(&words, "aren"), Some("arena"));
        assert_eq!(first_with_prefix(&words, "ar"), Some("are"));
        assert_eq!(first_with_prefix(&words, "arenas"), None);
        assert_eq!(first_with_prefix(&words, "c"), None);
    }
}

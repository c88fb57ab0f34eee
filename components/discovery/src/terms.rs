//! The terms of a world: everything that a question can ask for, as short texts. The first
//! character of a term is its family.
//!
//! A text is folded by NFKC and Unicode's case folding (which, unlike lower case, does
//! not depend on a letter's place), and each run of letters and digits is a word. A question is
//! folded the same way, so both always agree.

use crate::index::facts::Facts;
use caseless::Caseless;
use h3o::{CellIndex, LatLng, Resolution};
use std::collections::BTreeSet;
use unicode_normalization::UnicodeNormalization;

/// The term that every world has.
pub const ALL: &str = "*";
/// The term of every world that says where it is.
pub const PLACED: &str = "@";
/// The family of the words of names, titles and tags.
pub const TITLE: char = 'n';
/// The family of all words.
pub const WORD: char = 'w';
/// The family of the first letters, up to five, of the words in [`TITLE`].
pub const START: char = 'x';
/// The family of tags.
pub const TAG: char = 't';
/// The family of languages.
pub const LANGUAGE: char = 'l';
/// The family of regions.
pub const REGION: char = 'e';
/// The family of software.
pub const SOFTWARE: char = 's';
/// The family of protocols.
pub const PROTOCOL: char = 'v';
/// The family of rating levels.
pub const RATING: char = 'r';
/// The family of degrees of popularity.
pub const POPULARITY: char = 'p';
/// The family of cells on the globe.
pub const CELL: char = 'c';
/// The families that are counted for people to narrow a search by.
pub const FACETS: [char; 6] = [TAG, LANGUAGE, REGION, SOFTWARE, PROTOCOL, RATING];

/// The longest word in the index, in bytes. A longer one is cut, in the index and in
/// a question alike.
pub const WORD_LENGTH_MAX: usize = 64;
/// The most words of one world. Words beyond are not indexed.
pub const WORDS_MAX: usize = 150;
/// The most of these that count as words of its names.
pub const TITLE_WORDS_MAX: usize = 50;
/// How many values of each other family one world has at the most.
pub const VALUES_MAX: usize = 32;
/// The longest value of another family, in bytes. A longer one is cut.
pub const VALUE_LENGTH_MAX: usize = 128;
/// A shorter word than this, in characters, is looked up as the start of words in
/// [`START`]; the words that a longer one starts are read off the index itself.
pub const START_LENGTH: usize = 6;
/// The resolutions of H3 at which a world's cell is kept, from coarse to fine. Cells of the
/// finest have edges of 3.7 km on average.
pub const RESOLUTIONS: [Resolution; 4] =
    [Resolution::Zero, Resolution::Two, Resolution::Four, Resolution::Six];

/// The words of a text, in order, each as often as it occurs.
pub fn of_text(text: &str) -> impl Iterator<Item = String> {
    let words: Vec<String> = fold(text)
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| cut(word, WORD_LENGTH_MAX).to_owned())
        .collect();
    words.into_iter()
}

/// All terms of a world that is so popular.
pub fn of_facts(facts: &Facts, popularity: u8) -> BTreeSet<String> {
    let mut terms = BTreeSet::from([ALL.to_owned()]);
    words(facts, &mut terms);
    let mut values = |family: char, values: &[String]| {
        terms.extend(values.iter().take(VALUES_MAX).map(|text| value(family, text)));
    };
    values(TAG, &facts.tags);
    values(REGION, &facts.regions);
    values(SOFTWARE, &facts.software);
    for protocol in facts.protocols.iter().take(VALUES_MAX) {
        terms.extend(ranges(protocol, '/').map(|range| value(PROTOCOL, range)));
    }
    for language in facts.languages.iter().take(VALUES_MAX) {
        terms.extend(ranges(language, '-').map(|range| value(LANGUAGE, range)));
    }
    terms.extend(facts.rating.map(rating));
    if popularity > 0 {
        terms.insert(self::popularity(popularity));
    }
    if let Some(leaf) = facts.position.and_then(leaf) {
        terms.insert(PLACED.to_owned());
        terms.extend(RESOLUTIONS.iter().filter_map(|resolution| leaf.parent(*resolution)).map(cell));
    }
    terms
}

/// The words of names and tags first, because those of descriptions are the first to be left
/// out when there are too many.
fn words(facts: &Facts, terms: &mut BTreeSet<String>) {
    let mut words = BTreeSet::new();
    let named = facts.titles.iter().chain(&facts.tags).flat_map(|text| of_text(text));
    for word in named {
        if words.len() == TITLE_WORDS_MAX {
            break;
        }
        words.insert(word);
    }
    for word in &words {
        terms.insert(format!("{TITLE}{word}"));
        let ends = word.char_indices().map(|(at, _)| at).skip(1).take(START_LENGTH - 1);
        terms.extend(ends.map(|end| format!("{START}{}", &word[..end])));
        if word.chars().count() < START_LENGTH {
            terms.insert(format!("{START}{word}"));
        }
    }
    for word in facts.texts.iter().flat_map(|text| of_text(text)) {
        if words.len() == WORDS_MAX {
            break;
        }
        words.insert(word);
    }
    terms.extend(words.iter().map(|word| format!("{WORD}{word}")));
}

/// The term of a value of a family.
pub fn value(family: char, text: &str) -> String {
    let mut term = String::from(family);
    // A control character would end the term where it does not end.
    term.extend(fold(text).chars().filter(|character| !character.is_control()));
    let end = term.floor_char_boundary(VALUE_LENGTH_MAX);
    term.truncate(end);
    term
}

/// The term of a rating level, in three digits, so that levels are in order.
pub fn rating(level: u8) -> String {
    format!("{RATING}{level:03}")
}

/// The term of a degree of popularity, 1 to 15.
pub fn popularity(degree: u8) -> String {
    format!("{POPULARITY}{degree:x}")
}

/// The term of a cell.
pub fn cell(cell: CellIndex) -> String {
    format!("{CELL}{:x}{:016x}", u8::from(cell.resolution()), u64::from(cell))
}

/// The cell in a term.
pub fn cell_of(term: &str) -> Option<CellIndex> {
    let hex = term.strip_prefix(CELL)?.get(1..)?;
    CellIndex::try_from(u64::from_str_radix(hex, 16).ok()?).ok()
}

/// The finest cell of a position; none where there is no such place.
pub fn leaf((latitude, longitude): (f64, f64)) -> Option<CellIndex> {
    let is_on_globe = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
    let position = is_on_globe.then(|| LatLng::new(latitude, longitude).ok()).flatten()?;
    Some(position.to_cell(RESOLUTIONS[RESOLUTIONS.len() - 1]))
}

/// A value and the ranges that it is in: the language `de-CH` is also `de` (RFC 4647, section
/// 3.3.1), and the protocol `minecraft/1.21` is also `minecraft`.
fn ranges(value: &str, separator: char) -> impl Iterator<Item = &str> {
    let ends = value.match_indices(separator).map(|(at, _)| at).chain([value.len()]);
    ends.map(|end| &value[..end])
}

fn fold(text: &str) -> String {
    // Folding can take a text out of NFKC, hence the second pass.
    text.nfkc().default_case_fold().nfkc().collect()
}

fn cut(word: &str, length_max: usize) -> &str {
    &word[..word.floor_char_boundary(length_max)]
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
    fn a_world_has_terms_for_all_that_can_be_asked() {
        let facts = Facts {
            name: "arena".into(),
            titles: vec!["Gö Arena".into()],
            texts: vec!["of gold".into()],
            tags: vec!["PvP fun".into()],
            languages: vec!["de-CH-1996".into()],
            rating: Some(12),
            position: Some((52.5, 13.4)),
            ..Facts::default()
        };
        let terms = of_facts(&facts, 3);
        let fixed: Vec<&str> =
            terms.iter().map(String::as_str).filter(|term| !term.starts_with(CELL)).collect();
        let expected = [
            "*",
            "@",
            "lde",
            "lde-ch",
            "lde-ch-1996",
            "narena",
            "nfun",
            "ngö",
            "npvp",
            "p3",
            "r012",
            "tpvp fun",
            "warena",
            "wfun",
            "wgold",
            "wgö",
            "wof",
            "wpvp",
            "xa",
            "xar",
            "xare",
            "xaren",
            "xarena",
            "xf",
            "xfu",
            "xfun",
            "xg",
            "xgö",
            "xp",
            "xpv",
            "xpvp",
        ];
        assert_eq!(fixed, expected);
        let cells: Vec<CellIndex> = terms.iter().filter_map(|term| cell_of(term)).collect();
        assert_eq!(cells.len(), 4);
        assert!(
            cells.iter().all(|cell| leaf((52.5, 13.4)).unwrap().parent(cell.resolution()) == Some(*cell))
        );
        assert_eq!(leaf((90.5, 0.0)), None);
        assert_eq!(leaf((f64::NAN, 0.0)), None);
    }

    #[test]
    fn no_term_has_the_bytes_that_end_a_term() {
        let facts = Facts { tags: vec!["a\0b\nc".into()], texts: vec!["x\0y\nz".into()], ..Facts::default() };
        for term in of_facts(&facts, 0) {
            assert!(!term.contains(['\0', '\n']), "{term:?}");
        }
    }
}

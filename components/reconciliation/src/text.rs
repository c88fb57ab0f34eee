//! Texts of statements: their encodings, and what in them tells one payment from another.

use crate::Error;
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The longest text that a line keeps, in bytes.
pub const TEXT_LENGTH_MAX: usize = 1024;
/// The longest reference that is kept, in bytes. ISO 20022 allows 35 characters, proprietary ones
/// more.
pub const REFERENCE_LENGTH_MAX: usize = 128;
/// How many references of a line or an entry are compared.
pub const REFERENCES_MAX: usize = 16;
/// How many words of a line or an entry are compared.
pub const WORDS_MAX: usize = 48;
/// A reference that is shorter, such as the number of an entry in its statement, names nothing.
const REFERENCE_LENGTH_MIN: usize = 4;
/// A word with a digit that is as long as this may be a reference.
const REFERENCE_WORD_LENGTH_MIN: usize = 6;
/// What banks write where there is no reference (EPC132-08, section 1.8; SWIFT MT940, field 61).
const NO_REFERENCE: &[&str] = &["NOTPROVIDED", "NONREF", "NOREF", "NICHTANGEGEBEN", "NONE"];

/// How the bytes of a statement are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Charset {
    /// UTF-8, where a byte-order mark is allowed.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// Windows-1252, which is a superset of what is called ISO 8859-1.
    #[serde(rename = "windows-1252")]
    Windows1252,
}

impl Charset {
    /// Reads bytes; what is not in this encoding is refused, because a name or a reference that was
    /// read wrongly is worse than none.
    pub fn decode(self, bytes: &[u8]) -> Result<String, Error> {
        decode(
            match self {
                Self::Utf8 => UTF_8,
                Self::Windows1252 => WINDOWS_1252,
            },
            bytes,
        )
    }
}

/// Reads bytes in an encoding of the Encoding Standard.
pub(crate) fn decode(encoding: &'static Encoding, bytes: &[u8]) -> Result<String, Error> {
    let refused = || Error::Unreadable(format!("the statement is not in {}", encoding.name()));
    let bytes = match Encoding::for_bom(bytes) {
        Some((marked, length)) if marked == encoding => bytes.get(length..).unwrap_or_default(),
        Some(_) => return Err(refused()),
        None => bytes,
    };
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
    text.map(std::borrow::Cow::into_owned).ok_or_else(refused)
}

/// A text with one blank between its words and without control characters, cut to a length.
pub(crate) fn tidied(text: &str, length_max: usize) -> String {
    let mut tidy = String::new();
    for word in text.split(|character: char| character.is_whitespace() || character.is_control()) {
        if word.is_empty() {
            continue;
        }
        let blank = usize::from(!tidy.is_empty());
        if tidy.len() + blank + word.len() > length_max {
            break;
        }
        if blank > 0 {
            tidy.push(' ');
        }
        tidy.push_str(word);
    }
    tidy
}

/// A reference as it is compared: letters and digits, without regard to case. None where the text
/// says that there is no reference.
pub fn reference(text: &str) -> Option<String> {
    let kept: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let kept = kept.to_ascii_uppercase();
    let is_one = (REFERENCE_LENGTH_MIN..=REFERENCE_LENGTH_MAX).contains(&kept.len())
        && !NO_REFERENCE.contains(&kept.as_str());
    // Zeros alone fill a field that has to be there.
    (is_one && kept.bytes().any(|byte| byte != b'0')).then_some(kept)
}

/// The words of a text that may be references: long ones with a digit in them.
pub fn references_in(text: &str) -> impl Iterator<Item = String> + '_ {
    let words = text.split(|character: char| character.is_whitespace() || ",;:()".contains(character));
    words.filter_map(reference).filter(|word| {
        word.len() >= REFERENCE_WORD_LENGTH_MIN && word.bytes().any(|byte| byte.is_ascii_digit())
    })
}

/// The words of a text as they are compared: letters without accents in lower case, and digits.
pub fn words(text: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for word in text.split(|character: char| !character.is_alphanumeric()) {
        let word: String = word.chars().flat_map(char::to_lowercase).map(without_accent).collect();
        if word.chars().count() >= 3 && words.len() < WORDS_MAX {
            words.insert(word);
        }
    }
    words
}

/// Of every hundred words that two texts have together, how many they share (Jaccard's index); of
/// a thousand, to be a whole number.
pub fn similarity(one: &BTreeSet<String>, other: &BTreeSet<String>) -> u32 {
    let shared = one.intersection(other).count();
    let all = one.len() + other.len() - shared;
    let permille = (shared * 1000).checked_div(all).unwrap_or(0);
    u32::try_from(permille).unwrap_or(0)
}

/// The letters with accents that Western European banks write, without them: statements have them
/// in some formats and not in others.
fn without_accent(character: char) -> char {
    match character {
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' | 'ø' => 'o',
        'ù'..='ü' => 'u',
        'ý' | 'ÿ' => 'y',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_compared_without_its_punctuation() {
        assert_eq!(reference("rf18-5390 0754.7034").as_deref(), Some("RF18539007547034"));
        for none in ["", "NOTPROVIDED", "not provided", "NONREF", "0000", "--", "17"] {
            assert_eq!(reference(none), None, "{none:?}");
        }
    }

    #[test]
    fn words_that_may_be_references_are_found_in_a_sentence() {
        let found: Vec<String> = references_in("Rechnung RE-2026/0042, Danke! 12.5 EUR Straße").collect();
        assert_eq!(found, ["RE20260042"]);
    }

    #[test]
    fn similarity_is_the_share_of_common_words() {
        let (one, other) = (words("Müller GmbH Rechnung 4711"), words("Rechnung 4711 Muller"));
        assert_eq!(similarity(&one, &other), 750);
        assert_eq!(similarity(&one, &words("")), 0);
        assert_eq!(similarity(&words(""), &words("")), 0);
    }

    #[test]
    fn umlauts_are_read_in_the_encoding_that_is_said_and_refused_in_another() {
        let bytes = b"Gr\xfc\xdfe, 5 \x80";
        assert_eq!(Charset::Windows1252.decode(bytes).ok().as_deref(), Some("Grüße, 5 €"));
        assert!(Charset::Utf8.decode(bytes).is_err());
        assert_eq!(Charset::Utf8.decode(b"\xef\xbb\xbfa").ok().as_deref(), Some("a"));
        assert!(Charset::Utf8.decode(b"\xff\xfea\0").is_err());
    }

    #[test]
    fn a_text_is_cut_between_its_words() {
        assert_eq!(tidied(" a\r\n b\t\u{7}c ", 100), "a b c");
        assert_eq!(tidied("alpha beta gamma", 11), "alpha beta");
    }
}

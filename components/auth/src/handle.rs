//! Handles: the names that travellers choose and sign in with.
//!
//! A handle is kept in Unicode normalisation form KC (UAX #15), so that what looks
//! the same by compatibility is the same. Two handles are the same if they are equal
//! after default case folding of that form (The Unicode Standard, section 3.13, D146).
//! Letters of different scripts that look alike are different handles.

use caseless::default_case_fold_str;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The fewest characters of a handle.
pub const LENGTH_MIN: usize = 3;
/// The most characters of a handle.
pub const LENGTH_MAX: usize = 32;
/// The most bytes that are normalised at all; no acceptable handle is longer.
const INPUT_BYTES_MAX: usize = 512;

/// Why a text is not a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// Too short or too long.
    #[error("a handle has {LENGTH_MIN} to {LENGTH_MAX} characters")]
    Length,
    /// A character that handles do not have.
    #[error("a handle has letters, digits, and single dots, hyphens or underscores between them")]
    Character,
}

/// A handle that keeps the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handle {
    shown: String,
    folded: String,
}

impl Handle {
    /// Reads a handle.
    pub fn new(text: &str) -> Result<Self, HandleError> {
        if text.len() > INPUT_BYTES_MAX {
            return Err(HandleError::Length);
        }
        let shown: String = text.nfkc().collect();
        if !(LENGTH_MIN..=LENGTH_MAX).contains(&shown.chars().count()) {
            return Err(HandleError::Length);
        }
        if !has_only_words(&shown) {
            return Err(HandleError::Character);
        }
        Ok(Self { folded: fold(&shown), shown })
    }

    /// The handle as others see it.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The handle as it is compared.
    pub fn folded(&self) -> &str {
        &self.folded
    }
}

/// The form in which handles are compared. Folding can undo normalisation and the other way
/// round, so both are done twice (The Unicode Standard, section 3.13, D146).
fn fold(text: &str) -> String {
    let decomposed: String = text.nfd().collect();
    let once: String = default_case_fold_str(&decomposed).nfkc().collect();
    default_case_fold_str(&once).nfkc().collect()
}

/// Whether a text is words of letters, marks and digits with one separator between two.
fn has_only_words(text: &str) -> bool {
    // The first character must begin a word, just as one after a separator does.
    let mut word_begins = true;
    for character in text.chars() {
        let is_letter = character.is_alphanumeric() && !is_invisible(character);
        let is_mark = is_combining_mark(character) && !is_invisible(character);
        let is_separator = matches!(character, '.' | '-' | '_');
        let fits = if word_begins { is_letter } else { is_letter || is_mark || is_separator };
        if !fits {
            return false;
        }
        word_begins = is_separator;
    }
    !word_begins
}

/// Letters and marks that show nothing (Default_Ignorable_Code_Point), with which
/// one handle could be made to look like another. The other invisible characters
/// are neither letters nor marks.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{034f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0100}'..='\u{e01ef}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        Handle::new(text).unwrap().folded().to_owned()
    }

    #[test]
    fn handles_that_differ_only_in_case_or_form_are_the_same() {
        for (one, other) in [
            ("Ada.Lovelace", "ada.lovelace"),
            ("straße", "STRASSE"),
            ("ｗｉｄｅ", "wide"),
            ("cafe\u{301}", "CAF\u{c9}"),
            ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
            ("ﬁne", "FINE"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} and {other}");
        }
        assert_ne!(folded("ada"), folded("eda"));
    }

    #[test]
    fn a_handle_is_shown_as_it_was_chosen() {
        assert_eq!(Handle::new("Ada_42").unwrap().shown(), "Ada_42");
        assert_eq!(Handle::new("山田太郎").unwrap().shown(), "山田太郎");
    }

    #[test]
    fn a_handle_that_is_too_short_or_too_long_is_refused() {
        for text in ["", "ab", &"a".repeat(33), &"a".repeat(100_000)] {
            assert_eq!(Handle::new(text), Err(HandleError::Length));
        }
        assert!(Handle::new(&"a".repeat(32)).is_ok());
    }

    #[test]
    fn a_handle_with_anything_but_words_is_refused() {
        for text in [
            "a b",
            ".ada",
            "ada.",
            "a..b",
            "a/b",
            "ada\n",
            "a\u{200d}da",
            "ada\u{3164}",
            "a\u{fe0f}da",
            "<b>",
            "\u{301}ada",
            "a\u{202e}da",
            "ada@x",
        ] {
            assert_eq!(Handle::new(text), Err(HandleError::Character), "{text:?}");
        }
    }
}

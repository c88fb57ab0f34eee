//! Texts in several languages.

use super::check::{self, Checked, bad};
use oxilangtag::LanguageTag;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most languages of one text.
pub const LANGUAGES_MAX: usize = 16;
/// The longest language tag: what RFC 5646, section 4.4.1 says buffers should hold.
pub const LANGUAGE_LENGTH_MAX: usize = 35;

/// A text by language: by language tag (BCP 47, RFC 5646), in the tag's canonical case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Texts(pub BTreeMap<String, String>);

impl Texts {
    /// A text in one language.
    pub fn one(language: &str, text: &str) -> Self {
        Self(BTreeMap::from([(language.to_owned(), text.to_owned())]))
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The texts, in the order of their languages.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }

    /// The text in a language, or else any; none if there is no text.
    pub fn prefer(&self, language: &str) -> Option<&str> {
        self.0.get(language).or_else(|| self.0.values().next()).map(String::as_str)
    }

    /// Checks the texts and writes the languages in canonical case.
    pub(super) fn check(&mut self, what: &str, length_max: usize) -> Checked {
        self.check_each(what, |text| check::text(what, text, length_max))
    }

    /// The same of texts that may have several lines: a line feed is the one control
    /// character that they may have.
    pub(super) fn check_lines(&mut self, what: &str, length_max: usize) -> Checked {
        self.check_each(what, |text| check::text(what, &text.replace('\n', " "), length_max))
    }

    fn check_each(&mut self, what: &str, check: impl Fn(&str) -> Checked) -> Checked {
        if self.0.len() > LANGUAGES_MAX {
            return Err(bad(format!("{what} has at most {LANGUAGES_MAX} languages")));
        }
        let count = self.0.len();
        let mut canonical = BTreeMap::new();
        for (tag, text) in std::mem::take(&mut self.0) {
            check(&text)?;
            canonical.insert(language(&tag)?, text);
        }
        if canonical.len() != count {
            return Err(bad(format!("{what} has a language twice")));
        }
        self.0 = canonical;
        Ok(())
    }
}

/// A well-formed language tag (RFC 5646, section 2.2.9) in canonical case (section 2.1.1).
pub(super) fn language(tag: &str) -> Result<String, crate::error::DiscoveryError> {
    let well_formed = (tag.len() <= LANGUAGE_LENGTH_MAX).then(|| LanguageTag::parse_and_normalize(tag).ok());
    let tag =
        well_formed.flatten().ok_or_else(|| bad("a language is a tag of BCP 47, such as en or pt-BR"))?;
    Ok(tag.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        Texts(pairs.iter().map(|(tag, text)| ((*tag).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn languages_are_tags_of_bcp_47_in_canonical_case() {
        let mut given = texts(&[("EN-gb", "Arena"), ("zh-hant", "競技場"), ("x-klingon", "may'luch")]);
        given.check("title", 100).expect("texts");
        assert_eq!(given, texts(&[("en-GB", "Arena"), ("zh-Hant", "競技場"), ("x-klingon", "may'luch")]));
        for tag in ["", "e", "english language", "en_GB", "en-", "-en", &"a-bcdefgh".repeat(5)] {
            assert!(texts(&[(tag, "Arena")]).check("title", 100).is_err(), "{tag}");
        }
    }

    #[test]
    fn a_language_occurs_once_whatever_its_case() {
        assert!(texts(&[("en", "Arena"), ("EN", "Arena")]).check("title", 100).is_err());
    }

    #[test]
    fn texts_are_bounded_in_number_and_length() {
        let many: Vec<String> = (0..=LANGUAGES_MAX).map(|n| format!("en-x-{n}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|tag| (tag.as_str(), "t")).collect();
        assert_eq!(texts(&many[1..]).check("title", 1), Ok(()));
        assert!(texts(&many).check("title", 1).is_err());
        for text in ["", " ", "a\u{7}", "abc", "a\nb"] {
            assert!(texts(&[("en", text)]).check("title", 2).is_err(), "{text:?}");
        }
        assert_eq!(texts(&[("en", "a\nb")]).check_lines("description", 3), Ok(()));
        assert!(texts(&[("en", "a\rb")]).check_lines("description", 3).is_err());
    }

    #[test]
    fn a_reader_gets_its_language_or_another() {
        let given = texts(&[("de", "Arena der Stadt"), ("en", "City arena")]);
        assert_eq!(given.prefer("en"), Some("City arena"));
        assert_eq!(given.prefer("fr"), Some("Arena der Stadt"));
        assert_eq!(Texts::default().prefer("en"), None);
    }
}

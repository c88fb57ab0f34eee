//! What banks write into field 86 of an MT940: free text, or subfields.
//!
//! SWIFT leaves the field to the banks. Those of Germany, Austria and Poland number its subfields
//! with `?` (DFÜ-Abkommen, Anlage 3, chapter 8.2.6); within the purpose, and with Dutch and other
//! banks anywhere, references have names before them, such as `EREF+`.

use crate::statement::Line;
use crate::text::{self, REFERENCE_LENGTH_MAX};

/// Names of references in the purpose (DFÜ-Abkommen, Anlage 3, chapter 8.2.6.1), and whether what
/// follows is a reference or text.
const NAMES: &[(&str, bool)] = &[
    ("EREF+", true),
    ("KREF+", true),
    ("MREF+", true),
    ("CRED+", false),
    ("DEBT+", false),
    ("SVWZ+", false),
];
/// Names between slashes, as Dutch banks write them.
const SLASH_NAMES: &[(&str, bool)] = &[
    ("/EREF/", true),
    ("/PREF/", true),
    ("/MARF/", true),
    ("/REMI/", false),
    ("/NAME/", false),
    ("/TRCD/", false),
];

/// Adds what a narrative says to a line.
pub(super) fn describe(line: &mut Line, narrative: &str) {
    let joined: String = narrative.lines().collect();
    let Some(subfields) = subfields(&joined) else {
        if joined.contains('/') && SLASH_NAMES.iter().any(|(name, _)| joined.contains(name)) {
            return named(line, &joined, SLASH_NAMES);
        }
        line.tell(narrative);
        return;
    };
    let mut purpose = String::new();
    let mut name = String::new();
    for (number, value) in subfields {
        match number {
            0 => line.tell(value),
            20..=29 | 60..=63 => purpose.push_str(value),
            32 | 33 => name.push_str(value),
            _ => {}
        }
    }
    line.counterparty = text::tidied(&name, REFERENCE_LENGTH_MAX);
    named(line, &purpose, NAMES);
}

/// The subfields, if the narrative has any: three digits of a business code, and then a separator
/// and two digits before each.
fn subfields(narrative: &str) -> Option<Vec<(u8, &str)>> {
    let (code, rest) = narrative.split_at_checked(3)?;
    let separator = rest.chars().next().filter(|separator| matches!(separator, '?' | '~' | '<'))?;
    if !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut subfields = Vec::new();
    for part in rest.split(separator).skip(1) {
        let (number, value) = part.split_at_checked(2)?;
        subfields.push((number.parse().ok()?, value));
    }
    Some(subfields)
}

/// Splits a text at the names in it.
fn named(line: &mut Line, text: &str, names: &[(&str, bool)]) {
    let mut found: Vec<(usize, &str, bool)> = Vec::new();
    for (name, is_reference) in names {
        if let Some(at) = text.find(name) {
            found.push((at, name, *is_reference));
        }
    }
    found.sort_unstable();
    let first = found.first().map_or(text.len(), |(at, ..)| *at);
    line.tell(text.get(..first).unwrap_or_default());
    let ends = found.iter().skip(1).map(|(at, ..)| *at).chain([text.len()]);
    for ((at, name, is_reference), end) in found.iter().zip(ends) {
        // Slashes end values as well as begin names.
        let value = text.get(at + name.len()..end).unwrap_or_default().trim_matches('/');
        match (*name, is_reference) {
            (_, true) => line.refer(value),
            ("/NAME/", _) => line.counterparty = text::tidied(value, REFERENCE_LENGTH_MAX),
            ("CRED+" | "DEBT+" | "/TRCD/", _) => {}
            _ => line.tell(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Money;

    fn line(narrative: &str) -> Line {
        let mut line = Line::new("2026-11-02".parse().expect("a day"), Money(1));
        describe(&mut line, narrative);
        line
    }

    #[test]
    fn numbered_subfields_are_told_apart() {
        let line = line(
            "166?00GUTSCHRIFT?109310?20EREF+RE-2026-0042?21SVWZ+Rechnung vom\n 1. Mai?30DEUTDEFF?31DE02?32Jörg Müß?33ig",
        );
        assert_eq!(line.counterparty, "Jörg Müßig");
        assert_eq!(line.references, ["RE-2026-0042"]);
        assert_eq!(line.text, "GUTSCHRIFT Rechnung vom 1. Mai");
    }

    #[test]
    fn names_between_slashes_are_told_apart() {
        let line = line("/TRCD/00100/EREF/PAY-778812//NAME/J. Jansen/REMI/Factuur 99/");
        assert_eq!(line.references, ["PAY-778812"]);
        assert_eq!((line.counterparty.as_str(), line.text.as_str()), ("J. Jansen", "Factuur 99"));
    }

    #[test]
    fn a_free_text_stays_one() {
        assert_eq!(line("Fees for\nOctober 2026").text, "Fees for October 2026");
        assert_eq!(line("12?").text, "12?");
        assert_eq!(line("166?xx").text, "166?xx");
    }
}

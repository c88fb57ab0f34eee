//! Header fields as WASI carries them. There are few, so that looking through them is quicker than a map
//! would be.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Names and values, in the order in which they came.
pub type Fields = Vec<(String, Vec<u8>)>;

/// The most members of a list that are looked at.
const MEMBERS_MAX: usize = 64;

/// The first value of a field.
pub fn value<'a>(fields: &'a Fields, name: &str) -> Option<&'a [u8]> {
    values(fields, name).next()
}

/// The first value of a field, if it is text.
pub fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    value(fields, name).and_then(|value| std::str::from_utf8(value).ok())
}

/// Every value of a field.
pub fn values<'a>(fields: &'a Fields, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
    let named = fields.iter().filter(move |(given, _)| given.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.as_slice())
}

/// Whether there is a field of this name.
pub fn has(fields: &Fields, name: &str) -> bool {
    value(fields, name).is_some()
}

/// The members of a field that is a list, whether it was sent in one line or in several (RFC 9110,
/// sections 5.3 and 5.6.1), up to a bound. A comma between quotes is part of a member.
pub fn members<'a>(fields: &'a Fields, name: &str) -> impl Iterator<Item = &'a str> {
    let lines = values(fields, name).filter_map(|value| std::str::from_utf8(value).ok());
    lines.flat_map(split).take(MEMBERS_MAX)
}

fn split(line: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let parts = line.split(move |character| {
        is_quoted ^= character == '"';
        character == ',' && !is_quoted
    });
    parts.map(|part| part.trim_matches([' ', '\t'])).filter(|part| !part.is_empty())
}

/// Whether a field that is a list of words has this one, in whatever case. What a word is given, as in
/// `private="set-cookie"`, is left aside.
pub fn lists(fields: &Fields, name: &str, word: &str) -> bool {
    members(fields, name).any(|member| {
        let given = member.split('=').next().unwrap_or_default();
        given.trim_end().eq_ignore_ascii_case(word)
    })
}

/// Gives a field one value, whatever it had.
pub fn set(fields: &mut Fields, name: &str, value: &str) {
    remove(fields, name);
    append(fields, name, value);
}

/// Adds a value to a field.
pub fn append(fields: &mut Fields, name: &str, value: &str) {
    fields.push((name.to_owned(), value.as_bytes().to_owned()));
}

/// Takes a field away.
pub fn remove(fields: &mut Fields, name: &str) {
    fields.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
}

/// Says that an answer depends on a field of the request (RFC 9110, section 12.5.5).
pub fn vary(fields: &mut Fields, name: &str) {
    if !lists(fields, "vary", name) && !lists(fields, "vary", "*") {
        append(fields, "vary", name);
    }
}

/// The fields of an answer that is made here, and its length in bytes.
pub fn of_answer(headers: &HeaderMap, length: usize) -> Fields {
    let pair =
        |(name, value): (&HeaderName, &HeaderValue)| (name.as_str().to_owned(), value.as_bytes().to_owned());
    let mut fields: Fields = headers.iter().map(pair).collect();
    // RFC 9110, section 8.6: an answer without content has no length either.
    if length > 0 {
        set(&mut fields, "content-length", &length.to_string());
    }
    fields
}

/// Fields of these names and values, for tests.
pub fn from_pairs(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_the_same_in_one_line_and_in_several() {
        let one = from_pairs(&[("If-None-Match", "\"a,b\", W/\"c\" ,,\"d\"")]);
        let several = from_pairs(&[("if-none-match", "\"a,b\",W/\"c\""), ("If-None-Match", "\t\"d\"")]);
        for fields in [one, several] {
            let members: Vec<&str> = members(&fields, "if-none-match").collect();
            assert_eq!(members, ["\"a,b\"", "W/\"c\"", "\"d\""]);
        }
    }

    #[test]
    fn a_word_is_found_in_any_case_and_with_what_it_is_given() {
        let fields = from_pairs(&[("cache-control", "max-age=60, No-Store, private=\"set-cookie\"")]);
        for word in ["max-age", "no-store", "private"] {
            assert!(lists(&fields, "Cache-Control", word), "{word}");
        }
        for word in ["no", "set-cookie", "public"] {
            assert!(!lists(&fields, "cache-control", word), "{word}");
        }
    }

    #[test]
    fn a_field_that_is_set_has_one_value_and_no_other_is_touched() {
        let mut fields = from_pairs(&[("ETag", "\"a\""), ("vary", "*"), ("etag", "\"b\"")]);
        set(&mut fields, "etag", "\"c\"");
        assert_eq!(fields, from_pairs(&[("vary", "*"), ("etag", "\"c\"")]));
        remove(&mut fields, "Vary");
        assert_eq!(fields, from_pairs(&[("etag", "\"c\"")]));
    }

    #[test]
    fn what_an_answer_depends_on_is_said_once() {
        let mut fields = from_pairs(&[("vary", "origin")]);
        vary(&mut fields, "accept-encoding");
        vary(&mut fields, "Accept-Encoding");
        assert_eq!(fields, from_pairs(&[("vary", "origin"), ("vary", "accept-encoding")]));
        let mut all = from_pairs(&[("vary", "*")]);
        vary(&mut all, "accept-encoding");
        assert_eq!(all, from_pairs(&[("vary", "*")]));
    }
}

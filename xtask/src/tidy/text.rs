//! What every text file is held to.

/// Words that mark what is not finished. Spelt in parts, so that this file may hold them.
const MARKERS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("db", "g!"),
    concat!("#[ig", "nore"),
];

/// What fixtures may be written in beside UTF-8, where their name says so: the statements of banks are.
const CHARSETS: [&str; 2] = ["latin1", "windows1252"];

/// The text of a file, if it is one; nothing of a fixture in another charset.
pub(super) fn decode<'a>(path: &str, contents: &'a [u8]) -> Result<&'a str, String> {
    let fault = || format!("{path} is binary: what is built or compressed cannot be reviewed");
    let may_be_foreign = path.contains("/fixtures/") && CHARSETS.iter().any(|charset| path.contains(charset));
    if may_be_foreign && !contents.contains(&0) {
        return Ok("");
    }
    let text = std::str::from_utf8(contents).map_err(|_| fault())?;
    if text.contains('\0') { Err(fault()) } else { Ok(text) }
}

/// Everything wrong with the text.
pub(super) fn faults(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let place = format!("{path}:{}", index + 1);
        if line.ends_with([' ', '\t', '\r']) {
            faults.push(format!("{place} ends in white space: the next change would carry noise"));
        }
        for marker in MARKERS.iter().filter(|marker| contains_word(line, marker)) {
            faults.push(format!(
                "{place} says {marker}: work is finished or not started, and open work is an issue"
            ));
        }
    }
    faults
}

/// Whether the word stands in the line by itself, not as part of a longer one.
fn contains_word(line: &str, word: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        let open_end = word.ends_with(|character: char| !is_part(character));
        !before.is_some_and(is_part) && (open_end || !after.is_some_and(is_part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_work_is_found_by_its_markers() {
        for marker in MARKERS {
            let line = format!("    // {marker} later\n");
            assert_eq!(faults("a.rs", &line).len(), 1, "{marker}");
        }
    }

    #[test]
    fn longer_words_that_contain_a_marker_are_words() {
        let line = format!("let {}LIST = \"{}X\";\n", MARKERS[0], MARKERS[2]);
        assert_eq!(faults("a.rs", &line), Vec::<String>::new());
    }

    #[test]
    fn white_space_at_the_end_of_a_line_is_named_with_its_line() {
        assert!(faults("a.md", "one\ntwo \n")[0].starts_with("a.md:2 "));
    }

    #[test]
    fn bytes_that_are_no_text_are_binary() {
        assert!(decode("a.wasm", b"\0asm").is_err());
        assert!(decode("a.png", b"\x89PNG").is_err());
        assert_eq!(decode("a.txt", b"text"), Ok("text"));
    }
}

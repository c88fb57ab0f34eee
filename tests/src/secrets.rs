//! The secrets that a suite used, so that no host's log may have one.
//!
//! What a client sends as a password, a token or a cookie, what it is given as one, and the files of
//! a state's secrets: all of it is noted on its way, whatever the test is about, and looked for in
//! everything that the host printed.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use ureq::http::HeaderMap;

/// The shortest secret that is looked for, in bytes. A shorter one would be found by chance.
const LENGTH_MIN: usize = 12;
/// What the names of members end in whose values are secret.
const MEMBERS: [&str; 9] = [
    "password",
    "_token",
    "secret",
    "recovery_code",
    "recovery_codes",
    "passport",
    "presentation",
    "device_code",
    "code_verifier",
];

static USED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Notes a secret.
pub fn note(secret: &str) {
    let secret = secret.trim();
    if secret.len() >= LENGTH_MIN {
        USED.lock().unwrap_or_else(PoisonError::into_inner).insert(secret.to_owned());
    }
}

/// Notes what a request proves who sends it with.
pub fn note_header(name: &str, value: &str) {
    match name.to_ascii_lowercase().as_str() {
        // A scheme stands before what is secret (RFC 9110, section 11.4).
        "authorization" => note(value.split_once(' ').map_or(value, |(_, secret)| secret)),
        "cookie" => value.split(';').for_each(note_cookie),
        _ => {}
    }
}

/// Notes what an answer sets and says.
pub fn note_answer(headers: &HeaderMap, body: &[u8]) {
    for value in headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok()) {
        note_cookie(value.split(';').next().unwrap_or_default());
    }
    note_body(body);
}

/// Notes the secret members of a body, if it is JSON.
pub fn note_body(body: &[u8]) {
    if let Ok(value) = serde_json::from_slice(body) {
        note_members(&value);
    }
}

fn note_cookie(pair: &str) {
    if let Some((_, value)) = pair.split_once('=') {
        note(value);
    }
}

fn note_members(value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let is_secret = MEMBERS.iter().any(|member| name.ends_with(member));
                match value {
                    Value::String(text) if is_secret => note(text),
                    Value::Array(texts) if is_secret => {
                        texts.iter().filter_map(Value::as_str).for_each(note);
                    }
                    value => note_members(value),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(note_members),
        _ => {}
    }
}

/// Notes the files of a state's secrets.
pub fn note_state(state: &Path) {
    let Ok(listed) = std::fs::read_dir(state.join("secrets")) else { return };
    for entry in listed.flatten() {
        if let Ok(text) = std::fs::read_to_string(entry.path()) {
            note(&text);
        }
    }
}

/// How many secrets were noted.
pub fn count() -> usize {
    USED.lock().unwrap_or_else(PoisonError::into_inner).len()
}

/// The lines of a text that have a secret in them.
pub fn leaks<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let used = USED.lock().unwrap_or_else(PoisonError::into_inner);
    // Most secrets are one word each, and words are looked up; the others are searched for.
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || "-_.~".contains(letter);
    let others: Vec<&String> = used.iter().filter(|secret| !secret.chars().all(is_word)).collect();
    let has_secret = |line: &&str| {
        line.split(|letter| !is_word(letter)).any(|word| used.contains(word))
            || others.iter().any(|secret| line.contains(secret.as_str()))
    };
    lines.filter(has_secret).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_in_requests_and_answers_is_found_in_a_log() {
        note_header("Authorization", "Bearer eyJh.first-token.sig");
        note_header("cookie", "a=short; session=second-secret-value");
        note_body(br#"{"handle": "ada-of-the-tests", "list": [{"old_password": "third: with spaces"}]}"#);
        for line in [
            r#"{"message":"token eyJh.first-token.sig"}"#,
            "session=second-secret-value",
            "she said third: with spaces!",
        ] {
            assert_eq!(leaks([line].into_iter()).len(), 1, "{line}");
        }
        assert!(leaks(["ada-of-the-tests signed in", "short"].into_iter()).is_empty());
    }
}

//! What a policy may cost, found out before anything parses it.
//!
//! A policy that is nested or chained deeply makes a deep tree, and whatever walks it needs as much
//! stack. So a policy's length is bounded, and so is the number of places in it at which a tree can
//! grow: brackets, operators, accesses and the words that join expressions. Brackets have a bound
//! of their own, because Cedar's parser takes some 16 KiB of stack for each level of them, and a
//! component has 512 KiB. All are counted wherever they stand, in comments and texts too: what counts
//! too much cannot be tricked into counting too little.

/// The most policies of a set.
pub const POLICIES_MAX: usize = 64;
/// The longest policy, in bytes.
pub const POLICY_LENGTH_MAX: usize = 2048;
/// The most places in a policy at which it can grow deeper.
pub const JOINTS_MAX: usize = 96;
/// The longest id of a policy.
pub const ID_LENGTH_MAX: usize = 64;

/// The most opening brackets in a policy, which is as deep as they can be nested.
pub const BRACKETS_MAX: usize = 20;

/// The characters that join expressions. A sequence of them, as `&&` or `::`, is one joint.
const JOINING: &[u8] = b"([{.&|+-*!<>=:,";
/// The words that do.
const WORDS: [&str; 7] = ["if", "then", "else", "in", "has", "like", "is"];

/// Why a policy is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Too many policies.
    #[error("a set has at most {POLICIES_MAX} policies")]
    Policies,
    /// The id is not one.
    #[error("a policy's id is 1 to {ID_LENGTH_MAX} letters, digits, dots, hyphens and underscores")]
    Id,
    /// The policy is too long.
    #[error("a policy has at most {POLICY_LENGTH_MAX} bytes")]
    Length,
    /// The policy is too involved.
    #[error(
        "a policy has at most {BRACKETS_MAX} opening brackets, and {JOINTS_MAX} brackets, operators, \
         commas and joining words; split it"
    )]
    Joints,
}

/// Requires that an id is one.
pub fn id(id: &str) -> Result<(), LimitError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if (1..=ID_LENGTH_MAX).contains(&id.len()) && id.bytes().all(is_plain) {
        Ok(())
    } else {
        Err(LimitError::Id)
    }
}

/// Requires that a policy may be parsed.
pub fn policy(text: &str) -> Result<(), LimitError> {
    if text.len() > POLICY_LENGTH_MAX {
        return Err(LimitError::Length);
    }
    let brackets = text.bytes().filter(|byte| matches!(byte, b'(' | b'[' | b'{')).count();
    if brackets > BRACKETS_MAX || joints(text) > JOINTS_MAX {
        return Err(LimitError::Joints);
    }
    Ok(())
}

/// How many places a text has at which a tree can grow.
pub fn joints(text: &str) -> usize {
    let bytes = text.as_bytes();
    let opens = |byte: u8| matches!(byte, b'(' | b'[' | b'{' | b'!' | b'-' | b'.' | b',');
    let is_new = |at: usize| {
        let byte = bytes[at];
        // Two signs in a row can each be one of their own where they can stand alone.
        JOINING.contains(&byte)
            && (opens(byte) || at == 0 || !JOINING.contains(&bytes[at - 1]) || opens(bytes[at - 1]))
    };
    let signs = (0..bytes.len()).filter(|&at| is_new(at)).count();
    let is_word = |byte: char| byte.is_ascii_alphanumeric() || byte == '_';
    let words = text.split(|byte| !is_word(byte)).filter(|word| WORDS.contains(word)).count();
    signs + words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_go_deeper_counts() {
        for (text, count) in [
            ("permit", 0),
            ("((((", 4),
            ("!!!!", 4),
            ("a.b.c", 2),
            ("1-1--1", 3),
            ("a && b || c", 2),
            ("a == B::\"c\"", 2),
            ("if a then b else c", 3),
            ("a in [b, c]", 3),
            ("inner has_no likely", 0),
            ("// a comment (still) counts", 1),
        ] {
            assert_eq!(joints(text), count, "{text}");
        }
    }
}

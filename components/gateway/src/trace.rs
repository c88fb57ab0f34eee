//! Trace context (W3C Trace Context, Level 1): what is valid goes on as it came, and what is not goes no further.
//!
//! A host that traces puts its own span there before the gateway sees it. For others the gateway begins
//! no trace: nobody would be told of it.

use vwp_middleware::fields::{Fields, has, remove, values};

/// Which trace a request is part of, and which span it comes from.
const PARENT: &str = "traceparent";
/// What else tracers say of it, which means nothing without the other one (section 3.3.1).
const STATE: &str = "tracestate";
/// The length of a value of version 00, in bytes (section 3.2.2).
const LENGTH: usize = 55;

/// Takes a trace context away that is not valid (section 4.3); whether there was one.
pub fn clean(headers: &mut Fields) -> bool {
    if !has(headers, PARENT) && !has(headers, STATE) {
        return false;
    }
    if is_one_and_valid(values(headers, PARENT)) {
        return false;
    }
    remove(headers, PARENT);
    remove(headers, STATE);
    true
}

fn is_one_and_valid<'a>(mut parents: impl Iterator<Item = &'a [u8]>) -> bool {
    parents.next().is_some_and(is_valid) && parents.next().is_none()
}

/// Whether a `traceparent` can be read (section 3.2.2). A later version is read as far as this one goes
/// (section 3.2.4).
fn is_valid(value: &[u8]) -> bool {
    let is_hexadecimal = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = |part: &[u8]| is_hexadecimal(part) && part.iter().any(|byte| *byte != b'0');
    let Some((known, later)) = value.split_at_checked(LENGTH) else { return false };
    let (version, trace, parent, flags) = (&known[..2], &known[3..35], &known[36..52], &known[53..]);
    let is_divided = [2, 35, 52].iter().all(|place| known[*place] == b'-');
    let is_ended = later.is_empty() || (version != b"00" && later[0] == b'-');
    is_divided
        && is_ended
        && is_hexadecimal(version)
        && version != b"ff"
        && is_id(trace)
        && is_id(parent)
        && is_hexadecimal(flags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vwp_middleware::fields::from_pairs;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_valid_context_goes_on_as_it_came() {
        let later = format!("cc{}-what-comes-later", &VALID[2..]);
        for parent in [VALID, &later] {
            let mut headers = from_pairs(&[("traceparent", parent), ("tracestate", "a=b")]);
            let before = headers.clone();
            assert!(!clean(&mut headers), "{parent}");
            assert_eq!(headers, before);
        }
        assert!(!clean(&mut from_pairs(&[("accept", "*/*")])));
    }

    #[test]
    fn what_is_not_valid_goes_no_further_and_neither_does_its_state() {
        let upper = VALID.to_uppercase();
        let longer = format!("{VALID}-more");
        let later = format!("01{}more", &VALID[2..]);
        for parent in [
            "",
            "00",
            &upper,
            &longer,
            &later,
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
            "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            let mut headers =
                from_pairs(&[("Traceparent", parent), ("tracestate", "a=b"), ("accept", "*/*")]);
            assert!(clean(&mut headers), "{parent}");
            assert_eq!(headers, from_pairs(&[("accept", "*/*")]), "{parent}");
        }
        assert!(clean(&mut from_pairs(&[("traceparent", VALID), ("traceparent", VALID)])), "of two, none");
        assert!(clean(&mut from_pairs(&[("tracestate", "a=b")])), "a state of nothing");
    }
}

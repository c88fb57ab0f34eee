//! Signatures and keys.

use crate::support::key;
use serde_json::{Value, json};
use vwp_core::jose::{COMPACT_LENGTH_MAX, Header, JoseError, Jwk, Unverified, decode, encode, sign};

const TYP: &str = "test+jws";

fn signed() -> String {
    sign(&Header::new(TYP).with_kid("k"), b"payload", &key(1))
}

fn with_header(header: &Value) -> String {
    let compact = signed();
    let rest = compact.split_once('.').unwrap().1.to_owned();
    format!("{}.{rest}", encode(header.to_string()))
}

#[test]
fn what_was_signed_verifies_with_the_key_and_with_no_other() {
    let compact = signed();
    let token = Unverified::parse(&compact, TYP).unwrap();
    assert_eq!(token.header.kid.as_deref(), Some("k"));
    assert_eq!(token.clone().verify(key(1).verifying_key()).unwrap(), b"payload");
    assert_eq!(token.verify(key(2).verifying_key()), Err(JoseError::Signature));
}

#[test]
fn a_change_of_any_part_breaks_the_signature_or_the_form() {
    let compact = signed();
    for at in 0..compact.len() {
        let mut changed = compact.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let payload = Unverified::parse(&changed, TYP).and_then(|t| t.verify(key(1).verifying_key()));
        assert!(payload.is_err(), "a change at {at} was not noticed");
    }
}

#[test]
fn only_es256_of_the_expected_type_is_looked_at() {
    for header in [
        json!({"alg": "none", "typ": TYP}),
        json!({"alg": "HS256", "typ": TYP}),
        json!({"alg": "es256", "typ": TYP}),
        json!({"alg": "ES256", "typ": "other"}),
        json!({"alg": "ES256"}),
        json!({"alg": "ES256", "typ": TYP, "crit": []}),
    ] {
        let compact = with_header(&header);
        assert!(matches!(Unverified::parse(&compact, TYP), Err(JoseError::Header(_))), "{header}");
    }
    // RFC 7515, section 4.1.9: case does not count.
    assert!(Unverified::parse(&with_header(&json!({"alg": "ES256", "typ": "TEST+JWS"})), TYP).is_ok());
}

#[test]
fn what_is_not_a_compact_jws_is_malformed() {
    let long = "a".repeat(COMPACT_LENGTH_MAX + 1);
    let padded = format!("{}=", signed());
    let four = format!("{}.a", signed());
    for compact in ["", ".", "..", "a.b", "a.b.c", "!.!.!", &long, &padded, &four] {
        assert!(Unverified::parse(compact, TYP).is_err(), "{compact:.20}");
    }
    for header in [json!([]), json!("x"), json!({}), json!({"alg": 1})] {
        let compact = with_header(&header);
        assert!(matches!(Unverified::parse(&compact, TYP), Err(JoseError::Malformed(_))));
    }
}

#[test]
fn a_signature_is_the_same_every_time() {
    assert_eq!(signed(), signed());
}

#[test]
fn base64url_has_one_spelling() {
    assert_eq!(encode([0xfb, 0xff]), "-_8");
    assert_eq!(decode("-_8").unwrap(), [0xfb, 0xff]);
    // Other alphabets, padding, white space, and bits that say nothing.
    for text in ["+/8", "-_8=", "-_ 8", "-_9", "A"] {
        assert!(decode(text).is_err(), "{text:?}");
    }
}

/// The key of RFC 9449, section 6.1, whose thumbprint that section gives.
fn known() -> Value {
    json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    })
}

fn with(member: &str, value: impl Into<Value>) -> Option<Jwk> {
    let mut key = known();
    key[member] = value.into();
    serde_json::from_value(key).ok()
}

#[test]
fn a_thumbprint_is_of_the_key_alone() {
    let expected = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let key: Jwk = serde_json::from_value(known()).unwrap();
    assert_eq!(key.thumbprint(), expected);
    assert_eq!(key.with_kid("other").thumbprint(), expected);
    assert_eq!(with("use", "sig").unwrap().thumbprint(), expected);
}

#[test]
fn a_key_survives_being_written_and_read() {
    let jwk = Jwk::from_key(key(1).verifying_key()).with_kid("k");
    let read: Jwk = serde_json::from_str(&serde_json::to_string(&jwk).unwrap()).unwrap();
    assert_eq!(read, jwk);
    assert_eq!(read.to_key().unwrap(), *key(1).verifying_key());
}

#[test]
fn what_is_not_a_public_p256_key_is_refused() {
    assert!(with("kid", "k").unwrap().to_key().is_ok());
    let short = encode([1; 31]);
    let off_the_curve = encode([1; 32]);
    for (member, value) in [
        ("kty", "RSA"),
        ("crv", "P-384"),
        ("x", ""),
        ("x", "!"),
        ("x", &short),
        ("x", &off_the_curve),
        ("d", "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"),
    ] {
        assert!(with(member, value).unwrap().to_key().is_err(), "{member}: {value}");
    }
}

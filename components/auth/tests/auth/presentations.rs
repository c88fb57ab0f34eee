//! Presentations that are not believed, each with its reason. The issuer's key signs
//! what an issuer never should, to see that the verifier does not lean on the issuer.

use crate::support::{ISSUER, Port, START, WORLD, bind, key, key_binding, sign};
use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::Signer;
use serde_json::{Value, json};
use vwp_auth::keys::KeySet;
use vwp_auth::sd_jwt::{DISCLOSURES_MAX, digest};
use vwp_auth::verify::{Expected, verify};
use vwp_core::jose::{self, Header, Jwk};

const ISSUER_SEED: u8 = 40;
const HOLDER_SEED: u8 = 41;

fn expected() -> Expected<'static> {
    Expected { issuer: ISSUER, audience: WORLD, world: WORLD, nonce: "n", now: START }
}

fn keys() -> KeySet {
    KeySet::new(vec![Jwk::from_key(key(ISSUER_SEED).verifying_key()).with_kid("k1")])
}

/// What a good passport signs.
fn claims() -> Value {
    let jwk = Jwk::from_key(key(HOLDER_SEED).verifying_key());
    json!({ "iss": ISSUER, "vct": "urn:vwp:passport:1", "iat": START / 1000, "exp": START / 1000 + 60,
        "cnf": { "jwk": jwk }, "_sd_alg": "sha-256" })
}

fn with(member: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[member] = value;
    claims
}

fn without(member: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(member);
    claims
}

fn disclose(value: &Value) -> String {
    jose::encode(value.to_string())
}

/// Signs claims as the issuer and shows them with disclosures as the holder.
fn show(claims: &Value, disclosures: &[String]) -> String {
    let header = Header::new("dc+sd-jwt").with_kid("k1");
    show_jwt(&sign(&header, claims, &key(ISSUER_SEED)), disclosures)
}

fn show_jwt(jwt: &str, disclosures: &[String]) -> String {
    let mut hashed = format!("{jwt}~");
    for disclosure in disclosures {
        hashed.push_str(disclosure);
        hashed.push('~');
    }
    bind(&hashed, &key(HOLDER_SEED), &key_binding(&hashed, "n", START))
}

fn raw_jwt(header: &str, payload: &str, key: &SigningKey) -> String {
    let input = format!("{}.{}", jose::encode(header), jose::encode(payload));
    let signature: p256::ecdsa::Signature = key.sign(input.as_bytes());
    format!("{input}.{}", jose::encode(signature.to_bytes()))
}

#[track_caller]
fn refused(presentation: &str, reason: &str) {
    let error = verify(presentation, &keys(), &expected()).unwrap_err();
    assert_eq!(error.slug(), reason, "{error}");
}

#[test]
fn a_good_presentation_is_believed() {
    let handle = disclose(&json!(["salt", "handle", "ada"]));
    let shown = show(&with("_sd", json!([digest(&handle), digest("a decoy")])), &[handle]);
    let passport = verify(&shown, &keys(), &expected()).unwrap();
    assert_eq!(passport.handle.as_deref(), Some("ada"));
    assert_eq!(passport.holder, Jwk::from_key(key(HOLDER_SEED).verifying_key()).thumbprint());
    assert_eq!(passport.expires_at_s, START / 1000 + 60);
    assert!(passport.claims.get("_sd").is_none() && passport.claims.get("_sd_alg").is_none());
}

#[test]
fn the_token_does_not_choose_its_algorithm_type_or_key() {
    let payload = claims().to_string();
    let own_key = serde_json::to_string(&Jwk::from_key(key(9).verifying_key())).unwrap();
    for (header, signer, reason) in [
        (r#"{"alg":"none","typ":"dc+sd-jwt","kid":"k1"}"#.to_owned(), ISSUER_SEED, "passport-header"),
        (r#"{"alg":"HS256","typ":"dc+sd-jwt","kid":"k1"}"#.to_owned(), ISSUER_SEED, "passport-header"),
        (r#"{"alg":"ES256","typ":"at+jwt","kid":"k1"}"#.to_owned(), ISSUER_SEED, "passport-header"),
        (r#"{"alg":"ES256","kid":"k1"}"#.to_owned(), ISSUER_SEED, "passport-header"),
        (
            r#"{"alg":"ES256","typ":"dc+sd-jwt","kid":"k1","crit":["x"],"x":1}"#.to_owned(),
            ISSUER_SEED,
            "passport-header",
        ),
        (
            r#"{"alg":"ES256","alg":"ES256","typ":"dc+sd-jwt","kid":"k1"}"#.to_owned(),
            ISSUER_SEED,
            "passport-header",
        ),
        (r#"{"alg":"ES256","typ":"dc+sd-jwt"}"#.to_owned(), ISSUER_SEED, "issuer-key-unknown"),
        (r#"{"alg":"ES256","typ":"dc+sd-jwt","kid":"k2"}"#.to_owned(), ISSUER_SEED, "issuer-key-unknown"),
        (
            format!(r#"{{"alg":"ES256","typ":"dc+sd-jwt","kid":"k1","jwk":{own_key}}}"#),
            9,
            "passport-signature",
        ),
        (format!(r#"{{"alg":"ES256","typ":"dc+sd-jwt","jwk":{own_key}}}"#), 9, "issuer-key-unknown"),
    ] {
        let jwt = raw_jwt(&header, &payload, &key(signer));
        refused(&show_jwt(&jwt, &[]), reason);
    }
    let jwt = raw_jwt(r#"{"alg":"ES256","typ":"dc+sd-jwt","kid":"k1"}"#, &payload, &key(ISSUER_SEED));
    let unsigned = format!("{}.", jwt.rsplit_once('.').unwrap().0);
    refused(&show_jwt(&unsigned, &[]), "passport-header");
}

#[test]
fn a_passport_of_another_issuer_kind_or_time_is_refused() {
    let now = START / 1000;
    for (claims, reason) in [
        (with("iss", json!("https://other.example")), "issuer-mismatch"),
        (without("iss"), "issuer-mismatch"),
        (with("vct", json!("urn:other")), "passport-type"),
        (without("vct"), "passport-type"),
        (with("exp", json!(now)), "passport-expired"),
        (without("exp"), "passport-claims"),
        (with("exp", json!("soon")), "passport-claims"),
        (with("exp", json!(1.5)), "passport-claims"),
        (without("iat"), "passport-claims"),
        (with("iat", json!(now + 301)), "passport-not-yet-valid"),
        (with("nbf", json!(now + 301)), "passport-not-yet-valid"),
        (without("cnf"), "passport-claims"),
        (with("cnf", json!({ "kid": "x" })), "passport-claims"),
        (with("_sd_alg", json!("md5")), "digest-algorithm-unknown"),
    ] {
        refused(&show(&claims, &[]), reason);
    }
}

#[test]
fn a_member_that_occurs_twice_is_refused_wherever_it_is() {
    let twice = claims().to_string().replacen('{', r#"{"iss":"https://other.example","#, 1);
    let header = r#"{"alg":"ES256","typ":"dc+sd-jwt","kid":"k1"}"#;
    refused(&show_jwt(&raw_jwt(header, &twice, &key(ISSUER_SEED)), &[]), "member-duplicate");
    let disclosure = jose::encode(r#"["salt","extra",{"a":1,"a":2}]"#);
    refused(&show(&with("_sd", json!([digest(&disclosure)])), &[disclosure]), "member-duplicate");
}

#[test]
fn a_disclosure_is_referenced_exactly_once() {
    let handle = disclose(&json!(["salt", "handle", "ada"]));
    let once = with("_sd", json!([digest(&handle)]));
    refused(&show(&claims(), std::slice::from_ref(&handle)), "disclosure-unreferenced");
    refused(&show(&once, &[handle.clone(), handle.clone()]), "digest-duplicate");
    let twice = with("_sd", json!([digest(&handle), digest(&handle)]));
    refused(&show(&twice, std::slice::from_ref(&handle)), "digest-duplicate");
    // Twice is wrong even if nothing was disclosed for it, and across levels.
    refused(&show(&twice, &[]), "digest-duplicate");
    let mut nested = once.clone();
    nested["profile"] = json!({ "_sd": [digest(&handle)] });
    refused(&show(&nested, std::slice::from_ref(&handle)), "digest-duplicate");
    let outer = disclose(&json!(["salt", "profile", { "_sd": [digest(&handle)] }]));
    let recursive = with("_sd", json!([digest(&outer), digest(&handle)]));
    refused(&show(&recursive, &[outer, handle]), "digest-duplicate");
}

#[test]
fn a_disclosure_does_not_stand_in_for_what_the_issuer_signs_openly() {
    for name in ["_sd", "...", "_sd_alg", "iss", "aud", "iat", "nbf", "exp", "cnf", "vct", "status"] {
        let disclosure = disclose(&json!(["salt", name, "x"]));
        let mut claims = without(name);
        claims["_sd"] = json!([digest(&disclosure)]);
        refused(&show(&claims, &[disclosure]), "claim-not-disclosable");
    }
    let disclosure = disclose(&json!(["salt", "handle", "eve"]));
    let mut claims = with("_sd", json!([digest(&disclosure)]));
    claims["handle"] = "ada".into();
    refused(&show(&claims, &[disclosure]), "claim-duplicate");
    let pair = [disclose(&json!(["a", "handle", "ada"])), disclose(&json!(["b", "handle", "eve"]))];
    let claims = with("_sd", json!([digest(&pair[0]), digest(&pair[1])]));
    refused(&show(&claims, &pair), "claim-duplicate");
}

#[test]
fn a_disclosure_of_another_form_is_refused() {
    for value in [
        json!({}),
        json!([]),
        json!(["salt"]),
        json!([1, "handle", "ada"]),
        json!(["salt", 1, "ada"]),
        json!(["salt", "handle", "ada", "more"]),
        json!(["salt", "an element where a member belongs"]),
    ] {
        let disclosure = disclose(&value);
        refused(&show(&with("_sd", json!([digest(&disclosure)])), &[disclosure]), "disclosure-malformed");
    }
    let member = disclose(&json!(["salt", "a member", "where an element belongs"]));
    let array = with("list", json!([{ "...": digest(&member) }]));
    refused(&show(&array, &[member]), "disclosure-malformed");
    for text in ["", "not base64!", "bm90IGpzb24"] {
        let claims = with("_sd", json!([digest(text)]));
        refused(&show(&claims, &[text.to_owned()]), "disclosure-malformed");
    }
}

#[test]
fn digests_of_another_form_are_refused() {
    for claims in [
        with("_sd", json!("x")),
        with("_sd", json!([1])),
        with("...", json!("x")),
        with("list", json!([{ "...": "x", "more": 1 }])),
        with("list", json!([{ "...": 1 }])),
    ] {
        refused(&show(&claims, &[]), "presentation-malformed");
    }
}

#[test]
fn what_is_too_long_too_many_or_too_deep_is_refused() {
    refused(&"~".repeat(40_000), "presentation-too-long");
    let many: Vec<String> =
        (0..=DISCLOSURES_MAX).map(|index| disclose(&json!(["s", format!("c{index}"), 1]))).collect();
    let digests: Vec<String> = many.iter().map(|disclosure| digest(disclosure)).collect();
    refused(&show(&with("_sd", json!(digests)), &many), "too-many-disclosures");
    assert!(verify(&show(&with("_sd", json!(digests)), &many[1..]), &keys(), &expected()).is_ok());
    let long = disclose(&json!(["s", "c", "x".repeat(5000)]));
    refused(&show(&with("_sd", json!([digest(&long)])), &[long]), "too-many-disclosures");
    // Each disclosure holds the next one's digest.
    let mut chain = vec![disclose(&json!(["s", "end", 1]))];
    for _ in 0..20 {
        let inner = digest(chain.last().unwrap());
        chain.push(disclose(&json!(["s", "next", { "_sd": [inner] }])));
    }
    let outer = digest(chain.last().unwrap());
    refused(&show(&with("_sd", json!([outer])), &chain), "claims-too-deep");
}

#[test]
fn what_is_not_a_presentation_is_refused() {
    refused("", "presentation-malformed");
    refused("a.b.c", "presentation-malformed");
    refused("~", "key-binding-missing");
    refused("~~x", "passport-header");
}

#[test]
fn a_key_binding_of_another_kind_or_key_or_for_another_verifier_is_refused() {
    let shown = show(&claims(), &[]);
    let hashed = shown.get(..=shown.rfind('~').unwrap()).unwrap();
    let good = key_binding(hashed, "n", START);
    let now = START / 1000;
    let changed = |member: &str, value: Value| {
        let mut claims = good.clone();
        claims[member] = value;
        bind(hashed, &key(HOLDER_SEED), &claims)
    };
    refused(hashed, "key-binding-missing");
    refused(&bind(hashed, &key(9), &good), "key-binding-signature");
    refused(&changed("aud", json!("https://other.example")), "audience-mismatch");
    refused(&changed("nonce", json!("m")), "nonce-mismatch");
    refused(&changed("iat", json!(now - 301)), "presentation-not-current");
    refused(&changed("iat", json!(now + 301)), "presentation-not-current");
    refused(&changed("exp", json!(now)), "presentation-not-current");
    refused(&changed("nbf", json!(now + 301)), "presentation-not-current");
    refused(&changed("sd_hash", json!(digest("x"))), "key-binding-hash");
    for member in ["iat", "aud", "nonce", "sd_hash"] {
        refused(&changed(member, Value::Null), "key-binding-claims");
    }
    refused(&changed("aud", json!([WORLD])), "key-binding-claims");
    for header in [
        r#"{"alg":"none","typ":"kb+jwt"}"#,
        r#"{"alg":"ES256","typ":"JWT"}"#,
        r#"{"alg":"ES256","typ":"kb+jwt","crit":["b64"],"b64":false}"#,
    ] {
        let binding = raw_jwt(header, &good.to_string(), &key(HOLDER_SEED));
        refused(&format!("{hashed}{binding}"), "key-binding-header");
    }
    let twice = good.to_string().replacen('{', r#"{"nonce":"n","#, 1);
    let binding = raw_jwt(r#"{"alg":"ES256","typ":"kb+jwt"}"#, &twice, &key(HOLDER_SEED));
    refused(&format!("{hashed}{binding}"), "key-binding-claims");
}

#[test]
fn a_key_binding_does_not_cover_other_disclosures() {
    let handle = disclose(&json!(["salt", "handle", "ada"]));
    let claims = with("_sd", json!([digest(&handle)]));
    let shown = show(&claims, std::slice::from_ref(&handle));
    // The holder showed the handle; somebody takes it out again.
    refused(&shown.replacen(&format!("{handle}~"), "", 1), "key-binding-hash");
}

#[test]
fn an_empty_nonce_protects_nobody_and_is_refused() {
    let hashed = show(&claims(), &[]);
    let hashed = hashed.get(..=hashed.rfind('~').unwrap()).unwrap();
    let shown = bind(hashed, &key(HOLDER_SEED), &key_binding(hashed, "", START));
    let error = verify(&shown, &keys(), &Expected { nonce: "", ..expected() }).unwrap_err();
    assert_eq!(error.slug(), "nonce-mismatch");
}

#[test]
fn a_presentation_with_any_one_character_changed_is_refused() {
    let handle = disclose(&json!(["salt", "handle", "ada"]));
    let shown = show(&with("_sd", json!([digest(&handle)])), &[handle]);
    for (index, character) in shown.char_indices() {
        for other in ['A', 'B', '.', '~', '\u{e9}'] {
            if other == character {
                continue;
            }
            let (before, after) = (&shown[..index], &shown[index + 1..]);
            let changed = format!("{before}{other}{after}");
            assert!(verify(&changed, &keys(), &expected()).is_err(), "{index}: {other}");
        }
    }
}

#[test]
fn refusals_are_problems_that_name_the_reason() {
    let port = Port::new();
    let answer = port.verify("nonsense", "n");
    assert_eq!(answer.status.as_u16(), 422);
    assert_eq!(answer.json["type"], "urn:vwp:problem:presentation-malformed");
    assert_eq!(answer.json["status"], 422);
}

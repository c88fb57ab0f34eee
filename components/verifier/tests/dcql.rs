//! Asking for passports with DCQL, and answers of wallets that a world must not take.

use p256::ecdsa::SigningKey;
use serde_json::{Value, json};
use vwp_core::jose::{self, Header, Jwk};
use vwp_verifier::dcql::answer::Answers;
use vwp_verifier::dcql::{DcqlError, Query};
use vwp_verifier::keys::KeySet;
use vwp_verifier::sd_jwt;
use vwp_verifier::trust::Trust;
use vwp_verifier::verify::{Asking, PresentationError};

const NOW: u64 = 1_800_000_000_000;
const PORT: &str = "https://port.example";
const VCT: &str = "urn:vwp:passport:1";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

fn jwk(seed: u8) -> Jwk {
    Jwk::from_key(key(seed).verifying_key())
}

/// How a presentation differs from a good one.
struct Shown<'a> {
    disclosed: Value,
    holder: u8,
    audience: &'a str,
    nonce: &'a str,
    header: Header,
    issuer: u8,
}

impl Default for Shown<'_> {
    fn default() -> Self {
        Self {
            disclosed: json!({"handle": "ada", "languages": ["en", "de"], "age_over_18": true}),
            holder: 2,
            audience: "arena",
            nonce: "n-1",
            header: Header::new("dc+sd-jwt").with_kid("k1"),
            issuer: 1,
        }
    }
}

impl Shown<'_> {
    /// The passport and its disclosures, without a key binding.
    fn passport(&self) -> String {
        let disclosure =
            |(name, value): (&String, &Value)| jose::encode(json!(["salt", name, value]).to_string());
        let disclosures: Vec<String> = self.disclosed.as_object().unwrap().iter().map(disclosure).collect();
        let claims = json!({"iss": PORT, "vct": VCT, "aud": "arena", "iat": NOW / 1000, "exp": NOW / 1000 + 60,
            "cnf": {"jwk": jwk(self.holder)}});
        let Value::Object(mut claims) = claims else { unreachable!() };
        sd_jwt::conceal(&mut claims, &disclosures);
        let signed =
            jose::sign(&self.header, Value::Object(claims).to_string().as_bytes(), &key(self.issuer));
        [vec![signed], disclosures, vec![String::new()]].concat().join("~")
    }

    fn bind(&self, passport: &str) -> String {
        let claims = json!({"iat": NOW / 1000, "aud": self.audience, "nonce": self.nonce,
            "sd_hash": sd_jwt::digest(passport)});
        let header = Header::new("kb+jwt");
        format!("{passport}{}", jose::sign(&header, claims.to_string().as_bytes(), &key(self.holder)))
    }

    fn make(&self) -> String {
        self.bind(&self.passport())
    }
}

/// A query for one passport; `more` goes over its usual members.
fn query(more: &Value) -> Value {
    let mut credential = json!({"id": "pass", "format": "dc+sd-jwt", "meta": {"vct_values": [VCT]},
        "claims": [{"path": ["handle"]}]});
    for (name, value) in more.as_object().unwrap() {
        credential[name] = value.clone();
    }
    json!({ "credentials": [credential] })
}

fn verify(query: &Value, token: &Value) -> Result<Answers, DcqlError> {
    let mut trust = Trust::new();
    trust.pin(PORT, &KeySet::new(vec![jwk(1).with_kid("k1")]));
    Query::parse(&query.to_string())?.verify(&token.to_string(), &trust, &asking("arena", "arena"))
}

fn asking<'a>(audience: &'a str, world: &'a str) -> Asking<'a> {
    Asking { audience, world, nonce: "n-1", now: NOW }
}

#[track_caller]
fn not_believed(shown: &str, expected: PresentationError) {
    let error = verify(&query(&json!({})), &json!({"pass": [shown]})).unwrap_err();
    assert_eq!(error, DcqlError::Presentation { id: "pass".into(), error: expected });
}

#[test]
fn a_world_gets_the_passport_that_it_asked_for() {
    let answers = verify(&query(&json!({})), &json!({"pass": [Shown::default().make()]})).unwrap();
    assert_eq!(answers["pass"][0].handle.as_deref(), Some("ada"));
}

#[test]
fn a_copy_for_one_world_is_shown_to_its_client_identifier_and_to_no_other_worlds() {
    let client_id = "decentralized_identifier:did:web:arena.example";
    let shown = Shown { audience: client_id, ..Shown::default() }.make();
    let token = json!({"pass": [shown]}).to_string();
    let mut trust = Trust::new();
    trust.pin(PORT, &KeySet::new(vec![jwk(1).with_kid("k1")]));
    let asked = Query::parse(&query(&json!({})).to_string()).unwrap();
    let verify = |audience, world| asked.verify(&token, &trust, &asking(audience, world));
    assert_eq!(verify(client_id, "arena").unwrap()["pass"][0].handle.as_deref(), Some("ada"));
    let refused = |error| Err(DcqlError::Presentation { id: "pass".into(), error });
    assert_eq!(verify(client_id, "lagoon"), refused(PresentationError::World));
    assert_eq!(verify(client_id, client_id), refused(PresentationError::World));
    assert_eq!(verify("arena", "arena"), refused(PresentationError::Audience));
}

#[test]
fn what_was_disclosed_and_not_asked_for_is_left_out() {
    let more = json!({"claims": [{"path": ["handle"]}, {"path": ["languages", 0]}, {"path": ["avatar"]}]});
    let asked = Query::parse(&query(&more).to_string()).unwrap();
    let Value::Object(claims) = Shown::default().disclosed else { unreachable!() };
    let left = |id| Value::Object(asked.only_asked(id, &claims));
    assert_eq!(left("pass"), json!({"handle": "ada", "languages": ["en", "de"]}));
    assert_eq!(left("other"), json!({}));
}

#[test]
fn a_presentation_that_proves_nothing_is_refused_with_the_reason() {
    let good = Shown::default();
    not_believed(&good.passport(), PresentationError::KeyBindingMissing);
    not_believed(&Shown { nonce: "n-0", ..Shown::default() }.make(), PresentationError::Nonce);
    not_believed(&Shown { audience: "lagoon", ..Shown::default() }.make(), PresentationError::Audience);
    let own = || Header::new("dc+sd-jwt").with_jwk(jwk(9));
    let injected = Shown { header: own().with_kid("../k1"), issuer: 9, ..Shown::default() };
    not_believed(&injected.make(), PresentationError::UnknownKey);
    let embedded = Shown { header: own(), issuer: 9, ..Shown::default() };
    not_believed(&embedded.make(), PresentationError::UnknownKey);
    let claimed = Shown { header: own().with_kid("k1"), issuer: 9, ..Shown::default() };
    not_believed(&claimed.make(), PresentationError::PassportSignature);
    let passport = good.passport();
    let last = passport.trim_end_matches('~').rsplit('~').next().unwrap();
    let twice = good.bind(&format!("{passport}{last}~"));
    not_believed(&twice, PresentationError::Form(sd_jwt::SdJwtError::DuplicateDigest));
    let stolen = Shown { holder: 3, ..Shown::default() }.bind(&passport);
    not_believed(&stolen, PresentationError::KeyBindingSignature);
}

#[test]
fn a_passport_of_another_type_or_without_the_claims_is_no_answer() {
    let token = json!({"pass": [Shown::default().make()]});
    let unmatched = Err(DcqlError::Unmatched("pass".into()));
    for more in [
        json!({"meta": {"vct_values": ["urn:vwp:passport:2"]}}),
        json!({"claims": [{"path": ["handle"]}, {"path": ["avatar"]}]}),
        json!({"claims": [{"path": ["handle"], "values": ["eve"]}]}),
        json!({"claims": [{"path": ["age_over_18"], "values": ["true"]}]}),
        json!({"claims": [{"path": ["languages", 2]}]}),
        json!({"claims": [{"id": "a", "path": ["avatar"]}, {"id": "h", "path": ["handle"]}],
            "claim_sets": [["a"], ["a", "h"]]}),
    ] {
        assert_eq!(verify(&query(&more), &token), unmatched, "{more}");
    }
    for more in [
        json!({"meta": {"vct_values": ["urn:other", VCT]}}),
        json!({"claims": [{"path": ["languages", null], "values": ["fr", "de"]}]}),
        json!({"claims": [{"path": ["age_over_18"], "values": [true]}]}),
        json!({"claims": [{"id": "a", "path": ["avatar"]}, {"id": "h", "path": ["handle"]}],
            "claim_sets": [["a"], ["h"]]}),
    ] {
        assert!(verify(&query(&more), &token).is_ok(), "{more}");
    }
}

#[test]
fn alternatives_among_credentials_are_satisfied_by_one_of_them() {
    let one = |id: &str| {
        let mut one = query(&json!({ "id": id }))["credentials"][0].clone();
        one["id"] = id.into();
        one
    };
    let mut asked = json!({"credentials": [one("a"), one("b"), one("c")],
        "credential_sets": [{"options": [["a", "b"], ["c"]]}, {"options": [["b"]], "required": false}]});
    let shown = Shown::default().make();
    assert!(verify(&asked, &json!({"c": [shown]})).is_ok());
    assert!(verify(&asked, &json!({"a": [shown], "b": [shown]})).is_ok());
    assert_eq!(verify(&asked, &json!({"a": [shown]})), Err(DcqlError::Unsatisfied));
    asked.as_object_mut().unwrap().remove("credential_sets");
    assert_eq!(verify(&asked, &json!({"a": [shown], "b": [shown]})), Err(DcqlError::Unsatisfied), "all");
}

#[test]
fn a_token_of_another_form_is_refused_as_a_whole() {
    let shown = Shown::default().make();
    let many = query(&json!({"multiple": true}));
    let is_token = |answer: Result<Answers, DcqlError>| matches!(answer, Err(DcqlError::Token(_)));
    for token in [
        json!([]),
        json!({"pass": shown}),
        json!({"pass": []}),
        json!({"pass": [shown, shown]}),
        json!({"pass": [{"jwt": shown}]}),
        json!({"pass": [shown], "other": [shown]}),
        json!({"pass": ["x".repeat(200_000)]}),
    ] {
        assert!(is_token(verify(&query(&json!({})), &token)));
    }
    assert!(is_token(verify(&many, &json!({"pass": [shown, shown]}))), "one passport does not count twice");
    let other = Shown { holder: 3, ..Shown::default() }.make();
    assert_eq!(verify(&many, &json!({"pass": [shown, other]})).unwrap()["pass"].len(), 2);
    let twice = format!(r#"{{"pass":["{shown}"],"pass":["{shown}"]}}"#);
    let asked = Query::parse(&query(&json!({})).to_string()).unwrap();
    assert!(is_token(asked.verify(&twice, &Trust::new(), &asking("arena", "arena"))));
}

#[test]
fn a_query_with_conditions_that_nobody_would_check_is_refused() {
    for more in [
        json!({"format": "mso_mdoc"}),
        json!({"require_cryptographic_holder_binding": false}),
        json!({"trusted_authorities": [{"type": "aki", "values": ["x"]}]}),
    ] {
        let error = Query::parse(&query(&more).to_string()).unwrap_err();
        assert!(matches!(error, DcqlError::Unsupported(_)), "{more}");
    }
    let long = "x".repeat(20_000);
    for more in [
        json!({"id": ""}),
        json!({"id": "a b"}),
        json!({"id": long}),
        json!({"meta": null}),
        json!({"meta": {}}),
        json!({"meta": {"vct_values": []}}),
        json!({"multiple": "yes"}),
        json!({"claims": []}),
        json!({"claims": [{}]}),
        json!({"claims": [{"path": ["a"], "values": []}]}),
        json!({"claims": [{"path": ["a"], "values": [1.5]}]}),
        json!({"claims": [{"id": "x", "path": ["a"]}, {"id": "x", "path": ["b"]}]}),
        json!({"claim_sets": [["x"]]}),
        json!({"claims": [{"id": "x", "path": ["a"]}], "claim_sets": [["y"]]}),
        json!({"claims": [{"id": "x", "path": ["a"]}], "claim_sets": [[]]}),
    ] {
        let error = Query::parse(&query(&more).to_string()).unwrap_err();
        assert!(matches!(error, DcqlError::Query(_)), "{more}: {error}");
    }
    for text in ["", "[]", "{}", r#"{"credentials":[]}"#, r#"{"credentials":[1]}"#] {
        assert!(Query::parse(text).is_err(), "{text}");
    }
    let twice = json!({"credentials": vec![query(&json!({}))["credentials"][0].clone(); 2]});
    assert!(Query::parse(&twice.to_string()).is_err());
}

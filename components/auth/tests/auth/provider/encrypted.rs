//! Wallets that encrypt what they answer to worlds (OpenID4VP 1.0, section 8.3), as the wallet sees it: written
//! from RFC 7516 and RFC 7518 once more, with nothing of the port's.

use super::presentations::{RESPONSE, answer, begin, posting, request, result, start, token_for};
use super::support::{CALLBACK, Client, Site, answered, assert_error, form, with};
use crate::data::everything;
use crate::support::{Answer, key};
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes128Gcm, Aes256Gcm, KeyInit, Nonce};
use http::StatusCode;
use p256::{PublicKey, SecretKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vwp_core::jose::{self, Jwk};

/// What a world asks for.
const ENCRYPTED: [(&str, &str); 1] = [("response_mode", "direct_post.jwt")];

/// A request for an encrypted answer: what the world knows of it, and what the wallet does.
struct Asked {
    site: Site,
    client: Client,
    begun: Value,
    request: Value,
}

impl Asked {
    fn new() -> Self {
        let site = Site::new();
        let client = site.client(&json!({}));
        let begun = begin(&site, &client, &ENCRYPTED);
        let request = request(&site, &begun);
        Self { site, client, begun, request }
    }

    /// What a wallet says that shows the handle.
    fn said(&self) -> Value {
        let vp_token: Value = serde_json::from_str(&self.token()).unwrap();
        json!({ "vp_token": vp_token, "state": self.request["state"] })
    }

    fn token(&self) -> String {
        token_for(&self.site, &self.request, &["handle"])
    }

    /// Sends what a wallet made.
    fn send(&self, response: &str) -> Answer {
        respond(&self.site, response)
    }

    fn result(&self) -> Answer {
        result(&self.site, &self.client, &self.begun, &[])
    }

    /// Requires that an answer was refused, counts, and that the world is told why.
    #[track_caller]
    fn assert_refused(&self, answer: &Answer, reason: &str) {
        assert_error(answer, "invalid_request");
        let good = encrypted(&self.request, &self.said(), &json!({}));
        assert_error(&self.send(&good), "invalid_request");
        let told = self.result();
        assert_eq!((&told.json["status"], &told.json["reason"]), (&json!("refused"), &json!(reason)));
    }

    /// Requires that nothing was answered yet.
    #[track_caller]
    fn assert_awaited(&self) {
        assert_eq!(self.result().status, StatusCode::ACCEPTED);
        let good = encrypted(&self.request, &self.said(), &json!({}));
        assert_eq!(self.send(&good).status, StatusCode::OK);
        assert_eq!(self.result().json["status"], "presented");
    }
}

pub(super) fn respond(site: &Site, response: &str) -> Answer {
    site.port.answer(posting(RESPONSE, &form(&[("response", response)])))
}

/// Encrypts what a wallet says to the key of a request; `more` goes over the header.
pub(super) fn encrypted(request: &Value, said: &Value, more: &Value) -> String {
    encrypt(request, said.to_string().as_bytes(), more)
}

fn encrypt(request: &Value, payload: &[u8], more: &Value) -> String {
    let jwk = &request["client_metadata"]["jwks"]["keys"][0];
    let receiver: Jwk = serde_json::from_value(jwk.clone()).unwrap();
    let receiver: PublicKey = receiver.to_key().unwrap().into();
    let sender = key(77);
    let epk = Jwk::from_key(sender.verifying_key());
    let header = json!({"alg": "ECDH-ES", "enc": "A256GCM", "kid": jwk["kid"], "epk": epk});
    let header = with(header, more);
    let enc = header["enc"].as_str().unwrap();
    let bits: u32 = if enc == "A128GCM" { 128 } else { 256 };
    let mut hash = Sha256::new();
    hash.update(1_u32.to_be_bytes());
    hash.update(SecretKey::from(sender).diffie_hellman(&receiver).raw_secret_bytes());
    let party = |name: &str| jose::decode(header[name].as_str().unwrap_or_default()).unwrap_or_default();
    for field in [enc.as_bytes(), &party("apu"), &party("apv")] {
        hash.update(u32::try_from(field.len()).unwrap().to_be_bytes());
        hash.update(field);
    }
    let key: [u8; 32] = hash.chain_update(bits.to_be_bytes()).finalize().into();
    let encoded = jose::encode(header.to_string());
    let (nonce, payload) = (Nonce::from([9; 12]), Payload { msg: payload, aad: encoded.as_bytes() });
    let sealed = if bits == 128 {
        Aes128Gcm::new_from_slice(&key[..16]).unwrap().encrypt(&nonce, payload)
    } else {
        Aes256Gcm::new_from_slice(&key).unwrap().encrypt(&nonce, payload)
    };
    let sealed = sealed.unwrap();
    let (ciphertext, tag) = sealed.split_at(sealed.len() - 16);
    format!("{encoded}..{}.{}.{}", jose::encode(nonce), jose::encode(ciphertext), jose::encode(tag))
}

#[test]
fn each_request_has_a_key_of_its_own_for_its_answer() {
    let Asked { site, client, begun, request: asked } = Asked::new();
    assert_eq!(asked["response_mode"], "direct_post.jwt");
    let metadata = &asked["client_metadata"];
    assert_eq!(metadata["encrypted_response_enc_values_supported"], json!(["A128GCM", "A256GCM"]));
    let keys = metadata["jwks"]["keys"].as_array().unwrap();
    let [key] = keys.as_slice() else { panic!("{keys:?}") };
    let described = ["kty", "crv", "use", "alg"].map(|name| key[name].as_str().unwrap());
    assert_eq!(described, ["EC", "P-256", "enc", "ECDH-ES"]);
    assert!(key["kid"].is_string() && key.get("d").is_none(), "{key}");
    assert!(!key.to_string().contains(asked["state"].as_str().unwrap()), "a header tells nobody the state");
    let once_more = &request(&site, &begun)["client_metadata"]["jwks"]["keys"][0];
    assert_eq!(once_more, key, "the request stays as it is");

    let another = request(&site, &begin(&site, &client, &ENCRYPTED));
    let other = &another["client_metadata"]["jwks"]["keys"][0];
    assert_ne!((&other["x"], &other["kid"]), (&key["x"], &key["kid"]));
    let plain = request(&site, &begin(&site, &client, &[("response_mode", "direct_post")]));
    assert_eq!(plain["response_mode"], "direct_post");
    assert!(plain["client_metadata"].get("jwks").is_none());
    assert!(plain["client_metadata"].get("encrypted_response_enc_values_supported").is_none());
    for mode in ["fragment", "direct_post.jwt ", "dc_api.jwt"] {
        assert_error(&start(&site, &client, &[("response_mode", mode)]), "invalid_request");
    }
}

#[test]
fn a_world_gets_what_was_encrypted_in_either_way() {
    let parties = json!({"apu": "QWxpY2U", "apv": "Qm9i"});
    for more in [json!({}), json!({"enc": "A128GCM"}), parties, json!({"typ": "JWT", "x": "unknown"})] {
        let asked = Asked::new();
        let said = with(asked.said(), &json!({"unknown": 1}));
        let taken = asked.send(&encrypted(&asked.request, &said, &more));
        assert_eq!((taken.status, &taken.json), (StatusCode::OK, &json!({})), "{more}: {}", taken.text);
        let told = asked.result();
        assert_eq!(told.json["status"], "presented", "{more}: {}", told.text);
        assert_eq!(told.json["credentials"]["pass"][0]["claims"], json!({"handle": "ada"}));
    }
}

#[test]
fn an_encrypted_answer_sends_the_browser_on_and_is_good_once() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let begun = begin(&site, &client, &[ENCRYPTED[0], ("redirect_uri", CALLBACK)]);
    let asked = Asked { request: request(&site, &begun), site, client, begun };
    let response = encrypted(&asked.request, &asked.said(), &json!({}));
    let taken = asked.send(&response);
    let code = answered(taken.json["redirect_uri"].as_str().unwrap(), "response_code").unwrap();
    assert_error(&asked.send(&response), "invalid_request");
    assert_error(&asked.result(), "invalid_grant");
    let told = result(&asked.site, &asked.client, &asked.begun, &[("response_code", &code)]);
    assert_eq!(told.json["status"], "presented", "{}", told.text);
}

#[test]
fn the_key_is_kept_sealed_and_is_gone_with_the_answer() {
    let asked = Asked::new();
    let kept =
        || everything(&asked.site.port).into_iter().find(|kept| kept.contains("openid4vp/transaction"));
    let before = kept().unwrap();
    let record: Value = serde_json::from_str(&before[before.find('{').unwrap()..]).unwrap();
    let private = &record["encryption"]["private"];
    assert!(private["sealed"].is_string() && private["sealed_by"].is_string(), "{before}");
    assert!(!before.contains("\"d\""), "{before}");
    asked.send(&encrypted(&asked.request, &asked.said(), &json!({})));
    let after = kept().unwrap();
    assert!(!after.contains("encryption") && !after.contains(private["sealed"].as_str().unwrap()), "{after}");
}

#[test]
fn what_is_shown_unencrypted_is_refused_where_encryption_was_asked_for() {
    let asked = Asked::new();
    let plain = answer(&asked.site, &asked.request, &[("vp_token", &asked.token())]);
    asked.assert_refused(&plain, "answer-unencrypted");
}

#[test]
fn a_header_that_asks_for_anything_else_is_refused() {
    let x = "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0";
    for (more, reason) in [
        (json!({"alg": "ECDH-ES+A256KW"}), "jwe-algorithm"),
        (json!({"alg": "dir"}), "jwe-algorithm"),
        (json!({"enc": "A256CBC-HS512"}), "jwe-encryption"),
        (json!({"zip": "DEF"}), "jwe-header"),
        (json!({"crit": ["b64"], "b64": true}), "jwe-header"),
        (json!({"epk": {"kty": "EC", "crv": "P-256", "x": x, "y": x}}), "jwe-key"),
        (json!({"epk": {"kty": "EC", "crv": "P-384", "x": x, "y": x}}), "jwe-key"),
        (json!({"epk": Jwk::from_key(key(78).verifying_key())}), "jwe-integrity"),
    ] {
        let asked = Asked::new();
        let response = encrypted(&asked.request, &asked.said(), &more);
        asked.assert_refused(&asked.send(&response), reason);
    }
}

#[test]
fn what_is_encrypted_has_to_be_an_answer_to_this_request() {
    let nothing = json!({});
    for (payload, reason) in [
        (json!({"vp_token": {}}), "state-mismatch"),
        (json!({"vp_token": {}, "state": "another"}), "state-mismatch"),
        (json!([]), "answer-malformed"),
    ] {
        let asked = Asked::new();
        asked.assert_refused(&asked.send(&encrypted(&asked.request, &payload, &nothing)), reason);
    }
    for (more, reason) in [
        (json!({"vp_token": "{}"}), "answer-malformed"),
        (json!({"error": "access_denied"}), "answer-malformed"),
        (json!({"vp_token": {"pass": ["x"]}}), "presentation-malformed"),
    ] {
        let asked = Asked::new();
        let response = encrypted(&asked.request, &with(asked.said(), &more), &nothing);
        asked.assert_refused(&asked.send(&response), reason);
    }
    let asked = Asked::new();
    let twice = asked.said().to_string().replacen('{', r#"{"vp_token":{},"#, 1);
    asked.assert_refused(
        &asked.send(&encrypt(&asked.request, twice.as_bytes(), &nothing)),
        "answer-malformed",
    );
}

#[test]
fn an_answer_to_another_key_changes_nothing() {
    let asked = Asked::new();
    for more in [json!({"kid": "another"}), json!({"kid": asked.request["state"]}), json!({"kid": null})] {
        let response = encrypted(&asked.request, &asked.said(), &more);
        assert_error(&asked.send(&response), "invalid_request");
    }
    for bad in ["e.n.c.r.y", "....", "not a token", &"a".repeat(1000)] {
        assert_error(&asked.send(bad), "invalid_request");
    }
    let both = [("response", "e.n.c.r.y"), ("vp_token", "{}")];
    assert_error(&answer(&asked.site, &asked.request, &both), "invalid_request");
    assert_eq!(asked.send(&"a".repeat(196_608)).status, StatusCode::PAYLOAD_TOO_LARGE);
    // The name of a transaction that has no key, which could be known.
    let plain = request(&asked.site, &begin(&asked.site, &asked.client, &[]));
    let name = jose::encode(Sha256::digest(plain["state"].as_str().unwrap()));
    let response = encrypted(&asked.request, &asked.said(), &json!({ "kid": name }));
    assert_error(&asked.send(&response), "invalid_request");
    assert_eq!(answer(&asked.site, &plain, &[("error", "access_denied")]).status, StatusCode::OK);
    asked.assert_awaited();
}

#[test]
fn what_was_said_to_one_request_is_no_answer_to_another() {
    let (asked, nothing) = (Asked::new(), json!({}));
    let begun = begin(&asked.site, &asked.client, &ENCRYPTED);
    let other = request(&asked.site, &begun);
    // Encrypted once more by somebody who has seen it.
    assert_error(&asked.send(&encrypted(&other, &asked.said(), &nothing)), "invalid_request");
    assert_eq!(result(&asked.site, &asked.client, &begun, &[]).json["reason"], "state-mismatch");
    asked.assert_awaited();
    let begun = begin(&asked.site, &asked.client, &ENCRYPTED);
    let other = request(&asked.site, &begun);
    let said = with(asked.said(), &json!({"state": other["state"]}));
    assert_error(&asked.send(&encrypted(&other, &said, &nothing)), "invalid_request");
    assert_eq!(result(&asked.site, &asked.client, &begun, &[]).json["reason"], "nonce-mismatch");
}

#[test]
fn a_wallet_says_no_encrypted_or_not() {
    let no = json!({"error": "access_denied", "error_description": "no"});
    let asked = Asked::new();
    let said = with(no, &json!({"state": asked.request["state"]}));
    assert_eq!(asked.send(&encrypted(&asked.request, &said, &json!({}))).status, StatusCode::OK);
    assert_eq!(asked.result().json, json!({"status": "declined", "error": "access_denied"}));
    let asked = Asked::new();
    let plain = answer(&asked.site, &asked.request, &[("error", "vp_formats_not_supported")]);
    assert_eq!(plain.status, StatusCode::OK, "{}", plain.text);
    assert_eq!(asked.result().json["error"], "vp_formats_not_supported");
}

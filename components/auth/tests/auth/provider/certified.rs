//! Worlds whose port has a certificate (OpenID4VP 1.0, section 5.9.3, `x509_hash`, as HAIP 1.0 wants it), as the
//! wallet sees it: the certificates are made by `rcgen`, and the request is verified with nothing of the port's.

use super::encrypted::{encrypted, respond};
use super::presentations::{answer, begin, path_of, posting, result, start, token_for};
use super::support::{CALLBACK, Client, Site, answered};
use crate::support::{Answer, Port};
use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use http::StatusCode;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What an operator got from an authority: a certificate, the one of its issuer, and the key. The authority's own is
/// the trust anchor of wallets.
struct Given {
    own: Certificate,
    between: Certificate,
    key: KeyPair,
}

/// What a certificate says, if it is an authority's.
fn authority(name: &str) -> CertificateParams {
    let mut about = CertificateParams::new(Vec::new()).unwrap();
    about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    about.distinguished_name.push(DnType::CommonName, name);
    about
}

impl Given {
    fn new() -> Self {
        let (root_key, between_key, key) =
            (KeyPair::generate().unwrap(), KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let (root, about) = (authority("A root"), authority("An authority"));
        let between = about.signed_by(&between_key, &Issuer::from_params(&root, root_key)).unwrap();
        let own = CertificateParams::new(vec!["port.example".to_owned()]).unwrap();
        let own = own.signed_by(&key, &Issuer::from_params(&about, between_key)).unwrap();
        Self { own, between, key }
    }

    /// Gives them to a port.
    fn give(&self, port: &mut Port) {
        let chain = format!("{}{}", self.own.pem(), self.between.pem());
        port.settings.options.insert("presentation_certificates", chain);
        port.settings.options.insert("presentation_key", self.key.serialize_pem());
    }

    fn client_id(&self) -> String {
        format!("x509_hash:{}", Base64UrlUnpadded::encode_string(&Sha256::digest(self.own.der())))
    }

    /// The claims of a request, which the certificate's key has to have signed.
    #[track_caller]
    fn verified(&self, compact: &str) -> Value {
        let parts: Vec<&str> = compact.split('.').collect();
        let [header, claims, signature] = parts.as_slice() else { panic!("{compact}") };
        let decoded = |part: &str| Base64UrlUnpadded::decode_vec(part).unwrap();
        let header: Value = serde_json::from_slice(&decoded(header)).unwrap();
        let x5c = [&self.own, &self.between].map(|certificate| Base64::encode_string(certificate.der()));
        let typ = "oauth-authz-req+jwt";
        assert_eq!(header, json!({"alg": "ES256", "typ": typ, "x5c": x5c}), "and not the trust anchor");
        let key = VerifyingKey::from_sec1_bytes(self.key.public_key_raw()).unwrap();
        let signed = compact.rsplit_once('.').unwrap().0;
        key.verify(signed.as_bytes(), &Signature::from_slice(&decoded(signature)).unwrap()).unwrap();
        serde_json::from_slice(&decoded(claims)).unwrap()
    }
}

/// A port with a certificate, and the client of a world.
fn site() -> (Given, Site, Client) {
    let (given, mut port) = (Given::new(), Port::new());
    given.give(&mut port);
    let site = Site::on(port);
    let client = site.client(&json!({}));
    (given, site, client)
}

fn fetch(site: &Site, begun: &Value) -> Answer {
    site.port.get(&path_of(begun), None)
}

#[test]
fn a_port_with_a_certificate_asks_under_its_hash_and_signs_with_its_key() {
    let (given, site, client) = site();
    let begun = begin(&site, &client, &[("redirect_uri", CALLBACK)]);
    assert_eq!(begun["client_id"], given.client_id());
    assert_eq!(answered(begun["link"].as_str().unwrap(), "client_id"), Some(given.client_id()));
    let asked = given.verified(&fetch(&site, &begun).text);
    assert_eq!(
        (&asked["client_id"], &asked["aud"]),
        (&begun["client_id"], &json!("https://self-issued.me/v2"))
    );
    assert_eq!(asked["response_mode"], "direct_post.jwt", "HAIP has every answer encrypted");
    let metadata = &asked["client_metadata"];
    assert_eq!(metadata["encrypted_response_enc_values_supported"], json!(["A128GCM", "A256GCM"]));
    let formats = json!({"dc+sd-jwt": {"sd-jwt_alg_values": ["ES256"], "kb-jwt_alg_values": ["ES256"]}});
    assert_eq!(metadata["vp_formats_supported"], formats);

    let posted = site.port.answer(posting(&path_of(&begun), "wallet_nonce=w-1"));
    assert_eq!(given.verified(&posted.text)["wallet_nonce"], "w-1");
    let vp_token: Value = serde_json::from_str(&token_for(&site, &asked, &["handle"])).unwrap();
    let said = json!({ "vp_token": vp_token, "state": asked["state"] });
    let taken = respond(&site, &encrypted(&asked, &said, &json!({})));
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.text);
    let code = answered(taken.json["redirect_uri"].as_str().unwrap(), "response_code").unwrap();
    let told = result(&site, &client, &begun, &[("response_code", &code)]);
    assert_eq!(told.json["credentials"]["pass"][0]["claims"], json!({"handle": "ada"}), "{}", told.text);
}

#[test]
fn an_answer_is_for_the_certificate_that_was_asked_under_and_a_world_may_still_want_it_open() {
    let (given, mut site, client) = site();
    let open = [("response_mode", "direct_post")];
    let (fetched, unread) = (begin(&site, &client, &open), begin(&site, &client, &open));
    let asked = given.verified(&fetch(&site, &fetched).text);
    assert_eq!(asked["response_mode"], "direct_post");
    let token = token_for(&site, &asked, &["handle"]);

    // The certificate is renewed while wallets are about to answer.
    let next = Given::new();
    next.give(&mut site.port);
    assert_eq!(fetch(&site, &unread).status, StatusCode::NOT_FOUND, "no wallet takes it under another one");
    assert_eq!(answer(&site, &asked, &[("vp_token", &token)]).status, StatusCode::OK);
    assert_eq!(result(&site, &client, &fetched, &[]).json["status"], "presented");

    let begun = begin(&site, &client, &open);
    let mut asked = next.verified(&fetch(&site, &begun).text);
    assert_eq!(asked["client_id"], next.client_id());
    asked["client_id"] = given.client_id().into();
    let token = token_for(&site, &asked, &["handle"]);
    assert_eq!(answer(&site, &asked, &[("vp_token", &token)]).status, StatusCode::BAD_REQUEST);
    assert_eq!(result(&site, &client, &begun, &[]).json["reason"], "audience-mismatch");
}

#[test]
fn what_was_asked_without_a_certificate_goes_on_without_it() {
    let mut site = Site::new();
    let client = site.client(&json!({}));
    let begun = begin(&site, &client, &[]);
    Given::new().give(&mut site.port);
    let asked = super::presentations::request(&site, &begun);
    assert_eq!((&asked["client_id"], &asked["response_mode"]), (&begun["client_id"], &json!("direct_post")));
    let token = token_for(&site, &asked, &["handle"]);
    assert_eq!(answer(&site, &asked, &[("vp_token", &token)]).status, StatusCode::OK);
}

#[test]
fn a_certificate_that_wallets_would_refuse_is_not_asked_under() {
    let other = Given::new().key.serialize_pem();
    for (option, text) in [
        ("presentation_key", other.as_str()),
        ("presentation_key", ""),
        ("presentation_certificates", ""),
        ("presentation_certificates", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ] {
        let (_, mut site, client) = site();
        site.port.settings.options.insert(option, text.to_owned());
        let refused = start(&site, &client, &[]);
        assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR, "{option}: {}", refused.text);
        assert!(!refused.text.contains("presentation_"), "a world cannot mend it: {}", refused.text);
    }
}

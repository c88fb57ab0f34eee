//! Credential offers (OpenID4VCI 1.0, section 4) and their codes.

use super::support::{Client, Site, answered, assert_error, with};
use super::wallets::{PRE_AUTHORISED, WALLET, ask, c_nonce, proof, signed, token, wallet, wanted};
use crate::data::everything;
use crate::support::{Answer, ISSUER, PASSWORD, key};
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use vwp_core::jose;

/// A session of ada's.
fn session(site: &Site) -> String {
    site.port.sign_in("ada", PASSWORD).json["access_token"].as_str().unwrap().to_owned()
}

/// What ada is told of an offer that she makes.
pub(super) fn offer(site: &Site, what: &Value) -> Value {
    let answer = site.port.post("/v1/passports/offers", Some(&session(site)), what);
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    answer.json
}

fn grant(offer: &Value) -> &Value {
    &offer["credential_offer"]["grants"][PRE_AUTHORISED]
}

/// The request of a wallet that redeems an offer; `more` goes over its parameters, and an empty value
/// leaves one out.
pub(super) fn call(site: &Site, wallet: &Client, offer: &Value, more: &[(&str, &str)]) -> Request<Vec<u8>> {
    let mut pairs = vec![
        ("grant_type", PRE_AUTHORISED),
        ("pre-authorized_code", grant(offer)["pre-authorized_code"].as_str().unwrap()),
        ("tx_code", offer["tx_code"].as_str().unwrap()),
    ];
    pairs.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    pairs.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    let proof = site.proof(&key(WALLET), "/oauth/token", &json!({}));
    site.call(wallet, "/oauth/token", &pairs, &[proof])
}

pub(super) fn redeem(site: &Site, wallet: &Client, offer: &Value, more: &[(&str, &str)]) -> Answer {
    site.port.answer(call(site, wallet, offer, more))
}

/// A transaction code that is not the offer's.
fn wrong(offer: &Value) -> String {
    let right = offer["tx_code"].as_str().unwrap();
    let first = if right.starts_with('0') { '1' } else { '0' };
    format!("{first}{}", &right[1..])
}

#[test]
fn an_offer_gives_a_wallet_passports_for_the_world_that_it_names_with_the_code_that_was_typed() {
    let site = Site::new();
    let wallet = wallet(&site);
    let offer = offer(&site, &json!({"world": "arena"}));
    assert_eq!(offer["credential_offer"]["credential_issuer"], ISSUER);
    assert_eq!(offer["credential_offer"]["credential_configuration_ids"], json!(["passport"]));
    let asked = &grant(&offer)["tx_code"];
    assert_eq!((&asked["input_mode"], &asked["length"]), (&json!("numeric"), &json!(8)));
    let typed = offer["tx_code"].as_str().unwrap();
    assert!(typed.len() == 8 && typed.bytes().all(|digit| digit.is_ascii_digit()), "{typed}");
    assert!(!offer["credential_offer"].to_string().contains(typed), "the code goes another way");

    let answer = redeem(&site, &wallet, &offer, &[]);
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json["token_type"], "DPoP");
    assert_eq!((answer.json.get("refresh_token"), answer.json.get("id_token")), (None, None));
    assert_eq!(
        answer.json["authorization_details"],
        json!([{"type": "openid_credential", "credential_configuration_id": "passport", "world": "arena",
            "credential_identifiers": ["passport:arena"]}])
    );
    let nonce = c_nonce(&site);
    let proofs: Vec<String> = (20..30).map(|seed| proof(&site, seed, Some(&nonce))).collect();
    let body = json!({"credential_identifier": "passport:arena", "proofs": {"jwt": proofs}});
    let given = ask(&site, token(&answer.json), &body);
    assert_eq!(given.json["credentials"].as_array().map(Vec::len), Some(10), "{}", given.text);
    let passport = given.json["credentials"][0]["credential"].as_str().unwrap();
    assert_eq!(signed(&site, passport)["aud"], "arena");
}

#[test]
fn both_links_lead_to_the_same_offer_until_it_is_used() {
    let site = Site::new();
    let wallet = wallet(&site);
    let offer = offer(&site, &json!({}));
    let links = [&offer["by_value"], &offer["by_reference"]].map(|link| link.as_str().unwrap());
    assert!(links.iter().all(|link| link.starts_with("openid-credential-offer://?")));
    let value: Value = serde_json::from_str(&answered(links[0], "credential_offer").unwrap()).unwrap();
    assert_eq!(value, offer["credential_offer"]);
    let uri = answered(links[1], "credential_offer_uri").unwrap();
    assert_eq!(uri, offer["credential_offer_uri"]);
    let path = uri.strip_prefix(ISSUER).unwrap();
    let fetched = site.port.get(path, None);
    assert_eq!((fetched.status, &fetched.json), (StatusCode::OK, &offer["credential_offer"]));
    assert_eq!(fetched.headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(fetched.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(site.port.get("/oauth/offers/AAAA", None).status, StatusCode::NOT_FOUND);

    let answer = redeem(&site, &wallet, &offer, &[]);
    assert_eq!((&answer.json["scope"], answer.json.get("authorization_details")), (&json!("passport"), None));
    let answer = ask(&site, token(&answer.json), &wanted(&site, Some(&c_nonce(&site))));
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(site.port.get(path, None).status, StatusCode::NOT_FOUND);
    assert_error(&redeem(&site, &wallet, &offer, &[]), "invalid_grant");
}

#[test]
fn an_offer_that_everybody_may_have_leads_to_the_sign_in() {
    let site = Site::new();
    let offer = site.port.get("/oauth/offers/authorization-code", None);
    assert_eq!((offer.status, &offer.json["grants"]), (StatusCode::OK, &json!({"authorization_code": {}})));
}

#[test]
fn an_offer_ends_after_five_wrong_codes_and_the_traveller_reads_of_it() {
    let site = Site::new();
    let wallet = wallet(&site);
    let offer = offer(&site, &json!({}));
    for missing in ["tx_code", "pre-authorized_code"] {
        assert_error(&redeem(&site, &wallet, &offer, &[(missing, "")]), "invalid_request");
    }
    let wrong = wrong(&offer);
    for guess in [wrong.as_str(), "1", &"1".repeat(64), "passport"] {
        assert_error(&redeem(&site, &wallet, &offer, &[("tx_code", guess)]), "invalid_grant");
    }
    let second = self::offer(&site, &json!({}));
    let other = second["tx_code"].as_str().unwrap();
    assert_error(&redeem(&site, &wallet, &offer, &[("tx_code", other)]), "invalid_grant");
    assert_error(&redeem(&site, &wallet, &offer, &[]), "invalid_grant");
    let log = site.port.get("/v1/travellers/me/audit", Some(&session(&site)));
    let told = log.json["entries"].to_string();
    assert!(told.contains("sign-in-failed") && told.contains("offer"), "{}", log.text);
    let answer = redeem(&site, &wallet, &second, &[("tx_code", &self::wrong(&second))]);
    assert_error(&answer, "invalid_grant");
    let answer = redeem(&site, &wallet, &second, &[]);
    assert_eq!(answer.status, StatusCode::OK, "four more guesses are borne: {}", answer.text);
}

#[test]
fn an_offer_ends_after_five_minutes_and_with_the_session_that_made_it() {
    let site = Site::new();
    let wallet = wallet(&site);
    let late = offer(&site, &json!({}));
    site.port.advance_s(299);
    assert_eq!(site.port.get(late["credential_offer_uri"].as_str().unwrap(), None).status, StatusCode::OK);
    site.port.advance_s(1);
    assert_error(&redeem(&site, &wallet, &late, &[]), "invalid_grant");

    let session = session(&site);
    let made = site.port.post("/v1/passports/offers", Some(&session), &json!({})).json;
    let answer = site.port.send("DELETE", "/v1/sessions/current", Some(&session), "");
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_error(&redeem(&site, &wallet, &made, &[]), "invalid_grant");
}

#[test]
fn an_offer_is_redeemed_by_wallets_alone_with_a_key_and_for_no_more_than_it_is_for() {
    let site = Site::new();
    let wallet = wallet(&site);
    let offer = offer(&site, &json!({"world": "arena"}));
    let code = grant(&offer)["pre-authorized_code"].as_str().unwrap();
    let typed = offer["tx_code"].as_str().unwrap();
    let pairs = [("grant_type", PRE_AUTHORISED), ("pre-authorized_code", code), ("tx_code", typed)];
    assert_error(&site.ask(&wallet, "/oauth/token", &pairs), "invalid_dpop_proof");
    let nobody = Client { id: "nobody".into(), key: None };
    assert_error(&redeem(&site, &nobody, &offer, &[]), "invalid_client");
    let of_a_world = site.public_client(&json!({}));
    assert_error(&redeem(&site, &of_a_world, &offer, &[]), "unauthorized_client");
    let details = |world: Value| {
        let all = json!({"type": "openid_credential", "credential_configuration_id": "passport"});
        json!([with(all, &world)]).to_string()
    };
    let (any, keep, guess) = (details(json!({})), details(json!({"world": "keep"})), wrong(&offer));
    let of_keep = ("authorization_details", keep.as_str());
    assert_error(&redeem(&site, &wallet, &offer, &[of_keep]), "invalid_authorization_details");
    // Without the code nobody hears which world it is.
    assert_error(&redeem(&site, &wallet, &offer, &[of_keep, ("tx_code", &guess)]), "invalid_grant");
    let answer = redeem(&site, &wallet, &offer, &[("authorization_details", &any)]);
    assert_eq!(answer.json["authorization_details"][0]["world"], "arena", "{}", answer.text);

    let open = self::offer(&site, &json!({}));
    let answer = redeem(&site, &wallet, &open, &[of_keep]);
    assert_eq!(answer.json["authorization_details"][0]["world"], "keep", "{}", answer.text);
    assert_eq!(answer.json.get("scope"), None);
}

#[test]
fn offers_are_made_by_travellers_who_are_signed_in_and_not_without_end() {
    let site = Site::new();
    let make = |token: Option<&str>, what: &Value| site.port.post("/v1/passports/offers", token, what);
    assert_eq!(make(None, &json!({})).status, StatusCode::UNAUTHORIZED);
    assert_eq!(make(Some(crate::support::ADMIN), &json!({})).status, StatusCode::FORBIDDEN);
    let session = session(&site);
    assert_eq!(make(Some(&session), &json!({"world": "not a world"})).status, StatusCode::BAD_REQUEST);
    assert_eq!(make(Some(&session), &json!({"claims": []})).status, StatusCode::BAD_REQUEST);
    assert_eq!(site.port.get("/v1/passports/offers", Some(&session)).status, StatusCode::METHOD_NOT_ALLOWED);
    for _ in 0..20 {
        assert_eq!(make(Some(&session), &json!({})).status, StatusCode::CREATED);
    }
    let refused = make(Some(&session), &json!({}));
    assert_eq!((refused.status, refused.problem()), (StatusCode::TOO_MANY_REQUESTS, "too-many-offers"));
}

#[test]
fn neither_the_store_nor_an_export_has_the_codes_of_an_offer_and_an_erasure_ends_it() {
    let site = Site::new();
    let wallet = wallet(&site);
    let offer = offer(&site, &json!({}));
    let secrets = [grant(&offer)["pre-authorized_code"].clone(), offer["tx_code"].clone()]
        .map(|secret| secret.as_str().unwrap().to_owned());
    let mut shown = everything(&site.port);
    shown.push(site.port.get("/v1/travellers/me/export", Some(&session(&site))).text);
    assert!(shown.iter().any(|text| text.contains("offer")));
    for secret in &secrets {
        let hash = jose::encode(<sha2::Sha256 as sha2::Digest>::digest(secret.as_bytes()));
        assert!(shown.iter().all(|text| !text.contains(secret.as_str())), "{secret}");
        if secret == &secrets[1] {
            assert!(shown.iter().all(|text| !text.contains(&hash)), "a hash that can be guessed");
        }
    }
    let body = json!({ "password": PASSWORD }).to_string();
    let erased = site.port.send("DELETE", "/v1/travellers/me", Some(&session(&site)), &body);
    assert_eq!(erased.status, StatusCode::NO_CONTENT, "{}", erased.text);
    assert_error(&redeem(&site, &wallet, &offer, &[]), "invalid_grant");
    assert!(!everything(&site.port).iter().any(|text| text.contains("openid4vci/offer")));
}

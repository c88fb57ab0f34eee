//! Wallets, which get passports over OpenID4VCI 1.0.

use super::support::{
    Browser, CALLBACK, Client, Site, answered, as_administrator, assert_error, claims, query, redemption,
    registration, run_world, with,
};
use crate::support::{Answer, ISSUER, key, sign};
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use vwp_core::jose::{self, Header, Jwk};

/// The seed of the wallet's own key, to which its tokens are bound.
pub(super) const WALLET: u8 = 9;
/// The grant type of credential offers.
pub(super) const PRE_AUTHORISED: &str = "urn:ietf:params:oauth:grant-type:pre-authorized_code";

/// What the administrator asks for to register a wallet.
fn wallet_registration() -> Value {
    json!({"client_name": "Wallet", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token", PRE_AUTHORISED]})
}

/// A wallet, which belongs to no world.
pub(super) fn wallet(site: &Site) -> Client {
    let answer = as_administrator(site, "POST", "/v1/clients", &wallet_registration());
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    Client { id: answer.json["client_id"].as_str().unwrap().to_owned(), key: None }
}

fn details(world: &str) -> String {
    json!([{"type": "openid_credential", "credential_configuration_id": "passport", "world": world}])
        .to_string()
}

/// What the wallet gets from the token endpoint for an authorization request.
pub(super) fn tokens(site: &Site, client: &Client, more: &[(&str, &str)]) -> Value {
    let code = Browser::new(site).code(client, more);
    let proof = site.proof(&key(WALLET), "/oauth/token", &json!({}));
    let answer = site.ask_bound(client, "/oauth/token", &redemption(&code), proof);
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json
}

pub(super) fn token(tokens: &Value) -> &str {
    tokens["access_token"].as_str().unwrap()
}

pub(super) fn c_nonce(site: &Site) -> String {
    let answer = site.port.send("POST", "/oauth/nonce", None, "");
    assert_eq!(
        (answer.status, &answer.headers[header::CACHE_CONTROL]),
        (StatusCode::OK, &"no-store".parse().unwrap())
    );
    answer.json["c_nonce"].as_str().unwrap().to_owned()
}

/// A proof of the key with a seed, with a nonce.
pub(super) fn proof(site: &Site, seed: u8, nonce: Option<&str>) -> String {
    proof_with(site, seed, &nonce.map_or(json!({}), |nonce| json!({ "nonce": nonce })))
}

/// A proof of the key with a seed; `more` goes over its claims.
fn proof_with(site: &Site, seed: u8, more: &Value) -> String {
    let key = key(seed);
    let header = Header::new("openid4vci-proof+jwt").with_jwk(Jwk::from_key(key.verifying_key()));
    sign(&header, &with(json!({"aud": ISSUER, "iat": site.port.now() / 1000}), more), &key)
}

/// Asks for passports with a token and the proof of the wallet's key.
pub(super) fn ask(site: &Site, token: &str, body: &Value) -> Answer {
    site.port.answer(call(site, token, body))
}

/// The request for passports.
pub(super) fn call(site: &Site, token: &str, body: &Value) -> Request<Vec<u8>> {
    let ath = jose::encode(Sha256::digest(token));
    let dpop = site.proof(&key(WALLET), "/oauth/credential", &json!({ "ath": ath }));
    let request = Request::post("/oauth/credential")
        .header(header::AUTHORIZATION, format!("DPoP {token}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header("dpop", dpop);
    request.body(body.to_string().into_bytes()).unwrap()
}

/// A request for one passport, with a nonce.
pub(super) fn wanted(site: &Site, nonce: Option<&str>) -> Value {
    json!({"credential_configuration_id": "passport", "proofs": {"jwt": [proof(site, 20, nonce)]}})
}

#[track_caller]
fn assert_refused(answer: &Answer, error: &str) {
    assert_eq!(
        (answer.status, &answer.json["error"]),
        (StatusCode::BAD_REQUEST, &json!(error)),
        "{}",
        answer.text
    );
}

/// The claims that are signed openly in a passport.
pub(super) fn signed(site: &Site, passport: &str) -> Value {
    claims(site, passport.split('~').next().unwrap(), "dc+sd-jwt")
}

#[test]
fn a_wallet_gets_ten_passports_for_the_world_that_the_traveller_agreed_to() {
    let site = Site::new();
    let client = wallet(&site);
    let tokens = tokens(&site, &client, &[("authorization_details", &details("arena"))]);
    let expected = json!([{"type": "openid_credential", "credential_configuration_id": "passport",
        "world": "arena", "credential_identifiers": ["passport:arena"]}]);
    assert_eq!(tokens["authorization_details"], expected);
    let nonce = c_nonce(&site);
    let proofs: Vec<String> = (20..30).map(|seed| proof(&site, seed, Some(&nonce))).collect();
    let body = json!({"credential_identifier": "passport:arena", "proofs": {"jwt": proofs}});
    let answer = ask(&site, token(&tokens), &body);
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    let credentials = answer.json["credentials"].as_array().unwrap();
    assert_eq!(credentials.len(), 10);
    for (seed, credential) in (20..30).zip(credentials) {
        let claims = signed(&site, credential["credential"].as_str().unwrap());
        let jwk = serde_json::to_value(Jwk::from_key(key(seed).verifying_key())).unwrap();
        assert_eq!((&claims["aud"], &claims["cnf"]["jwk"]), (&json!("arena"), &jwk));
        assert!(claims["sub"].is_string() && claims["sub"] != site.ada.as_str());
    }
}

#[test]
fn the_copies_of_a_batch_share_nothing_that_is_not_everybodys() {
    let site = Site::new();
    let tokens = tokens(&site, &wallet(&site), &[("authorization_details", &details("arena"))]);
    let nonce = c_nonce(&site);
    let proofs: Vec<String> = (20..52).map(|seed| proof(&site, seed, Some(&nonce))).collect();
    let body = json!({"credential_identifier": "passport:arena", "proofs": {"jwt": proofs}});
    let answer = ask(&site, token(&tokens), &body);
    let credentials = answer.json["credentials"].as_array().unwrap();
    assert_eq!(credentials.len(), 32, "{}", answer.text);
    let (mut seen, mut count) = (HashSet::new(), 0);
    for credential in credentials {
        let passport = credential["credential"].as_str().unwrap();
        let claims = signed(&site, passport);
        let digests = claims["_sd"].as_array().unwrap().iter().map(ToString::to_string);
        let places = [&claims["status"]["status_list"]["idx"], &claims["cnf"]].map(ToString::to_string);
        let disclosures = passport.split('~').skip(1).filter(|part| !part.is_empty()).map(str::to_owned);
        let own: Vec<String> = digests.chain(places).chain(disclosures).collect();
        count += own.len();
        seen.extend(own);
        for name in ["iat", "exp", "iss", "vct", "aud", "sub"] {
            assert_eq!(claims[name], signed(&site, credentials[0]["credential"].as_str().unwrap())[name]);
        }
    }
    assert_eq!(seen.len(), count, "a value is in two copies");
}

#[test]
fn with_the_scope_alone_a_wallet_names_the_configuration_and_other_scopes_are_ignored() {
    let site = Site::new();
    let tokens = tokens(&site, &wallet(&site), &[("scope", "passport money")]);
    assert_eq!((&tokens["scope"], tokens.get("authorization_details")), (&json!("passport"), None));
    let answer = ask(&site, token(&tokens), &wanted(&site, Some(&c_nonce(&site))));
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let passport = answer.json["credentials"][0]["credential"].as_str().unwrap();
    assert_eq!(signed(&site, passport).get("aud"), None);
    let shown = site.port.verify(&site.port.present(passport, &key(20), "n"), "n");
    assert_eq!((shown.status, &shown.json["handle"]), (StatusCode::OK, &json!("ada")));
}

#[test]
fn a_nonce_is_good_once_for_five_minutes_and_only_if_the_port_made_it() {
    let site = Site::new();
    let tokens = tokens(&site, &wallet(&site), &[("scope", "passport")]);
    let ask = |nonce: Option<&str>| ask(&site, token(&tokens), &wanted(&site, nonce));
    assert_refused(&ask(None), "invalid_proof");
    let nonce = c_nonce(&site);
    for other in ["", "AAAA", &nonce[1..], &jose::encode([7_u8; 40])] {
        assert_refused(&ask(Some(other)), "invalid_nonce");
    }
    assert_eq!(ask(Some(&nonce)).status, StatusCode::OK);
    assert_refused(&ask(Some(&nonce)), "invalid_nonce");
    let late = c_nonce(&site);
    site.port.advance_s(300);
    assert_refused(&ask(Some(&late)), "invalid_nonce");
}

#[test]
fn proofs_with_two_nonces_or_one_key_are_refused_and_use_nothing_up() {
    let site = Site::new();
    let client = wallet(&site);
    let tokens = tokens(&site, &client, &[("scope", "passport")]);
    let (first, second) = (c_nonce(&site), c_nonce(&site));
    let batch = |proofs: Value| {
        ask(&site, token(&tokens), &json!({"credential_configuration_id": "passport", "proofs": proofs}))
    };
    let of = |seed, nonce: &str| proof(&site, seed, Some(nonce));
    assert_refused(&batch(json!({"jwt": [of(20, &first), of(21, &second)]})), "invalid_proof");
    assert_refused(&batch(json!({"jwt": [of(20, &first), of(20, &first)]})), "invalid_proof");
    assert_refused(&batch(json!({"jwt": []})), "invalid_proof");
    let of_another = proof_with(&site, 20, &json!({"nonce": first, "iss": "another-wallet"}));
    assert_refused(&batch(json!({ "jwt": [of_another] })), "invalid_proof");
    let elsewhere = proof_with(&site, 20, &json!({"nonce": first, "aud": "https://other.example"}));
    assert_refused(&batch(json!({ "jwt": [elsewhere] })), "invalid_proof");
    assert_refused(&batch(json!({"ldp_vp": [{}]})), "invalid_credential_request");
    let named = proof_with(&site, 21, &json!({"nonce": first, "iss": client.id}));
    assert_eq!(batch(json!({"jwt": [of(20, &first), named]})).status, StatusCode::OK);
}

#[test]
fn a_wallet_gets_nothing_that_the_traveller_did_not_agree_to() {
    let site = Site::new();
    run_world(&site.port, "keep", &super::support::operator());
    let client = wallet(&site);
    let granted = tokens(&site, &client, &[("authorization_details", &details("arena"))]);
    let ask_for = |tokens: &Value, what: Value| {
        let mut body = wanted(&site, Some(&c_nonce(&site)));
        body.as_object_mut().unwrap().remove("credential_configuration_id");
        body.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
        ask(&site, token(tokens), &body)
    };
    let identifier = |name: &str| json!({ "credential_identifier": name });
    let configuration = |name: &str| json!({ "credential_configuration_id": name });
    assert_refused(&ask_for(&granted, identifier("passport:keep")), "unknown_credential_identifier");
    assert_refused(&ask_for(&granted, identifier("passport")), "unknown_credential_identifier");
    assert_refused(&ask_for(&granted, configuration("licence")), "unknown_credential_configuration");
    assert_refused(&ask_for(&granted, json!({})), "invalid_credential_request");
    let both = json!({"credential_identifier": "passport:arena", "credential_configuration_id": "passport"});
    assert_refused(&ask_for(&granted, both), "invalid_credential_request");
    let answer = ask_for(&granted, configuration("passport"));
    let passport = answer.json["credentials"][0]["credential"].as_str().unwrap();
    assert_eq!(signed(&site, passport)["aud"], "arena", "the details say for which world");
    let encrypted = json!({"credential_identifier": "passport:arena", "credential_response_encryption": {}});
    assert_refused(&ask_for(&granted, encrypted), "invalid_encryption_parameters");
    let plain = tokens(&site, &client, &[("scope", "openid profile")]);
    let answer = ask_for(&plain, configuration("passport"));
    assert_eq!((answer.status, &answer.json["error"]), (StatusCode::FORBIDDEN, &json!("insufficient_scope")));
}

#[test]
fn passports_are_not_given_for_a_token_that_is_bound_to_no_key_or_shown_without_it() {
    let site = Site::new();
    let of_a_world = site.client(&json!({}));
    let bearer = site.tokens(&of_a_world, "passport");
    let bound = tokens(&site, &wallet(&site), &[("scope", "passport")]);
    for tokens in [bearer, bound] {
        let body = wanted(&site, Some(&c_nonce(&site)));
        let answer = site.port.post("/oauth/credential", Some(token(&tokens)), &body);
        assert_eq!(
            (answer.status, &answer.json["error"]),
            (StatusCode::UNAUTHORIZED, &json!("invalid_token"))
        );
        assert!(answer.headers.contains_key(header::WWW_AUTHENTICATE));
    }
}

#[test]
fn the_traveller_reads_which_world_the_passports_are_for_every_time() {
    let site = Site::new();
    let client = wallet(&site);
    let browser = Browser::new(&site);
    let query = query(&client, &[("authorization_details", &details("arena"))]);
    let page = browser.get(&format!("/oauth/authorize?{query}"));
    for page in [browser.sign_in(&page), {
        browser.agree(&query);
        browser.get(&format!("/oauth/authorize?{query}"))
    }] {
        assert_eq!(page.status, StatusCode::OK);
        assert!(
            page.text.contains("Passports of yours for the world <strong>arena</strong>"),
            "{}",
            page.text
        );
        assert!(
            page.text.contains("Let this wallet in?") && page.text.contains("The wallet "),
            "{}",
            page.text
        );
        assert!(!page.text.contains("operator"), "no world stands behind it: {}", page.text);
    }
}

#[test]
fn wallets_are_registered_by_the_administrator_and_have_names_of_their_own_for_travellers() {
    let site = Site::new();
    let mut unsigned = wallet_registration();
    let answer = site.send_registration(&unsigned, &super::support::operator());
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
    unsigned["dpop_bound_access_tokens"] = false.into();
    let answer = as_administrator(&site, "POST", "/v1/clients", &unsigned);
    assert_eq!((answer.status, answer.problem()), (StatusCode::UNPROCESSABLE_ENTITY, "client-unacceptable"));
    let grants = json!({"grant_types": ["authorization_code", PRE_AUTHORISED]});
    let answer = site.send_registration(&with(registration(), &grants), &super::support::operator());
    assert_eq!((answer.status, answer.problem()), (StatusCode::UNPROCESSABLE_ENTITY, "client-unacceptable"));

    let (first, second) = (wallet(&site), wallet(&site));
    let subject = |client: &Client| {
        let tokens = tokens(&site, client, &[("scope", "openid passport")]);
        let claims = claims(&site, token(&tokens), "at+jwt");
        assert!(!claims["aud"].to_string().contains("urn:vwp:world:"), "{claims}");
        claims["sub"].clone()
    };
    assert_eq!(subject(&first), subject(&first));
    assert_ne!(subject(&first), subject(&second));
    let arena = site.client(&json!({}));
    let at_arena = claims(&site, token(&site.tokens(&arena, "openid")), "at+jwt");
    assert_ne!(subject(&first), at_arena["sub"]);

    let listed = as_administrator(&site, "GET", "/v1/clients", &json!(null)).json;
    let is_listed = |client: &Client| listed["clients"].to_string().contains(&client.id);
    assert!(is_listed(&first) && is_listed(&second));
    let held = tokens(&site, &first, &[("scope", "passport")]);
    let path = format!("/v1/clients/{}", first.id);
    assert_eq!(as_administrator(&site, "DELETE", &path, &json!(null)).status, StatusCode::NO_CONTENT);
    let answer = ask(&site, token(&held), &wanted(&site, Some(&c_nonce(&site))));
    assert_error(&answer, "invalid_token");
}

#[test]
fn a_traveller_sees_the_wallets_that_have_tokens_and_ends_them() {
    let site = Site::new();
    let held = tokens(&site, &wallet(&site), &[("scope", "passport offline_access")]);
    let session = site.port.sign_in("ada", crate::support::PASSWORD).json;
    let session = session["access_token"].as_str();
    let list = site.port.get("/v1/sessions", session).json;
    let listed = list["sessions"].as_array().unwrap().iter().find(|item| item["kind"] == "wallet").unwrap();
    assert_eq!((&listed["client_name"], listed.get("world")), (&json!("Wallet"), None));
    let path = format!("/v1/sessions/{}", listed["id"].as_str().unwrap());
    assert_eq!(site.port.send("DELETE", &path, session, "").status, StatusCode::NO_CONTENT);
    let answer = ask(&site, token(&held), &wanted(&site, Some(&c_nonce(&site))));
    assert_error(&answer, "invalid_token");
}

#[test]
fn details_that_are_pushed_count_and_malformed_ones_are_refused() {
    let site = Site::new();
    let client = wallet(&site);
    let challenge = jose::encode(Sha256::digest(super::support::VERIFIER));
    let push = |details: &str| {
        let pairs = [
            ("response_type", "code"),
            ("redirect_uri", CALLBACK),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
            ("authorization_details", details),
        ];
        site.ask(&client, "/oauth/par", &pairs)
    };
    let other = |world: &str| details("arena").replace("arena", world);
    let two = format!("[{0},{0}]", details("arena").trim_matches(['[', ']']));
    let kind = details("arena").replace("openid_credential", "payment");
    for wrong in ["{}", "[]", "arena", &two, &kind, &other("not a world"), &"[".repeat(2049)] {
        assert_refused(&push(wrong), "invalid_authorization_details");
    }
    let pushed = push(&details("arena")).json["request_uri"].as_str().unwrap().to_owned();
    let query = super::support::form(&[("client_id", client.id.as_str()), ("request_uri", pushed.as_str())]);
    let code = answered(&Browser::new(&site).agree(&query), "code").unwrap();
    let proof = site.proof(&key(WALLET), "/oauth/token", &json!({}));
    let answer = site.ask_bound(&client, "/oauth/token", &redemption(&code), proof);
    assert_eq!(answer.json["authorization_details"][0]["world"], "arena", "{}", answer.text);
}

#[test]
fn the_metadata_names_the_endpoints_and_what_they_take() {
    let site = Site::new();
    let answer = site.port.get("/.well-known/openid-credential-issuer", None);
    assert_eq!(answer.status, StatusCode::OK);
    let metadata = answer.json;
    assert_eq!(metadata["credential_issuer"], ISSUER);
    assert_eq!(metadata["credential_endpoint"], format!("{ISSUER}/oauth/credential"));
    assert_eq!(metadata["nonce_endpoint"], format!("{ISSUER}/oauth/nonce"));
    assert_eq!(metadata["batch_credential_issuance"]["batch_size"], 32);
    let passport = &metadata["credential_configurations_supported"]["passport"];
    assert_eq!((&passport["format"], &passport["vct"]), (&json!("dc+sd-jwt"), &json!("urn:vwp:passport:1")));
    let provider = site.port.get("/.well-known/oauth-authorization-server", None).json;
    assert!(provider["scopes_supported"].as_array().unwrap().contains(&passport["scope"]));
    assert_eq!(provider["authorization_details_types_supported"], json!(["openid_credential"]));
    assert_eq!(site.port.get("/oauth/nonce", None).status, StatusCode::METHOD_NOT_ALLOWED);
}

//! Worlds that ask for passports, and wallets that answer (OpenID4VP 1.0).

use super::support::{
    CALLBACK, Client, Site, answered, as_administrator, assert_error, claims, form, operator, registration,
    run_world, with,
};
use crate::data::everything;
use crate::support::{Answer, ISSUER, PASSWORD, bind, key};
use http::{Request, StatusCode, header};
use p256::ecdsa::SigningKey;
use serde_json::{Value, json};
use vwp_auth::sd_jwt;
use vwp_core::jose::{self, Jwk, Unverified};

/// The seed of the traveller's key in the wallet.
const HOLDER: u8 = 30;
const START: &str = "/oauth/presentations";
const RESULT: &str = "/oauth/presentations/result";
pub(super) const RESPONSE: &str = "/oauth/presentations/response";

fn holder() -> SigningKey {
    key(HOLDER)
}

/// A query for one passport with claims.
fn query(names: &[&str]) -> String {
    let claims: Vec<Value> = names.iter().map(|name| json!({ "path": [name] })).collect();
    let meta = json!({ "vct_values": ["urn:vwp:passport:1"] });
    let credential = json!({"id": "pass", "format": "dc+sd-jwt", "meta": meta, "claims": claims});
    json!({ "credentials": [credential] }).to_string()
}

pub(super) fn start(site: &Site, client: &Client, more: &[(&str, &str)]) -> Answer {
    let handle = query(&["handle"]);
    let mut pairs = vec![("dcql_query", handle.as_str())];
    pairs.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    pairs.extend(more);
    site.ask(client, START, &pairs)
}

/// What a world is told of a transaction that it begins; it asks for the handle.
pub(super) fn begin(site: &Site, client: &Client, more: &[(&str, &str)]) -> Value {
    let answer = start(site, client, more);
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    answer.json
}

pub(super) fn path_of(begun: &Value) -> String {
    begun["request_uri"].as_str().unwrap().strip_prefix(ISSUER).unwrap().to_owned()
}

/// What a wallet reads.
pub(super) fn request(site: &Site, begun: &Value) -> Value {
    let answer = site.port.get(&path_of(begun), None);
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/oauth-authz-req+jwt");
    claims(site, &answer.text, "oauth-authz-req+jwt")
}

/// A passport of ada's with all its disclosures.
fn passport(site: &Site, world: Option<&str>) -> String {
    let session = site.port.sign_in("ada", PASSWORD).json["access_token"].as_str().unwrap().to_owned();
    let mut order = json!({ "proof": site.port.proof(&holder()) });
    if let Some(world) = world {
        order["world"] = world.into();
    }
    let issued = site.port.post("/v1/passports", Some(&session), &order);
    assert_eq!(issued.status, StatusCode::OK, "{}", issued.text);
    issued.json["passport"].as_str().unwrap().to_owned()
}

/// The passport with the disclosures of these claims alone.
fn disclosing(passport: &str, names: &[&str]) -> String {
    let mut parts = passport.trim_end_matches('~').split('~');
    let mut disclosed = format!("{}~", parts.next().unwrap());
    for part in parts {
        let disclosure: Value = serde_json::from_slice(&jose::decode(part).unwrap()).unwrap();
        if names.contains(&disclosure[1].as_str().unwrap()) {
            disclosed.push_str(part);
            disclosed.push('~');
        }
    }
    disclosed
}

/// Shows a passport to who asked; `more` goes over the claims of the key binding.
fn shown(site: &Site, asked: &Value, disclosed: &str, more: &Value) -> String {
    let binding = json!({"iat": site.port.now() / 1000, "aud": asked["client_id"], "nonce": asked["nonce"],
        "sd_hash": sd_jwt::digest(disclosed)});
    bind(disclosed, &holder(), &with(binding, more))
}

fn vp_token(presentation: &str) -> String {
    json!({ "pass": [presentation] }).to_string()
}

/// The answer of a wallet that shows a copy for the arena.
pub(super) fn token_for(site: &Site, asked: &Value, names: &[&str]) -> String {
    let disclosed = disclosing(&passport(site, Some("arena")), names);
    vp_token(&shown(site, asked, &disclosed, &json!({})))
}

/// The request with which a wallet answers.
pub(super) fn answering(asked: &Value, pairs: &[(&str, &str)]) -> Request<Vec<u8>> {
    let mut pairs = pairs.to_vec();
    pairs.push(("state", asked["state"].as_str().unwrap()));
    posting(RESPONSE, &form(&pairs))
}

pub(super) fn posting(path: &str, form: &str) -> Request<Vec<u8>> {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    request.body(form.as_bytes().to_vec()).unwrap()
}

pub(super) fn answer(site: &Site, asked: &Value, pairs: &[(&str, &str)]) -> Answer {
    site.port.answer(answering(asked, pairs))
}

pub(super) fn result(site: &Site, client: &Client, begun: &Value, more: &[(&str, &str)]) -> Answer {
    let mut pairs = vec![("transaction_id", begun["transaction_id"].as_str().unwrap())];
    pairs.extend(more);
    site.ask(client, RESULT, &pairs)
}

/// Requires that an answer is refused, and that the world is told why.
#[track_caller]
fn refused(make: impl Fn(&Site, &Value) -> String, reason: &str) {
    let site = Site::new();
    let client = site.client(&json!({}));
    let begun = begin(&site, &client, &[]);
    let asked = request(&site, &begun);
    let token = make(&site, &asked);
    assert_error(&answer(&site, &asked, &[("vp_token", &token)]), "invalid_request");
    let good = token_for(&site, &asked, &["handle"]);
    assert_error(&answer(&site, &asked, &[("vp_token", &good)]), "invalid_request");
    let told = result(&site, &client, &begun, &[]);
    assert_eq!((told.status, &told.json["status"]), (StatusCode::OK, &json!("refused")), "{}", told.text);
    assert_eq!(told.json["reason"], reason, "{}", told.text);
    assert!(told.json.get("credentials").is_none());
}

#[test]
fn a_world_gets_what_it_asked_for_from_a_wallet_on_another_device() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let begun = begin(&site, &client, &[]);
    let link = begun["link"].as_str().unwrap();
    assert!(link.starts_with("openid4vp://?"), "{link}");
    assert_eq!(answered(link, "request_uri").as_deref(), begun["request_uri"].as_str());
    assert_eq!(answered(link, "client_id").as_deref(), begun["client_id"].as_str());
    assert_eq!(answered(link, "request_uri_method").as_deref(), Some("post"));
    assert!(!begun["request_uri"].to_string().contains(begun["transaction_id"].as_str().unwrap()));

    let asked = request(&site, &begun);
    assert_eq!(asked["client_id"], begun["client_id"]);
    assert_eq!(
        (&asked["response_type"], &asked["response_mode"]),
        (&json!("vp_token"), &json!("direct_post"))
    );
    assert_eq!(asked["response_uri"], format!("{ISSUER}{RESPONSE}"));
    assert_eq!(asked["dcql_query"], serde_json::from_str::<Value>(&query(&["handle"])).unwrap());
    let waiting = result(&site, &client, &begun, &[]);
    assert_eq!((waiting.status, &waiting.json["status"]), (StatusCode::ACCEPTED, &json!("pending")));

    let taken = answer(&site, &asked, &[("vp_token", &token_for(&site, &asked, &["handle"]))]);
    assert_eq!((taken.status, &taken.json), (StatusCode::OK, &json!({})), "{}", taken.text);
    let told = result(&site, &client, &begun, &[]);
    assert_eq!((told.status, &told.json["status"]), (StatusCode::OK, &json!("presented")), "{}", told.text);
    assert_eq!(told.headers[header::CACHE_CONTROL], "no-store");
    let pass = &told.json["credentials"]["pass"][0];
    assert_eq!((&pass["claims"], &pass["issuer"]), (&json!({"handle": "ada"}), &json!(ISSUER)));
    assert_eq!(pass["holder"], Jwk::from_key(holder().verifying_key()).thumbprint());
    assert!(pass["subject"].as_str().is_some_and(|subject| subject != site.ada), "a name for this world");
    assert_error(&result(&site, &client, &begun, &[]), "invalid_grant");
}

#[test]
fn on_the_same_device_the_result_is_for_whom_the_browser_brings_the_code() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let begun = begin(&site, &client, &[("redirect_uri", CALLBACK)]);
    let asked = request(&site, &begun);
    assert!(asked.get("redirect_uri").is_none(), "section 8.2: not beside response_uri");
    let taken = answer(&site, &asked, &[("vp_token", &token_for(&site, &asked, &["handle"]))]);
    let back = taken.json["redirect_uri"].as_str().unwrap();
    assert!(back.starts_with(CALLBACK), "{back}");
    let code = answered(back, "response_code").unwrap();
    assert!(code.len() >= 43);
    assert_error(&result(&site, &client, &begun, &[]), "invalid_grant");
    assert_error(&result(&site, &client, &begun, &[("response_code", "guessed")]), "invalid_grant");
    let told = result(&site, &client, &begun, &[("response_code", &code)]);
    assert_eq!(told.json["status"], "presented", "{}", told.text);
    let elsewhere = start(&site, &client, &[("redirect_uri", "https://evil.example/")]);
    assert_error(&elsewhere, "invalid_request");
}

#[test]
fn the_request_is_signed_by_a_key_of_the_worlds_did_and_carries_the_wallets_nonce() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let begun = begin(&site, &client, &[]);
    let posted = site.port.answer(posting(&path_of(&begun), "wallet_nonce=w-1&wallet_metadata=%7B%7D&x=y"));
    assert_eq!(posted.status, StatusCode::OK, "{}", posted.text);
    let did = "did:web:port.example:oauth:verifiers:arena";
    let document = site.port.get("/oauth/verifiers/arena/did.json", None);
    assert_eq!((document.status, &document.json["id"]), (StatusCode::OK, &json!(did)));
    assert!(document.json.get("assertionMethod").is_none(), "no world is an issuer");
    let token = Unverified::parse(&posted.text, "oauth-authz-req+jwt").unwrap();
    let methods = document.json["verificationMethod"].as_array().unwrap();
    let kid = token.header.kid.clone().unwrap();
    let method = methods.iter().find(|method| method["id"] == kid.as_str()).unwrap();
    assert_eq!((&method["controller"], &document.json["authentication"][0]), (&json!(did), &method["id"]));
    let jwk: Jwk = serde_json::from_value(method["publicKeyJwk"].clone()).unwrap();
    let asked: Value = serde_json::from_slice(&token.verify(&jwk.to_key().unwrap()).unwrap()).unwrap();
    assert_eq!((&asked["wallet_nonce"], &asked["aud"]), (&json!("w-1"), &json!("https://self-issued.me/v2")));
    assert_eq!(asked["client_id"], format!("decentralized_identifier:{did}"));
    assert!(request(&site, &begun).get("wallet_nonce").is_none());
    for missing in ["/oauth/verifiers/none/did.json", "/oauth/verifiers/arena", "/oauth/verifiers/"] {
        assert_eq!(site.port.get(missing, None).status, StatusCode::NOT_FOUND, "{missing}");
    }
    let long = format!("wallet_nonce={}", "n".repeat(257));
    assert_error(&site.port.answer(posting(&path_of(&begun), &long)), "invalid_request");
}

#[test]
fn a_state_and_a_presentation_are_good_once() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let (begun, other) = (begin(&site, &client, &[]), begin(&site, &client, &[]));
    let (asked, another) = (request(&site, &begun), request(&site, &other));
    assert_ne!((&asked["state"], &asked["nonce"]), (&another["state"], &another["nonce"]));
    let token = token_for(&site, &asked, &["handle"]);
    assert_eq!(answer(&site, &asked, &[("vp_token", &token)]).status, StatusCode::OK);
    assert_error(&answer(&site, &asked, &[("vp_token", &token)]), "invalid_request");
    assert_eq!(site.port.get(&path_of(&begun), None).status, StatusCode::NOT_FOUND);
    // Shown again to the same world in another transaction, by somebody who overheard it.
    assert_error(&answer(&site, &another, &[("vp_token", &token)]), "invalid_request");
    assert_eq!(result(&site, &client, &other, &[]).json["reason"], "nonce-mismatch");
    assert_eq!(result(&site, &client, &begun, &[]).json["status"], "presented");
}

#[test]
fn a_presentation_for_another_audience_or_nonce_or_without_a_key_binding_is_refused() {
    let showing = |more: Value| {
        move |site: &Site, asked: &Value| {
            let disclosed = disclosing(&passport(site, Some("arena")), &["handle"]);
            vp_token(&shown(site, asked, &disclosed, &more))
        }
    };
    refused(showing(json!({"aud": "arena"})), "audience-mismatch");
    refused(showing(json!({"aud": "did:web:port.example:oauth:verifiers:arena"})), "audience-mismatch");
    let rival = "decentralized_identifier:did:web:port.example:oauth:verifiers:lagoon";
    refused(showing(json!({"aud": rival})), "audience-mismatch");
    refused(showing(json!({"nonce": "another"})), "nonce-mismatch");
    refused(showing(json!({"sd_hash": "another"})), "key-binding-hash");
    refused(showing(json!({"iat": 1})), "presentation-not-current");
    refused(
        |site, _| vp_token(&disclosing(&passport(site, Some("arena")), &["handle"])),
        "key-binding-missing",
    );
    refused(|_, _| "not a token".to_owned(), "vp-token-malformed");
    refused(|_, _| json!({"other": ["x"]}).to_string(), "vp-token-malformed");
}

#[test]
fn an_answer_that_lacks_what_was_asked_for_is_refused() {
    refused(|site, asked| token_for(site, asked, &[]), "presentation-unmatched");
    refused(|_, _| "{}".to_owned(), "query-unsatisfied");
}

#[test]
fn a_copy_for_another_world_is_refused_and_one_for_any_world_is_not() {
    refused(
        |site, asked| {
            let disclosed = disclosing(&passport(site, Some("lagoon")), &["handle"]);
            vp_token(&shown(site, asked, &disclosed, &json!({})))
        },
        "passport-audience",
    );
    let site = Site::new();
    let client = site.client(&json!({}));
    let begun = begin(&site, &client, &[]);
    let asked = request(&site, &begun);
    let disclosed = disclosing(&passport(&site, None), &["handle"]);
    let token = vp_token(&shown(&site, &asked, &disclosed, &json!({})));
    assert_eq!(answer(&site, &asked, &[("vp_token", &token)]).status, StatusCode::OK);
    assert_eq!(result(&site, &client, &begun, &[]).json["credentials"]["pass"][0]["subject"], Value::Null);
}

#[test]
fn passports_of_two_travellers_do_not_make_one_answer() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let mut several: Value = serde_json::from_str(&query(&["handle"])).unwrap();
    several["credentials"][0]["multiple"] = true.into();
    let begun = begin(&site, &client, &[("dcql_query", &several.to_string())]);
    let asked = request(&site, &begun);
    let grace = site.port.arrive("grace");
    let other = key(HOLDER + 1);
    let disclosed = disclosing(&site.port.passport(&grace, &other), &["handle"]);
    let binding = json!({"iat": site.port.now() / 1000, "aud": asked["client_id"], "nonce": asked["nonce"],
        "sd_hash": sd_jwt::digest(&disclosed)});
    let graces = bind(&disclosed, &other, &binding);
    let adas = shown(&site, &asked, &disclosing(&passport(&site, None), &["handle"]), &json!({}));
    let token = json!({ "pass": [adas, graces] }).to_string();
    assert_error(&answer(&site, &asked, &[("vp_token", &token)]), "invalid_request");
    assert_eq!(result(&site, &client, &begun, &[]).json["reason"], "several-travellers");
}

#[test]
fn a_passport_that_was_revoked_is_refused() {
    refused(
        |site, asked| {
            let token = token_for(site, asked, &["handle"]);
            let path = format!("/v1/passports/issued?traveller={}", site.ada);
            assert_eq!(as_administrator(site, "DELETE", &path, &json!({})).status, StatusCode::OK);
            token
        },
        "passport-revoked",
    );
}

#[test]
fn a_world_is_not_told_what_it_did_not_ask_for() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let begun = begin(&site, &client, &[]);
    let asked = request(&site, &begun);
    let disclosed = disclosing(&passport(&site, None), &["handle", "traveller"]);
    let token = vp_token(&shown(&site, &asked, &disclosed, &json!({})));
    assert_eq!(answer(&site, &asked, &[("vp_token", &token)]).status, StatusCode::OK);
    let told = result(&site, &client, &begun, &[]);
    assert_eq!(told.json["credentials"]["pass"][0]["claims"], json!({"handle": "ada"}));
    assert!(!told.text.contains(&site.ada), "{}", told.text);
}

#[test]
fn a_late_answer_is_not_taken_and_a_result_ends_with_its_transaction() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let (begun, other) = (begin(&site, &client, &[]), begin(&site, &client, &[]));
    assert_eq!(begun["expires_in"], 240);
    let (asked, another) = (request(&site, &begun), request(&site, &other));
    site.port.advance_s(239);
    let token = token_for(&site, &asked, &["handle"]);
    assert_eq!(answer(&site, &asked, &[("vp_token", &token)]).status, StatusCode::OK);
    site.port.advance_s(1);
    let token = token_for(&site, &another, &["handle"]);
    assert_error(&answer(&site, &another, &[("vp_token", &token)]), "invalid_request");
    assert_eq!(site.port.get(&path_of(&other), None).status, StatusCode::NOT_FOUND);
    assert_eq!(result(&site, &client, &other, &[]).status, StatusCode::ACCEPTED);
    site.port.advance_s(60);
    for begun in [&begun, &other] {
        assert_error(&result(&site, &client, begun, &[]), "invalid_grant");
    }
}

#[test]
fn a_wallet_that_says_no_is_understood() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let begun = begin(&site, &client, &[("redirect_uri", CALLBACK)]);
    let asked = request(&site, &begun);
    assert_error(&answer(&site, &asked, &[("error", "No, <script>")]), "invalid_request");
    assert_error(&answer(&site, &asked, &[]), "invalid_request");
    assert_error(
        &answer(&site, &asked, &[("error", "access_denied"), ("vp_token", "{}")]),
        "invalid_request",
    );
    assert_error(&answer(&site, &asked, &[("response", "e.n.c.r.y")]), "invalid_request");
    let said = answer(&site, &asked, &[("error", "access_denied"), ("error_description", "no")]);
    assert_eq!(said.status, StatusCode::OK, "{}", said.text);
    let code = answered(said.json["redirect_uri"].as_str().unwrap(), "response_code").unwrap();
    assert_error(&answer(&site, &asked, &[("error", "access_denied")]), "invalid_request");
    let told = result(&site, &client, &begun, &[("response_code", &code)]);
    assert_eq!(told.json, json!({"status": "declined", "error": "access_denied"}));
}

#[test]
fn what_is_too_long_is_not_read() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let asked = request(&site, &begin(&site, &client, &[]));
    let long = "a".repeat(196_608);
    assert_eq!(answer(&site, &asked, &[("vp_token", &long)]).status, StatusCode::PAYLOAD_TOO_LARGE);
    let nobody = json!({"state": "a".repeat(10_000)});
    assert_error(&answer(&site, &nobody, &[("vp_token", "{}")]), "invalid_request");
    let query = " ".repeat(16_385);
    assert_error(&start(&site, &client, &[("dcql_query", &query)]), "invalid_request");
    let body = Request::post(RESPONSE).header(header::CONTENT_TYPE, "application/json");
    let answer = site.port.answer(body.body(b"{}".to_vec()).unwrap());
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    // Nothing of this was an answer.
    assert_eq!(self::answer(&site, &asked, &[("error", "access_denied")]).status, StatusCode::OK);
}

#[test]
fn worlds_that_prove_who_they_are_ask_and_nobody_else_gets_the_result() {
    let site = Site::new();
    run_world(&site.port, "lagoon", &operator());
    let client = site.client(&json!({}));
    let public = site.public_client(&json!({}));
    assert_error(&start(&site, &public, &[]), "invalid_client");
    let nobody = Client { id: "nobody".into(), key: None };
    assert_error(&start(&site, &nobody, &[]), "invalid_client");
    let body = with(registration(), &json!({"dpop_bound_access_tokens": true}));
    let mut wallet = body;
    wallet.as_object_mut().unwrap().remove("world");
    let made = as_administrator(&site, "POST", "/v1/clients", &wallet);
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let wallet = Client { id: made.json["client_id"].as_str().unwrap().to_owned(), key: Some(key(2)) };
    assert_error(&start(&site, &wallet, &[]), "unauthorized_client");
    for bad in ["", "{}", "[]", r#"{"credentials":[{"id":"a","format":"mso_mdoc","meta":{}}]}"#] {
        assert_error(&start(&site, &client, &[("dcql_query", bad)]), "invalid_request");
    }

    let begun = begin(&site, &client, &[]);
    let asked = request(&site, &begun);
    let token = token_for(&site, &asked, &["handle"]);
    assert_eq!(answer(&site, &asked, &[("vp_token", &token)]).status, StatusCode::OK);
    let others = [json!({"client_name": "Another"}), json!({"world": "lagoon"})];
    for other in others.map(|more| site.client(&more)) {
        assert_error(&result(&site, &other, &begun, &[]), "invalid_grant");
    }
    let state = with(begun.clone(), &json!({"transaction_id": asked["state"]}));
    assert_error(&result(&site, &client, &state, &[]), "invalid_grant");
    assert_eq!(result(&site, &client, &begun, &[]).json["status"], "presented");
}

#[test]
fn a_world_has_so_many_transactions_and_no_more() {
    let site = Site::new();
    let client = site.client(&json!({}));
    for _ in 0..512 {
        begin(&site, &client, &[]);
    }
    let answer = start(&site, &client, &[]);
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{}", answer.text);
    site.port.advance_s(300);
    begin(&site, &client, &[]);
}

#[test]
fn the_traveller_reads_who_was_shown_what_and_an_erasure_leaves_no_result() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let begun = begin(&site, &client, &[]);
    let asked = request(&site, &begun);
    let token = token_for(&site, &asked, &["handle"]);
    assert_eq!(answer(&site, &asked, &[("vp_token", &token)]).status, StatusCode::OK);
    let kept = everything(&site.port);
    let kept = kept.iter().find(|text| text.contains("openid4vp/transaction")).unwrap();
    let id = begun["transaction_id"].as_str().unwrap();
    for secret in [id, asked["state"].as_str().unwrap(), "\"ada\"", &token] {
        assert!(!kept.contains(secret), "{secret}");
    }
    let session = site.port.sign_in("ada", PASSWORD).json["access_token"].as_str().unwrap().to_owned();
    let log = site.port.get("/v1/travellers/me/audit", Some(&session)).text;
    assert!(log.contains("passport-presented") && log.contains("arena"), "{log}");
    let export = site.port.get("/v1/travellers/me/export", Some(&session));
    let exported = &export.json["records"]["presentations"][0]["record"];
    assert_eq!((&exported["world"], exported.get("outcome")), (&json!("arena"), None), "{}", export.text);
    let body = json!({ "password": PASSWORD }).to_string();
    let erased = site.port.send("DELETE", "/v1/travellers/me", Some(&session), &body);
    assert_eq!(erased.status, StatusCode::NO_CONTENT, "{}", erased.text);
    assert_error(&result(&site, &client, &begun, &[]), "invalid_grant");
}

//! What a traveller may ask for: everything, and nothing any more.

use crate::support::{ADMIN, PASSWORD, Port, key};
use futures::executor::block_on;
use http::StatusCode;
use serde_json::{Value, json};
use vwp_auth::data::{erase, quarantine};
use vwp_core::directory;
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, KeyRange, Write};

const HANDLE: &str = "Ada.Lovelace";

fn id_of(port: &Port, token: &str) -> String {
    port.get("/v1/travellers/me", Some(token)).json["traveller"].as_str().unwrap().to_owned()
}

fn erase(port: &Port, token: &str) -> StatusCode {
    let body = json!({ "password": PASSWORD }).to_string();
    port.send("DELETE", "/v1/travellers/me", Some(token), &body).status
}

/// Everything that the store holds, keys and values, as text.
pub(crate) fn everything(port: &Port) -> Vec<String> {
    let mut range = KeyRange { start: vec![0], end: vec![255; 64] };
    let mut all = Vec::new();
    loop {
        let page = block_on(port.store.scan(&range, 1000, Direction::Forward)).unwrap();
        all.extend(page.items.iter().map(|item| {
            format!("{} = {}", String::from_utf8_lossy(&item.key), String::from_utf8_lossy(&item.entry.value))
        }));
        match page.next {
            Some(next) => range = next,
            None => return all,
        }
    }
}

#[test]
fn an_export_has_everything_but_secrets() {
    let port = Port::new();
    let token = port.arrive(HANDLE);
    port.passport(&token, &key(1));
    let answer = port.get("/v1/travellers/me/export", Some(&token));
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.headers["content-disposition"], "attachment; filename=\"traveller.json\"");
    assert_eq!(answer.json["traveller"], id_of(&port, &token));
    assert_eq!(answer.json["records"]["account"][0]["record"]["handle"], HANDLE);
    assert_eq!(answer.json["records"]["sessions"].as_array().unwrap().len(), 1);
    let happened: Vec<&Value> =
        answer.json["audit"].as_array().unwrap().iter().map(|entry| &entry["kind"]).collect();
    assert_eq!(happened, ["data-exported", "passport-issued", "signed-in", "signed-up"]);
    assert!(!answer.text.contains("argon2") && !answer.text.contains(&token));
}

#[test]
fn an_export_has_nothing_of_others_and_everything_of_a_long_log() {
    let port = Port::new();
    port.arrive("grace");
    let token = port.arrive(HANDLE);
    for _ in 0..150 {
        port.passport(&token, &key(1));
    }
    let answer = port.get("/v1/travellers/me/export", Some(&token));
    assert_eq!(answer.json["audit"].as_array().unwrap().len(), 153);
    assert_eq!(answer.json["records"]["sessions"].as_array().unwrap().len(), 1);
    assert!(!answer.text.contains("grace"));
}

#[test]
fn an_export_is_made_once_a_minute_and_for_the_traveller_alone() {
    let port = Port::new();
    let token = port.arrive(HANDLE);
    assert_eq!(port.get("/v1/travellers/me/export", Some(&token)).status, StatusCode::OK);
    let again = port.get("/v1/travellers/me/export", Some(&token));
    assert_eq!((again.status, again.problem()), (StatusCode::TOO_MANY_REQUESTS, "exported-recently"));
    assert_eq!(again.headers["retry-after"], "60");
    port.advance_s(60);
    assert_eq!(port.get("/v1/travellers/me/export", Some(&token)).status, StatusCode::OK);
    assert_eq!(port.get("/v1/travellers/me/export", None).status, StatusCode::UNAUTHORIZED);
    assert_eq!(port.get("/v1/travellers/me/export", Some(ADMIN)).status, StatusCode::FORBIDDEN);
}

#[test]
fn after_an_erasure_nothing_in_the_store_leads_to_the_person() {
    let port = Port::new();
    let token = port.arrive(HANDLE);
    let id = id_of(&port, &token);
    port.passport(&token, &key(1));
    port.sign_in(HANDLE, "not the password");
    let handle = port.sign_in(HANDLE, PASSWORD);
    assert_eq!(handle.status, StatusCode::OK);
    port.get("/v1/travellers/me/export", Some(&token));
    port.send("POST", "/v1/audit/anchors", Some(ADMIN), "");
    assert_eq!(erase(&port, &token), StatusCode::NO_CONTENT);
    let folded = HANDLE.to_lowercase();
    let hashed = vwp_core::jose::encode(sha2_of(&folded));
    for line in everything(&port) {
        for personal in [HANDLE, &folded, "Ada", "argon2", PASSWORD, "\"method\"", &hashed] {
            assert!(!line.contains(personal), "{personal} is in {line}");
        }
        let is_log = line.starts_with("auth/audit/");
        let is_note = line.starts_with(&format!("directory/erased-traveller/{id}"))
            || line.starts_with(&format!("auth/exported/{id}"));
        assert!(!line.contains(&id) || is_log || is_note, "{line}");
    }
}

fn sha2_of(text: &str) -> Vec<u8> {
    use sha2::Digest;
    sha2::Sha256::digest(text.as_bytes()).to_vec()
}

#[test]
fn after_an_erasure_no_session_works_in_any_component_and_nobody_signs_in() {
    let port = Port::new();
    let token = port.arrive(HANDLE);
    let other = port.sign_in(HANDLE, PASSWORD).json["access_token"].as_str().unwrap().to_owned();
    let id = id_of(&port, &token);
    assert_eq!(erase(&port, &token), StatusCode::NO_CONTENT);
    for _ in 0..2 {
        for token in [&token, &other] {
            let mut headers = http::HeaderMap::new();
            headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
            let environment = port.environment();
            let caller = vwp_core::caller::authenticate(&port.store, &headers, &environment);
            assert_eq!(block_on(caller).unwrap_err().status, StatusCode::UNAUTHORIZED);
        }
        port.advance_s(3000);
    }
    assert_eq!(port.sign_in(HANDLE, PASSWORD).status, StatusCode::UNAUTHORIZED);
    assert!(block_on(port.store.get(&directory::traveller_key(&id))).unwrap().is_none());
}

#[test]
fn what_others_need_stays_and_the_chain_stays_whole() {
    let port = Port::new();
    let token = port.arrive(HANDLE);
    let id = id_of(&port, &token);
    let anchored = port.send("POST", "/v1/audit/anchors", Some(ADMIN), "").json;
    assert_eq!(erase(&port, &token), StatusCode::NO_CONTENT);
    let chain = port.get(&format!("/v1/audit/chains/traveller:{id}"), Some(ADMIN)).json;
    assert_eq!((&chain["broken"], &chain["entries"], &chain["erased"]), (&Value::Null, &json!(3), &json!(3)));
    let page = port.get(&format!("/v1/audit/chains/traveller:{id}/entries"), Some(ADMIN)).json;
    assert_eq!(
        (&page["entries"][0]["kind"], &page["entries"][0]["detail"]),
        (&json!("data-erased"), &Value::Null)
    );
    let noted = port.get(&format!("/v1/audit/anchors/{}", anchored["head"]["seq"]), Some(ADMIN)).json;
    assert_eq!(noted["broken"], json!([]));
}

#[test]
fn a_handle_is_nobodys_for_a_while_and_then_anybodys() {
    let mut port = Port::new();
    let token = port.arrive(HANDLE);
    assert_eq!(erase(&port, &token), StatusCode::NO_CONTENT);
    assert_eq!(port.sign_up("ada.lovelace").problem(), "handle-taken");
    // Nor does replacing the master key set it free.
    port.settings.master_key_previous = Some(port.settings.master_key);
    port.settings.master_key = [9; 32];
    assert_eq!(port.sign_up(HANDLE).problem(), "handle-taken");
    port.advance_s(quarantine::LIFETIME_MS / 1000);
    let again = port.sign_up(HANDLE);
    assert_eq!(again.status, StatusCode::CREATED, "{}", again.text);
}

#[test]
fn an_erasure_needs_the_password_or_a_recent_session() {
    let port = Port::new();
    let token = port.arrive(HANDLE);
    let wrong = json!({ "password": "a guess" }).to_string();
    let refused = port.send("DELETE", "/v1/travellers/me", Some(&token), &wrong);
    assert_eq!((refused.status, refused.problem()), (StatusCode::UNAUTHORIZED, "wrong-credentials"));
    port.advance_s(erase::RECENT_MS / 1000 + 1);
    let late = port.send("DELETE", "/v1/travellers/me", Some(&token), "");
    assert_eq!((late.status, late.problem()), (StatusCode::UNAUTHORIZED, "sign-in-again"));
    assert_eq!(port.get("/v1/travellers/me", Some(&token)).status, StatusCode::OK);
    let fresh = port.sign_in(HANDLE, PASSWORD).json["access_token"].as_str().unwrap().to_owned();
    assert_eq!(port.send("DELETE", "/v1/travellers/me", Some(&fresh), "").status, StatusCode::NO_CONTENT);
    assert_eq!(port.send("DELETE", "/v1/travellers/me", None, "").status, StatusCode::UNAUTHORIZED);
    assert_eq!(port.send("DELETE", "/v1/travellers/me", Some(ADMIN), "").status, StatusCode::FORBIDDEN);
}

#[test]
fn a_stolen_session_does_not_get_to_guess_the_password() {
    let port = Port::new();
    let token = port.arrive(HANDLE);
    port.advance_s(erase::RECENT_MS / 1000 + 1);
    let wrong = json!({ "password": "a guess" }).to_string();
    let guesses: Vec<StatusCode> =
        (0..6).map(|_| port.send("DELETE", "/v1/travellers/me", Some(&token), &wrong).status).collect();
    assert_eq!(guesses.last(), Some(&StatusCode::TOO_MANY_REQUESTS));
    let page = port.get("/v1/travellers/me/audit", Some(&token)).json;
    assert_eq!(page["entries"][0]["kind"], "sign-in-failed", "and the traveller sees it");
}

#[test]
fn an_erasure_that_was_interrupted_is_finished_later() {
    let port = Port::new();
    let token = port.arrive(HANDLE);
    let id = id_of(&port, &token);
    assert_eq!(erase(&port, &token), StatusCode::NO_CONTENT);
    // As if the port had stopped right after the decision.
    let detail = format!("auth/audit/detail/traveller:{id}/{:016x}", 1);
    let writes = [Write::put(format!("auth/erasing/{id}"), []), Write::put(detail.clone(), "{}")];
    block_on(port.store.commit(&[], &writes)).unwrap();
    port.send("POST", "/v1/audit/anchors", Some(ADMIN), "");
    let left = block_on(port.store.get_many(&[detail.into(), format!("auth/erasing/{id}").into()])).unwrap();
    assert_eq!(left, [None, None]);
}

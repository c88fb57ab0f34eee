//! What strangers can and cannot do to others, and to the port.

use crate::clients::{Client, Meeting};
use crate::support::{PASSWORD, Port};
use futures::executor::block_on;
use futures::future::join_all;
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use vwp_auth::AuthError;
use vwp_auth::limits::{self, Charge, Rule};

const HOME: &str = "192.0.2.7";
const ELSEWHERE: &str = "198.51.100.7";

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

#[test]
fn a_stranger_who_fails_shuts_out_the_own_network_and_nobody_else() {
    let port = Port::new();
    port.sign_up("ada");
    Client::at(&port, ELSEWHERE).fail_until_told_to_wait("ada");
    // Another address of the same network is the same stranger.
    let neighbour = Client::at(&port, "198.51.100.200");
    assert_eq!(neighbour.sign_in("ada", PASSWORD).problem(), "too-many-attempts");
    // The owner has never been at home, as far as the port knows.
    assert_eq!(Client::at(&port, HOME).sign_in("ada", PASSWORD).status, StatusCode::OK);
}

#[test]
fn the_owners_device_is_let_in_from_the_network_in_which_a_stranger_fails() {
    let port = Port::new();
    port.sign_up("ada");
    let laptop = Client::at(&port, HOME);
    laptop.token("ada");
    Client::at(&port, ELSEWHERE).fail_until_told_to_wait("ada");
    let visiting = laptop.moved_to(ELSEWHERE);
    assert_eq!(visiting.sign_in("ada", PASSWORD).status, StatusCode::OK);
    // It is no way around the limit: its own failures count.
    visiting.fail_until_told_to_wait("ada");
    assert_eq!(visiting.sign_in("ada", PASSWORD).problem(), "too-many-attempts");
}

#[test]
fn a_device_of_one_traveller_is_a_stranger_to_another() {
    let port = Port::new();
    port.sign_up("ada");
    port.sign_up("eve");
    let eves = Client::at(&port, ELSEWHERE);
    eves.token("eve");
    Client::at(&port, ELSEWHERE).fail_until_told_to_wait("ada");
    assert_eq!(eves.sign_in("ada", PASSWORD).problem(), "too-many-attempts");
}

#[test]
fn strangers_in_many_networks_share_their_guesses_and_known_networks_do_not() {
    let port = Port::new();
    port.sign_up("ada");
    Client::at(&port, HOME).token("ada");
    let mut looked_at = 0;
    for network in 0..60 {
        let stranger = Client::at(&port, &format!("203.0.{network}.1"));
        for _ in 0..5 {
            looked_at +=
                u32::from(stranger.sign_in("ada", "not the password").problem() == "wrong-credentials");
        }
    }
    assert_eq!(looked_at, 99, "the owner's first sign-in was a stranger's too");
    let newcomer = Client::at(&port, "203.0.113.1").sign_in("ada", PASSWORD);
    assert_eq!(newcomer.problem(), "too-many-attempts");
    assert_eq!(Client::at(&port, "192.0.2.99").sign_in("ada", PASSWORD).status, StatusCode::OK);
    port.advance_s(600);
    let newcomer = Client::at(&port, "203.0.113.1").sign_in("ada", PASSWORD);
    assert_eq!(newcomer.status, StatusCode::OK, "{}", newcomer.text);
}

#[test]
fn a_recovery_code_and_a_password_are_guessed_under_one_limit() {
    let port = Port::new();
    port.sign_up("ada");
    let stranger = Client::at(&port, ELSEWHERE);
    for _ in 0..5 {
        let body = json!({ "handle": "ada", "code": "0000-0000-0000-0000" });
        assert_eq!(stranger.post("/v1/recovery/sessions", None, &body).problem(), "wrong-recovery-code");
    }
    assert_eq!(stranger.sign_in("ada", PASSWORD).problem(), "too-many-attempts");
    let asked = stranger.post("/v1/recovery/requests", None, &json!({ "handle": "ada" }));
    assert_eq!(asked.problem(), "too-many-attempts");
}

#[test]
fn a_network_that_hashes_too_much_is_told_when_to_come_back() {
    let port = Port::new();
    let client = Client::at(&port, ELSEWHERE);
    // Handles that nobody has, each a few times: no account is guessed at often.
    let mut refused = None;
    for number in 0..100 {
        let answer = client.sign_in(&format!("nobody{number}"), "!");
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            refused = Some((number, answer));
            break;
        }
        assert_eq!(text(&answer.headers, "ratelimit-policy")[0], "\"hash-network\";q=60;w=120");
    }
    let (number, answer) = refused.expect("a network hashes without end");
    assert_eq!((number, answer.problem()), (60, "throttled"));
    assert_eq!(text(&answer.headers, "ratelimit"), ["\"hash-network\";r=0;t=122"]);
    let wait: u64 = text(&answer.headers, "retry-after")[0].parse().unwrap();
    assert_eq!(wait, 2);
    assert_eq!(Client::at(&port, HOME).sign_in("nobody", "!").status, StatusCode::UNAUTHORIZED);
    port.advance_s(wait);
    assert_eq!(client.sign_in("nobody", "!").status, StatusCode::UNAUTHORIZED);
    assert_eq!(client.sign_in("nobody", "!").problem(), "throttled");
}

#[test]
fn refusals_are_limited_and_answers_and_readers_are_not() {
    let port = Port::new();
    let token = port.arrive("ada");
    let client = Client::at(&port, ELSEWHERE);
    let rename = || client.post("/v1/passkeys/nothing", Some(&token), &json!({ "name": "phone" }));
    for _ in 0..400 {
        assert_eq!(rename().problem(), "not-found", "nobody guesses so");
    }
    let guess = || client.post("/v1/dids/sessions", None, &json!({ "proof": "guess" }));
    let refused = (0..400).take_while(|_| guess().problem() == "did-proof-refused").count();
    assert_eq!(refused, 300);
    assert_eq!(guess().problem(), "throttled");
    let me = client.send("GET", "/v1/travellers/me", Some(&token), &json!({}));
    assert_eq!(me.status, StatusCode::OK, "a neighbour of the guesser reads on");
    assert!(!me.headers.contains_key("ratelimit"));
    let elsewhere = Client::at(&port, HOME).post("/v1/dids/sessions", None, &json!({ "proof": "x" }));
    assert_eq!(elsewhere.problem(), "did-proof-refused");
}

#[test]
fn what_was_begun_before_the_limit_is_not_redeemed_beyond_it() {
    let mut port = Port::new();
    port.settings.issuer = "https://port.example".into();
    let client = Client::at(&port, ELSEWHERE);
    let begun: Vec<_> = (0..120)
        .map(|_| client.post("/v1/passkeys/sessions/options", None, &json!({})))
        .take_while(|answer| answer.status == StatusCode::OK)
        .collect();
    assert_eq!(begun.len(), 120);
    let more = client.post("/v1/passkeys/sessions/options", None, &json!({}));
    assert_eq!(more.problem(), "throttled");
    // Redeeming is limited by itself, with whatever else is refused.
    let redeem =
        || client.post("/v1/passkeys/sessions", None, &json!({ "ceremony": "guess", "credential": 1 }));
    let refused = (0..400).take_while(|_| redeem().status == StatusCode::BAD_REQUEST).count();
    assert_eq!(refused, 300);
    assert_eq!(redeem().problem(), "throttled");
}

#[test]
fn everybody_together_has_as_many_hashes_as_the_deployment_says() {
    let mut port = Port::new();
    port.settings.options.insert("hashes_per_second", "4".into());
    let mut taken = 0;
    for number in 0..200 {
        let client = Client::at(&port, &format!("10.0.{number}.1"));
        taken += u32::from(client.sign_in("nobody", "!").status == StatusCode::UNAUTHORIZED);
    }
    // The shares of the limit are chosen by chance, and not all of them are found to be full.
    assert!((12..=16).contains(&taken), "{taken}");
}

#[test]
fn those_who_charge_one_subject_at_once_never_have_more_than_there_is() {
    const RULE: Rule = Rule { name: "test", burst: 5, period_us: 1_000_000, shares: 1 };
    let port = Port::new();
    let store = Meeting::new(&port.store);
    let environment = port.environment();
    let charges = [Charge::account(RULE, "ada")];
    let tries = (0..20).map(|_| limits::charge(&store, &charges, &environment));
    let outcomes = block_on(join_all(tries));
    assert!(outcomes.iter().filter(|outcome| outcome.is_ok()).count() <= 5);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(_) | Err(AuthError::Throttled(_)))));
}

#[test]
fn a_device_is_recognised_by_a_cookie_that_no_script_and_no_other_host_gets() {
    let port = Port::new();
    port.sign_up("ada");
    let client = Client::at(&port, HOME);
    let first = client.sign_in("ada", PASSWORD);
    let cookie = text(&first.headers, header::SET_COOKIE.as_str())[0];
    assert!(cookie.starts_with("__Host-vwp-device="), "{cookie}");
    for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let second = client.sign_in("ada", PASSWORD);
    assert!(!second.headers.contains_key(header::SET_COOKIE), "a known device needs no other cookie");
}

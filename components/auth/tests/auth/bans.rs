//! Bans: private to the world, told to whom they concern, and lifted again.

use crate::support::Port;
use crate::travel::{Host, ask, payload, send, ticket};
use http::StatusCode;
use serde_json::{Value, json};

fn notice(subject: &Value) -> Value {
    json!({ "subject": subject, "reason": "griefing", "appeal": "mailto:appeals@lagoon.example" })
}

fn wish(port: &Port, token: &str, world: &str) -> crate::support::Answer {
    port.advance_s(10);
    ask(port, token, &json!({ "world": world, "claims": [] }))
}

#[test]
fn who_is_banned_gets_no_ticket_and_does_not_get_in_with_an_older_one() {
    let port = Port::new();
    let lagoon = Host::new(&port, "lagoon", 61);
    Host::new(&port, "arena", 60);
    let (ada, bob) = (port.arrive("ada"), port.arrive("bob"));
    let before = ticket(&port, &ada, "lagoon");
    let subject = payload(&before)["sub"].clone();
    let banned = lagoon.state(&port, "/v1/tickets/bans", "vwp-ban+jws", notice(&subject));
    assert_eq!(banned.status, StatusCode::OK, "{}", banned.text);
    let refused = wish(&port, &ada, "lagoon");
    assert_eq!((refused.status.as_u16(), refused.problem()), (403, "banned"));
    let told = json!({ "reason": "griefing", "appeal": "mailto:appeals@lagoon.example" });
    assert_eq!(refused.json["ban"], told, "the traveller is told why, and whom to ask");
    assert_eq!(lagoon.redeem(&port, &before).problem(), "banned");
    assert_eq!(wish(&port, &bob, "lagoon").status, StatusCode::CREATED);
    assert_eq!(wish(&port, &ada, "arena").status, StatusCode::CREATED, "other worlds do not know");
    // Lifted, and the ticket that was refused was not spent.
    let path = format!("/v1/tickets/bans/lagoon/{}", subject.as_str().unwrap());
    assert_eq!(port.send("DELETE", &path, Some(&lagoon.token(&port)), "").status, 204);
    assert_eq!(lagoon.redeem(&port, &before).status, StatusCode::OK);
    assert_eq!(wish(&port, &ada, "lagoon").status, StatusCode::CREATED);
}

#[test]
fn bans_are_seen_and_changed_by_the_operator_of_the_world_alone() {
    let port = Port::new();
    let (arena, lagoon) = (Host::new(&port, "arena", 60), Host::new(&port, "lagoon", 61));
    let ada = port.arrive("ada");
    let subject = payload(&ticket(&port, &ada, "lagoon"))["sub"].clone();
    let mut foreign = notice(&subject);
    foreign["world"] = "lagoon".into();
    assert_eq!(arena.state(&port, "/v1/tickets/bans", "vwp-ban+jws", foreign).problem(), "forbidden");
    assert_eq!(lagoon.state(&port, "/v1/tickets/bans", "vwp-ban+jws", notice(&subject)).status, 200);
    let path = "/v1/tickets/bans/lagoon";
    for token in [None, Some(arena.token(&port)), Some(ada.clone())] {
        assert!([401, 403].contains(&port.get(path, token.as_deref()).status.as_u16()));
    }
    let lift = format!("{path}/{}", subject.as_str().unwrap());
    assert_eq!(port.send("DELETE", &lift, Some(&arena.token(&port)), "").status, 403);
    let own = lagoon.token(&port);
    assert_eq!(port.get(path, Some(&own)).json, json!({ "bans": [notice(&subject)] }));
    assert_eq!(port.send("DELETE", &lift, Some(&own), "").status, 204);
    assert_eq!(port.get(path, Some(&own)).json, json!({ "bans": [] }));
    assert_eq!(port.send("DELETE", &lift, Some(&own), "").status, 204, "what is not there is lifted");
    assert_eq!(port.get("/v1/tickets/bans/nowhere", Some(&own)).problem(), "world-not-found");
}

#[test]
fn a_ban_ends_when_it_says_and_a_lifted_one_is_not_brought_back() {
    let port = Port::new();
    let lagoon = Host::new(&port, "lagoon", 61);
    let ada = port.arrive("ada");
    let subject = payload(&ticket(&port, &ada, "lagoon"))["sub"].clone();
    let mut short = notice(&subject);
    short["until"] = json!(port.now() / 1000 + 60);
    assert_eq!(lagoon.state(&port, "/v1/tickets/bans", "vwp-ban+jws", short).status, 200);
    assert_eq!(wish(&port, &ada, "lagoon").json["ban"]["until"], json!(port.now() / 1000 + 50));
    port.advance_s(60);
    assert_eq!(wish(&port, &ada, "lagoon").status, StatusCode::CREATED);
    let statement = lagoon.statement(&port, "vwp-ban+jws", notice(&subject));
    assert_eq!(send(&port, "/v1/tickets/bans", &statement).status, 200);
    let path = format!("/v1/tickets/bans/lagoon/{}", subject.as_str().unwrap());
    assert_eq!(port.send("DELETE", &path, Some(&lagoon.token(&port)), "").status, 204);
    assert_eq!(send(&port, "/v1/tickets/bans", &statement).problem(), "statement-replayed");
    assert_eq!(wish(&port, &ada, "lagoon").status, StatusCode::CREATED);
}

#[test]
fn a_ban_says_why_and_whom_to_ask_within_bounds() {
    let port = Port::new();
    let lagoon = Host::new(&port, "lagoon", 61);
    let ada = port.arrive("ada");
    let subject = payload(&ticket(&port, &ada, "lagoon"))["sub"].clone();
    for (member, value) in [
        ("subject", json!("ada")),
        ("reason", json!(" ")),
        ("reason", json!("x".repeat(501))),
        ("appeal", json!("javascript:alert(1)")),
        ("appeal", json!("ask me")),
        ("until", json!(port.now() / 1000)),
    ] {
        let mut bad = notice(&subject);
        bad[member] = value;
        let answer = lagoon.state(&port, "/v1/tickets/bans", "vwp-ban+jws", bad);
        assert_eq!(answer.problem(), "statement-unacceptable", "{member}");
    }
    assert_eq!(wish(&port, &ada, "lagoon").status, StatusCode::CREATED);
}

//! Travelling: tickets, doors and arrivals.

use crate::support::{ADMIN, ISSUER, Port, key, sign};
use crate::travel::{Host, ask, payload, send, ticket, twin};
use futures::executor::block_on;
use http::StatusCode;
use serde_json::{Value, json};
use vwp_auth::keys::KeySet;
use vwp_auth::tickets::redeem::{self, Shown};
use vwp_core::jose::Header;
use vwp_verifier::gate::Gate;
use vwp_verifier::ticket::{Expected, TicketError, Unproven, hash, verify};

fn published(port: &Port) -> KeySet {
    KeySet::from_json(&port.get("/.well-known/jwks.json", None).text).unwrap()
}

fn at<'a>(port: &Port, world: &'a str) -> Expected<'a> {
    Expected { issuer: ISSUER, world, nonce: "n", now: port.now() }
}

#[test]
fn a_traveller_goes_from_one_world_to_another_which_lets_them_in_once_and_offline() {
    let port = Port::new();
    let (arena, lagoon) = (Host::new(&port, "arena", 60), Host::new(&port, "lagoon", 61));
    let token = port.arrive("ada");
    let here = payload(&ticket(&port, &token, "arena"))["sub"].clone();
    // World A asks for its visitor; the traveller consents to tell the handle, and nothing else.
    let matter = json!({ "to": "lagoon", "subject": here, "entry_point": "pier" });
    let request = arena.statement(&port, "vwp-ticket-request+jws", matter);
    let wish = json!({ "world": "lagoon", "claims": ["handle"], "entry_point": "pier", "request": request });
    let granted = ask(&port, &token, &wish);
    assert_eq!(granted.status, StatusCode::CREATED, "{}", granted.text);
    assert_eq!(granted.json["expires_at"], port.now() + 120_000);
    let shown = granted.json["ticket"].as_str().unwrap();
    // World B has the keys, and no connection.
    let keys = published(&port);
    let mut gate = Gate::new(100);
    let arrived = verify(shown, None, &keys, &at(&port, "lagoon")).unwrap();
    assert_eq!(gate.admit(&arrived, port.now()), Ok(()));
    assert_eq!(arrived.origin.as_deref(), Some("arena"));
    assert_eq!(arrived.entry_point.as_deref(), Some("pier"));
    assert_eq!(Value::Object(arrived.claims.clone()), json!({ "handle": "ada" }));
    assert_ne!(Value::String(arrived.subject.clone()), here, "the worlds know the traveller by other names");
    assert_eq!(verify(shown, None, &keys, &at(&port, "arena")), Err(Unproven::Audience.into()));
    // Again, and with the other form of the signature.
    for again in [shown.to_owned(), twin(shown)] {
        let believed = verify(&again, None, &keys, &at(&port, "lagoon")).unwrap();
        assert_eq!(gate.admit(&believed, port.now()), Err(TicketError::TicketSpent));
    }
    port.advance_s(119);
    assert!(verify(shown, None, &keys, &at(&port, "lagoon")).is_ok());
    port.advance_s(1);
    assert_eq!(verify(shown, None, &keys, &at(&port, "lagoon")), Err(Unproven::Expired.into()));
    assert_eq!(lagoon.redeem(&port, shown).problem(), "ticket-expired");
}

#[test]
fn a_ticket_is_redeemed_once_by_the_operator_of_its_world() {
    let port = Port::new();
    let (arena, lagoon) = (Host::new(&port, "arena", 60), Host::new(&port, "lagoon", 61));
    let token = port.arrive("ada");
    let shown = ticket(&port, &token, "lagoon");
    assert_eq!(arena.redeem(&port, &shown).problem(), "ticket-audience");
    let body = json!({ "world": "lagoon", "ticket": shown });
    for (token, status) in
        [(Some(arena.token(&port)), 403), (Some(token.clone()), 403), (None, 401), (Some(ADMIN.into()), 403)]
    {
        assert_eq!(port.post("/v1/tickets/redeem", token.as_deref(), &body).status, status);
    }
    let arrived = lagoon.redeem(&port, &shown);
    assert_eq!(arrived.status, StatusCode::OK, "{}", arrived.text);
    assert_eq!(arrived.json, json!({ "subject": payload(&shown)["sub"], "claims": {} }));
    for again in [shown.clone(), twin(&shown)] {
        let spent = lagoon.redeem(&port, &again);
        assert_eq!((spent.status.as_u16(), spent.problem()), (409, "ticket-spent"));
    }
}

#[test]
fn of_many_who_redeem_one_ticket_at_the_same_time_one_succeeds() {
    let port = Port::new();
    let lagoon = Host::new(&port, "lagoon", 61);
    let shown = Shown {
        world: "lagoon".into(),
        ticket: ticket(&port, &port.arrive("ada"), "lagoon"),
        ..Shown::default()
    };
    let (store, settings, now, operator) = (&port.store, &port.settings, port.now(), lagoon.id());
    let won = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let other = Port::new();
                    let environment =
                        vwp_core::Environment { now, settings, random: other.environment().random };
                    block_on(redeem::redeem(store, &operator, &shown, &environment)).is_ok()
                })
            })
            .collect();
        tries.into_iter().filter(|_| true).map(|each| each.join().unwrap()).filter(|won| *won).count()
    });
    assert_eq!(won, 1);
}

#[test]
fn a_ticket_that_is_bound_to_a_key_is_worth_nothing_without_it() {
    let port = Port::new();
    Host::new(&port, "lagoon", 61);
    let token = port.arrive("ada");
    let wish = json!({ "world": "lagoon", "claims": [], "proof": port.proof(&key(5)) });
    let bound = ask(&port, &token, &wish).json["ticket"].as_str().unwrap().to_owned();
    let keys = published(&port);
    let good =
        json!({ "iat": port.now() / 1000, "aud": "lagoon", "nonce": "n", "ticket_hash": hash(&bound) });
    let prove = |claims: &Value, typ: &str, seed: u8| sign(&Header::new(typ), claims, &key(seed));
    let check = |proof: Option<&str>| verify(&bound, proof, &keys, &at(&port, "lagoon"));
    let typ = "vwp-ticket-proof+jwt";
    let holder = vwp_core::jose::Jwk::from_key(key(5).verifying_key()).thumbprint();
    assert_eq!(check(Some(&prove(&good, typ, 5))).unwrap().holder, Some(holder));
    assert_eq!(check(None), Err(Unproven::ProofMissing.into()));
    assert_eq!(check(Some(&prove(&good, typ, 6))), Err(Unproven::Proof.into()));
    assert_eq!(check(Some(&prove(&good, "kb+jwt", 5))), Err(Unproven::Proof.into()));
    let other = hash(&ticket(&port, &token, "lagoon"));
    for (member, value) in [
        ("nonce", json!("m")),
        ("aud", json!("arena")),
        ("ticket_hash", json!(other)),
        ("iat", json!(port.now() / 1000 - 301)),
        ("iat", Value::Null),
    ] {
        let mut claims = good.clone();
        claims[member] = value;
        assert_eq!(check(Some(&prove(&claims, typ, 5))), Err(Unproven::Proof.into()), "{member}");
    }
    let empty = Expected { nonce: "", ..at(&port, "lagoon") };
    let mut claims = good.clone();
    claims["nonce"] = "".into();
    assert_eq!(verify(&bound, Some(&prove(&claims, typ, 5)), &keys, &empty), Err(Unproven::Proof.into()));
}

#[test]
fn a_world_that_does_not_exist_is_closed_or_full_or_speaks_otherwise_gets_no_travellers() {
    let port = Port::new();
    let lagoon = Host::new(&port, "lagoon", 61);
    let token = port.arrive("ada");
    let wish = |more: Value| {
        port.advance_s(10);
        let mut wish = json!({ "world": "lagoon", "claims": [] });
        wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = ask(&port, &token, &wish);
        (answer.status.as_u16(), answer.problem().to_owned())
    };
    let door = |matter: Value| {
        port.advance_s(1);
        let mut stated = json!({ "status": "open", "until": port.now() / 1000 + 600 });
        stated.as_object_mut().unwrap().extend(matter.as_object().unwrap().clone());
        let answer = lagoon.state(&port, "/v1/tickets/doors", "vwp-door+jws", stated);
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    };
    assert_eq!(wish(json!({ "world": "nowhere" })), (404, "world-not-found".into()));
    assert_eq!(wish(json!({})), (201, String::new()));
    let before = ticket(&port, &token, "lagoon");
    door(json!({ "status": "closed" }));
    assert_eq!(wish(json!({})), (409, "world-closed".into()));
    assert_eq!(lagoon.redeem(&port, &before).problem(), "world-closed");
    door(json!({ "status": "full" }));
    assert_eq!(wish(json!({})), (409, "world-full".into()));
    door(json!({ "protocols": ["minecraft/1.21.4"], "entry_points": ["pier"] }));
    assert_eq!(lagoon.redeem(&port, &before).status, 200, "a ticket that was not let in is not spent");
    assert_eq!(wish(json!({ "protocol": "luanti/5.9" })), (422, "protocol-mismatch".into()));
    assert_eq!(wish(json!({ "protocol": "minecraft/1.21.4" })), (201, String::new()));
    assert_eq!(wish(json!({ "entry_point": "roof" })), (422, "statement-unacceptable".into()));
    assert_eq!(wish(json!({ "entry_point": "pier" })), (201, String::new()));
    door(json!({ "status": "closed", "until": port.now() / 1000 + 5 }));
    assert_eq!(wish(json!({})), (201, String::new()), "a verdict ends by itself");
}

#[test]
fn a_door_is_stated_by_the_operator_and_not_with_an_old_statement() {
    let port = Port::new();
    let (arena, lagoon) = (Host::new(&port, "arena", 60), Host::new(&port, "lagoon", 61));
    let state = |compact: &str| send(&port, "/v1/tickets/doors", compact).problem().to_owned();
    let until = port.now() / 1000 + 600;
    let closed = lagoon.statement(&port, "vwp-door+jws", json!({ "status": "closed", "until": until }));
    assert_eq!(state(&closed), "");
    let foreign = json!({ "world": "lagoon", "status": "open", "until": until });
    assert_eq!(state(&arena.statement(&port, "vwp-door+jws", foreign)), "forbidden");
    port.advance_s(1);
    assert_eq!(
        state(&lagoon.statement(&port, "vwp-door+jws", json!({ "status": "open", "until": until }))),
        ""
    );
    assert_eq!(state(&closed), "statement-replayed");
    for (matter, problem) in [
        (json!({ "status": "open", "until": until + 8 * 86_400 }), "statement-unacceptable"),
        (json!({ "status": "open", "until": 1 }), "statement-unacceptable"),
        (json!({ "status": "open", "until": until, "protocols": ["a b"] }), "statement-unacceptable"),
        (json!({ "status": "ajar", "until": until }), "bad-request"),
        (json!({ "status": "open", "until": until, "aud": "https://other.example" }), "wrong-audience"),
        (json!({ "status": "open", "until": until, "iat": 1 }), "clock-skew"),
    ] {
        port.advance_s(1);
        assert_eq!(state(&lagoon.statement(&port, "vwp-door+jws", matter.clone())), problem, "{matter}");
    }
    assert_eq!(state(&lagoon.statement(&port, "vwp-ban+jws", json!({ "status": "open" }))), "bad-jws");
}

#[test]
fn nobody_asks_in_anothers_name_or_without_saying_what_may_be_told() {
    let port = Port::new();
    let (arena, lagoon) = (Host::new(&port, "arena", 60), Host::new(&port, "lagoon", 61));
    let (ada, eve) = (port.arrive("ada"), port.arrive("eve"));
    let here = payload(&ticket(&port, &ada, "arena"))["sub"].clone();
    let request = |matter: Value| arena.statement(&port, "vwp-ticket-request+jws", matter);
    let wish = |token: &str, request: &str| {
        ask(&port, token, &json!({ "world": "lagoon", "claims": [], "request": request }))
            .problem()
            .to_owned()
    };
    let good = request(json!({ "to": "lagoon", "subject": here }));
    assert_eq!(wish(&ada, &good), "");
    assert_eq!(wish(&eve, &good), "statement-unacceptable", "asked for ada");
    assert_eq!(wish(&ada, &request(json!({ "to": "arena", "subject": here }))), "statement-unacceptable");
    let forged = lagoon.statement(
        &port,
        "vwp-ticket-request+jws",
        json!({ "world": "arena", "to": "lagoon", "subject": here }),
    );
    assert_eq!(wish(&ada, &forged), "forbidden");
    assert_eq!(ask(&port, &ada, &json!({ "world": "lagoon" })).problem(), "bad-request");
    assert_eq!(
        ask(&port, &ada, &json!({ "world": "lagoon", "claims": ["birth_date"] })).problem(),
        "claim-unavailable"
    );
    assert_eq!(
        ask(&port, &ada, &json!({ "world": "lagoon", "claims": ["traveller"] })).problem(),
        "claim-unavailable"
    );
    assert_eq!(ask(&port, &lagoon.token(&port), &json!({ "world": "lagoon", "claims": [] })).status, 403);
    assert_eq!(port.post("/v1/tickets", None, &json!({ "world": "lagoon", "claims": [] })).status, 401);
}

#[test]
fn a_traveller_gets_a_bounded_number_of_tickets_in_a_minute() {
    let port = Port::new();
    Host::new(&port, "lagoon", 61);
    let token = port.arrive("ada");
    for _ in 0..10 {
        ticket(&port, &token, "lagoon");
    }
    let wish = json!({ "world": "lagoon", "claims": [] });
    let refused = ask(&port, &token, &wish);
    assert_eq!((refused.status.as_u16(), refused.problem()), (429, "throttled"));
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    port.advance_s(wait);
    assert_eq!(ask(&port, &token, &wish).status, StatusCode::CREATED);
}

#[test]
fn methods_and_paths_that_are_not_there_are_said_so() {
    let port = Port::new();
    for (method, path, status) in [
        ("GET", "/v1/tickets", 405),
        ("GET", "/v1/tickets/redeem", 405),
        ("PUT", "/v1/tickets/doors", 405),
        ("POST", "/v1/tickets/bans/arena", 405),
        ("GET", "/v1/tickets/bans/arena/x", 405),
        ("GET", "/v1/tickets/nothing", 404),
        ("GET", "/v1/tickets/v1/tickets", 404),
        ("GET", "/v1/tickets/bans/a/b/c/d/e/f", 404),
        ("PUT", "/v1/passports/issued", 405),
        ("GET", "/v1/passports/issued/x", 405),
        ("POST", "/v1/passports/status/1-0", 405),
    ] {
        assert_eq!(port.send(method, path, None, "").status, status, "{method} {path}");
    }
}

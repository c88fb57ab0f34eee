//! Every resource as nobody, as the wrong one and as the right one.

use serde_json::json;
use std::fmt::Write;
use vwp_client::{presentation, sign};
use vwp_core::jose::encode;
use vwp_tests::host::Host;
use vwp_tests::http::Call;
use vwp_tests::people::{Operator, Traveller, sign_in};
use vwp_tests::{dns, tools, unique};

/// Who calls: the column of the table.
const CALLERS: [&str; 6] =
    ["nobody", "a traveller", "another traveller", "an operator", "another operator", "the administrator"];
/// Anybody may call: the status is the same for everyone.
const fn anybody(status: u16) -> [u16; 6] {
    [status; 6]
}
/// Only the traveller whose thing it is.
const fn traveller(status: u16) -> [u16; 6] {
    [401, status, 403, 403, 403, 403]
}
/// Any traveller.
const fn travellers(status: u16) -> [u16; 6] {
    [401, status, status, 403, 403, 403]
}
/// Only the operator whose thing it is.
const fn operator(status: u16) -> [u16; 6] {
    [401, 403, 403, status, 403, 403]
}
/// Only the administrator.
const fn administrator(status: u16) -> [u16; 6] {
    [401, 403, 403, 403, 403, status]
}

/// Everybody who calls, and what they own.
struct Cast {
    ada: Traveller,
    bob: Traveller,
    arena: Operator,
    rival: Operator,
    asset: String,
    /// A transfer from the arena's issuance to Ada.
    transfer: String,
    presentation: String,
    tokens: [Option<String>; 6],
}

const AUDIENCE: &str = "https://world-b.example";

impl Cast {
    fn new(host: &Host) -> Self {
        let (ada, bob) = (Traveller::signed_in(host), Traveller::signed_in(host));
        let (arena, rival) = (Operator::registered(host, "arena"), Operator::registered(host, "rival"));
        let asset = arena.issue(host, "gold", &ada.account(), "1000");
        let order = json!({
            "idempotency_key": unique("k"), "from": format!("issuance:{asset}"),
            "to": ada.account(), "asset": asset, "amount": "1",
        });
        let transfer = host.http.send(&arena.transfer_call(host, order)).expect(201).text("transfer_id");
        let passport = ada.passport(host);
        let presentation = presentation::present(&ada.key, &passport, AUDIENCE, "n", &[]).unwrap();
        let tokens = [
            None,
            Some(ada.token.clone()),
            Some(bob.token.clone()),
            Some(arena.token(host)),
            Some(rival.token(host)),
            host.admin_token.clone(),
        ];
        Self { ada, bob, arena, rival, asset, transfer, presentation, tokens }
    }
}

type Ask<'a> = Box<dyn Fn() -> Call + 'a>;

/// The resources that tell callers apart by the `Authorization` header, and those that
/// anybody may use.
fn table<'a>(host: &'a Host, cast: &'a Cast) -> Vec<([u16; 6], Ask<'a>)> {
    let get = |path: String| -> Ask<'a> { Box::new(move || Call::get(path.clone())) };
    let plain =
        |method: &'static str, path: &'static str| -> Ask<'a> { Box::new(move || Call::new(method, path)) };
    let to = format!("world:{}", cast.arena.world);
    let account = |owner: &str| get(format!("/v1/ledger/accounts/{owner}/{}", cast.asset));
    let question = encode(dns::question(0, &format!("_vw.{}.{}", cast.arena.world, host.zone), 64));
    vec![
        (anybody(200), plain("GET", "/")),
        (anybody(200), plain("GET", "/v1/worlds")),
        (anybody(200), get(format!("/v1/worlds/{}", cast.arena.world))),
        (anybody(200), get(format!("/dns-query?dns={question}"))),
        (anybody(200), plain("GET", "/.well-known/jwks.json")),
        (anybody(200), plain("GET", "/.well-known/jwt-vc-issuer")),
        (anybody(200), get(format!("/v1/assets/{}", cast.asset))),
        (
            anybody(201),
            Box::new(|| {
                let body = json!({"handle": unique("t"), "password": unique("password")});
                Call::json("/v1/travellers", &body)
            }),
        ),
        (
            anybody(200),
            Box::new(|| {
                let body = json!({"handle": cast.bob.handle, "password": cast.bob.password});
                Call::json("/v1/sessions", &body)
            }),
        ),
        (
            anybody(200),
            Box::new(|| {
                let body = json!({"presentation": cast.presentation, "audience": AUDIENCE, "nonce": "n"});
                Call::json("/v1/passports/verify", &body)
            }),
        ),
        (travellers(200), plain("GET", "/v1/travellers/me")),
        (
            travellers(200),
            Box::new(|| {
                let proof = sign::proof_of_possession(&cast.ada.key, &host.issuer).unwrap();
                Call::json("/v1/passports", &json!({ "proof": proof }))
            }),
        ),
        (
            traveller(201),
            Box::new(move || {
                let order = json!({"from": cast.ada.account(), "to": to, "asset": cast.asset, "amount": "1"});
                Call::json("/v1/transfers", &order).header("idempotency-key", unique("k"))
            }),
        ),
        // The receipt is for both sides: Ada got the money, the arena's operator sent it.
        ([401, 200, 403, 200, 403, 403], get(format!("/v1/transfers/{}", cast.transfer))),
        (traveller(200), account(&cast.ada.account())),
        (traveller(200), get(format!("/v1/ledger/accounts/{}/{}/transfers", cast.ada.account(), cast.asset))),
        (traveller(200), get(format!("/v1/statements/{}/{}?from=0&until=1", cast.ada.account(), cast.asset))),
        (operator(200), account(&format!("world:{}", cast.arena.world))),
        (operator(200), account(&format!("issuance:{}", cast.asset))),
        ([401, 200, 403, 200, 403, 403], get(format!("/v1/transfers/{}/receipt", cast.transfer))),
        (anybody(200), plain("GET", "/v1/ledger/checkpoint")),
        (anybody(200), plain("GET", "/v1/ledger/vkeys")),
        (anybody(200), plain("GET", "/v1/ledger/keys")),
        (anybody(200), plain("GET", "/v1/ledger/tile/entries/000.p/1")),
        (administrator(200), plain("GET", "/v1/ledger/entries")),
        (administrator(200), plain("GET", "/v1/ledger/entries/1")),
        (administrator(200), plain("GET", "/v1/ledger/commands")),
        (administrator(200), plain("GET", "/v1/keys/log")),
        (administrator(200), plain("GET", "/v1/keys/zone")),
        (administrator(200), plain("GET", "/v1/keys/issuer")),
        (administrator(201), plain("POST", "/v1/keys/zone/rotate")),
        (administrator(201), plain("POST", "/v1/keys/issuer/rotate")),
    ]
}

/// The same of what is for wallets, which prove who they are in other ways, and for those who call them.
fn wallets<'a>(cast: &'a Cast) -> Vec<([u16; 6], Ask<'a>)> {
    let plain =
        |method: &'static str, path: &'static str| -> Ask<'a> { Box::new(move || Call::new(method, path)) };
    let document = format!("/oauth/verifiers/{}/did.json", cast.arena.world);
    vec![
        (travellers(201), Box::new(|| Call::json("/v1/passports/offers", &json!({})))),
        (anybody(200), plain("GET", "/oauth/offers/authorization-code")),
        (anybody(200), plain("POST", "/oauth/nonce")),
        // A session is no access token of a wallet's.
        (anybody(401), Box::new(|| Call::json("/oauth/credential", &json!({})))),
        (anybody(200), Box::new(move || Call::get(document.clone()))),
        // What wallets call knows them by the state that they were given.
        (
            anybody(400),
            Box::new(|| {
                let answer = "state=none&error=access_denied";
                let call = Call::new("POST", "/oauth/presentations/response");
                call.body("application/x-www-form-urlencoded", answer)
            }),
        ),
    ]
}

#[test]
fn every_resource_tells_nobody_the_wrong_one_and_the_right_one_apart() {
    let host = Host::shared();
    let cast = Cast::new(&host);
    let mut wrong = String::new();
    for (expected, ask) in table(&host, &cast).into_iter().chain(wallets(&cast)) {
        for (index, (caller, expected)) in CALLERS.iter().zip(expected).enumerate() {
            let token = cast.tokens[index].as_deref();
            if *caller == "the administrator" && token.is_none() {
                tools::skip("the administrator", "VWP_ADMIN_TOKEN is not given");
                continue;
            }
            let call = ask().maybe_bearer(token);
            let reply = host.http.send(&call);
            let slug = match expected {
                // Clients are refused in the form that OAuth gives it (RFC 6749, section 5.2).
                _ if call.target().contains(" /oauth/") => None,
                401 => Some("unauthorised".to_owned()),
                403 => Some("forbidden".to_owned()),
                _ => None,
            };
            if reply.status != expected || reply.problem() != slug {
                let _ = writeln!(
                    wrong,
                    "{} as {caller}: expected {expected}, the answer was {}",
                    call.target(),
                    reply.shown()
                );
            }
            if expected == 401 && reply.header("www-authenticate").is_empty() {
                let _ = writeln!(wrong, "{} as {caller}: a 401 without a challenge", call.target());
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn what_is_signed_is_taken_from_its_signer_and_from_nobody_else() {
    let host = Host::shared();
    let cast = Cast::new(&host);
    let (arena, rival) = (&cast.arena, &cast.rival);
    let stranger = Operator { world: arena.world.clone(), ..Operator::new("stranger") };
    let usurper = Operator { world: arena.world.clone(), ..rival.clone() };

    let world = |operator: &Operator| host.http.send(&Call::jose("/v1/worlds", operator.record(&host, 2)));
    world(&stranger).expect_problem(409, "name-taken");
    world(&usurper).expect_problem(409, "name-taken");
    let _ = world(arena).expect(200);

    let asset = |operator: &Operator| host.http.send(&operator.asset_call(&host, "silver"));
    asset(&stranger).expect_problem(401, "unauthorised");
    asset(&usurper).expect_problem(403, "forbidden");
    let _ = asset(arena).expect(201);

    let issue = |operator: &Operator| {
        let order = json!({
            "idempotency_key": unique("k"), "from": format!("issuance:{}", cast.asset),
            "to": cast.bob.account(), "asset": cast.asset, "amount": "1",
        });
        host.http.send(&operator.transfer_call(&host, order))
    };
    issue(&stranger).expect_problem(401, "unauthorised");
    issue(&usurper).expect_problem(403, "forbidden");
    let _ = issue(arena).expect(201);
    assert_eq!(cast.bob.balance(&host, &cast.asset), 1, "one of the three reached the account");
}

#[test]
fn a_token_that_proves_nothing_is_refused_and_never_taken_for_nobody() {
    let host = Host::shared();
    let (ada, bob) = (Traveller::signed_in(&host), Traveller::signed_in(&host));
    let arena = Operator::registered(&host, "arena");
    let elsewhere = sign::operator_token(&arena.key, None, "https://elsewhere.example", None);
    let unknown = sign::operator_token(&ada.key, None, &host.issuer, None);
    let impostor = sign::operator_token(&ada.key, Some(&arena.key.id()), &host.issuer, None);
    let long = {
        let claims = json!({"iss": arena.key.id(), "sub": arena.key.id(), "exp": 4_102_444_800_u64});
        arena.statement(&host, "vwp-operator+jwt", claims).sign(&arena.key)
    };
    let (signed, _) = ada.token.rsplit_once('.').unwrap();
    let (_, others_signature) = bob.token.rsplit_once('.').unwrap();
    let none =
        format!("{}.{}.", encode(r#"{"alg":"none","typ":"at+jwt"}"#), ada.token.split('.').nth(1).unwrap());
    let forged = [
        ("nonsense", "nonsense".to_owned()),
        ("an empty token", String::new()),
        ("somebody else's signature", format!("{signed}.{others_signature}")),
        ("no signature", none),
        ("an assertion for another port", elsewhere),
        ("an assertion of an unknown operator", unknown),
        ("an assertion in another's name", impostor),
        ("an assertion that is valid for years", long),
    ];
    for path in ["/v1/travellers/me", "/v1/ledger/entries", "/v1/keys/zone", "/v1/keys/issuer"] {
        for (what, token) in &forged {
            let reply = host.http.send(&Call::get(path).bearer(token));
            assert_eq!(reply.status, 401, "{what} at {path}: {}", reply.shown());
        }
        let basic = Call::get(path).header("authorization", "Basic YWRhOmFkYQ==");
        assert_eq!(host.http.send(&basic).status, 401, "Basic at {path}");
    }
}

#[test]
fn a_session_that_was_ended_ends_everywhere_at_once() {
    let host = Host::shared();
    let ada = Traveller::signed_in(&host);
    let arena = Operator::registered(&host, "arena");
    let asset = arena.issue(&host, "gold", &ada.account(), "10");
    let other = sign_in(&host, &ada.handle, &ada.password).expect(200).text("access_token");

    let end = Call::new("DELETE", "/v1/sessions/current");
    host.http.send(&end).expect_problem(401, "unauthorised");
    host.http.send(&end.clone().bearer(&arena.token(&host))).expect_problem(403, "forbidden");
    let _ = host.http.send(&end.bearer(&ada.token)).expect(204);

    let me = Call::get("/v1/travellers/me");
    host.http.send(&me.clone().bearer(&ada.token)).expect_problem(401, "unauthorised");
    let account = Call::get(format!("/v1/ledger/accounts/{}/{asset}", ada.account()));
    host.http.send(&account.bearer(&ada.token)).expect_problem(401, "unauthorised");
    let payment = ada.transfer_call(&unique("k"), &format!("world:{}", arena.world), &asset, "1");
    host.http.send(&payment).expect_problem(401, "unauthorised");
    // Another session of the same traveller goes on.
    let _ = host.http.send(&me.bearer(&other)).expect(200);
}

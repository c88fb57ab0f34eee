//! Money that waits until it is decided whose it is.

use crate::support::{Fault, NOW, PORT, Port, Signer};
use base64ct::{Base64UrlUnpadded, Encoding};
use futures::executor::block_on;
use http::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vwp_core::jose::Jwk;
use vwp_transactions::ledger;
use vwp_transactions::reference::{Owner, account_id, parse_id};

const GOLD: &str = "gold@arena";
const OK: StatusCode = StatusCode::OK;
const CREATED: StatusCode = StatusCode::CREATED;
/// After how long the escrows here expire, in seconds.
const TIMEOUT_S: u64 = 10;

/// A port on which ada has 1,000.
pub(crate) fn port() -> Port {
    let port = Port::new();
    port.create_asset(&port.arena, GOLD, None);
    let issued = port.operate(&port.arena, "issue", &["issuance:gold@arena", "traveller:ada", GOLD, "1000"]);
    assert_eq!(issued.0, CREATED);
    port
}

/// The token with which somebody asks for something: a traveller, or the operator of a world.
pub(crate) fn token(port: &Port, who: &str, body: &Value) -> String {
    match who {
        "arena" => port.arena.assertion(Some(body.to_string().as_bytes())),
        "bazaar" => port.bazaar.assertion(Some(body.to_string().as_bytes())),
        traveller => port.session(traveller),
    }
}

fn post(port: &Port, who: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    port.call(port.request(path, &token(port, who, body), body))
}

/// Ada's escrow for the bazaar, of 300, 200 and 100.
pub(crate) fn terms(more: &Value) -> Value {
    let mut terms = json!({"idempotency_key": "e", "payee": "world:bazaar", "asset": GOLD,
                           "milestones": ["300", "200", "100"], "timeout_s": TIMEOUT_S});
    terms.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    terms
}

#[track_caller]
fn create(port: &Port, more: &Value) -> String {
    let (status, escrow) = post(port, "ada", "/v1/escrows", &terms(more));
    assert_eq!((status, &escrow["state"]), (CREATED, &json!("funded")), "{escrow}");
    escrow["escrow_id"].as_str().unwrap().to_owned()
}

fn act(port: &Port, who: &str, id: &str, what: &str, body: &Value) -> (StatusCode, Value) {
    post(port, who, &format!("/v1/escrows/{id}/{what}"), body)
}

fn read(port: &Port, who: &str, id: &str) -> (StatusCode, Value) {
    let token = match who {
        "arena" => port.arena.token(),
        "bazaar" => port.bazaar.token(),
        traveller => port.session(traveller),
    };
    port.get(&format!("/v1/escrows/{id}"), Some(&token))
}

fn states(escrow: &Value) -> Vec<&str> {
    let milestones = escrow["milestones"].as_array().unwrap();
    milestones.iter().map(|milestone| milestone["state"].as_str().unwrap()).collect()
}

fn slug(problem: &Value) -> &str {
    problem["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default()
}

/// What ada, the bazaar, and the two accounts of an escrow hold.
pub(crate) fn balances(port: &Port, id: &str) -> [u128; 4] {
    let id = parse_id(id).unwrap();
    let owners = [
        "traveller:ada".parse().unwrap(),
        "world:bazaar".parse().unwrap(),
        Owner::Escrow { id, is_disputed: false },
        Owner::Escrow { id, is_disputed: true },
    ];
    owners.map(|owner| {
        let account = account_id(&owner, &GOLD.parse().unwrap());
        block_on(ledger::account(&port.store, account)).unwrap().map_or(0, |view| view.balance())
    })
}

#[test]
fn the_payer_releases_one_milestone_after_the_other_and_each_once() {
    let port = port();
    let id = create(&port, &json!({}));
    assert_eq!(balances(&port, &id), [400, 0, 600, 0]);
    let (status, again) = post(&port, "ada", "/v1/escrows", &terms(&json!({})));
    assert_eq!((status, &again["escrow_id"]), (OK, &json!(id)));

    let first = act(&port, "ada", &id, "release", &json!({"milestone": 1}));
    assert_eq!((first.0, states(&first.1)), (OK, vec!["released", "funded", "funded"]));
    assert_eq!(first.1["state"], "funded");
    assert_eq!(act(&port, "ada", &id, "release", &json!({"milestone": 1})), first);
    assert_eq!(balances(&port, &id), [400, 300, 300, 0]);
    let (_, all) = act(&port, "ada", &id, "release", &json!({}));
    assert_eq!((states(&all), &all["state"]), (vec!["released"; 3], &json!("released")));
    assert_eq!(act(&port, "ada", &id, "release", &json!({})).1, all);
    assert_eq!(balances(&port, &id), [400, 600, 0, 0]);

    // What moved are transfers like any other, and who has an account of one reads it.
    let transfer = all["milestones"][0]["transfer_id"].as_str().unwrap();
    let (status, receipt) = port.get(&format!("/v1/transfers/{transfer}"), Some(&port.bazaar.token()));
    assert_eq!((status, &receipt["from"]), (OK, &json!(format!("escrow:{id}"))));
    assert_eq!((&receipt["amount"], &receipt["memo"]), (&json!("300"), &json!(format!("{id} 1"))));
    let path = "/v1/ledger/accounts/world:bazaar/gold@arena/transfers?code=65002";
    let history = port.get(path, Some(&port.bazaar.token())).1;
    assert_eq!(history["transfers"].as_array().unwrap().len(), 3);
}

#[test]
fn the_payee_gives_up_and_nobody_else_sees_or_moves_anything() {
    let port = port();
    let id = create(&port, &json!({}));
    for who in ["eve", "arena"] {
        assert_eq!(read(&port, who, &id).0, StatusCode::FORBIDDEN);
        for what in ["release", "refund", "dispute"] {
            assert_eq!(act(&port, who, &id, what, &json!({})).0, StatusCode::FORBIDDEN, "{who} {what}");
        }
    }
    for (who, what) in [("ada", "refund"), ("bazaar", "release"), ("ada", "dispute")] {
        assert_eq!(act(&port, who, &id, what, &json!({})).0, StatusCode::FORBIDDEN, "{who} {what}");
    }
    assert_eq!(balances(&port, &id), [400, 0, 600, 0]);
    let (status, escrow) = act(&port, "bazaar", &id, "refund", &json!({"milestone": 2}));
    assert_eq!((status, states(&escrow)), (OK, vec!["funded", "refunded", "funded"]));
    let (status, problem) = act(&port, "ada", &id, "release", &json!({"milestone": 2}));
    assert_eq!((status, slug(&problem)), (StatusCode::CONFLICT, "escrow-settled"));
    assert_eq!(balances(&port, &id), [600, 0, 400, 0]);
    assert_eq!(read(&port, "bazaar", &id), read(&port, "ada", &id));
    assert_eq!(port.get(&format!("/v1/escrows/{id}"), None).0, StatusCode::UNAUTHORIZED);
    let other = "0123456789abcdef0123456789abcdef";
    assert_eq!(read(&port, "ada", other).0, StatusCode::NOT_FOUND);
    assert_eq!(act(&port, "ada", &id, "release", &json!({"milestone": 4})).0, StatusCode::BAD_REQUEST);
}

#[test]
fn an_arbiter_decides_what_is_disputed_and_nothing_before() {
    let port = port();
    let id = create(&port, &json!({"arbiter": "traveller:eve"}));
    let early = act(&port, "eve", &id, "release", &json!({"milestone": 1}));
    assert_eq!(early.0, StatusCode::FORBIDDEN);
    act(&port, "ada", &id, "release", &json!({"milestone": 1}));
    let (status, escrow) = act(&port, "bazaar", &id, "dispute", &json!({}));
    assert_eq!((status, states(&escrow)), (OK, vec!["released", "disputed", "disputed"]), "{escrow}");
    assert_eq!(escrow["state"], "disputed");
    assert_eq!(balances(&port, &id), [400, 300, 0, 300]);
    assert_eq!(act(&port, "bazaar", &id, "dispute", &json!({})).1, escrow);

    let (status, escrow) = act(&port, "eve", &id, "release", &json!({"milestone": 2}));
    assert_eq!((status, states(&escrow)), (OK, vec!["released", "released", "disputed"]), "{escrow}");
    let changed = act(&port, "eve", &id, "refund", &json!({"milestone": 2}));
    assert_eq!((changed.0, slug(&changed.1)), (StatusCode::CONFLICT, "escrow-settled"));
    let (_, escrow) = act(&port, "eve", &id, "refund", &json!({"milestone": 3}));
    assert_eq!(states(&escrow), ["released", "released", "refunded"]);
    assert_eq!(act(&port, "eve", &id, "refund", &json!({"milestone": 3})).1, escrow);
    assert_eq!(balances(&port, &id), [500, 500, 0, 0]);
    let late = act(&port, "ada", &id, "dispute", &json!({}));
    assert_eq!((late.0, slug(&late.1)), (StatusCode::CONFLICT, "escrow-settled"));
}

/// A vote that is signed with a key.
fn vote(port: &Port, signer: &Signer, id: &str, decision: &str, milestone: usize) -> (StatusCode, Value) {
    let payload = json!({"escrow": id, "decision": decision, "milestone": milestone, "iat": NOW / 1000,
                         "aud": PORT});
    port.post_signed(&format!("/v1/escrows/{id}/{decision}"), signer.sign("vwp-escrow-vote+jws", &payload))
}

#[test]
fn approvers_release_when_enough_of_them_agree() {
    let port = port();
    let (one, stranger) = (Signer::new(21), Signer::new(22));
    let key = Jwk::from_key(one.key.verifying_key());
    let approvers = json!([{"key": key}, {"owner": "world:arena"}, {"owner": "traveller:eve"}]);
    let id = create(&port, &json!({"approvers": approvers, "approvals": 2}));
    let (status, escrow) = vote(&port, &one, &id, "release", 1);
    assert_eq!((status, states(&escrow)), (OK, vec!["funded"; 3]), "{escrow}");
    assert_eq!(escrow["milestones"][0]["votes"], json!({"release": 1, "refund": 0}));
    assert_eq!(vote(&port, &one, &id, "release", 1).1, escrow);
    assert_eq!(vote(&port, &stranger, &id, "release", 1).0, StatusCode::UNAUTHORIZED);
    assert_eq!(vote(&port, &one, &id, "refund", 2).0, StatusCode::FORBIDDEN);
    let (_, escrow) = act(&port, "arena", &id, "release", &json!({"milestone": 1}));
    assert_eq!(states(&escrow), ["released", "funded", "funded"]);
    // What was agreed about one milestone says nothing of another, nor after a dispute.
    act(&port, "eve", &id, "release", &json!({"milestone": 2}));
    act(&port, "ada", &id, "dispute", &json!({}));
    assert_eq!(vote(&port, &one, &id, "refund", 2).1["milestones"][1]["state"], "disputed");
    let (_, escrow) = act(&port, "eve", &id, "refund", &json!({"milestone": 2}));
    assert_eq!(states(&escrow), ["released", "refunded", "disputed"]);
    assert_eq!(balances(&port, &id), [600, 300, 0, 100]);
}

#[test]
fn with_the_preimage_the_payee_takes_what_waits() {
    let port = port();
    let text = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
    let condition = text(&Sha256::digest([7; 32]));
    let id = create(&port, &json!({"condition": condition}));
    for body in [json!({}), json!({"preimage": text(&[8; 32])})] {
        let (status, problem) = act(&port, "bazaar", &id, "release", &body);
        assert_eq!((status, slug(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, "wrong-preimage"));
    }
    let shown = json!({"preimage": text(&[7; 32])});
    assert_eq!(act(&port, "bazaar", &id, "refund", &shown).0, StatusCode::BAD_REQUEST);
    assert_eq!(read(&port, "ada", &id).1["preimage"], Value::Null);
    let (status, escrow) = act(&port, "bazaar", &id, "release", &shown);
    assert_eq!((status, states(&escrow)), (OK, vec!["released"; 3]), "{escrow}");
    assert_eq!(read(&port, "ada", &id).1["preimage"], shown["preimage"]);
    assert_eq!(balances(&port, &id), [400, 600, 0, 0]);
}

#[test]
fn what_nobody_decides_in_time_goes_back_to_the_payer() {
    for disputed in [false, true] {
        let mut port = port();
        let id = create(&port, &json!({"arbiter": "traveller:eve"}));
        act(&port, "ada", &id, "release", &json!({"milestone": 3}));
        if disputed {
            act(&port, "ada", &id, "dispute", &json!({}));
        }
        port.pass(TIMEOUT_S * 1000 - 1);
        let open = if disputed { "disputed" } else { "funded" };
        assert_eq!(states(&read(&port, "bazaar", &id).1), [open, open, "released"]);
        port.pass(1);
        let (status, escrow) = read(&port, "bazaar", &id);
        assert_eq!((status, states(&escrow)), (OK, vec!["expired", "expired", "released"]), "{escrow}");
        assert_eq!(escrow.get("expires_at"), None);
        for (who, what) in [("ada", "release"), ("eve", "release"), ("eve", "refund")] {
            let (status, problem) = act(&port, who, &id, what, &json!({"milestone": 1}));
            assert_eq!((status, slug(&problem)), (StatusCode::CONFLICT, "escrow-settled"), "{who} {what}");
        }
        assert_eq!(balances(&port, &id), [900, 100, 0, 0]);
    }
}

#[test]
fn a_key_is_for_one_escrow_and_what_cannot_be_paid_is_refused_for_ever() {
    let port = port();
    create(&port, &json!({}));
    let other = post(&port, "ada", "/v1/escrows", &terms(&json!({"milestones": ["1"]})));
    assert_eq!((other.0, slug(&other.1)), (StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused"));
    let more = terms(&json!({"idempotency_key": "f", "milestones": ["401"]}));
    let poor = post(&port, "ada", "/v1/escrows", &more);
    assert_eq!((poor.0, slug(&poor.1)), (StatusCode::UNPROCESSABLE_ENTITY, "insufficient-funds"));
    port.operate(&port.arena, "more", &["issuance:gold@arena", "traveller:ada", GOLD, "1000"]);
    assert_eq!(post(&port, "ada", "/v1/escrows", &more), poor);
    for (change, status) in [
        (json!({"payer": "traveller:eve"}), StatusCode::FORBIDDEN),
        (json!({"payee": "world:nowhere"}), StatusCode::NOT_FOUND),
        (json!({"arbiter": "traveller:nobody"}), StatusCode::NOT_FOUND),
        (json!({"payee": "traveller:ada"}), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({"milestones": []}), StatusCode::BAD_REQUEST),
        (json!({"idempotency_key": null}), StatusCode::BAD_REQUEST),
        (json!({"surprise": 1}), StatusCode::BAD_REQUEST),
    ] {
        let mut wanted = terms(&json!({"idempotency_key": "g"}));
        wanted.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(post(&port, "ada", "/v1/escrows", &wanted).0, status, "{change}");
    }
}

#[test]
fn no_transfer_reaches_into_an_escrow() {
    let port = port();
    let id = create(&port, &json!({}));
    let escrow = format!("escrow:{id}");
    assert_eq!(port.pay("ada", "in", &escrow, GOLD, "1").0, StatusCode::FORBIDDEN);
    let out = json!({"from": escrow, "to": "traveller:ada", "asset": GOLD, "amount": "1"});
    assert_eq!(port.order("ada", "out", &out).0, StatusCode::FORBIDDEN);
    let (_, released) = act(&port, "ada", &id, "release", &json!({"milestone": 1}));
    for origin in [&released["transfer_id"], &released["milestones"][0]["transfer_id"]] {
        for (kind, amount) in [("refund", Some("1")), ("reverse", None)] {
            let mut order =
                json!({"idempotency_key": format!("{kind}-{origin}"), "kind": kind, "origin": origin});
            if let Some(amount) = amount {
                order["amount"] = amount.into();
            }
            assert_eq!(port.order_signed(&port.bazaar, &order).0, StatusCode::FORBIDDEN);
            let transfers = json!([order]);
            let body = crate::support::transfers_body(&transfers);
            assert_eq!(port.bulk(&port.bazaar.assertion(Some(&body)), &transfers).0, StatusCode::FORBIDDEN);
        }
    }
    assert_eq!(balances(&port, &id), [400, 300, 300, 0]);
}

#[test]
fn what_became_of_a_lost_request_is_found_out_by_repeating_it() {
    let port = port();
    port.store.fault.set(Fault::AnswerLost);
    let (status, escrow) = post(&port, "ada", "/v1/escrows", &terms(&json!({})));
    assert_eq!((status, &escrow["state"]), (OK, &json!("funded")), "{escrow}");
    let id = escrow["escrow_id"].as_str().unwrap().to_owned();
    let lost = act(&port, "ada", &id, "release", &json!({"milestone": 1}));
    assert_eq!((lost.0, slug(&lost.1)), (StatusCode::SERVICE_UNAVAILABLE, "outcome-unknown"));
    port.store.fault.set(Fault::None);
    let (status, escrow) = act(&port, "ada", &id, "release", &json!({"milestone": 1}));
    assert_eq!((status, states(&escrow)), (OK, vec!["released", "funded", "funded"]));
    assert_eq!(balances(&port, &id), [400, 300, 300, 0]);
}

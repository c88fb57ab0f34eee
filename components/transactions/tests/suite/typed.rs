//! Who asks where there is no HTTP: a traveller passes values, an operator the JSON that it asserts.

use crate::support::{ADMIN, Port};
use futures::executor::block_on;
use serde_json::json;
use vwp_core::caller::Caller;
use vwp_transactions::bulk::Bulk;
use vwp_transactions::escrows::actions::{self, DISPUTE_BODY};
use vwp_transactions::{Error, authority};

const LENGTH_MAX: usize = 1000;

fn asserted(port: &Port, assertion: &str, body: &str) -> Result<(Caller, Bulk), Error> {
    block_on(authority::asserted(&port.store, &port.environment(), assertion, body, LENGTH_MAX))
}

fn traveller(port: &Port, token: Option<&str>) -> Result<Caller, Error> {
    block_on(authority::traveller_of(&port.store, &port.environment(), token))
}

fn asker(port: &Port, token: Option<&str>) -> Result<Caller, Error> {
    block_on(authority::asker_of(&port.store, &port.environment(), token, DISPUTE_BODY.as_bytes()))
}

/// The status that the refusal has over HTTP.
fn status<T>(result: Result<T, Error>) -> u16 {
    result.err().map_or(200, |error| vwp_core::Problem::from(error).status.as_u16())
}

#[test]
fn an_operator_is_believed_about_exactly_the_json_that_it_asserts() {
    let port = Port::new();
    let order = json!({"idempotency_key": "a", "from": "world:arena", "to": "traveller:bob",
                       "asset": "gold@arena", "amount": "7"});
    let body = json!({"transfers": [order]}).to_string();
    let assertion = port.arena.assertion(Some(body.as_bytes()));
    let (caller, bulk) = asserted(&port, &assertion, &body).unwrap();
    assert_eq!(caller, Caller::Operator { id: port.arena.id.clone() });
    assert_eq!(bulk.transfers[0].to.as_deref(), Some("traveller:bob"));

    assert_eq!(status(asserted(&port, &assertion, &format!("{body} "))), 401);
    assert_eq!(status(asserted(&port, &port.arena.token(), &body)), 401);
    assert_eq!(status(asserted(&port, "not a\ntoken", &body)), 401);
    let unknown = port.arena.assertion(Some(b"{}"));
    assert_eq!(status(asserted(&port, &unknown, "{}")), 400, "what is asserted is not a bulk");
    let long = " ".repeat(LENGTH_MAX + 1);
    assert_eq!(status(asserted(&port, &port.arena.assertion(Some(long.as_bytes())), &long)), 413);
    // Only an operator asserts: a token of somebody else's is for no body, and so for any.
    for token in [port.session("ada"), ADMIN.to_owned()] {
        assert_eq!(status(asserted(&port, &token, &body)), 403);
    }
}

#[test]
fn only_a_traveller_asks_for_a_change_with_a_token_alone() {
    let port = Port::new();
    let ada = traveller(&port, Some(&port.session("ada"))).unwrap();
    assert!(matches!(ada, Caller::Traveller { id, .. } if id == "ada"));
    assert_eq!(status(traveller(&port, None)), 401);
    for token in [port.arena.token(), port.arena.assertion(Some(b"")), ADMIN.to_owned()] {
        assert_eq!(status(traveller(&port, Some(&token))), 403);
    }
}

#[test]
fn a_dispute_takes_a_travellers_token_or_what_an_operator_asserts_of_nothing_else() {
    let port = Port::new();
    let ada = asker(&port, Some(&port.session("ada"))).unwrap();
    assert!(matches!(ada, Caller::Traveller { id, .. } if id == "ada"));
    let arena = asker(&port, Some(&port.arena.assertion(Some(b"{}")))).unwrap();
    assert_eq!(arena, Caller::Operator { id: port.arena.id.clone() });
    for (token, expected) in [
        (None, 401),
        (Some(port.arena.token()), 401),
        (Some(port.arena.assertion(Some(br#"{"milestone":1}"#))), 401),
        (Some(ADMIN.to_owned()), 403),
    ] {
        assert_eq!(status(asker(&port, token.as_deref())), expected, "{token:?}");
    }
}

#[test]
fn nobody_learns_whether_there_is_an_escrow() {
    let port = Port::new();
    let get = |caller: &Caller| {
        let id = "0123456789abcdef0123456789abcdef";
        block_on(actions::get(&port.store, &port.environment(), caller, id))
    };
    assert_eq!(status(get(&Caller::Nobody)), 401);
    assert_eq!(get(&Caller::Operator { id: port.arena.id.clone() }), Err(Error::UnknownEscrow));
}

//! Many acceptances at once: whatever order their steps come in, a quote is filled once, and no unit of
//! either asset is lost or made.

use crate::escrow_races::interleave;
use crate::exchange::{GEMS, GOLD, assert_conserved, held, port, quoted};
use crate::support::{Port, Signer};
use http::Request;
use proptest::prelude::*;
use serde_json::{Value, json};

const PAYERS: [&str; 2] = ["ada", "eve"];

/// Who accepts, how much it pays, and under which key if the quote is a standing one.
type Step = (usize, u16, u8);

fn any_step() -> impl Strategy<Value = Step> {
    (0..PAYERS.len(), 1..1200_u16, 0..3_u8)
}

fn request(port: &Port, id: &str, standing: bool, (payer, amount, key): Step) -> Request<Vec<u8>> {
    let mut body = json!({"amount": amount.to_string()});
    if standing {
        body["idempotency_key"] = key.to_string().into();
    }
    Port::request(&format!("/v1/quotes/{id}/accept"), &port.session(PAYERS[payer]), &body)
}

/// What the provider gave, and took, as its accounts say.
fn traded(port: &Port) -> (u128, u128) {
    let travellers =
        |asset| PAYERS.iter().map(|who| held(port, &format!("traveller:{who}"), asset)).sum::<u128>();
    (2000 - travellers(GOLD), travellers(GEMS))
}

fn number(fill: &Value, member: &str) -> u128 {
    fill[member].as_str().unwrap().parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_quote_is_filled_at_most_once_and_no_unit_is_lost_or_made(
        (take, give) in (1..50_u32, 1..50_u32),
        ppm in prop::option::of(1..400_000_u32),
        standing in any::<bool>(),
        steps in prop::collection::vec(any_step(), 1..10),
        turns in prop::collection::vec(any::<u8>(), 1..200),
    ) {
        let port = port();
        let mut more = json!({"rate": {"take": take.to_string(), "give": give.to_string()}, "max": "1100",
                              "standing": standing});
        if let Some(ppm) = ppm {
            more["fee"] = json!({"ppm": ppm, "shares": [{"to": "world:arena", "weight": 3},
                                 {"to": "world:bazaar", "weight": 2}, {"to": "traveller:bob", "weight": 2}]});
        }
        let id = quoted(&port, "q", &more);
        // Twice each, at the same time.
        let requests =
            steps.iter().chain(&steps).map(|step| request(&port, &id, standing, *step)).collect();
        let answers = interleave(&port, requests, &turns);
        prop_assert!(answers.iter().all(|(status, _)| !status.is_server_error()), "{:?}", answers);
        assert_conserved(&port);

        let mut fills: Vec<&Value> = answers.iter().filter(|(status, _)| status.is_success()).map(|(_, fill)| fill).collect();
        fills.sort_by_key(ToString::to_string);
        fills.dedup();
        if !standing {
            prop_assert!(fills.len() <= 1, "{:?}", fills);
        }
        let sum = |member| fills.iter().map(|fill| number(fill, member)).sum::<u128>();
        prop_assert_eq!(traded(&port), (sum("paid"), sum("received")));
        prop_assert_eq!(held(&port, "rounding:bazaar", GEMS), sum("rounding"));
        for fill in fills {
            // Never more than the rate says, and less than a unit less.
            let exact = (number(fill, "paid") - number(fill, "fee")) * u128::from(give);
            prop_assert!(number(fill, "received") * u128::from(take) <= exact);
            prop_assert!((number(fill, "received") + 1) * u128::from(take) > exact);
        }
    }

    #[test]
    fn a_split_moves_all_of_an_amount_once(
        amount in 1..1000_u32,
        weights in prop::collection::vec(1..u32::MAX, 1..4),
        turns in prop::collection::vec(any::<u8>(), 1..50),
    ) {
        let port = port();
        let to = ["world:arena", "world:bazaar", "traveller:bob"];
        let shares: Vec<Value> =
            weights.iter().zip(to).map(|(weight, to)| json!({"to": to, "weight": weight})).collect();
        let body = json!({"idempotency_key": "s", "asset": GOLD, "amount": amount.to_string(), "shares": shares});
        let ask = || Port::request("/v1/transfers/split", &port.session("ada"), &body);
        let answers = interleave(&port, vec![ask(), ask(), ask()], &turns);
        prop_assert!(answers.iter().all(|(status, _)| status.is_success()), "{:?}", answers);
        prop_assert!(answers.iter().all(|(_, split)| split == &answers[0].1));
        let parts = answers[0].1["parts"].as_array().unwrap();
        for part in parts {
            prop_assert_eq!(held(&port, part["to"].as_str().unwrap(), GOLD), number(part, "amount"));
        }
        prop_assert_eq!(parts.iter().map(|part| number(part, "amount")).sum::<u128>(), u128::from(amount));
        prop_assert_eq!(held(&port, "traveller:ada", GOLD), 1000 - u128::from(amount));
        assert_conserved(&port);
    }
}

#[test]
fn a_split_is_one_for_a_key_and_all_or_nothing() {
    let port = port();
    let split = |signer: Option<&Signer>, body: &Value| {
        let token = signer.map_or_else(
            || port.session("ada"),
            |signer| signer.assertion(Some(body.to_string().as_bytes())),
        );
        port.call(Port::request("/v1/transfers/split", &token, body))
    };
    let shares = json!([{"to": "world:arena", "weight": 1}, {"to": "traveller:bob", "weight": 1}, {"to": "world:bazaar", "weight": 1}]);
    let body =
        json!({"idempotency_key": "a", "asset": GOLD, "amount": "100", "shares": shares, "memo": "lunch"});
    let (status, made) = split(None, &body);
    assert_eq!(status, http::StatusCode::CREATED, "{made}");
    let amounts: Vec<&Value> = made["parts"].as_array().unwrap().iter().map(|part| &part["amount"]).collect();
    assert_eq!(amounts, ["34", "33", "33"]);
    assert_eq!(split(None, &body), (http::StatusCode::OK, made));
    let changed = |member: &str, value: Value| {
        let mut body = body.clone();
        body[member] = value;
        body
    };
    let refused = [
        (changed("amount", "101".into()), 422),
        (json!({"idempotency_key": "b", "asset": GOLD, "amount": "901", "shares": shares}), 422),
        (json!({"idempotency_key": "c", "asset": GOLD, "amount": "0", "shares": shares}), 422),
        (json!({"idempotency_key": "d", "asset": GOLD, "amount": "1", "shares": []}), 400),
        (
            json!({"idempotency_key": "e", "asset": GOLD, "amount": "1", "from": "world:arena", "shares": shares}),
            403,
        ),
        (
            json!({"idempotency_key": "f", "asset": GOLD, "amount": "1", "shares": [{"to": "world:nowhere", "weight": 1}]}),
            404,
        ),
    ];
    for (body, status) in refused {
        assert_eq!(split(None, &body).0.as_u16(), status, "{body}");
    }
    let own = json!({"idempotency_key": "a", "asset": GOLD, "amount": "34", "from": "world:arena",
                     "shares": [{"to": "traveller:ada", "weight": 7}]});
    assert_eq!(split(Some(&port.arena), &own).0, http::StatusCode::CREATED);
    assert_eq!(held(&port, "traveller:ada", GOLD), 934);
    assert_conserved(&port);
}

//! Everybody at once: whatever order the steps of many requests come in, an escrow's money is somewhere, and
//! at the end it is the payer's or the payee's.

use crate::escrows::{balances, port, terms, token};
use crate::support::Port;
use futures::task::noop_waker_ref;
use http::{Request, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::task::{Context, Poll};

/// Those who may ask for something.
const ACTORS: [&str; 5] = ["ada", "bazaar", "eve", "bob", "arena"];
/// What they may ask for.
const ACTIONS: [&str; 3] = ["release", "refund", "dispute"];

/// Who asks for what, about which milestone if about one.
type Step = (usize, usize, Option<usize>);

fn any_step() -> impl Strategy<Value = Step> {
    (0..ACTORS.len(), 0..ACTIONS.len(), prop::option::of(1..5_usize))
}

fn request(port: &Port, id: &str, (actor, action, milestone): Step) -> Request<Vec<u8>> {
    let body = match milestone.filter(|_| ACTIONS[action] != "dispute") {
        Some(milestone) => json!({ "milestone": milestone }),
        None => json!({}),
    };
    let path = format!("/v1/escrows/{id}/{}", ACTIONS[action]);
    Port::request(&path, &token(port, ACTORS[actor], &body), &body)
}

/// Answers requests together; which of them goes on next, the turns say.
pub(crate) fn interleave(
    port: &Port,
    requests: Vec<Request<Vec<u8>>>,
    turns: &[u8],
) -> Vec<(StatusCode, Value)> {
    port.store.interleaved.set(true);
    let mut running: Vec<_> =
        requests.into_iter().map(|request| Some(Box::pin(port.send(request)))).collect();
    let mut answers = vec![(StatusCode::OK, Value::Null); running.len()];
    let mut context = Context::from_waker(noop_waker_ref());
    let mut turns = turns.iter().cycle();
    while running.iter().any(Option::is_some) {
        let turn = usize::from(*turns.next().unwrap_or(&0));
        let left: Vec<usize> = (0..running.len()).filter(|place| running[*place].is_some()).collect();
        let place = left[turn % left.len()];
        let Some(request) = running[place].as_mut() else { continue };
        if let Poll::Ready(answer) = request.as_mut().poll(&mut context) {
            answers[place] = (answer.status(), serde_json::from_slice(answer.body()).unwrap_or_default());
            running[place] = None;
        }
    }
    port.store.interleaved.set(false);
    answers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn money_is_conserved_and_no_escrow_keeps_any(
        amounts in prop::collection::vec(1..200_u32, 1..5),
        has_arbiter in any::<bool>(),
        steps in prop::collection::vec(any_step(), 1..14),
        turns in prop::collection::vec(any::<u8>(), 1..200),
    ) {
        let mut port = port();
        let judges = if has_arbiter {
            json!({"arbiter": "traveller:eve"})
        } else {
            json!({"approvers": [{"owner": "traveller:eve"}, {"owner": "traveller:bob"}, {"owner": "world:arena"}],
                   "approvals": 2})
        };
        let mut terms = terms(&judges);
        terms["milestones"] = amounts.iter().map(ToString::to_string).collect::<Vec<_>>().into();
        // The same request twice, at the same time: one escrow.
        let ask = || Port::request("/v1/escrows", &token(&port, "ada", &terms), &terms);
        let made = interleave(&port, vec![ask(), ask()], &turns);
        prop_assert!(made.iter().all(|(status, _)| status.is_success()), "{:?}", made);
        prop_assert_eq!(&made[0].1["escrow_id"], &made[1].1["escrow_id"]);
        let id = made[0].1["escrow_id"].as_str().unwrap().to_owned();
        let total: u128 = amounts.iter().map(|amount| u128::from(*amount)).sum();
        prop_assert_eq!(balances(&port, &id), [1000 - total, 0, total, 0]);

        let requests = steps.iter().map(|step| request(&port, &id, *step)).collect();
        let answers = interleave(&port, requests, &turns);
        prop_assert!(answers.iter().all(|(status, _)| !status.is_server_error()), "{:?}", answers);
        prop_assert_eq!(balances(&port, &id).iter().sum::<u128>(), 1000);

        port.pass(11_000);
        let path = format!("/v1/escrows/{id}");
        let read = || Request::get(&path)
            .header("authorization", format!("Bearer {}", port.session("ada"))).body(Vec::new()).unwrap();
        let ends = interleave(&port, vec![read(), read()], &turns);
        prop_assert_eq!(&ends[0], &ends[1]);
        let milestones = ends[0].1["milestones"].as_array().unwrap();
        let released: u128 = milestones.iter().zip(&amounts)
            .filter(|(milestone, _)| milestone["state"] == "released").map(|(_, amount)| u128::from(*amount)).sum();
        prop_assert_eq!(balances(&port, &id), [1000 - released, released, 0, 0]);
    }
}

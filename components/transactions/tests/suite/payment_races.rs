//! Everybody at once, and broken off anywhere: whatever order the steps of many requests come in, and wherever each
//! ends, money is neither lost nor made, and each payment settles once.

use crate::payments::{held, port, request, webhook};
use crate::support::Port;
use futures::task::noop_waker_ref;
use http::{Request, StatusCode};
use proptest::prelude::*;
use serde_json::json;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What is asked for: the kind, and a number from which the key and the amount follow.
type Step = (u8, u8);

fn any_step() -> impl Strategy<Value = Step> {
    (0..9_u8, 0..6_u8)
}

/// The request of a step; an event that has not happened is none.
fn asked(port: &Port, ids: &[String; 2], (kind, number): Step) -> Option<Request<Vec<u8>>> {
    let number = usize::from(number);
    let id = &ids[number % 2];
    let key = format!("{kind}-{number}");
    let path = |what: &str| format!("/v1/payments/{id}/{what}");
    let amount = (number * 37 + 20).to_string();
    Some(match kind {
        0 => create(port, number % 2),
        1 => {
            let body = json!({"idempotency_key": key, "payment_method": "pm_card"});
            request(port, "ada", &path("confirm"), &body)
        }
        2 => request(port, "arena", &path("capture"), &json!({"idempotency_key": key, "amount": "300"})),
        3 | 4 => request(port, "arena", &path("refund"), &json!({"idempotency_key": key, "amount": amount})),
        5 => {
            let body = json!({"idempotency_key": key, "from": "world:arena", "asset": "eur@arena",
                              "amount": amount, "destination": "ba_1"});
            request(port, "arena", "/v1/payouts", &body)
        }
        6 if number == 0 => request(port, "ada", &path("cancel"), &json!({"idempotency_key": key})),
        7 => {
            port.processor.dispute(number % 2, number as u64 * 41 + 30);
            return None;
        }
        _ => {
            let events = port.processor.events();
            webhook(events.get(number * 3 % events.len().max(1))?)
        }
    })
}

/// Ada's payment with this number: the first one is taken at once, the second one when the arena says so.
fn create(port: &Port, number: usize) -> Request<Vec<u8>> {
    let body = json!({"idempotency_key": number.to_string(), "payee": "world:arena", "asset": "eur@arena",
                      "amount": "500", "capture": (["automatic", "manual"][number])});
    request(port, "ada", "/v1/payments", &body)
}

/// Answers requests together, each for at most so many steps. Which of them goes on next, the turns say.
pub(crate) fn interleave(
    port: &Port,
    requests: Vec<(Request<Vec<u8>>, u8)>,
    turns: &[u8],
) -> Vec<StatusCode> {
    port.store.interleaved.set(true);
    port.processor.interleaved.set(true);
    let begun = |(request, steps)| Some((Box::pin(port.send(request)), steps));
    let mut running: Vec<Option<(Pin<Box<_>>, u8)>> = requests.into_iter().map(begun).collect();
    let mut answers = Vec::new();
    let mut context = Context::from_waker(noop_waker_ref());
    let mut turns = turns.iter().cycle();
    while running.iter().any(Option::is_some) {
        let turn = usize::from(*turns.next().unwrap_or(&0));
        let left: Vec<usize> = (0..running.len()).filter(|place| running[*place].is_some()).collect();
        let place = left[turn % left.len()];
        let Some((request, steps)) = running[place].as_mut() else { continue };
        if let Poll::Ready(answer) = request.as_mut().poll(&mut context) {
            answers.push(answer.status());
            running[place] = None;
        } else if *steps == 0 {
            // The port ends here.
            running[place] = None;
        } else {
            *steps -= 1;
        }
    }
    port.store.interleaved.set(false);
    port.processor.interleaved.set(false);
    answers
}

/// Every event again, newest first, until no more happens.
fn tell_all(port: &Port) {
    for _ in 0..4 {
        port.processor.finish();
        for event in port.processor.events().iter().rev() {
            assert_eq!(port.call(webhook(event)).0, StatusCode::NO_CONTENT);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn money_is_neither_lost_nor_made_and_each_payment_settles_once(
        steps in prop::collection::vec((any_step(), 0..60_u8, any::<bool>()), 1..24),
        turns in prop::collection::vec(any::<u8>(), 1..200),
    ) {
        let port = port();
        let made = [0, 1].map(|number| port.call(create(&port, number)).1);
        let ids = made.map(|payment| payment["payment_id"].as_str().unwrap().to_owned());
        for together in steps.chunks(6) {
            let requests = together.iter().filter_map(|(step, steps, is_cut)| {
                // What is not cut has as many steps as it needs.
                Some((asked(&port, &ids, *step)?, if *is_cut { *steps } else { u8::MAX }))
            });
            let answers = interleave(&port, requests.collect(), &turns);
            let is_ours = |status: &StatusCode| status.is_server_error() && *status != StatusCode::SERVICE_UNAVAILABLE;
            prop_assert!(!answers.iter().any(is_ours), "{:?}", answers);
        }
        // Everybody asks again for what was broken off, and all events come.
        for (step, ..) in &steps {
            asked(&port, &ids, *step).map(|request| port.call(request));
        }
        tell_all(&port);

        let look = || ids.clone().map(|id| {
            let (status, payment) = port.get(&format!("/v1/payments/{id}"), Some(&port.session("ada")));
            assert_eq!(status, StatusCode::OK, "{payment}");
            payment
        });
        // Looking at one may give the payee what it owes for the other.
        look();
        let payments = look();
        let amount = |value: &serde_json::Value| value.as_str().map_or(0, |text| text.parse::<i128>().unwrap());
        let (mut left, mut owed) = (0, 0);
        for payment in &payments {
            let (captured, refunded) = (amount(&payment["captured"]), amount(&payment["refunded"]));
            prop_assert!(refunded <= captured && captured <= 500, "{}", payment);
            prop_assert_eq!(captured != 0, payment["transfer_id"].is_string());
            left += captured - refunded;
            let disputes = payment["disputes"].as_array().unwrap();
            for dispute in disputes.iter().filter(|dispute| dispute["state"] == "withdrawn") {
                let is_charged_back = dispute["transfer_id"].is_string();
                *(if is_charged_back { &mut left } else { &mut owed }) -= amount(&dispute["amount"]);
            }
        }
        let list = port.get("/v1/payouts?owner=world:arena&asset=eur@arena&limit=100", Some(&port.arena.token())).1;
        let paid_out = list["items"].as_array().unwrap().iter().filter(|payout| payout["state"] == "paid");
        left -= paid_out.map(|payout| amount(&payout["amount"])).sum::<i128>();
        prop_assert_eq!(held(&port, "world:arena"), (u128::try_from(left).unwrap(), 0));
        prop_assert_eq!(held(&port, "processor:model").0, u128::try_from(left).unwrap());
        prop_assert_eq!(port.processor.cash(), left + owed);
    }
}

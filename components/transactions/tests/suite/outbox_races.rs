//! Everybody at once, and broken off anywhere: whatever order the steps come in, what happened to a world is in the
//! outbox, and once.

use crate::outbox::{listen, owner, read_log, taken};
use crate::payment_races::interleave;
use crate::payments::{port, request, webhook};
use crate::support::{ADMIN, Port};
use http::Request;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is asked for: the kind, and a number from which the key and the amount follow.
type Step = (u8, u8);

fn read_request() -> Request<Vec<u8>> {
    Request::post("/v1/schedules/run")
        .header("authorization", format!("Bearer {ADMIN}"))
        .body(Vec::new())
        .unwrap()
}

/// The request of a step; an event that has not happened is none.
fn asked(port: &Port, ids: &[String; 2], (kind, number): Step) -> Option<Request<Vec<u8>>> {
    let key = format!("{kind}-{number}");
    let id = &ids[usize::from(number) % 2];
    let path = |what: &str| format!("/v1/payments/{id}/{what}");
    Some(match kind {
        0 | 1 => {
            port.payment("ada", &key, &json!({"to": "world:arena", "asset": "eur@arena", "amount": "3"}))
        }
        2 => {
            let body = json!({"idempotency_key": "c", "payment_method": "pm_card"});
            request(port, "ada", &path("confirm"), &body)
        }
        3 => {
            let amount = (u32::from(number) * 5 + 5).to_string();
            let body = json!({"idempotency_key": key, "amount": amount});
            request(port, "arena", &path("refund"), &body)
        }
        4 => {
            let events = port.processor.events();
            webhook(events.get(usize::from(number) * 3 % events.len().max(1))?)
        }
        // Several hosts read the log.
        _ => read_request(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_happened_is_in_the_outbox_once(
        steps in prop::collection::vec(((0..8_u8, 0..6_u8), 0..40_u8, any::<bool>()), 1..24),
        turns in prop::collection::vec(any::<u8>(), 1..200),
    ) {
        let port = port();
        listen(&port, &owner(&port.arena));
        let issued = ["issuance:eur@arena", "traveller:ada", "eur@arena", "1000"];
        port.operate(&port.arena, "issue", &issued);
        let ids = [0, 1].map(|number| {
            let body = json!({"idempotency_key": number.to_string(), "payee": "world:arena", "asset": "eur@arena",
                              "amount": "500"});
            let made = port.call(request(&port, "ada", "/v1/payments", &body)).1;
            made["payment_id"].as_str().unwrap().to_owned()
        });
        for together in steps.chunks(6) {
            let requests = together.iter().filter_map(|(step, steps, is_cut)| {
                // What is not cut has as many steps as it needs.
                Some((asked(&port, &ids, *step)?, if *is_cut { *steps } else { u8::MAX }))
            });
            interleave(&port, requests.collect(), &turns);
        }
        // Everybody asks again for what was broken off, and all of the processor's events come.
        for (step, ..) in &steps {
            asked(&port, &ids, *step).map(|request| port.call(request));
        }
        for event in port.processor.events() {
            port.call(webhook(&event));
        }
        read_log(&port);

        let events = taken(&port);
        let unique: BTreeSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
        prop_assert_eq!(unique.len(), events.len());
        // All transfers of the account, and the issue.
        let path = "/v1/ledger/accounts/world:arena/eur@arena/transfers?limit=100";
        let history = port.get(path, Some(&port.arena.token())).1;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let moved: BTreeSet<String> =
            history["transfers"].as_array().unwrap().iter().map(|one| text(&one["transfer_id"])).collect();
        let told: Vec<String> = events
            .iter()
            .filter(|event| event.kind.starts_with("transfer.") && event.data["to"] != "traveller:ada")
            .map(|event| text(&event.data["transfer_id"]))
            .collect();
        prop_assert_eq!(told.len(), moved.len());
        prop_assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), moved);
        let issues = events.iter().filter(|event| event.data["to"] == "traveller:ada").count();
        prop_assert_eq!(issues, 1);
        // Every payment that was captured.
        for id in &ids {
            let payment = port.get(&format!("/v1/payments/{id}"), Some(&port.session("ada"))).1;
            let captured = events
                .iter()
                .filter(|event| event.kind == "payment.captured" && event.data["payment_id"] == json!(id))
                .count();
            prop_assert_eq!(captured, usize::from(payment["captured"].is_string()));
            let paid = payment["refunds"].as_array().unwrap().iter().filter(|one| one["state"] == "paid").count();
            let refunded = events
                .iter()
                .filter(|event| event.kind == "payment.refunded" && event.data["payment_id"] == json!(id))
                .count();
            prop_assert_eq!(refunded, paid);
        }
    }
}

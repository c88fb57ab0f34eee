//! Hosts that work at the same time, and end anywhere: whatever order their steps come in, every event gets to every
//! endpoint that wants it, is a delivery once, and leaves nothing behind.

use crate::support::{HOOKS, Port, Way, owner};
use futures::task::noop_waker_ref;
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use vwp_core::outbox::Event;
use vwp_storage::Kv;

type Work<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Something happens, in a commit of its own.
async fn happens(port: &Port, number: usize) {
    let number = number.to_string();
    let event = Event::new(&owner(1), "transfer.created", &[&number], None, json!({ "number": number }));
    port.store.commit(&[], &[event.write().unwrap()]).await.unwrap();
}

/// Lets work go on, each for at most so many steps. Which goes on next, the turns say.
fn interleave(works: Vec<(Work<'_>, usize)>, turns: &[u8]) {
    let mut running: Vec<Option<(Work<'_>, usize)>> = works.into_iter().map(Some).collect();
    let mut context = Context::from_waker(noop_waker_ref());
    let mut turns = turns.iter().cycle();
    while running.iter().any(Option::is_some) {
        let turn = usize::from(*turns.next().unwrap_or(&0));
        let left: Vec<usize> = (0..running.len()).filter(|place| running[*place].is_some()).collect();
        let place = left[turn % left.len()];
        let Some((work, steps)) = running[place].as_mut() else { continue };
        if *steps == 0 {
            // The host ends here.
            running[place] = None;
        } else if let Poll::Ready(()) = work.as_mut().poll(&mut context) {
            running[place] = None;
        } else {
            *steps -= 1;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_event_arrives_and_is_a_delivery_once(
        events in 1..8_usize,
        hosts in prop::collection::vec(0..120_usize, 1..6),
        fails in any::<[bool; 2]>(),
        turns in prop::collection::vec(any::<u8>(), 1..200),
    ) {
        let port = Port::with_retries("0s,0s,0s,0s,0s,0s");
        let endpoints = [
            port.register(1, &json!({"url": format!("{HOOKS}/0")})),
            port.register(1, &json!({"url": format!("{HOOKS}/1"), "types": ["transfer.created", "payout.paid"]})),
            port.register(1, &json!({"url": format!("{HOOKS}/none"), "types": ["payout.paid"]})),
        ];
        for (path, fails) in ["/0", "/1"].iter().zip(fails) {
            port.answers(path, Way::Status(if fails { 500 } else { 200 }));
        }
        port.store.interleaved.set(true);
        port.network.interleaved.set(true);
        let mut works: Vec<(Work<'_>, usize)> = Vec::new();
        for number in 0..events {
            works.push((Box::pin(happens(&port, number)), usize::MAX));
        }
        for steps in &hosts {
            works.push((Box::pin(async { port.turn().await; }), *steps));
        }
        interleave(works, &turns);
        port.store.interleaved.set(false);
        port.network.interleaved.set(false);

        // The hosts are there again, and the endpoints answer.
        for path in ["/0", "/1"] {
            port.answers(path, Way::Status(200));
        }
        port.run();
        port.time.pass(60_000);
        port.run();
        for endpoint in &endpoints {
            let path = format!("/{}/replay", endpoint["endpoint_id"].as_str().unwrap());
            port.ask(1, "POST", &path, &json!({"since": 0}));
        }
        port.run();

        prop_assert_eq!(port.keys("outbox/event/"), Vec::<String>::new());
        prop_assert_eq!(port.keys("webhooks/due/"), Vec::<String>::new());
        let ids = |number: usize| -> Vec<String> {
            let delivered = port.deliveries(1, &endpoints[number], "delivered");
            delivered.iter().map(|one| one["webhook_id"].as_str().unwrap().to_owned()).collect()
        };
        for number in [0, 1] {
            let (list, set) = (ids(number), ids(number).into_iter().collect::<BTreeSet<_>>());
            prop_assert_eq!((list.len(), set.len()), (events, events));
        }
        prop_assert_eq!(ids(2), Vec::<String>::new());
        // However often something was sent, it was the same, and both endpoints have all of it.
        let mut bodies: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for one in port.arrived() {
            let bodies = bodies.entry((one.url.clone(), one.id().to_owned())).or_default();
            bodies.insert(one.body.clone());
        }
        prop_assert_eq!(bodies.len(), 2 * events);
        prop_assert!(bodies.values().all(|bodies| bodies.len() == 1));
    }
}

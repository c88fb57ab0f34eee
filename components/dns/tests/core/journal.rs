//! The journal: any earlier state of the zone can be had back, as long as it is kept.

use crate::support::{Port, address, at, content, edit, text};
use crate::verify::nodes;
use futures::executor::block_on;
use proptest::prelude::*;
use std::collections::BTreeMap;
use vwp_dns::DnsError;
use vwp_dns::edit::Edit;
use vwp_dns::journal::{self, Step};
use vwp_dns::name::OrderedName;
use vwp_dns::node::Node;
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, Version};

/// All steps between two versions, in pages of a few records.
async fn all_steps(port: &Port, mut since: Version, until: Version, limit: u32) -> Vec<Step> {
    let mut all = Vec::new();
    while since < until {
        let (steps, complete) =
            journal::steps(&port.store, &port.zone, since, until, limit).await.expect("steps");
        assert!(complete > since, "no progress");
        all.extend(steps);
        since = complete;
    }
    all
}

fn put(nodes: &mut BTreeMap<OrderedName, Node>, name: OrderedName, node: Option<Node>) {
    match node {
        Some(node) => nodes.insert(name, node),
        None => nodes.remove(&name),
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn undoing_steps_gives_every_earlier_state_back(
        edits in prop::collection::vec(
            prop::collection::btree_map(0_u8..6, prop::option::of(1_u8..4), 1..5), 1..8),
        limit in 1_u32..5,
    ) {
        block_on(async {
            let port = Port::new();
            port.publish().await;
            let version = || async {
                journal::latest(&port.store, &port.zone).await.expect("a version").expect("a version")
            };
            let mut states = vec![(version().await, nodes(&port).await)];
            for changes in edits {
                let edit: Edit = changes
                    .into_iter()
                    .map(|(name, last)| (at(&["w", &name.to_string()]), last.and_then(|last| content(vec![address(last)]))))
                    .collect();
                port.edit(&edit).await.expect("an edit");
                states.push((version().await, nodes(&port).await));
            }
            let (last, now) = states.last().cloned().expect("a state");
            for (since, then) in &states {
                let steps = all_steps(&port, *since, last, limit).await;
                let mut backwards = now.clone();
                for step in steps.iter().rev() {
                    put(&mut backwards, step.name.clone(), step.before.clone());
                }
                assert_eq!(backwards, *then);
                let mut forwards = then.clone();
                for step in steps {
                    put(&mut forwards, step.name, step.after);
                }
                assert_eq!(forwards, now);
            }
        });
    }
}

#[test]
fn a_commit_of_many_records_is_told_whole() {
    block_on(async {
        let port = Port::new();
        port.publish().await;
        let start = journal::latest(&port.store, &port.zone).await.expect("a version").expect("a version");
        let many: Edit = (0..40)
            .map(|number| (at(&[&format!("n{number}")]), content(vec![text(&"x".repeat(8000))])))
            .collect();
        port.edit(&many).await.expect("an edit");
        for name in ["a", "b"] {
            port.edit(&edit([(at(&[name]), content(vec![address(1)]))])).await.expect("an edit");
        }
        let (steps, complete) =
            journal::steps(&port.store, &port.zone, start, start + 10, 1).await.expect("steps");
        assert!(steps.iter().all(|step| step.version == steps[0].version));
        assert_eq!((steps.len(), complete), (41, steps[0].version));
    });
}

#[test]
fn what_is_old_is_forgotten_and_asking_for_it_says_so() {
    block_on(async {
        let mut port = Port::new();
        port.policy.journal_s = 1000;
        let first = port.publish().await;
        for number in 0..250_u32 {
            port.now_ms += 1000;
            port.edit(&edit([(at(&["a"]), content(vec![text(&number.to_string())]))]))
                .await
                .expect("an edit");
        }
        port.maintain().await;
        let second = port.publish().await;
        assert!(second.version > first.version);
        let since = |version| journal::steps(&port.store, &port.zone, version, second.version, 1000);
        assert_eq!(since(first.version).await.expect("steps").0.len(), 251, "with the apex before the first");
        port.now_ms += 1_000_000;
        port.maintain().await;
        let latest = port.publish().await;
        let since = |version| journal::steps(&port.store, &port.zone, version, latest.version, 1000);
        assert_eq!(since(first.version).await, Err(DnsError::Forgotten));
        assert_eq!(since(latest.version).await, Ok((Vec::new(), latest.version)));
        assert_eq!(port.store.get(&port.zone.published(first.serial)).await, Ok(None));
        assert!(port.store.get(&port.zone.published(latest.serial)).await.expect("read").is_some());
        let kept = port.store.scan(&port.zone.journal(0, Version::MAX - 1), 1000, Direction::Forward).await;
        let counted = port.store.get(&port.zone.journaled()).await.expect("read").expect("a count");
        let counted = i64::from_le_bytes(counted.value.try_into().expect("a counter"));
        assert_eq!(usize::try_from(counted), Ok(kept.expect("a page").items.len()));
        // What is forgotten was not needed: the zone goes on.
        port.edit(&edit([(at(&["a"]), None)])).await.expect("an edit");
        port.now_ms += 1000;
        assert!(port.publish().await.version > latest.version);
    });
}

//! Edits: the chain of NSEC records is whole after any of them, alone or side by side.

use crate::support::{Port, address, alias, at, content, delegation, edit, mail, own, text};
use crate::verify::{nodes, verify};
use domain::base::iana::Rtype as Type;
use futures::executor::block_on;
use futures::future::join_all;
use futures::join;
use proptest::prelude::*;
use std::collections::BTreeMap;
use vwp_dns::DnsError;
use vwp_dns::edit::{Content, Edit, NAMES_MAX};
use vwp_dns::name::OrderedName;
use vwp_dns::node::Set;

/// What a name is to hold, as a test makes it up.
#[derive(Debug, Clone)]
enum Change {
    Address(u8),
    Text,
    Alias,
    Cut(bool),
    Gone,
}

impl Change {
    fn content(&self, name: &OrderedName) -> Option<Content> {
        match self {
            Self::Address(last) => content(vec![address(*last), mail("mx.Example")]),
            Self::Text => content(vec![text("a world")]),
            Self::Alias => content(vec![alias()]),
            Self::Cut(is_secure) => {
                delegation(Some(&name.child(b"ns").to_name(&own("vwp.test")).expect("a name")), *is_secure)
            }
            Self::Gone => None,
        }
    }
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (1_u8..4).prop_map(Change::Address),
        2 => Just(Change::Text),
        1 => Just(Change::Alias),
        1 => any::<bool>().prop_map(Change::Cut),
        4 => Just(Change::Gone),
    ]
}

fn edits() -> impl Strategy<Value = Edit> {
    let label = prop_oneof![Just("a"), Just("b"), Just("B0"), Just("_tcp"), Just("\u{1}")];
    let name = prop::collection::vec(label, 1..4).prop_map(|labels| at(&labels));
    prop::collection::btree_map(name, changes(), 1..7).prop_map(|changes| {
        changes.into_iter().map(|(name, change)| (name.clone(), change.content(&name))).collect()
    })
}

/// What the zone holds besides what is the zone's own.
type Model = BTreeMap<OrderedName, Content>;

fn is_cut(content: &Content) -> bool {
    content.sets.iter().any(|set| set.rtype == Type::NS)
}

/// The model after an edit; none if a name would be below a delegation.
fn apply(model: &Model, edit: &Edit) -> Option<Model> {
    let mut after = model.clone();
    for (name, content) in edit {
        match content {
            Some(content) => after.insert(name.clone(), content.clone()),
            None => after.remove(name),
        };
    }
    let is_below = |name: &OrderedName| {
        let mut above = std::iter::successors(name.parent(), OrderedName::parent);
        above.any(|above| after.get(&above).is_some_and(is_cut))
    };
    let fits = !after.keys().any(is_below);
    fits.then_some(after)
}

async fn assert_holds(port: &Port, model: &Model) {
    verify(port, &port.publish().await).await;
    let mut held = nodes(port).await;
    held.remove(&OrderedName::apex());
    let held: Model = held
        .into_iter()
        .map(|(name, node)| {
            let sets = node.sets.into_iter().filter(|set| set.rtype != Type::NSEC);
            let sets = sets.map(|set| Set { signatures: Vec::new(), ..set }).collect();
            (name, Content { sets, glue: node.glue })
        })
        .collect();
    let sorted = |content: &Content| {
        let mut content = content.clone();
        content.sets.sort_by_key(|set| set.rtype.to_int());
        content
    };
    let model: Model = model.iter().map(|(name, content)| (name.clone(), sorted(content))).collect();
    assert_eq!(held, model);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_zone_is_whole_after_any_edits(edits in prop::collection::vec(edits(), 1..12)) {
        block_on(async {
            let port = Port::new();
            let mut model = Model::new();
            for edit in &edits {
                match (port.edit(edit).await, apply(&model, edit)) {
                    (Ok(()), Some(after)) => model = after,
                    (Err(DnsError::Refused(_)), None) => {}
                    (outcome, after) => panic!("{outcome:?}, expected {after:?}"),
                }
            }
            assert_holds(&port, &model).await;
        });
    }

    #[test]
    fn edits_that_race_leave_the_zone_whole(edits in prop::collection::vec(edits(), 2..8)) {
        block_on(async {
            let port = Port::new();
            port.publish().await;
            let mut plans = Vec::new();
            for edit in &edits {
                plans.push((edit, port.plan(edit).await));
            }
            let mut model = Model::new();
            for (edit, plan) in plans {
                let outcome = match plan {
                    // What did nothing did it before the others.
                    Ok(plan) if plan.is_empty() => Err(DnsError::Conflict),
                    Ok(plan) => plan.commit(&port.store).await.map(|_| ()),
                    Err(error) => Err(error),
                };
                let outcome = match outcome {
                    Err(DnsError::Conflict) => port.edit(edit).await,
                    outcome => outcome,
                };
                match (outcome, apply(&model, edit)) {
                    (Ok(()), Some(after)) => model = after,
                    (Err(DnsError::Refused(_)), _) => {}
                    (outcome, after) => panic!("{outcome:?}, expected {after:?}"),
                }
            }
            assert_holds(&port, &model).await;
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn edits_that_come_between_each_other_leave_the_zone_whole(
        edits in prop::collection::vec(edits(), 2..8),
    ) {
        block_on(async {
            let mut port = Port::new();
            let all = join_all(edits.iter().map(|edit| port.edit_among_others(edit)));
            for outcome in join!(all, port.maintain()).0 {
                prop_assert!(matches!(outcome, Ok(()) | Err(DnsError::Refused(_))), "{outcome:?}");
            }
            port.now_ms += 1000;
            verify(&port, &port.publish().await).await;
            Ok(())
        })?;
    }
}

#[test]
fn what_does_not_change_is_neither_signed_nor_written_again() {
    block_on(async {
        let mut port = Port::new();
        let first = edit([
            (at(&["a"]), content(vec![address(1), text("a")])),
            (at(&["c"]), content(vec![address(2)])),
        ]);
        port.edit(&first).await.expect("an edit");
        let before = nodes(&port).await;
        port.now_ms += 5_000_000;
        assert!(port.plan(&first).await.expect("a plan").is_empty());
        let second = edit([(at(&["a"]), content(vec![address(1), text("b")]))]);
        port.edit(&second).await.expect("an edit");
        let after = nodes(&port).await;
        let (old, new) = (&before[&at(&["a"])], &after[&at(&["a"])]);
        assert_eq!(old.set(Type::A), new.set(Type::A));
        assert_eq!(old.set(Type::NSEC), new.set(Type::NSEC));
        assert_ne!(old.set(Type::TXT), new.set(Type::TXT));
        assert_eq!(before[&at(&["c"])], after[&at(&["c"])]);
        assert_eq!(before[&OrderedName::apex()], after[&OrderedName::apex()]);
    });
}

#[test]
fn the_apex_keeps_what_is_the_zones_own() {
    block_on(async {
        let port = Port::new();
        let apex = OrderedName::apex();
        port.edit(&edit([(apex.clone(), content(vec![text("the zone"), address(1)]))]))
            .await
            .expect("an edit");
        let node = nodes(&port).await[&apex].clone();
        for rtype in [Type::A, Type::CDNSKEY, Type::CDS, Type::DNSKEY, Type::NS, Type::NSEC, Type::TXT] {
            assert!(node.set(rtype).is_some(), "{rtype}");
        }
        assert_eq!(node.set(Type::NS).expect("name servers").data[0], b"\x03ns1\x07example\0");
        let head = port.publish().await;
        verify(&port, &head).await;
        port.edit(&edit([(apex.clone(), Some(Content::default()))])).await.expect("an edit");
        assert_eq!(nodes(&port).await[&apex].set(Type::TXT), None);
        let head = port.publish().await;
        verify(&port, &head).await;
    });
}

#[test]
fn what_a_zone_cannot_hold_is_refused_with_a_reason() {
    block_on(async {
        let mut port = Port::new();
        port.edit(&edit([(at(&["cut"]), delegation(None, false))])).await.expect("an edit");
        port.edit(&edit([(at(&["w", "deep"]), content(vec![address(1)]))])).await.expect("an edit");
        let outside = own("ns.elsewhere.vwp.test");
        let raw = |rtype, data: &[u8]| content(vec![Set::new(rtype, 60, vec![data.to_vec()])]);
        let big =
            (0..500_u16).map(|number| [&[100][..], &[b'x'; 98], &number.to_be_bytes()].concat()).collect();
        let refused = [
            ("a wildcard", at(&["*"]), content(vec![address(1)])),
            ("below a delegation", at(&["cut", "x"]), content(vec![address(1)])),
            ("above names", at(&["w"]), delegation(None, false)),
            (
                "beside a delegation",
                at(&["x"]),
                content([delegation(None, false).unwrap().sets, vec![text("x")]].concat()),
            ),
            ("glue elsewhere", at(&["x"]), delegation(Some(&outside), false)),
            ("a DS alone", at(&["x"]), raw(Type::DS, &[0; 36])),
            ("an alias beside others", at(&["x"]), content(vec![alias(), text("x")])),
            ("an alias at the apex", OrderedName::apex(), content(vec![alias()])),
            ("name servers of the apex", OrderedName::apex(), delegation(None, false)),
            ("the apex removed", OrderedName::apex(), None),
            ("a key", at(&["x"]), raw(Type::DNSKEY, &[0; 68])),
            ("a signature", at(&["x"]), raw(Type::RRSIG, &[0; 30])),
            ("a start of authority", at(&["x"]), raw(Type::SOA, &[0; 22])),
            ("a question's type", at(&["x"]), raw(Type::ANY, &[])),
            ("two sets of a type", at(&["x"]), content(vec![address(1), address(2)])),
            ("no records in a set", at(&["x"]), content(vec![Set::new(Type::A, 60, Vec::new())])),
            ("too many bytes", at(&["x"]), content(vec![Set::new(Type::TXT, 60, big)])),
        ];
        for (what, name, content) in refused {
            let outcome = port.edit(&edit([(name, content)])).await;
            assert!(matches!(outcome, Err(DnsError::Refused(_))), "{what}: {outcome:?}");
        }
        let many: Edit =
            (0..=NAMES_MAX).map(|number| (at(&[&number.to_string()]), content(vec![address(1)]))).collect();
        assert!(matches!(port.edit(&many).await, Err(DnsError::Refused(_))));
        port.policy.is_signed = false;
        let cut = edit([(at(&["y"]), delegation(None, false))]);
        assert!(matches!(port.edit(&cut).await, Err(DnsError::Refused(_))));
    });
}

#[test]
fn a_delegation_and_a_name_below_it_do_not_both_come_at_once() {
    block_on(async {
        let port = Port::new();
        port.publish().await;
        let cut = port.plan(&edit([(at(&["w"]), delegation(None, true))])).await.expect("a plan");
        let below = port.plan(&edit([(at(&["w", "x"]), content(vec![address(1)]))])).await.expect("a plan");
        let between = edit([(at(&["v"]), content(vec![address(1)]))]);
        cut.commit(&port.store).await.expect("a commit");
        assert_eq!(below.commit(&port.store).await, Err(DnsError::Conflict));
        port.edit(&between).await.expect("an edit");
        let head = port.publish().await;
        verify(&port, &head).await;
    });
}

#[test]
fn an_unsigned_zone_has_neither_signatures_nor_a_chain() {
    block_on(async {
        let mut port = Port::new();
        port.policy.is_signed = false;
        port.publish().await;
        port.edit(&edit([(at(&["a"]), content(vec![address(1)]))])).await.expect("an edit");
        port.edit(&edit([(at(&["b"]), content(vec![text("b")])), (at(&["a"]), None)]))
            .await
            .expect("an edit");
        port.now_ms += 1000;
        port.maintain().await;
        let nodes = nodes(&port).await;
        let types = |name| nodes[&name].sets.iter().map(|set| set.rtype).collect::<Vec<_>>();
        assert_eq!(types(OrderedName::apex()), [Type::NS]);
        assert_eq!(types(at(&["b"])), [Type::TXT]);
        assert_eq!(nodes.len(), 2);
        assert!(nodes.values().flat_map(|node| &node.sets).all(|set| set.signatures.is_empty()));
        assert_eq!(port.publish().await.soa.signatures, Vec::<Vec<u8>>::new());
    });
}

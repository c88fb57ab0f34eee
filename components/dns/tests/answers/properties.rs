//! Random zones and questions, against what the edits say.

use crate::proof::{NXNAME, nsecs, proves_name_error, proves_no_data};
use crate::support::{Asker, Port, address, nameserver, text};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use vwp_dns::edit::{Content, Edit};
use vwp_dns::name::OrderedName;
use vwp_dns::zone::Denial;

/// What a test puts at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Address,
    Both,
    Delegation,
    Gone,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Address), Just(Kind::Both), Just(Kind::Delegation), Just(Kind::Gone)]
}

/// Labels before, between and after each other, and around the wildcard's.
fn labels() -> impl Strategy<Value = Vec<u8>> {
    let label = prop_oneof![Just(b'!'), Just(b'a'), Just(b'b'), Just(b'z'), Just(1), Just(255)];
    vec(label, 1..4)
}

fn place(labels: &[u8]) -> OrderedName {
    labels.iter().fold(OrderedName::apex(), |name, label| name.child(&[*label]))
}

fn asked(labels: &[u8]) -> Name {
    let labels = labels.iter().rev().map(|label| vec![*label]);
    Name::from_labels(labels.chain([b"vwp".to_vec(), b"test".to_vec()])).unwrap()
}

/// What the zone holds, as the edits say: those that were refused left nothing.
fn fill(port: &Port, steps: &[(Vec<u8>, Kind)]) -> BTreeMap<Vec<u8>, Kind> {
    let mut model = BTreeMap::new();
    for (labels, kind) in steps {
        let sets = match kind {
            Kind::Address => vec![address(1)],
            Kind::Both => vec![address(1), text("here")],
            Kind::Delegation => vec![nameserver("ns.elsewhere.example")],
            Kind::Gone => Vec::new(),
        };
        let edit = Edit::from([(place(labels), Some(Content { sets, glue: Vec::new() }))]);
        if port.apply(&edit).is_ok() {
            match kind {
                Kind::Gone => model.remove(labels),
                kind => model.insert(labels.clone(), *kind),
            };
        }
    }
    model
}

/// What a question about a name has to be answered with.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Records,
    NoData,
    NameError,
    Referral,
}

fn expected(model: &BTreeMap<Vec<u8>, Kind>, labels: &[u8], rtype: RecordType) -> Expected {
    let cut = (1..=labels.len()).find(|depth| model.get(&labels[..*depth]) == Some(&Kind::Delegation));
    match cut {
        Some(depth) if depth < labels.len() || rtype != RecordType::DS => return Expected::Referral,
        _ => {}
    }
    match (model.get(labels), rtype) {
        (Some(Kind::Address | Kind::Both), RecordType::A) | (Some(Kind::Both), RecordType::TXT) => {
            Expected::Records
        }
        (Some(_), _) => Expected::NoData,
        (None, _) if model.keys().any(|other| other.starts_with(labels)) => Expected::NoData,
        (None, _) => Expected::NameError,
    }
}

fn seen(answer: &Message) -> Expected {
    match (answer.response_code(), answer.answers().is_empty(), answer.authoritative()) {
        (ResponseCode::NXDomain, true, true) => Expected::NameError,
        (ResponseCode::NoError, false, true) => Expected::Records,
        (ResponseCode::NoError, true, true) => Expected::NoData,
        (ResponseCode::NoError, true, false) => Expected::Referral,
        other => panic!("{other:?}: {answer:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_answer_is_right_and_proved(
        steps in vec((labels(), kind()), 0..12),
        questions in vec(labels(), 1..12),
    ) {
        let apex = Name::from_ascii("vwp.test.").unwrap();
        for denial in [Denial::Chain, Denial::Compact] {
            let port = Port::new(denial);
            let model = fill(&port, &steps);
            for labels in questions.iter().chain(steps.iter().map(|(labels, _)| labels)) {
                let name = asked(labels);
                for rtype in [RecordType::A, RecordType::TXT, RecordType::DS] {
                    let expected = expected(&model, labels, rtype);
                    let plain = port.ask_name(&name, rtype, Asker::Plain);
                    prop_assert_eq!(seen(&plain), expected, "{} {}", name, rtype);
                    let expected = self::expected(&model, labels, rtype);
                    let who = if denial == Denial::Chain { Asker::Validating } else { Asker::Compact };
                    let answer = port.ask_name(&name, rtype, who);
                    prop_assert_eq!(seen(&answer), self::expected(&model, labels, rtype), "{} {}", name, rtype);
                    let is_proved = match (expected, denial) {
                        (Expected::Records, _) => true,
                        (Expected::NoData, _) => proves_no_data(&answer, &name, rtype, &apex),
                        (Expected::NameError, Denial::Chain) => proves_name_error(&answer, &name, &apex),
                        (Expected::NameError, Denial::Compact) => nsecs(&answer).iter().any(|(owner, nsec)| {
                            **owner == name && nsec.type_bit_maps().any(|t| u16::from(t) == NXNAME)
                        }),
                        (Expected::Referral, _) => nsecs(&answer).iter().any(|(owner, nsec)| {
                            owner.zone_of(&name) && !nsec.type_bit_maps().any(|t| t == RecordType::DS)
                        }),
                    };
                    prop_assert!(is_proved, "{} {}: {:?}", name, rtype, answer);
                }
            }
        }
    }
}

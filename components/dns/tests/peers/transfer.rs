//! Transfers: that what arrives is the zone, at one moment.

use crate::support::{Port, Record, answers, at, content, holding, name, serial, txt};
use domain::base::iana::{ExtendedErrorCode, Rcode};
use domain::base::opt::ExtendedError;
use domain::base::{Message, MessageBuilder, Rtype, Ttl};
use domain::rdata::Ns;
use domain::tsig::Algorithm;
use proptest::prelude::*;
use std::collections::BTreeSet;
use vwp_dns::DnsError;
use vwp_dns::edit::{Content, Edit};
use vwp_dns::node::{Glue, Set};
use vwp_dns::transfer::snapshot::PAGE_NODES;

/// Names that histories are made of: some under others, one that is a delegation.
const NAMES: [&str; 7] = ["a", "b", "x.a", "y.x.a", "c", "_vw._tcp.c", "cut"];

/// What a history gives to a name: nothing, one of some texts, or a delegation with glue.
fn given(choice: u8) -> Option<Content> {
    match choice {
        0 => None,
        6 => {
            let servers = Ns::new(name("ns.cut.vwp.test"));
            let ns = Set::from_records(Rtype::NS, Ttl::from_secs(60), [&servers]).expect("a set");
            let address = Set::new(Rtype::A, 60, vec![vec![192, 0, 2, 1]]);
            let glue = Glue { name: name("ns.cut.vwp.test").as_slice().to_vec(), set: address };
            Some(Content { sets: vec![ns], glue: vec![glue] })
        }
        // A type that nobody knows, too (RFC 3597).
        5 => holding(vec![Set::new(Rtype::from_int(65_400), 60, vec![vec![1, 2, 3]])]),
        choice => holding(vec![txt(&format!("text {choice}"))]),
    }
}

fn edit_of(steps: &[(usize, u8)]) -> Edit {
    let content = |&(name, choice): &(usize, u8)| (at(NAMES[name]), given(choice));
    steps.iter().map(content).collect()
}

/// Applies an incremental transfer to what was there before (RFC 1995, section 4).
fn apply(before: &BTreeSet<Record>, records: &[Record]) -> BTreeSet<Record> {
    let is_soa = |record: &Record| record.1 == Rtype::SOA.to_int();
    let (latest, mut rest) = records.split_first().expect("records");
    let mut zone = before.clone();
    while rest.len() > 1 {
        // The earlier start of authority, what goes, the later one, what comes.
        let (removed, behind) = rest[1..].split_at(rest[1..].iter().position(is_soa).expect("a later one"));
        for record in removed {
            assert!(zone.remove(record), "{record:?} was there");
        }
        let end = behind[1..].iter().position(is_soa).expect("an end") + 1;
        for record in &behind[1..end] {
            assert!(zone.insert(record.clone()), "{record:?} was not there");
        }
        rest = &behind[end..];
    }
    assert_eq!(rest, std::slice::from_ref(latest));
    zone
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_changed_since_a_serial_number_makes_its_zone_the_later_one(
        is_signed in any::<bool>(),
        history in prop::collection::vec((prop::collection::vec((0..NAMES.len(), 0..7_u8), 1..4), any::<bool>()), 1..16),
        start in 0..8_usize,
    ) {
        let port = Port::new(is_signed);
        port.publish();
        let mut before = None;
        for (number, (steps, publishes)) in history.iter().enumerate() {
            if number == start {
                port.publish();
                before = Some(content(&port.transfer("vwp.test", None, || {})));
            }
            port.edit(&edit_of(steps));
            if *publishes {
                port.publish();
            }
        }
        port.publish();
        let (soa, after) = content(&port.transfer("vwp.test", None, || {}));
        if let Some((old, before)) = before {
            let records = port.transfer("vwp.test", Some(serial(&old)), || {});
            if serial(&old) == serial(&soa) {
                prop_assert_eq!(records, [soa]);
            } else {
                prop_assert_eq!(&records[0], &soa);
                prop_assert_eq!(apply(&before, &records), after);
            }
        }
    }

    #[test]
    fn a_transfer_shows_one_moment_although_the_zone_changes_under_it(
        changes in prop::collection::vec(prop::collection::vec((0..2000_u32, any::<bool>()), 1..30), 6),
    ) {
        let port = Port::new(false);
        let label = |number: u32| at(&format!("n{number}"));
        let names: Vec<u32> = (0..2000).step_by(2).collect();
        for group in names.chunks(60) {
            port.edit(&group.iter().map(|&n| (label(n), holding(vec![txt("before")]))).collect());
        }
        port.publish();
        let expected = content(&port.transfer("vwp.test", None, || {}));
        prop_assert!(expected.1.len() > 2 * PAGE_NODES as usize);
        let mut changes = changes.into_iter();
        let seen = port.transfer("vwp.test", None, || {
            // Some names go, some come, some hold something else; and all of it is published.
            let change = |(number, stays): (u32, bool)| {
                (label(number), if stays { holding(vec![txt("after")]) } else { None })
            };
            port.edit(&changes.next().unwrap_or_default().into_iter().map(change).collect());
            port.publish();
        });
        prop_assert_eq!(content(&seen), expected);
    }
}

#[test]
fn a_long_way_behind_is_caught_up_in_pieces() {
    let port = Port::new(false);
    let first = port.publish();
    let before = content(&port.transfer("vwp.test", None, || {})).1;
    for number in 0..500_u32 {
        port.edit(&Edit::from([(at(&format!("n{}", number % 90)), holding(vec![txt(&number.to_string())]))]));
        if number % 3 == 0 {
            port.publish();
        }
    }
    port.publish();
    let mut pieces = 1;
    let records = port.transfer("vwp.test", Some(first.serial), || pieces += 1);
    assert!(pieces > 1, "the journal is read in bounded portions");
    let after = content(&port.transfer("vwp.test", None, || {})).1;
    assert_eq!(apply(&before, &records), after);
}

#[test]
fn a_serial_number_that_nobody_remembers_is_answered_with_the_whole_zone() {
    let port = Port::new(true);
    port.edit(&Edit::from([(at("a"), holding(vec![txt("here")]))]));
    let head = port.publish();
    let whole = port.transfer("vwp.test", None, || {});
    assert_eq!(port.transfer("vwp.test", Some(head.serial - 1000), || {}), whole);
    // One that is not older is up to date (RFC 1995, section 2).
    for serial in [head.serial, head.serial + 1] {
        assert_eq!(port.transfer("vwp.test", Some(serial), || {}), whole[..1]);
    }
}

#[test]
fn a_datagram_holds_the_serial_number_and_never_a_zone() {
    let port = Port::new(true);
    let head = port.publish();
    for (rtype, given, rcode, count) in [
        (Rtype::IXFR, Some(head.serial - 1), Rcode::NOERROR, 1),
        (Rtype::SOA, None, Rcode::NOERROR, 1),
        (Rtype::AXFR, None, Rcode::FORMERR, 0),
        (Rtype::IXFR, None, Rcode::FORMERR, 0),
    ] {
        let (bytes, mut sequence) = port.request("vwp.test", rtype, given, &port.key);
        let reply = port.take(&bytes, false).expect("a good signature");
        assert_eq!((reply.messages.len(), &reply.more), (1, &None));
        let mut message = Message::from_octets(reply.messages[0].clone()).expect("a message");
        sequence.answer(&mut message, port.now48()).expect("a good signature");
        assert_eq!((message.header().rcode(), answers(&message).len()), (rcode, count), "{rtype}");
        assert_eq!(message.header().id(), 4711);
        assert_eq!(message.sole_question().expect("the question").qtype(), rtype);
    }
}

#[test]
fn who_may_not_transfer_zones_gets_none_and_learns_why() {
    let port = Port::new(true);
    port.publish();
    let other = port.make_key("updater", Algorithm::Sha512, false, &["arena.vwp.test"]);
    for (apex, key, rcode) in [
        ("vwp.test", &other, Rcode::REFUSED),
        ("other.test", &port.key, Rcode::NOTAUTH),
        ("a.vwp.test", &port.key, Rcode::NOTAUTH),
    ] {
        let (bytes, mut sequence) = port.request(apex, Rtype::AXFR, None, key);
        let reply = port.take(&bytes, true).expect("a good signature");
        let mut message = Message::from_octets(reply.messages[0].clone()).expect("a message");
        sequence.answer(&mut message, port.now48()).expect("a good signature");
        assert_eq!((message.header().rcode(), answers(&message).len()), (rcode, 0), "{apex}");
    }
    // Whoever knows extended errors learns more (RFC 8914).
    let mut builder = MessageBuilder::new_vec().question();
    builder.push((name("vwp.test"), Rtype::AXFR)).expect("room");
    let mut builder = builder.additional();
    builder.opt(|_| Ok(())).expect("room");
    let mut sequence =
        domain::tsig::ClientSequence::request(other, &mut builder, port.now48()).expect("room");
    let reply = port.take(&builder.finish(), true).expect("a good signature");
    let mut message = Message::from_octets(reply.messages[0].clone()).expect("a message");
    sequence.answer(&mut message, port.now48()).expect("a good signature");
    let opt = message.opt().expect("an OPT record");
    let error: ExtendedError<&[u8]> = opt.opt().iter().next().expect("an option").expect("well formed");
    assert_eq!(error.code(), ExtendedErrorCode::PROHIBITED);
}

#[test]
fn the_position_of_a_transfer_cannot_be_made_up() {
    let port = Port::new(false);
    let group =
        |from: u32| (from..from + 60).map(|n| (at(&format!("n{n}")), holding(vec![txt("here")]))).collect();
    (0..8).for_each(|part| port.edit(&group(part * 60)));
    port.publish();
    let (bytes, _) = port.request("vwp.test", Rtype::AXFR, None, &port.key);
    let more = port.take(&bytes, true).expect("a good signature").more.expect("more than a page");
    for at in 0..more.len() {
        let mut forged = more.clone();
        forged[at] ^= 1;
        assert!(matches!(port.resume(&forged), Err(DnsError::Refused(_))));
    }
    assert!(matches!(port.resume(&[]), Err(DnsError::Refused(_))));
    port.resume(&more).expect("the rest");
    // A key that is deleted meanwhile ends the transfer.
    futures::executor::block_on(vwp_dns::tsig::keys::delete(&port.store, "peer")).expect("deleted");
    assert!(matches!(port.resume(&more), Err(DnsError::Refused(_))));
}

#[test]
fn the_catalog_lists_the_ports_zones() {
    let port = Port::new(true);
    port.publish();
    let (soa, records) = content(&port.transfer("_catalog.vwp.test", None, || {}));
    let named = |rtype: Rtype| records.iter().filter(move |record| record.1 == rtype.to_int());
    // RFC 9432, section 4: no name server, the version, and a member for each zone.
    assert_eq!(named(Rtype::NS).map(|record| &record.3[..]).collect::<Vec<_>>(), [b"\x07invalid\0"]);
    let version: Vec<_> = named(Rtype::TXT).map(|record| (&record.0[..], &record.3[..])).collect();
    assert_eq!(version, [("version._catalog.vwp.test", &b"\x012"[..])]);
    assert_eq!(named(Rtype::PTR).map(|record| &record.3[..]).collect::<Vec<_>>(), [b"\x03vwp\x04test\0"]);
    assert_eq!(records.len(), 3);
    // A zone that joins moves the serial number.
    let hosted = vwp_dns::zone::Zone::new("arena.example").expect("a zone");
    port.pass(1000);
    futures::executor::block_on(async {
        let environment = port.environment();
        let mut plan = vwp_dns::zones::add(&port.store, &port.zone, &hosted).await.expect("a plan");
        let member = vwp_dns::catalog::plan(&port.store, &port.authority, &hosted, true, &environment).await;
        plan.extend(member.expect("a plan"));
        plan.commit(&port.store).await.expect("hosted");
    });
    let changes = port.transfer("_catalog.vwp.test", Some(serial(&soa)), || {});
    let after = apply(&records, &changes);
    let member: Vec<_> = after.difference(&records).collect();
    assert_eq!(member.len(), 1);
    assert_eq!(member[0].3, b"\x05arena\x07example\0");
}

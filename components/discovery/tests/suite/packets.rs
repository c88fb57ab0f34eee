//! Whatever arrives as a DNS message, the answer is one, or silence.

use crate::support::{Operator, Port, record};
use domain::base::iana::{Opcode, Rcode};
use domain::base::{Message, MessageBuilder, Name, Rtype};
use futures::executor::block_on;
use proptest::collection::vec;
use proptest::prelude::*;
use vwp_discovery::dns::{Transport, answer};

thread_local! {
    static PORT: Port = {
        let port = Port::new();
        port.register(&Operator::new(1), &record("arena"));
        port
    };
}

fn reply(query: &[u8]) -> Vec<u8> {
    PORT.with(|port| {
        let reply = block_on(answer(&port.store, &port.environment(), query, Transport::Udp));
        assert_eq!(reply.fault, None);
        reply.message
    })
}

fn rcode(query: &[u8]) -> Rcode {
    let reply = reply(query);
    let message = Message::from_octets(&reply).expect("a header");
    assert!(message.header().qr());
    assert_eq!(message.header().id().to_be_bytes(), query[..2]);
    message.header().rcode()
}

fn question() -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(4711);
    let mut builder = builder.question();
    builder.push((Name::vec_from_str("_vw.arena.vwp.test").unwrap(), Rtype::SVCB)).unwrap();
    builder.finish()
}

#[test]
fn less_than_a_header_gets_silence() {
    for length in 0..12 {
        assert_eq!(reply(&question()[..length]), Vec::<u8>::new());
    }
}

#[test]
fn a_response_gets_silence() {
    let mut message = question();
    message[2] |= 0x80;
    assert_eq!(reply(&message), Vec::<u8>::new());
}

#[test]
fn a_message_that_breaks_off_is_malformed() {
    assert_eq!(rcode(&question()), Rcode::NOERROR);
    for length in 12..question().len() {
        assert_eq!(rcode(&question()[..length]), Rcode::FORMERR, "at {length}");
    }
}

#[test]
fn any_number_of_questions_but_one_is_malformed() {
    let none = &question()[..12];
    let mut none = none.to_vec();
    none[5] = 0;
    assert_eq!(rcode(&none), Rcode::FORMERR);
    let mut two = question();
    two.extend_from_slice(&question()[12..]);
    two[5] = 2;
    assert_eq!(rcode(&two), Rcode::FORMERR);
}

#[test]
fn counts_that_promise_too_much_are_malformed() {
    for count in [6, 7, 8, 9, 10, 11] {
        let mut message = question();
        message[count] = 1;
        assert_eq!(rcode(&message), Rcode::FORMERR, "count at {count}");
    }
}

#[test]
fn a_name_that_points_at_itself_or_ahead_is_malformed() {
    for target in [12, 14, 200] {
        let mut message = question()[..12].to_vec();
        message.extend([0xc0, target, 0, 64, 0, 1]);
        assert_eq!(rcode(&message), Rcode::FORMERR);
    }
}

#[test]
fn two_opt_records_or_one_below_the_root_are_malformed() {
    const OPT: [u8; 11] = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
    let with = |records: &[&[u8]]| {
        let mut message = question();
        message[11] = u8::try_from(records.len()).unwrap();
        message.extend(records.concat());
        rcode(&message)
    };
    assert_eq!(with(&[&OPT]), Rcode::NOERROR);
    assert_eq!(with(&[&OPT, &OPT]), Rcode::FORMERR);
    assert_eq!(with(&[&[&[1, b'a'], &OPT[..]].concat()]), Rcode::FORMERR);
    let option_too_long = [&OPT[..9], &[0, 4, 0, 10, 0, 9]].concat();
    assert_eq!(with(&[&option_too_long]), Rcode::FORMERR);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_make_it_fail(bytes in vec(any::<u8>(), 0..600)) {
        check(&bytes)?;
    }

    #[test]
    fn no_change_to_a_good_message_makes_it_fail(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        tail in vec(any::<u8>(), 0..40),
    ) {
        let mut message = question();
        for (at, byte) in changes {
            let at = at.index(message.len());
            message[at] = byte;
        }
        message.extend(tail);
        check(&message)?;
    }

    #[test]
    fn no_name_makes_it_fail(labels in vec(vec(any::<u8>(), 1..64), 0..4), rtype in any::<u16>()) {
        let mut message = question()[..12].to_vec();
        for label in labels.iter().map(Vec::as_slice).chain([&b"vwp"[..], b"test"]) {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend(label);
        }
        message.push(0);
        message.extend(rtype.to_be_bytes());
        message.extend([0, 1]);
        check(&message)?;
    }
}

fn check(query: &[u8]) -> Result<(), TestCaseError> {
    let reply = reply(query);
    if query.len() < 12 || query[2] & 0x80 != 0 {
        prop_assert!(reply.is_empty());
        return Ok(());
    }
    prop_assert!(reply.len() <= 1232);
    let message = Message::from_octets(reply.as_slice()).expect("a header");
    prop_assert_eq!(&message.as_slice()[..2], &query[..2]);
    prop_assert!(message.header().qr());
    let opcode = Opcode::from_int(query[2] >> 3 & 0xf);
    prop_assert_eq!(message.header().opcode(), opcode);
    // Every part of the answer can be read again.
    for record in &message {
        prop_assert!(record.is_ok());
    }
    prop_assert!(message.question().all(|question| question.is_ok()));
    Ok(())
}

//! Whatever arrives as a DNS message, the answer is one, or silence.

use crate::support::{Operator, Port, record};
use domain::base::iana::Opcode;
use domain::base::{Message, MessageBuilder, Name, Rtype};
use futures::executor::block_on;
use proptest::collection::vec;
use proptest::prelude::*;
use vwp_discovery::dns::answer;
use vwp_dns::edge::Transport;

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
        assert!(reply.messages.len() <= 1);
        reply.messages.into_iter().next().unwrap_or_default()
    })
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

//! Telling other name servers of changes.

use crate::support::{Port, answers, at, holding, serial, txt};
use domain::base::iana::Opcode;
use domain::base::{Message, Rtype};
use domain::tsig::ServerTransaction;
use futures::executor::block_on;
use vwp_dns::edit::Edit;
use vwp_dns::secondaries::{self, Notification, Secondary};

const ADDRESS: &str = "192.0.2.1:53";

fn told(port: &Port) -> Vec<Notification> {
    let environment = port.environment();
    block_on(secondaries::notifications(&port.store, &port.authority, &environment)).expect("notifications")
}

fn put(port: &Port, name: &str, key: &str) -> Result<bool, vwp_dns::DnsError> {
    let secondary = Secondary { address: ADDRESS.parse().expect("an address"), key: key.into() };
    block_on(secondaries::put(&port.store, &port.environment(), name, &secondary))
}

/// The serial number that a message tells of, whose signature is verified.
fn serial_of(port: &Port, notification: &Notification) -> u32 {
    assert_eq!(notification.to, ADDRESS.parse().expect("an address"));
    let mut message = Message::from_octets(notification.message.clone()).expect("a message");
    let signed = ServerTransaction::request(&port.key, &mut message, port.now48());
    assert!(signed.is_ok_and(|signed| signed.is_some()), "the message is signed");
    assert_eq!(message.header().opcode(), Opcode::NOTIFY);
    let question = message.sole_question().expect("a question");
    assert_eq!((question.qname().to_string(), question.qtype()), ("vwp.test".into(), Rtype::SOA));
    serial(&answers(&message)[0])
}

#[test]
fn a_secondary_is_told_of_each_serial_number_until_it_comes_for_it() {
    let port = Port::new(true);
    port.publish();
    assert_eq!(told(&port), []);
    assert_eq!(put(&port, "ns1", "peer"), Ok(true));
    let first = told(&port);
    assert_eq!(first.len(), 1);
    let old = serial_of(&port, &first[0]);
    assert_eq!(told(&port), []);
    // It does not come, and is told again: after a minute, then after two more.
    for wait in [60_000, 120_000] {
        port.pass(wait - 1);
        assert_eq!(told(&port), []);
        port.pass(1);
        assert_eq!(told(&port).iter().map(|one| serial_of(&port, one)).collect::<Vec<_>>(), [old]);
    }
    // It comes, and need not be told any more; nor of what it has.
    port.transfer("vwp.test", None, || {});
    port.pass(10_000_000);
    assert_eq!(told(&port), []);
    port.edit(&Edit::from([(at("a"), holding(vec![txt("new")]))]));
    let head = port.publish();
    assert_eq!(told(&port).iter().map(|one| serial_of(&port, one)).collect::<Vec<_>>(), [head.serial]);
    port.transfer("vwp.test", Some(old), || {});
    let secondary = &block_on(secondaries::list(&port.store)).expect("a list")[0].1;
    let state = block_on(secondaries::state(&port.store, secondary, &port.zone)).expect("a state");
    assert_eq!(state.map(|state| state.serial), Some(head.serial));
}

#[test]
fn a_secondary_that_never_comes_is_left_alone_in_the_end() {
    let port = Port::new(false);
    port.publish();
    put(&port, "ns1", "peer").expect("put");
    let mut times = 0;
    for _ in 0..1000 {
        times += told(&port).len();
        port.pass(60_000);
    }
    assert_eq!(times, 6);
}

#[test]
fn of_two_hosts_one_tells() {
    let port = Port::new(false);
    port.publish();
    put(&port, "ns1", "peer").expect("put");
    let environment = port.environment();
    let both = block_on(async {
        futures::join!(
            secondaries::notifications(&port.store, &port.authority, &environment),
            secondaries::notifications(&port.store, &port.authority, &environment),
        )
    });
    let count = both.0.expect("notifications").len() + both.1.expect("notifications").len();
    assert_eq!(count, 1);
}

#[test]
fn secondaries_have_names_and_a_key_that_may_transfer() {
    let port = Port::new(false);
    port.make_key("updater", domain::tsig::Algorithm::Sha256, false, &["*"]);
    assert_eq!(put(&port, "ns1", "peer"), Ok(true));
    assert_eq!(put(&port, "ns1", "Peer."), Ok(false));
    for (name, key) in [("ns2", "updater"), ("ns2", "nobody"), ("", "peer"), ("a/b", "peer"), ("Ä", "peer")]
    {
        assert!(matches!(put(&port, name, key), Err(vwp_dns::DnsError::Refused(_))), "{name} {key}");
    }
    for number in 2..=secondaries::SECONDARIES_MAX {
        assert_eq!(put(&port, &format!("ns{number}"), "peer"), Ok(true));
    }
    assert!(put(&port, "one-more", "peer").is_err());
    assert_eq!(block_on(secondaries::delete(&port.store, "ns2")), Ok(true));
    assert_eq!(block_on(secondaries::delete(&port.store, "ns2")), Ok(false));
}

//! Dynamic updates: what a message asks for, when it is carried out, and what it changes.

use crate::support::{Port, at, holding, name, txt};
use domain::base::iana::{Class, Opcode, Rcode};
use domain::base::message_builder::{AnswerBuilder, AuthorityBuilder};
use domain::base::rdata::UnknownRecordData;
use domain::base::{MessageBuilder, Rtype, Ttl};
use futures::executor::block_on;
use vwp_dns::edit::Edit;
use vwp_dns::node::{Node, Set};
use vwp_dns::update::request::{NAMES_MAX, Request};
use vwp_dns::update::{self, Planned};
use vwp_storage::Kv;

type Message = AuthorityBuilder<Vec<u8>>;
type Line<'a> = (&'a str, Class, Rtype, u32, &'a [u8]);

/// A message with prerequisites and changes, each with class, type, time to live and data.
fn message(prerequisites: &[Line<'_>], changes: &[Line<'_>]) -> Message {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_opcode(Opcode::UPDATE);
    let mut builder = builder.question();
    builder.push((name("vwp.test"), Rtype::SOA)).expect("room");
    let mut builder: AnswerBuilder<Vec<u8>> = builder.answer();
    for line in prerequisites {
        builder.push(record(line)).expect("room");
    }
    let mut builder = builder.authority();
    for line in changes {
        builder.push(record(line)).expect("room");
    }
    builder
}

fn record<'a>(
    (owner, class, rtype, ttl_s, data): &Line<'a>,
) -> (vwp_dns::name::OwnName, Class, Ttl, UnknownRecordData<&'a [u8]>) {
    let data = UnknownRecordData::from_octets(*rtype, *data).expect("short");
    (name(owner), *class, Ttl::from_secs(*ttl_s), data)
}

/// What an update is answered with, and what it leaves.
fn carry_out(port: &Port, prerequisites: &[Line<'_>], changes: &[Line<'_>]) -> Rcode {
    let request = match Request::read(&message(prerequisites, changes).finish()) {
        Ok(request) => request,
        Err(rcode) => return rcode,
    };
    let policy = port.authority.policy(&port.zone);
    let now_s = port.environment().now_seconds();
    let permit = |_: &vwp_dns::name::OrderedName, rtype: Rtype| rtype != Rtype::SRV;
    block_on(async {
        let planned = update::plan(&port.store, &port.zone, policy, None, &request, permit, now_s).await;
        match planned.expect("a plan") {
            Planned::Answer(rcode) => rcode,
            Planned::Commit(plan) => plan.commit(&port.store).await.map(|_| Rcode::NOERROR).expect("done"),
        }
    })
}

fn port() -> Port {
    let port = Port::new(false);
    port.publish();
    port.edit(&Edit::from([
        (
            at("a"),
            holding(vec![txt("one"), Set::new(Rtype::A, 60, vec![vec![192, 0, 2, 1], vec![192, 0, 2, 2]])]),
        ),
        (
            at("alias"),
            holding(vec![Set::new(Rtype::CNAME, 60, vec![name("a.vwp.test").as_slice().to_vec()])]),
        ),
        (at("x.ent"), holding(vec![txt("x")])),
    ]));
    port
}

fn sets(port: &Port, place: &str) -> Vec<Set> {
    let entry = block_on(port.store.get(&port.zone.node(&at(place)))).expect("a read");
    entry.map(|entry| Node::decode(&entry.value).expect("a node").sets).unwrap_or_default()
}

const A1: &[u8] = &[192, 0, 2, 1];
const A2: &[u8] = &[192, 0, 2, 2];
const A3: &[u8] = &[192, 0, 2, 3];

#[test]
fn prerequisites_hold_or_the_answer_says_which_kind_does_not() {
    let port = port();
    for (lines, rcode) in [
        // RFC 2136, section 2.4.4 and 2.4.5: names in use, and not in use.
        (&[("a.vwp.test", Class::ANY, Rtype::ANY, 0, &b""[..])][..], Rcode::NOERROR),
        (&[("b.vwp.test", Class::ANY, Rtype::ANY, 0, b"")], Rcode::NXDOMAIN),
        (&[("ent.vwp.test", Class::ANY, Rtype::ANY, 0, b"")], Rcode::NXDOMAIN),
        (&[("b.vwp.test", Class::NONE, Rtype::ANY, 0, b"")], Rcode::NOERROR),
        (&[("A.vwp.test", Class::NONE, Rtype::ANY, 0, b"")], Rcode::YXDOMAIN),
        (&[("vwp.test", Class::ANY, Rtype::ANY, 0, b"")], Rcode::NOERROR),
        // Section 2.4.1 and 2.4.3: sets that exist, and that do not.
        (&[("a.vwp.test", Class::ANY, Rtype::TXT, 0, b"")], Rcode::NOERROR),
        (&[("a.vwp.test", Class::ANY, Rtype::MX, 0, b"")], Rcode::NXRRSET),
        (&[("b.vwp.test", Class::ANY, Rtype::TXT, 0, b"")], Rcode::NXRRSET),
        (&[("vwp.test", Class::ANY, Rtype::SOA, 0, b"")], Rcode::NOERROR),
        (&[("a.vwp.test", Class::NONE, Rtype::MX, 0, b"")], Rcode::NOERROR),
        (&[("a.vwp.test", Class::NONE, Rtype::TXT, 0, b"")], Rcode::YXRRSET),
        // Section 2.4.2: sets that are what they are said to be, in any order.
        (
            &[("a.vwp.test", Class::IN, Rtype::A, 0, A2), ("a.vwp.test", Class::IN, Rtype::A, 0, A1)],
            Rcode::NOERROR,
        ),
        (&[("a.vwp.test", Class::IN, Rtype::A, 0, A1)], Rcode::NXRRSET),
        (&[("a.vwp.test", Class::IN, Rtype::A, 0, A3)], Rcode::NXRRSET),
        (&[("b.vwp.test", Class::IN, Rtype::A, 0, A1)], Rcode::NXRRSET),
        // All of them have to hold.
        (
            &[("a.vwp.test", Class::ANY, Rtype::ANY, 0, b""), ("a.vwp.test", Class::NONE, Rtype::A, 0, b"")],
            Rcode::YXRRSET,
        ),
        // Section 3.2.5: malformed ones, and those of another zone.
        (&[("a.vwp.test", Class::ANY, Rtype::TXT, 1, b"")], Rcode::FORMERR),
        (&[("a.vwp.test", Class::ANY, Rtype::A, 0, A1)], Rcode::FORMERR),
        (&[("a.vwp.test", Class::NONE, Rtype::A, 0, A1)], Rcode::FORMERR),
        (&[("a.vwp.test", Class::CH, Rtype::A, 0, A1)], Rcode::FORMERR),
        (&[("a.vwp.test", Class::IN, Rtype::A, 0, b"short")], Rcode::FORMERR),
        (&[("a.vwp.example", Class::ANY, Rtype::ANY, 0, b"")], Rcode::NOTZONE),
    ] {
        assert_eq!(carry_out(&port, lines, &[]), rcode, "{lines:?}");
    }
}

#[test]
fn changes_do_what_the_standard_says() {
    let port = port();
    let done =
        |changes: &[Line<'_>]| assert_eq!(carry_out(&port, &[], changes), Rcode::NOERROR, "{changes:?}");
    // A record joins its set, whose time to live is then the new one.
    done(&[("a.vwp.test", Class::IN, Rtype::A, 30, A3)]);
    let expected = Set::new(Rtype::A, 30, vec![A1.to_vec(), A2.to_vec(), A3.to_vec()]);
    assert!(sets(&port, "a").contains(&expected));
    // One record goes; one that is not there does not matter.
    done(&[("a.vwp.test", Class::NONE, Rtype::A, 0, A1), ("a.vwp.test", Class::NONE, Rtype::A, 0, A1)]);
    assert!(sets(&port, "a").contains(&Set::new(Rtype::A, 30, vec![A2.to_vec(), A3.to_vec()])));
    // A set goes, and the other one stays.
    done(&[("a.vwp.test", Class::ANY, Rtype::A, 0, b"")]);
    assert_eq!(sets(&port, "a"), [txt("one")]);
    // Changes are made in order: all sets of a name go, and then another one comes.
    done(&[
        ("a.vwp.test", Class::ANY, Rtype::ANY, 0, b""),
        ("a.vwp.test", Class::IN, Rtype::TXT, 60, b"\x03two"),
    ]);
    assert_eq!(sets(&port, "a"), [txt("two")]);
    done(&[("a.vwp.test", Class::ANY, Rtype::ANY, 0, b"")]);
    assert_eq!(sets(&port, "a"), []);
    // An alias and other data do not come together (RFC 2136, section 3.4.2.2).
    done(&[("alias.vwp.test", Class::IN, Rtype::A, 60, A1)]);
    done(&[("x.ent.vwp.test", Class::IN, Rtype::CNAME, 60, name("b.vwp.test").as_slice())]);
    assert_eq!(sets(&port, "x.ent"), [txt("x")]);
    done(&[("alias.vwp.test", Class::IN, Rtype::CNAME, 60, name("B.vwp.test").as_slice())]);
    let alias = Set::new(Rtype::CNAME, 60, vec![name("b.vwp.test").as_slice().to_vec()]);
    assert_eq!(sets(&port, "alias"), [alias]);
    // The zone's own sets are not those that go with the apex's others.
    done(&[("vwp.test", Class::ANY, Rtype::ANY, 0, b"")]);
    let apex = block_on(port.store.get(&port.zone.nodes().start)).expect("a read").expect("the apex");
    assert!(Node::decode(&apex.value).expect("a node").set(Rtype::NS).is_some());
    // A type that nobody knows is kept as it is (RFC 3597).
    done(&[("new.vwp.test", Class::IN, Rtype::from_int(65_300), 5, b"\x01\x02")]);
    assert_eq!(sets(&port, "new"), [Set::new(Rtype::from_int(65_300), 5, vec![vec![1, 2]])]);
}

#[test]
fn what_may_not_be_changed_is_refused_as_a_whole() {
    let port = port();
    let srv: &[u8] = b"\0\x01\0\x01\0\x01\0";
    for (lines, rcode) in [
        (
            &[("a.vwp.test", Class::IN, Rtype::A, 60, A3), ("b.vwp.test", Class::IN, Rtype::SRV, 60, srv)][..],
            Rcode::REFUSED,
        ),
        (
            &[("a.vwp.test", Class::IN, Rtype::A, 60, A3), ("*.vwp.test", Class::IN, Rtype::A, 60, A3)],
            Rcode::REFUSED,
        ),
        (
            &[
                ("a.vwp.test", Class::IN, Rtype::A, 60, A3),
                ("b.vwp.test", Class::IN, Rtype::NSEC, 60, b"\0\0\x01\x40"),
            ],
            Rcode::REFUSED,
        ),
        (
            &[("a.vwp.test", Class::IN, Rtype::A, 60, A3), ("b.example", Class::IN, Rtype::A, 60, A3)],
            Rcode::NOTZONE,
        ),
        (
            &[("a.vwp.test", Class::IN, Rtype::A, 60, A3), ("b.vwp.test", Class::IN, Rtype::ANY, 60, b"")],
            Rcode::FORMERR,
        ),
        (
            &[("a.vwp.test", Class::IN, Rtype::A, 60, A3), ("b.vwp.test", Class::ANY, Rtype::A, 60, b"")],
            Rcode::FORMERR,
        ),
        (
            &[("a.vwp.test", Class::IN, Rtype::A, 60, A3), ("b.vwp.test", Class::NONE, Rtype::A, 60, A3)],
            Rcode::FORMERR,
        ),
        (
            &[("a.vwp.test", Class::IN, Rtype::A, 60, A3), ("b.vwp.test", Class::CH, Rtype::A, 60, A3)],
            Rcode::FORMERR,
        ),
    ] {
        assert_eq!(carry_out(&port, &[], lines), rcode, "{lines:?}");
        assert!(!sets(&port, "a").iter().any(|set| set.data.contains(&A3.to_vec())));
    }
    // What would be refused if it changed something is not if everything is so already.
    assert_eq!(carry_out(&port, &[], &[("b.vwp.test", Class::ANY, Rtype::SRV, 0, b"")]), Rcode::NOERROR);
    let names: Vec<String> = (0..=NAMES_MAX).map(|number| format!("n{number}.vwp.test")).collect();
    let lines: Vec<Line<'_>> = names.iter().map(|name| (&name[..], Class::IN, Rtype::A, 60, A1)).collect();
    assert_eq!(carry_out(&port, &[], &lines), Rcode::REFUSED);
    assert_eq!(carry_out(&port, &[], &lines[1..]), Rcode::NOERROR);
}

#[test]
fn two_updates_with_the_same_prerequisite_are_not_both_made() {
    let port = port();
    let policy = port.authority.policy(&port.zone);
    let absent = [("new.vwp.test", Class::NONE, Rtype::ANY, 0, &b""[..])];
    let plan = |data: &'static [u8], place: &'static str| {
        let bytes = message(&absent, &[(place, Class::IN, Rtype::A, 60, data)]).finish();
        let request = Request::read(&bytes).expect("an update");
        let planned = block_on(update::plan(&port.store, &port.zone, policy, None, &request, |_, _| true, 0));
        match planned.expect("a plan") {
            Planned::Commit(plan) => plan,
            Planned::Answer(rcode) => panic!("{rcode}"),
        }
    };
    let (first, second) = (plan(A1, "new.vwp.test"), plan(A3, "a.vwp.test"));
    block_on(first.commit(&port.store)).expect("made");
    assert_eq!(block_on(second.commit(&port.store)), Err(vwp_dns::DnsError::Conflict));
}

#[test]
fn anything_else_is_no_update() {
    let plain = message(&[], &[]).finish();
    let read = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = plain.clone();
        change(&mut bytes);
        Request::read(&bytes).map(|_| ())
    };
    assert_eq!(read(&|_| ()), Ok(()));
    assert_eq!(read(&|bytes| bytes[2] = 0), Err(Rcode::NOTIMP));
    // No zone, one that is not asked for by its start of authority, another class.
    assert_eq!(read(&|bytes| bytes[5] = 0), Err(Rcode::FORMERR));
    let end = plain.len();
    assert_eq!(read(&|bytes| bytes[end - 3] = 1), Err(Rcode::FORMERR));
    assert_eq!(read(&|bytes| bytes[end - 1] = 3), Err(Rcode::FORMERR));
    // Records that are counted and are not there.
    assert_eq!(read(&|bytes| bytes[7] = 1), Err(Rcode::FORMERR));
    assert_eq!(Request::read(b"short"), Err(Rcode::FORMERR));
}

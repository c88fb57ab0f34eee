//! Who may change which names by dynamic update, however it is signed.

use crate::support::{ADMIN_TOKEN, Operator, Port, START_S, record};
use domain::base::iana::{Class, Opcode, Rcode};
use domain::base::rdata::UnknownRecordData;
use domain::base::{Message, MessageBuilder, Name, Rtype, Ttl};
use futures::executor::block_on;
use http::{Method, Request, header};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::json;
use vwp_discovery::actions::Kind;
use vwp_discovery::dns;
use vwp_dns::edge::Transport;
use vwp_dns::name::{OrderedName, OwnName};
use vwp_dns::node::Node;
use vwp_dns::tsig::{self, Signer};
use vwp_dns::zone::Zone;
use vwp_storage::Kv;

const ADDRESS: &[u8] = &[192, 0, 2, 1];

fn name(text: &str) -> OwnName {
    Name::vec_from_str(text).expect("a name")
}

/// A message that adds a record, or removes it.
fn change(owner: &str, rtype: Rtype, data: &[u8], is_added: bool) -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_opcode(Opcode::UPDATE);
    let mut builder = builder.question();
    builder.push((name("vwp.test"), Rtype::SOA)).expect("room");
    let mut builder = builder.authority();
    let data = UnknownRecordData::from_octets(rtype, data).expect("short");
    let (class, ttl_s) = if is_added { (Class::IN, 60) } else { (Class::NONE, 0) };
    builder.push((name(owner), class, Ttl::from_secs(ttl_s), data)).expect("room");
    builder.finish()
}

/// Adds the signature of an operator's key (RFC 2931, section 3).
fn with_sig0(mut message: Vec<u8>, key: &SigningKey, signer: &str, from_s: u64, until_s: u64) -> Vec<u8> {
    let seconds = |at: u64| u32::try_from(at).expect("before 2106").to_be_bytes();
    let tag = vwp_dns::sig0::key_tag(key.verifying_key(), 0x0200);
    let mut data = b"\0\0\x0d\0\0\0\0\0".to_vec();
    data.extend(seconds(until_s));
    data.extend(seconds(from_s));
    data.extend(tag.to_be_bytes());
    data.extend(name(signer).as_slice());
    let signature: Signature = key.sign(&[&data[..], &message].concat());
    data.extend(signature.to_bytes());
    message.extend(b"\0\0\x18\0\xff\0\0\0\0");
    message.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
    message.extend(data);
    message[11] += 1;
    message
}

fn send(port: &Port, message: &[u8]) -> Message<Vec<u8>> {
    let mut reply = block_on(dns::answer(&port.store, &port.environment(), message, Transport::Udp));
    assert!(reply.fault.is_none(), "{:?}", reply.fault);
    Message::from_octets(reply.messages.pop().expect("an answer")).expect("a message")
}

/// A key that the administrator makes.
fn make_key(port: &Port, name: &str, update: &[&str]) -> tsig::Key {
    let body = json!({ "name": name, "update": update }).to_string().into_bytes();
    let request = Request::builder()
        .method(Method::POST)
        .uri("/v1/zone/tsig-keys")
        .header(header::AUTHORIZATION, format!("Bearer {ADMIN_TOKEN}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(body);
    let answer = port.send(request.expect("a request"));
    assert_eq!(answer.status, 201);
    let secret = answer.json()["secret"].as_str().expect("a secret").to_owned();
    let secret = base64(&secret);
    tsig::Key::new(name, tsig::Algorithm::Sha256, secret).expect("a key")
}

fn base64(text: &str) -> Vec<u8> {
    let json = format!("\"{text}\"");
    let text: String = serde_json::from_str(&json).expect("a string");
    domain::utils::base64::decode(&text).expect("base64")
}

fn with_tsig(mut message: Vec<u8>, key: &tsig::Key, port: &Port) -> Vec<u8> {
    Signer::sign_request(key, &mut message, port.environment().now_seconds());
    message
}

fn has(port: &Port, owner: &str, rtype: Rtype, data: &[u8]) -> bool {
    let zone = Zone::new("vwp.test").expect("a zone");
    let place = OrderedName::of(&name(owner), zone.apex()).expect("a name in the zone");
    let entry = block_on(port.store.get(&zone.node(&place))).expect("a read");
    let node = entry.map(|entry| Node::decode(&entry.value).expect("a node"));
    node.is_some_and(|node| node.set(rtype).is_some_and(|set| set.data.iter().any(|known| known == data)))
}

/// A port with two operators: the first one has the worlds `arena` and `hall`, the second one
/// `other`.
fn port() -> (Port, [Operator; 2]) {
    let port = Port::new();
    let operators = [Operator::new(1), Operator::new(2)];
    for (world, operator) in [("arena", 0), ("hall", 0), ("other", 1)] {
        let uuid = vwp_discovery::record::uuid_of("test", &world.parse().expect("a name"));
        port.register(&operators[operator], &vwp_discovery::record::Record { uuid, ..record(world) });
    }
    (port, operators)
}

#[test]
fn each_may_change_what_is_its_own_beside_the_signed_record() {
    let (port, [operator, _]) = port();
    let arena = make_key(&port, "arena-key", &["arena.vwp.test"]);
    let all = make_key(&port, "all-key", &["*"]);
    let none = make_key(&port, "none-key", &[]);
    let host: &[u8] = b"\x04play\x07example\0";
    let mx = [b"\0\x0a", host].concat();
    let srv = [b"\0\x01\0\x01\0\x01", host].concat();
    let (yes, no) = (Rcode::NOERROR, Rcode::REFUSED);
    for (owner, rtype, data, by_operator, by_key, by_all) in [
        ("arena.vwp.test", Rtype::MX, &mx[..], yes, yes, yes),
        ("x.y.arena.vwp.test", Rtype::A, ADDRESS, yes, yes, yes),
        ("_other._tcp.ARENA.vwp.test", Rtype::SRV, &srv, yes, yes, yes),
        ("x.hall.vwp.test", Rtype::A, ADDRESS, yes, no, yes),
        ("x.other.vwp.test", Rtype::A, ADDRESS, no, no, yes),
        ("free.vwp.test", Rtype::A, ADDRESS, no, no, yes),
        ("vwp.test", Rtype::TXT, b"\x01x", no, no, yes),
        // What the record says, and where the world's service is.
        ("_vw.arena.vwp.test", Rtype::TXT, b"\x01x", no, no, no),
        ("_vw._tcp.arena.vwp.test", Rtype::SRV, &srv, no, no, no),
        ("_minecraft._tcp.arena.vwp.test", Rtype::SRV, &srv, no, no, no),
        // Delegations, signatures, and what lists the worlds.
        ("x.arena.vwp.test", Rtype::NS, host, no, no, no),
        ("x.arena.vwp.test", Rtype::DS, b"\0\x01\x0d\x02digest", no, no, no),
        ("x.arena.vwp.test", Rtype::DNSKEY, b"\x01\x01\x03\x0dkey", no, no, no),
        ("vwp.test", Rtype::SOA, &[host, host, &[0; 20]].concat(), no, no, no),
        ("_vw._tcp.vwp.test", Rtype::PTR, host, no, no, no),
        ("b._dns-sd._udp.vwp.test", Rtype::PTR, host, no, no, no),
    ] {
        let bytes = || change(owner, rtype, data, true);
        let now_s = port.environment().now_seconds();
        let of_operator = with_sig0(bytes(), &operator.key, "arena.vwp.test", now_s, now_s + 300);
        for (who, bytes, expected) in [
            ("the operator", of_operator, by_operator),
            ("the world's key", with_tsig(bytes(), &arena, &port), by_key),
            ("the administrator's key", with_tsig(bytes(), &all, &port), by_all),
            ("another key", with_tsig(bytes(), &none, &port), no),
            ("nobody", bytes(), no),
        ] {
            let answer = send(&port, &bytes);
            assert_eq!(answer.header().rcode(), expected, "{who} {owner} {rtype}");
            assert_eq!(answer.header().opcode(), Opcode::UPDATE);
        }
        assert_eq!(has(&port, owner, rtype, data), by_all == yes);
        // Each case starts from nothing.
        port.advance_s(1);
        send(&port, &with_tsig(change(owner, rtype, data, false), &all, &port));
        port.advance_s(1);
    }
}

#[test]
fn what_an_update_gave_stays_when_the_record_changes_and_goes_with_the_world() {
    let (port, [operator, _]) = port();
    let (owner, now_s) = ("x.y.arena.vwp.test", port.now_s());
    let given = change(owner, Rtype::A, ADDRESS, true);
    let answer = send(&port, &with_sig0(given, &operator.key, "arena.vwp.test", now_s, now_s + 300));
    assert_eq!(answer.header().rcode(), Rcode::NOERROR);
    let uuid = vwp_discovery::record::uuid_of("test", &"arena".parse().expect("a name"));
    port.register(&operator, &vwp_discovery::record::Record { uuid, seq: 2, ..record("arena") });
    assert!(has(&port, owner, Rtype::A, ADDRESS));
    port.done(&operator, &port.about(Kind::Withdraw, "arena", 3));
    assert!(!has(&port, owner, Rtype::A, ADDRESS));
}

#[test]
fn a_signature_of_an_operator_is_one_of_now_with_a_key_that_is_registered() {
    let (port, [operator, other]) = port();
    let stranger = Operator::new(3);
    let world = "arena.vwp.test";
    for (key, signer, from, until, expected) in [
        (&operator, world, 0, 300, Rcode::NOERROR),
        // Any world of the operator's, and any name under it, says who signs.
        (&operator, "hall.vwp.test", 0, 300, Rcode::NOERROR),
        (&operator, "key.hall.vwp.test", 0, 300, Rcode::NOERROR),
        (&operator, "other.vwp.test", 0, 300, Rcode::REFUSED),
        (&operator, "free.vwp.test", 0, 300, Rcode::REFUSED),
        (&operator, "vwp.test", 0, 300, Rcode::REFUSED),
        (&operator, "arena.example", 0, 300, Rcode::REFUSED),
        (&other, world, 0, 300, Rcode::REFUSED),
        (&other, "other.vwp.test", 0, 300, Rcode::REFUSED),
        (&stranger, world, 0, 300, Rcode::REFUSED),
        (&operator, world, -600, -300, Rcode::REFUSED),
        (&operator, world, 10, 300, Rcode::REFUSED),
        (&operator, world, 0, 3601, Rcode::REFUSED),
    ] {
        let at = |offset: i64| START_S.checked_add_signed(offset).expect("after 1970");
        let bytes = change("x.arena.vwp.test", Rtype::A, ADDRESS, true);
        let bytes = with_sig0(bytes, &key.key, signer, at(from), at(until));
        assert_eq!(send(&port, &bytes).header().rcode(), expected, "{signer} {from} {until}");
    }
    let mut touched = with_sig0(
        change("x.arena.vwp.test", Rtype::A, ADDRESS, false),
        &operator.key,
        world,
        START_S,
        START_S + 300,
    );
    let place = touched.windows(4).position(|bytes| bytes == ADDRESS).expect("the address");
    touched[place] ^= 1;
    assert_eq!(send(&port, &touched).header().rcode(), Rcode::REFUSED);
}

#[test]
fn a_message_that_comes_again_is_answered_as_before_and_changes_nothing() {
    let (port, [operator, _]) = port();
    let key = make_key(&port, "arena-key", &["arena.vwp.test"]);
    let owner = "x.arena.vwp.test";
    let added = with_tsig(change(owner, Rtype::A, ADDRESS, true), &key, &port);
    let removed = with_tsig(change(owner, Rtype::A, ADDRESS, false), &key, &port);
    let text = change(owner, Rtype::TXT, b"\x01x", true);
    let text = with_sig0(text, &operator.key, "arena.vwp.test", START_S, START_S + 300);
    let other = with_tsig(change(owner, Rtype::TXT, b"\x01x", false), &key, &port);
    for (first, second, rtype, data) in
        [(&added, &removed, Rtype::A, ADDRESS), (&text, &other, Rtype::TXT, &b"\x01x"[..])]
    {
        assert_eq!(send(&port, first).header().rcode(), Rcode::NOERROR);
        assert!(has(&port, owner, rtype, data));
        assert_eq!(send(&port, second).header().rcode(), Rcode::NOERROR);
        assert!(!has(&port, owner, rtype, data));
        assert_eq!(send(&port, first).header().rcode(), Rcode::NOERROR);
        assert!(!has(&port, owner, rtype, data));
    }
    // Later its signature is no longer one of now.
    port.advance_s(301);
    assert_eq!(send(&port, &added).header().rcode(), Rcode::NOTAUTH);
    assert_eq!(send(&port, &text).header().rcode(), Rcode::REFUSED);
}

#[test]
fn an_update_of_another_zone_is_refused() {
    let (port, _) = port();
    let key = make_key(&port, "all-key", &["*"]);
    for (zone, rcode) in [("example", Rcode::NOTAUTH), ("_catalog.vwp.test", Rcode::REFUSED)] {
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_opcode(Opcode::UPDATE);
        let mut builder = builder.question();
        builder.push((name(zone), Rtype::SOA)).expect("room");
        let answer = send(&port, &with_tsig(builder.finish(), &key, &port));
        assert_eq!(answer.header().rcode(), rcode, "{zone}");
    }
}

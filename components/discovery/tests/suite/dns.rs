//! What resolvers get, read by a DNS library that the component does not use.

use crate::support::{Operator, Port, endpoint, record, title};
use domain::base::Name as DomainName;
use futures::executor::block_on;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::svcb::{SvcParamKey, SvcParamValue};
use hickory_proto::rr::{DNSClass, Name, RData, Record as DnsRecord, RecordType};
use http::{Request, header};
use vwp_discovery::dns::{Reply, answer};
use vwp_discovery::record::{Endpoint, Record};
use vwp_dns::edge::Transport;
use vwp_dns::tsig::keys::NewKey;
use vwp_dns::tsig::{self, Signer};
use vwp_storage::StorageError;
use vwp_storage::kv::{Change, Check, Direction, Entry, Key, KeyRange, Kv, Outcome, Page, Version, Write};

/// The first key for private use (RFC 9460, section 14.3.2): an endpoint's transport.
const TRANSPORT: u16 = 65280;

fn reply(port: &Port, query: &[u8], transport: Transport) -> Reply {
    block_on(answer(&port.store, &port.environment(), query, transport))
}

fn exchange(port: &Port, query: &Message, transport: Transport) -> Message {
    let reply = reply(port, &query.to_vec().unwrap(), transport);
    assert_eq!(reply.fault, None);
    let [message] = &reply.messages[..] else { panic!("{reply:?}") };
    let answer = Message::from_vec(message).unwrap();
    assert_eq!(answer.message_type(), MessageType::Response);
    assert_eq!(answer.id(), query.id());
    answer
}

fn query(name: &str, rtype: RecordType) -> Message {
    let mut query = Message::new();
    query.set_id(4711).set_recursion_desired(true);
    query.add_query(Query::query(Name::from_ascii(name).unwrap(), rtype));
    query
}

fn ask(port: &Port, name: &str, rtype: RecordType) -> Message {
    let mut query = query(name, rtype);
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    query.set_edns(edns);
    exchange(port, &query, Transport::Udp)
}

fn arena() -> Record {
    let endpoints = vec![
        Endpoint { priority: 2, weight: 10, ..endpoint("minecraft", "play.example.com", 25565) },
        endpoint("https", "web.example.com", 443),
        endpoint("webtransport", "web.example.com", 443),
    ];
    Record { title: title("Die Arena für alle"), endpoints, seq: 3, ..record("arena") }
}

fn port_with_arena() -> (Port, Operator) {
    let (port, operator) = (Port::new(), Operator::new(1));
    port.register(&operator, &arena());
    (port, operator)
}

fn texts(records: &[DnsRecord]) -> Vec<String> {
    let text = |record: &DnsRecord| match record.data() {
        RData::TXT(txt) => {
            txt.iter().map(|text| String::from_utf8(text.to_vec()).unwrap()).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    records.iter().flat_map(text).collect()
}

fn places(records: &[DnsRecord]) -> Vec<(u16, u16, u16, String)> {
    let place = |record: &DnsRecord| match record.data() {
        RData::SRV(srv) => (srv.priority(), srv.weight(), srv.port(), srv.target().to_string()),
        other => panic!("{other:?}"),
    };
    records.iter().map(place).collect()
}

/// A negative answer: its code, with the start of authority that says for how long.
fn assert_negative(answer: &Message, code: ResponseCode) {
    assert_eq!(answer.response_code(), code);
    assert!(answer.authoritative());
    assert_eq!(answer.answers(), []);
    let [soa] = answer.name_servers() else { panic!("no start of authority") };
    assert_eq!(soa.name(), &Name::from_ascii("vwp.test.").unwrap());
    let RData::SOA(data) = soa.data() else { panic!("{soa:?}") };
    assert_eq!((soa.ttl(), data.minimum()), (10, 10));
}

#[test]
fn a_world_has_one_svcb_record_per_endpoint() {
    let (port, _) = port_with_arena();
    let answer = ask(&port, "_vw.arena.vwp.test.", RecordType::SVCB);
    assert_eq!(answer.response_code(), ResponseCode::NoError);
    assert!(answer.authoritative() && !answer.recursion_available() && answer.recursion_desired());
    assert_eq!(answer.answers().len(), 3);
    let mut seen = Vec::new();
    for record in answer.answers() {
        assert_eq!((record.ttl(), record.dns_class()), (60, DNSClass::IN));
        let RData::SVCB(svcb) = record.data() else { panic!("{record:?}") };
        let mut alpn = Vec::new();
        let mut transport = String::new();
        let mut place = 0;
        for (key, value) in svcb.svc_params() {
            match value {
                SvcParamValue::Alpn(ids) => alpn.clone_from(&ids.0),
                SvcParamValue::Port(port) => place = *port,
                SvcParamValue::Unknown(value) if u16::from(*key) == TRANSPORT => {
                    transport = String::from_utf8(value.0.clone()).unwrap();
                }
                // What else a record says for those who know the key.
                SvcParamValue::Unknown(_) => assert!(u16::from(*key) > TRANSPORT),
                other => panic!("{other:?}"),
            }
        }
        let keys: Vec<u16> =
            svcb.svc_params().iter().map(|(key, _): &(SvcParamKey, _)| (*key).into()).collect();
        assert!(keys.is_sorted(), "RFC 9460, section 2.2");
        seen.push((transport, svcb.svc_priority(), svcb.target_name().to_string(), place, alpn.join(" ")));
    }
    seen.sort();
    let expected = [
        ("https", 1, "web.example.com.", 443, "h2 http/1.1"),
        ("minecraft", 2, "play.example.com.", 25565, ""),
        ("webtransport", 1, "web.example.com.", 443, "h3"),
    ];
    let expected = expected.map(|(t, p, n, o, a)| (t.to_owned(), p, n.to_owned(), o, a.to_owned()));
    assert_eq!(seen, expected);
}

#[test]
fn a_world_has_srv_records_together_and_by_transport() {
    let (port, _) = port_with_arena();
    // Two transports at one place are one record.
    let all = ask(&port, "_vw._tcp.arena.vwp.test.", RecordType::SRV);
    assert_eq!(all.answers().len(), 2);
    let answer = ask(&port, "_minecraft._tcp.arena.vwp.test.", RecordType::SRV);
    assert_eq!(places(answer.answers()), [(2, 10, 25565, "play.example.com.".to_owned())]);
    let answer = ask(&port, "_https._tcp.arena.vwp.test.", RecordType::SRV);
    assert_eq!(places(answer.answers()), [(1, 0, 443, "web.example.com.".to_owned())]);
}

#[test]
fn a_world_describes_itself_in_txt() {
    let (port, operator) = port_with_arena();
    for name in ["_vw.arena.vwp.test.", "_vw._tcp.arena.vwp.test."] {
        let answer = ask(&port, name, RecordType::TXT);
        let operator = format!("operator={}", operator.id);
        let texts = texts(answer.answers());
        assert_eq!(texts[..4], ["v=vw1", "title=Die Arena für alle", &operator, "seq=3"]);
    }
}

#[test]
fn a_long_title_is_cut_to_what_one_text_holds() {
    let (port, operator) = (Port::new(), Operator::new(1));
    port.register(&operator, &Record { title: title(&"世".repeat(100)), ..record("arena") });
    let answer = ask(&port, "_vw.arena.vwp.test.", RecordType::TXT);
    assert_eq!(texts(answer.answers())[1], format!("title={}", "世".repeat(83)));
}

#[test]
fn a_change_shows_in_the_next_answer_and_raises_the_serial() {
    let (port, operator) = port_with_arena();
    let serial = || match ask(&port, "vwp.test.", RecordType::SOA).answers() {
        [soa] => match soa.data() {
            RData::SOA(soa) => soa.serial(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let before = serial();
    port.advance_s(1);
    let moved = vec![endpoint("minecraft", "new.example.com", 25566)];
    port.register(&operator, &Record { endpoints: moved, seq: 4, ..arena() });
    let answer = ask(&port, "_minecraft._tcp.arena.vwp.test.", RecordType::SRV);
    assert_eq!(places(answer.answers()), [(1, 0, 25566, "new.example.com.".to_owned())]);
    assert!(serial() > before);
}

#[test]
fn names_without_records_exist_when_names_under_them_do() {
    let (port, _) = port_with_arena();
    for (name, rtype) in [
        ("arena.vwp.test.", RecordType::A),
        ("arena.vwp.test.", RecordType::ANY),
        ("_tcp.arena.vwp.test.", RecordType::SRV),
        ("_vw.arena.vwp.test.", RecordType::A),
        ("_vw.arena.vwp.test.", RecordType::SRV),
        ("_vw._tcp.arena.vwp.test.", RecordType::SVCB),
        ("_minecraft._tcp.arena.vwp.test.", RecordType::TXT),
        ("vwp.test.", RecordType::A),
    ] {
        assert_negative(&ask(&port, name, rtype), ResponseCode::NoError);
    }
}

#[test]
fn names_that_do_not_exist_are_name_errors() {
    let (port, _) = port_with_arena();
    for name in [
        "other.vwp.test.",
        "_vw.other.vwp.test.",
        "_ssh._tcp.arena.vwp.test.",
        "_udp.arena.vwp.test.",
        "x._vw.arena.vwp.test.",
        "ssh._tcp.arena.vwp.test.",
        "_vw.vwp.test.",
        "_tcp.vwp.test.",
        "a.b.c.d.e.vwp.test.",
        "www.vwp.test.",
    ] {
        for rtype in [RecordType::SVCB, RecordType::A, RecordType::ANY] {
            assert_negative(&ask(&port, name, rtype), ResponseCode::NXDomain);
        }
    }
}

#[test]
fn the_apex_names_its_authority() {
    let (port, _) = port_with_arena();
    let ns = ask(&port, "vwp.test.", RecordType::NS);
    assert_eq!(ns.answers()[0].data().to_string(), "port.example.");
    let soa = ask(&port, "vwp.test.", RecordType::SOA);
    assert!(soa.answers()[0].data().to_string().starts_with("port.example. hostmaster.vwp.test. "));
}

#[test]
fn questions_about_other_zones_classes_and_transfers_are_refused() {
    let (port, _) = port_with_arena();
    for name in ["example.com.", "test.", ".", "vwp.test.example.com.", "xvwp.test."] {
        assert_eq!(ask(&port, name, RecordType::A).response_code(), ResponseCode::Refused, "{name}");
    }
    for rtype in [RecordType::AXFR, RecordType::IXFR] {
        assert_eq!(ask(&port, "vwp.test.", rtype).response_code(), ResponseCode::Refused);
    }
    let mut chaos = query("version.bind.", RecordType::TXT);
    chaos.queries_mut()[0].set_query_class(DNSClass::CH);
    let answer = exchange(&port, &chaos, Transport::Udp);
    assert_eq!((answer.response_code(), answer.authoritative()), (ResponseCode::Refused, false));
}

/// A store that cannot serve.
struct Down;

impl Kv for Down {
    async fn get_many(&self, _: &[Key]) -> Result<Vec<Option<Entry>>, StorageError> {
        Err(StorageError::Unavailable("down".into()))
    }
    async fn scan(&self, _: &KeyRange, _: u32, _: Direction) -> Result<Page, StorageError> {
        Err(StorageError::Unavailable("down".into()))
    }
    async fn commit(&self, _: &[Check], _: &[Write]) -> Result<Outcome, StorageError> {
        Err(StorageError::Unavailable("down".into()))
    }
    async fn changes(&self, _: &[u8], _: Version, _: u32, _: u32) -> Result<Vec<Change>, StorageError> {
        Err(StorageError::Unavailable("down".into()))
    }
}

#[test]
fn when_the_store_is_down_the_answer_says_so_and_is_not_cached() {
    let port = Port::new();
    let sent = query("_vw.arena.vwp.test.", RecordType::SVCB).to_vec().unwrap();
    let reply = block_on(answer(&Down, &port.environment(), &sent, Transport::Udp));
    assert_eq!(reply.fault.map(|problem| problem.slug), Some("unavailable"));
    assert_eq!((reply.sources.len(), reply.kept_s), (0, 0));
    let message = Message::from_vec(&reply.messages[0]).unwrap();
    assert_eq!((message.response_code(), message.answers().len()), (ResponseCode::ServFail, 0));
    let http = port.send_through(&Down, Request::get("/v1/worlds/arena").body(Vec::new()).unwrap());
    assert_eq!((http.slug().as_str(), http.headers[header::RETRY_AFTER].clone()), ("unavailable", 1.into()));
}

#[test]
fn who_notifies_or_asks_for_something_unknown_is_told_that_it_is_not_done_here() {
    let (port, _) = port_with_arena();
    for (opcode, code) in [
        (OpCode::Notify, ResponseCode::Refused),
        (OpCode::Update, ResponseCode::Refused),
        (OpCode::Status, ResponseCode::NotImp),
    ] {
        let mut query = query("vwp.test.", RecordType::SOA);
        query.set_op_code(opcode);
        let answer = exchange(&port, &query, Transport::Udp);
        assert_eq!((answer.response_code(), answer.op_code()), (code, opcode));
    }
}

#[test]
fn what_a_registration_makes_is_signed_with_the_zones_key() {
    let (port, _) = port_with_arena();
    let mut query = query("_vw.arena.vwp.test.", RecordType::SVCB);
    let mut edns = Edns::new();
    edns.set_max_payload(4096).set_dnssec_ok(true);
    query.set_edns(edns);
    let answer = exchange(&port, &query, Transport::Tcp);
    let types: Vec<_> = answer.answers().iter().map(DnsRecord::record_type).collect();
    assert_eq!(types.iter().filter(|rtype| **rtype == RecordType::RRSIG).count(), 1);
    assert_eq!(types.len(), 4);
}

#[test]
fn encrypted_transports_are_announced_where_the_settings_name_them() {
    let announced = |port: &Port| {
        let answer = ask(port, "_dns.resolver.arpa.", RecordType::SVCB);
        let shown = |record: &DnsRecord| match record.data() {
            RData::SVCB(svcb) => (svcb.svc_priority(), svcb.target_name().to_string()),
            other => panic!("{other:?}"),
        };
        let mut all: Vec<_> = answer.answers().iter().map(shown).collect();
        all.sort();
        all
    };
    let mut port = Port::new();
    assert_eq!(announced(&port), [(1, "port.example.".to_owned())]);
    port.settings.options.insert("dns_over_tls", "dot.port.example:8853".into());
    assert_eq!(announced(&port), [(1, "port.example.".to_owned()), (2, "dot.port.example.".to_owned())]);
    port.settings.issuer = "http://port.example".into();
    assert_eq!(announced(&port), [(2, "dot.port.example.".to_owned())]);
    // An address has no name that a certificate could have.
    port.settings.issuer = "https://127.0.0.1:3000".into();
    port.settings.options.clear();
    assert_eq!(announced(&port), []);
}

/// A question signed with a key that may do nothing in particular.
fn signed(port: &Port, message: &Message) -> Message {
    let environment = port.environment();
    let new = NewKey {
        name: "a-resolver.example".into(),
        algorithm: None,
        secret: None,
        transfer: false,
        update: Vec::new(),
    };
    let name = DomainName::vec_from_str(&new.name).unwrap();
    let mut bytes = message.to_vec().unwrap();
    block_on(async {
        let mut found = tsig::keys::find(&port.store, &environment, &name).await.unwrap();
        if found.is_none() {
            tsig::keys::create(&port.store, &environment, new).await.unwrap();
            found = tsig::keys::find(&port.store, &environment, &name).await.unwrap();
        }
        let found = found.unwrap();
        Signer::sign_request(&found.key, &mut bytes, environment.now_seconds());
    });
    let answer = reply(port, &bytes, Transport::Udp);
    assert_eq!((answer.fault, answer.sources.len(), answer.kept_s), (None, 0, 0));
    assert!(answer.messages[0].len() <= 512);
    Message::from_vec(&answer.messages[0]).unwrap()
}

#[test]
fn a_signed_question_is_answered_with_a_signature_that_fits_into_the_datagram() {
    const TSIG: RecordType = RecordType::TSIG;
    let (port, operator) = (Port::new(), Operator::new(1));
    for count in [1, 3, 16] {
        let place = |n: u16| endpoint("minecraft", &format!("a-rather-long-host-{n}.example.com"), 1000 + n);
        let endpoints = (0..count).map(place).collect();
        port.register(&operator, &Record { endpoints, seq: u64::from(count), ..record("arena") });
        let answer = signed(&port, &query("_minecraft._tcp.arena.vwp.test.", RecordType::SRV));
        // Where the reader does not know signatures, it takes this one for any other record.
        let last = answer.additionals().iter().chain(answer.signature()).last();
        assert_eq!(last.map(DnsRecord::record_type), Some(TSIG));
        assert_eq!(answer.truncated(), count == 16);
    }
}

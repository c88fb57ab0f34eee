//! What resolvers get, read by a DNS library that the component does not use.

use crate::support::{Operator, Port, endpoint, record, title};
use futures::executor::block_on;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::svcb::{SvcParamKey, SvcParamValue};
use hickory_proto::rr::{DNSClass, Name, RData, Record as DnsRecord, RecordType};
use http::{Request, header};
use std::str::FromStr;
use vwp_core::jose;
use vwp_discovery::dns::{Reply, Transport, answer};
use vwp_discovery::record::{Endpoint, Record};
use vwp_storage::StorageError;
use vwp_storage::kv::{Change, Check, Direction, Entry, Key, KeyRange, Kv, Outcome, Page, Version, Write};

fn reply(port: &Port, query: &[u8], transport: Transport) -> Reply {
    block_on(answer(&port.store, &port.environment(), query, transport))
}

fn exchange(port: &Port, query: &Message, transport: Transport) -> Message {
    let reply = reply(port, &query.to_vec().unwrap(), transport);
    assert_eq!(reply.fault, None);
    let answer = Message::from_vec(&reply.message).unwrap();
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
                SvcParamValue::Unknown(value) => {
                    assert_eq!(u16::from(*key), 65280);
                    transport = String::from_utf8(value.0.clone()).unwrap();
                }
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
    let all = ask(&port, "_vw._tcp.arena.vwp.test.", RecordType::SRV);
    assert_eq!(all.answers().len(), 3);
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
        assert_eq!(texts(answer.answers()), ["v=vw1", "title=Die Arena für alle", &operator, "seq=3"]);
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
    let moved = vec![endpoint("minecraft", "new.example.com", 25566)];
    port.register(&operator, &Record { endpoints: moved, seq: 4, ..arena() });
    let answer = ask(&port, "_minecraft._tcp.arena.vwp.test.", RecordType::SRV);
    assert_eq!(places(answer.answers()), [(1, 0, 25566, "new.example.com.".to_owned())]);
    assert_eq!(serial(), before + 1);
}

#[test]
fn no_answer_may_be_cached_for_longer_than_its_record_is_valid() {
    let (port, _) = port_with_arena();
    port.advance_s(86_400 - 7);
    let answer = ask(&port, "_vw.arena.vwp.test.", RecordType::TXT);
    assert_eq!(answer.answers()[0].ttl(), 7);
    port.advance_s(7);
    assert_negative(&ask(&port, "_vw.arena.vwp.test.", RecordType::TXT), ResponseCode::NXDomain);
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
fn a_port_at_an_address_is_the_name_server_in_its_own_zone() {
    for (issuer, rtype, address) in [
        ("http://127.0.0.1:3000", RecordType::A, "127.0.0.1"),
        ("http://[2001:db8::1]:3000", RecordType::AAAA, "2001:db8::1"),
    ] {
        let mut port = Port::new();
        port.settings.issuer = issuer.into();
        let ns = ask(&port, "vwp.test.", RecordType::NS);
        assert_eq!(ns.answers()[0].data().to_string(), "ns.vwp.test.");
        let found = ask(&port, "ns.vwp.test.", rtype);
        assert_eq!(found.answers()[0].data().to_string(), address);
        assert_negative(&ask(&port, "ns.vwp.test.", RecordType::MX), ResponseCode::NoError);
    }
    let mut port = Port::new();
    port.settings.issuer = "https://Port.vwp.test".into();
    assert_negative(&ask(&port, "port.vwp.test.", RecordType::A), ResponseCode::NoError);
    assert_negative(&ask(&port, "ns.vwp.test.", RecordType::A), ResponseCode::NXDomain);
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

#[test]
fn a_question_for_any_type_gets_one_small_record() {
    let (port, _) = port_with_arena();
    let answer = ask(&port, "_vw.arena.vwp.test.", RecordType::ANY);
    let [record] = answer.answers() else { panic!("{answer:?}") };
    let RData::HINFO(hinfo) = record.data() else { panic!("{record:?}") };
    assert_eq!((hinfo.cpu(), hinfo.os()), (&b"RFC8482"[..], &b""[..]));
}

#[test]
fn names_match_in_any_case_and_come_back_as_they_were_asked() {
    let (port, _) = port_with_arena();
    let name = "_vW.aReNa.VwP.tEsT.";
    let sent = query(name, RecordType::SVCB).to_vec().unwrap();
    let reply = reply(&port, &sent, Transport::Tcp);
    let answer = Message::from_vec(&reply.message).unwrap();
    assert_eq!(answer.answers().len(), 3);
    assert_eq!(answer.queries()[0].name().to_string(), name);
    // The whole question section, byte for byte.
    assert_eq!(reply.message[12..sent.len()], sent[12..]);
    assert!(answer.answers().iter().all(|record| record.name() == &Name::from_str(name).unwrap()));
}

fn crowded() -> Record {
    let place = |n: u16| endpoint("minecraft", &format!("a-rather-long-host-name-{n}.example.com"), 1000 + n);
    Record { endpoints: (0..16).map(place).collect(), ..record("arena") }
}

#[test]
fn what_does_not_fit_into_a_datagram_is_cut_and_whole_over_tcp() {
    let (port, operator) = (Port::new(), Operator::new(1));
    port.register(&operator, &crowded());
    let plain = query("_vw.arena.vwp.test.", RecordType::SVCB);
    let sent = plain.to_vec().unwrap();
    let udp = reply(&port, &sent, Transport::Udp).message;
    assert!(udp.len() <= 512);
    let udp = Message::from_vec(&udp).unwrap();
    assert!(udp.truncated());
    assert_eq!((udp.answers().len(), udp.queries().len()), (0, 1));
    for transport in [Transport::Tcp, Transport::Https] {
        let whole = exchange(&port, &plain, transport);
        assert_eq!((whole.truncated(), whole.answers().len()), (false, 16));
    }
}

#[test]
fn a_datagram_is_never_larger_than_either_side_allows() {
    let (port, operator) = (Port::new(), Operator::new(1));
    for count in 1..=16 {
        let endpoints = crowded().endpoints.into_iter().take(count).collect();
        port.register(&operator, &Record { endpoints, seq: count as u64, ..crowded() });
        for offered in [0, 100, 512, 700, 1000, 1232, 4096, 65535] {
            let mut query = query("_vw.arena.vwp.test.", RecordType::SVCB);
            let mut edns = Edns::new();
            edns.set_max_payload(offered);
            query.set_edns(edns);
            // The library raises what it sends to 512, so the bytes are set by hand.
            let mut sent = query.to_vec().unwrap();
            let at = sent.len() - 8;
            sent[at..at + 2].copy_from_slice(&offered.to_be_bytes());
            let message = reply(&port, &sent, Transport::Udp).message;
            assert!(message.len() <= usize::from(offered.clamp(512, 1232)), "{count} at {offered}");
            let answer = Message::from_vec(&message).unwrap();
            assert_eq!(answer.truncated(), answer.answers().is_empty());
            assert_eq!(answer.extensions().as_ref().map(Edns::max_payload), Some(1232));
        }
    }
}

#[test]
fn edns_is_answered_where_it_is_spoken_and_only_there() {
    let (port, _) = port_with_arena();
    let mut with = query("_vw.arena.vwp.test.", RecordType::TXT);
    let plain = exchange(&port, &with, Transport::Udp);
    assert!(plain.extensions().is_none());
    let mut edns = Edns::new();
    edns.set_dnssec_ok(true);
    with.set_edns(edns);
    let answer = exchange(&port, &with, Transport::Udp);
    let opt = answer.extensions().as_ref().unwrap();
    assert_eq!((opt.version(), opt.max_payload(), opt.flags().dnssec_ok), (0, 1232, true));
}

#[test]
fn a_later_edns_version_is_told_ours() {
    let (port, _) = port_with_arena();
    let mut query = query("_vw.arena.vwp.test.", RecordType::TXT);
    let mut edns = Edns::new();
    edns.set_version(1);
    query.set_edns(edns);
    let answer = exchange(&port, &query, Transport::Udp);
    // BADVERS; the library knows this number under its other name (RFC 8945).
    assert_eq!(u16::from(answer.response_code()), 16);
    assert_eq!(answer.extensions().as_ref().unwrap().version(), 0);
    assert_eq!(answer.answers(), []);
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
    assert_eq!(reply.max_age_s, None);
    let message = Message::from_vec(&reply.message).unwrap();
    assert_eq!((message.response_code(), message.answers().len()), (ResponseCode::ServFail, 0));
    let http = port.send_through(&Down, Request::get("/v1/worlds/arena").body(Vec::new()).unwrap());
    assert_eq!((http.slug().as_str(), http.headers[header::RETRY_AFTER].clone()), ("unavailable", 1.into()));
}

#[test]
fn other_operations_are_not_implemented() {
    let (port, _) = port_with_arena();
    for opcode in [OpCode::Notify, OpCode::Update, OpCode::Status] {
        let mut query = query("vwp.test.", RecordType::SOA);
        query.set_op_code(opcode);
        let answer = exchange(&port, &query, Transport::Udp);
        assert_eq!((answer.response_code(), answer.op_code()), (ResponseCode::NotImp, opcode));
    }
}

#[test]
fn dns_over_https_answers_get_and_post_with_the_freshness_of_the_records() {
    let (port, _) = port_with_arena();
    let sent = query("_vw.arena.vwp.test.", RecordType::SVCB).to_vec().unwrap();
    let by_get = port.get(&format!("/dns-query?dns={}", jose::encode(&sent)));
    let request = Request::post("/dns-query").header(header::CONTENT_TYPE, "application/dns-message");
    let by_post = port.send(request.body(sent).unwrap());
    for answer in [by_get, by_post] {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/dns-message");
        assert_eq!(answer.headers[header::CACHE_CONTROL], "max-age=60");
        assert_eq!(Message::from_vec(&answer.body).unwrap().answers().len(), 3);
    }
    let cache_control = |name: &str| {
        let sent = query(name, RecordType::TXT).to_vec().unwrap();
        port.get(&format!("/dns-query?dns={}", jose::encode(sent))).headers[header::CACHE_CONTROL].clone()
    };
    assert_eq!(cache_control("_vw.other.vwp.test."), "max-age=10");
    assert_eq!(cache_control("example.com."), "no-store");
}

#[test]
fn http_requests_without_a_dns_query_are_refused() {
    let port = Port::new();
    let slug_of_post = |media_type: &str, body: Vec<u8>| {
        let request = Request::post("/dns-query").header(header::CONTENT_TYPE, media_type);
        port.send(request.body(body).unwrap()).slug()
    };
    assert_eq!(slug_of_post("application/json", vec![]), "unsupported-media-type");
    assert_eq!(slug_of_post("application/dns-message", vec![0; 5000]), "body-too-large");
    assert_eq!(slug_of_post("application/dns-message", vec![]), "bad-request");
    let slug = |query: &str| port.get(&format!("/dns-query{query}")).slug();
    assert_eq!(slug(""), "bad-request");
    assert_eq!(slug("?dns=AAAA&dns=AAAA"), "bad-request");
    assert_eq!(slug("?dns=A+A="), "bad-request");
    assert_eq!(slug(&format!("?dns={}", "A".repeat(8000))), "uri-too-long");
}

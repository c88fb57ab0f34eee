//! What askers can rely on whatever they send, before any zone is looked at. Answers are read
//! by a DNS library that the crate does not use.

use domain::base::iana::{Opcode, Rcode};
use domain::base::name::ToLabelIter;
use domain::base::{Message as WireMessage, MessageBuilder, Name, Rtype};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query as Question, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{DNSClass, Name as HickoryName, RData, Record, RecordType};
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use vwp_dns::edge::{
    COOKIE_SECRET_LENGTH, CookieState, ExtendedErrorCode, Form, OptRcode, Query, Refusal, Service, Transport,
    demand_cookie, finish, refuse,
};

const SECRET: [u8; COOKIE_SECRET_LENGTH] = [9; COOKIE_SECRET_LENGTH];
const NOW_S: u64 = 1_800_000_000;
const COOKIE: u16 = 10;
const KEEPALIVE: u16 = 11;
const PADDING: u16 = 12;
const EXTENDED_ERROR: u16 = 15;
const NSID: u16 = 3;

fn service() -> Service<'static> {
    Service {
        nsid: b"port-1",
        cookie_secret: Some(&SECRET),
        now_s: NOW_S,
        client_address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
        keepalive: Some(Duration::from_secs(10)),
        ..Service::default()
    }
}

fn question(name: &str) -> Message {
    let mut message = Message::new();
    message.set_id(4711).set_recursion_desired(true);
    message.add_query(Question::query(HickoryName::from_ascii(name).unwrap(), RecordType::TXT));
    message
}

fn with_options(name: &str, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut message = question(name);
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    for (code, data) in options {
        edns.options_mut().insert(EdnsOption::Unknown(*code, data.to_vec()));
    }
    message.set_edns(edns);
    message.to_vec().unwrap()
}

fn read(bytes: &[u8]) -> Query {
    Query::read(bytes).unwrap()
}

fn plain(query: &Query) -> Vec<u8> {
    match query.form() {
        Form::Plain(plain) => plain,
        other => panic!("{other:?}"),
    }
}

/// A plain answer as a zone gives it: some texts at the name, whose owner points to the question.
fn answer_to(query: &Query, texts: usize) -> Vec<u8> {
    let mut message = Message::from_vec(&plain(query)).unwrap();
    message.set_message_type(MessageType::Response).set_authoritative(true);
    let name = message.queries()[0].name().clone();
    for number in 0..texts {
        let text = RData::TXT(hickory_proto::rr::rdata::TXT::new(vec![format!("text number {number}")]));
        message.add_answer(Record::from_rdata(name.clone(), 60, text));
    }
    message.to_vec().unwrap()
}

fn finished(query: &Query, transport: Transport, service: &Service<'_>) -> Message {
    Message::from_vec(&finish(query, &answer_to(query, 2), transport, service)).unwrap()
}

/// The data of an option in an answer. The library decodes some and keeps the rest as it is.
fn option(answer: &Message, code: u16) -> Option<Vec<u8>> {
    let edns = answer.extensions().as_ref()?;
    let option = edns.option(EdnsCode::from(code))?;
    Vec::<u8>::try_from(option).ok()
}

#[test]
fn who_asks_the_same_shares_the_plain_form_and_who_does_not_has_another() {
    let asked = |name: &str, dnssec_ok: bool, id: u16| {
        let mut message = question(name);
        message.set_id(id).set_checking_disabled(id == 2);
        let mut edns = Edns::new();
        edns.set_dnssec_ok(dnssec_ok);
        edns.options_mut().insert(EdnsOption::Unknown(NSID, Vec::new()));
        message.set_edns(edns);
        plain(&read(&message.to_vec().unwrap()))
    };
    let first = asked("Arena.VWP.test.", true, 1);
    assert_eq!(first, asked("arena.vwp.TEST.", true, 2));
    assert_ne!(first, asked("arena.vwp.test.", false, 1));
    assert_ne!(first, asked("arenb.vwp.test.", true, 1));
    // Without EDNS as with it, but without signatures.
    assert_eq!(
        plain(&read(&question("arena.vwp.test.").to_vec().unwrap())),
        asked("arena.vwp.test.", false, 1)
    );
    // The plain form is a query, and its own plain form.
    assert_eq!(plain(&read(&first)), first);
}

#[test]
fn the_id_the_case_and_the_wish_for_recursion_come_back() {
    let sent = question("ArEnA.vWp.TeSt.").to_vec().unwrap();
    let query = read(&sent);
    let answer = finish(&query, &answer_to(&query, 2), Transport::Udp, &service());
    assert_eq!(answer[12..sent.len()], sent[12..]);
    let answer = Message::from_vec(&answer).unwrap();
    assert_eq!((answer.id(), answer.recursion_desired(), answer.recursion_available()), (4711, true, false));
    assert!(answer.authoritative() && answer.extensions().is_none());
    assert_eq!(answer.answers().len(), 2);
    let name = answer.queries()[0].name().to_string();
    assert_eq!(name, "ArEnA.vWp.TeSt.");
    assert!(answer.answers().iter().all(|record| record.name().to_string() == name));
}

#[test]
fn what_is_no_answer_to_the_question_becomes_a_server_failure() {
    let query = read(&with_options("arena.vwp.test.", &[]));
    let other = read(&with_options("other.vwp.test.", &[]));
    for wrong in [answer_to(&other, 1), Vec::new(), vec![0; 11], vec![0; 12], vec![255; 100]] {
        let answer = Message::from_vec(&finish(&query, &wrong, Transport::Udp, &service())).unwrap();
        assert_eq!((answer.id(), answer.response_code()), (4711, ResponseCode::ServFail));
    }
}

#[test]
fn options_are_answered_where_they_mean_something_and_to_who_sent_them() {
    let asked = [(NSID, &b""[..]), (KEEPALIVE, b""), (PADDING, &[0; 20]), (65001, b"unknown")];
    let query = read(&with_options("arena.vwp.test.", &asked));
    for (transport, has_keepalive, is_padded) in [
        (Transport::Udp, false, false),
        (Transport::Tcp, true, false),
        (Transport::Tls, true, true),
        (Transport::Https, false, true),
    ] {
        let answer = finished(&query, transport, &service());
        assert_eq!(option(&answer, NSID).as_deref(), Some(&b"port-1"[..]));
        assert_eq!(option(&answer, KEEPALIVE).is_some(), has_keepalive, "{transport:?}");
        assert_eq!(option(&answer, PADDING).is_some(), is_padded, "{transport:?}");
        assert_eq!(option(&answer, 65001), None);
        let silent = finished(&read(&with_options("arena.vwp.test.", &[])), transport, &service());
        assert_eq!((option(&silent, NSID), option(&silent, KEEPALIVE)), (None, None));
    }
    let answer = finished(&query, Transport::Tcp, &service());
    // RFC 7828, section 3.1: in units of 100 ms.
    assert_eq!(option(&answer, KEEPALIVE), Some(vec![0, 100]));
}

#[test]
fn encrypted_answers_have_few_lengths() {
    for texts in 0..40 {
        let query = read(&with_options("arena.vwp.test.", &[]));
        let answer = finish(&query, &answer_to(&query, texts), Transport::Tls, &service());
        assert_eq!(answer.len() % 468, 0, "{texts} texts make {} bytes", answer.len());
    }
    let without = read(&question("arena.vwp.test.").to_vec().unwrap());
    let answer = finish(&without, &answer_to(&without, 1), Transport::Tls, &service());
    assert!(Message::from_vec(&answer).unwrap().extensions().is_none());
}

#[test]
fn a_cookie_proves_the_address_for_an_hour_and_is_renewed_after_half_of_it() {
    let client = [1, 2, 3, 4, 5, 6, 7, 8];
    let first = read(&with_options("arena.vwp.test.", &[(COOKIE, &client)]));
    assert_eq!(first.cookie_state(&service()), CookieState::Unproven);
    let given = option(&finished(&first, Transport::Udp, &service()), COOKIE).unwrap();
    assert_eq!((given.len(), &given[..8]), (24, &client[..]));
    let second = read(&with_options("arena.vwp.test.", &[(COOKIE, &given)]));
    let at = |seconds: u64| Service { now_s: NOW_S + seconds, ..service() };
    for (age_s, state, is_renewed) in [
        (0, CookieState::Proven, false),
        (1799, CookieState::Proven, false),
        (1800, CookieState::Proven, true),
        (3600, CookieState::Proven, true),
        (3601, CookieState::Unproven, true),
    ] {
        assert_eq!(second.cookie_state(&at(age_s)), state, "after {age_s} s");
        let next = option(&finished(&second, Transport::Udp, &at(age_s)), COOKIE).unwrap();
        assert_eq!(next != given, is_renewed, "after {age_s} s");
    }
    let behind = Service { now_s: NOW_S - 301, ..service() };
    assert_eq!(second.cookie_state(&behind), CookieState::Unproven);
    let elsewhere = Service { client_address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2))), ..service() };
    assert_eq!(second.cookie_state(&elsewhere), CookieState::Unproven);
    let other_secret = Service { cookie_secret: Some(&[8; 16]), ..service() };
    assert_eq!(second.cookie_state(&other_secret), CookieState::Unproven);
    let no_cookies = Service { cookie_secret: None, ..service() };
    assert_eq!(second.cookie_state(&no_cookies), CookieState::Absent);
    assert_eq!(option(&finished(&second, Transport::Udp, &no_cookies), COOKIE), None);
    for at in 8..24 {
        let mut forged = given.clone();
        forged[at] ^= 1;
        let forged = read(&with_options("arena.vwp.test.", &[(COOKIE, &forged)]));
        assert_eq!(forged.cookie_state(&service()), CookieState::Unproven, "byte {at}");
    }
}

/// RFC 9018, appendix A.1.
#[test]
fn cookies_are_those_of_other_servers_with_the_same_secret() {
    let secret =
        [0xe5, 0xe9, 0x73, 0xe5, 0xa6, 0xb2, 0xa4, 0x3f, 0x48, 0xe7, 0xdc, 0x84, 0x9e, 0x37, 0xbf, 0xcf];
    let client = [0x24, 0x64, 0xc4, 0xab, 0xcf, 0x10, 0xc9, 0x57];
    let service = Service {
        cookie_secret: Some(&secret),
        now_s: 1_559_731_985,
        client_address: Some(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 100))),
        ..Service::default()
    };
    let query = read(&with_options("example.com.", &[(COOKIE, &client)]));
    let cookie = option(&finished(&query, Transport::Udp, &service), COOKIE).unwrap();
    let server = [0x01, 0, 0, 0, 0x5c, 0xf7, 0x9f, 0x11, 0x1f, 0x81, 0x30, 0xc3, 0xee, 0xe2, 0x94, 0x80];
    assert_eq!(cookie, [&client[..], &server].concat());
}

#[test]
fn cookies_of_a_wrong_length_are_malformed() {
    for length in (0..48).filter(|length| *length != 8 && !(16..=40).contains(length)) {
        let sent = with_options("arena.vwp.test.", &[(COOKIE, &vec![1; length])]);
        assert!(matches!(Query::read(&sent), Err(Refusal::Answer(_))), "{length} bytes");
    }
}

#[test]
fn who_must_show_that_it_receives_gets_a_cookie_or_is_sent_to_tcp() {
    let knows = read(&with_options("arena.vwp.test.", &[(COOKIE, &[1; 8])]));
    let answer = Message::from_vec(&demand_cookie(&knows, &service())).unwrap();
    assert_eq!((u16::from(answer.response_code()), answer.truncated()), (23, false));
    assert_eq!(option(&answer, COOKIE).map(|cookie| cookie.len()), Some(24));
    let does_not = read(&question("arena.vwp.test.").to_vec().unwrap());
    let answer = Message::from_vec(&demand_cookie(&does_not, &service())).unwrap();
    assert_eq!((answer.response_code(), answer.truncated()), (ResponseCode::NoError, true));
    assert_eq!((answer.queries().len(), answer.answers().len()), (1, 0));
}

#[test]
fn a_cookie_can_be_asked_for_without_a_question() {
    let mut message = Message::from_vec(&with_options("arena.vwp.test.", &[(COOKIE, &[1; 8])])).unwrap();
    message.take_queries();
    let query = read(&message.to_vec().unwrap());
    let Form::Ready(ready) = query.form() else { panic!("{query:?}") };
    let answer = Message::from_vec(&finish(&query, &ready, Transport::Udp, &service())).unwrap();
    assert_eq!((answer.response_code(), answer.queries().len()), (ResponseCode::NoError, 0));
    assert!(option(&answer, COOKIE).is_some());
    message.set_edns(Edns::new());
    assert!(matches!(Query::read(&message.to_vec().unwrap()), Err(Refusal::Answer(_))));
}

#[test]
fn what_does_not_fit_into_a_datagram_is_cut_and_whole_over_streams() {
    for offered in [0, 100, 512, 700, 1000, 1232, 4096, 65535] {
        let mut sent = with_options("arena.vwp.test.", &[]);
        // The library raises what it sends to 512, so the bytes are set by hand.
        let at = sent.len() - 8;
        sent[at..at + 2].copy_from_slice(&u16::to_be_bytes(offered));
        let query = read(&sent);
        for texts in 0..60 {
            let plain = answer_to(&query, texts);
            let udp = finish(&query, &plain, Transport::Udp, &service());
            assert!(udp.len() <= usize::from(offered.clamp(512, 1232)), "{texts} at {offered}");
            let answer = Message::from_vec(&udp).unwrap();
            assert_eq!(answer.answers().len(), if answer.truncated() { 0 } else { texts });
            assert_eq!(answer.extensions().as_ref().map(Edns::max_payload), Some(1232));
            let whole = Message::from_vec(&finish(&query, &plain, Transport::Tcp, &service())).unwrap();
            assert_eq!((whole.truncated(), whole.answers().len()), (false, texts));
        }
    }
    let without = read(&question("arena.vwp.test.").to_vec().unwrap());
    let udp = finish(&without, &answer_to(&without, 60), Transport::Udp, &service());
    assert!(udp.len() <= 512 && Message::from_vec(&udp).unwrap().truncated());
}

#[test]
fn a_stale_answer_says_so_and_is_cached_for_half_a_minute() {
    let query = read(&with_options("arena.vwp.test.", &[]));
    let stale = Service { is_stale: true, ..service() };
    let answer = finished(&query, Transport::Udp, &stale);
    assert!(answer.answers().iter().all(|record| record.ttl() == 30));
    assert_eq!(option(&answer, EXTENDED_ERROR), Some(vec![0, 3]));
    let nothing = refuse(&query, OptRcode::NXDOMAIN, None);
    let answer = Message::from_vec(&finish(&query, &nothing, Transport::Udp, &stale)).unwrap();
    assert_eq!(option(&answer, EXTENDED_ERROR), Some(vec![0, 19]));
}

#[test]
fn reasons_reach_who_speaks_edns() {
    let query = read(&with_options("arena.vwp.test.", &[]));
    let refused = refuse(&query, OptRcode::REFUSED, Some(ExtendedErrorCode::NOT_AUTHORITATIVE));
    let answer = Message::from_vec(&finish(&query, &refused, Transport::Udp, &service())).unwrap();
    assert_eq!(answer.response_code(), ResponseCode::Refused);
    assert_eq!(option(&answer, EXTENDED_ERROR), Some(vec![0, 20]));
    let limited = Service { ede: Some(ExtendedErrorCode::RATE_LIMITED), ..service() };
    assert_eq!(option(&finished(&query, Transport::Udp, &limited), EXTENDED_ERROR), Some(vec![0, 31]));
}

#[test]
fn what_the_message_alone_decides_needs_no_zone() {
    let ready = |message: &Message| {
        let query = read(&message.to_vec().unwrap());
        let Form::Ready(plain) = query.form() else { panic!("{query:?}") };
        Message::from_vec(&finish(&query, &plain, Transport::Udp, &service())).unwrap()
    };
    let mut later = question("arena.vwp.test.");
    let mut edns = Edns::new();
    edns.set_version(1);
    later.set_edns(edns);
    let answer = ready(&later);
    assert_eq!((u16::from(answer.response_code()), answer.queries().len()), (16, 1));
    assert_eq!(answer.extensions().as_ref().map(Edns::version), Some(0));
    let mut chaos = question("version.bind.");
    chaos.queries_mut()[0].set_query_class(DNSClass::CH);
    chaos.set_edns(Edns::new());
    let answer = ready(&chaos);
    assert_eq!((answer.response_code(), answer.authoritative()), (ResponseCode::Refused, false));
    assert_eq!(option(&answer, EXTENDED_ERROR), Some(vec![0, 20]));
    for rtype in [41, 128, 250] {
        let mut meta = question("arena.vwp.test.");
        meta.queries_mut()[0].set_query_type(RecordType::from(rtype));
        meta.set_edns(Edns::new());
        let answer = ready(&meta);
        assert_eq!(answer.response_code(), ResponseCode::FormErr, "type {rtype}");
        assert_eq!(option(&answer, EXTENDED_ERROR), Some(vec![0, 30]));
    }
}

#[test]
fn updates_notifications_transfers_and_signed_messages_are_handed_on_whole() {
    for opcode in [OpCode::Update, OpCode::Notify] {
        let mut message = question("vwp.test.");
        message.set_op_code(opcode);
        assert_eq!(read(&message.to_vec().unwrap()).form(), Form::Whole);
    }
    for rtype in [RecordType::AXFR, RecordType::IXFR] {
        let mut message = question("vwp.test.");
        message.queries_mut()[0].set_query_type(rtype);
        assert_eq!(read(&message.to_vec().unwrap()).form(), Form::Whole);
    }
    let mut signed = question("vwp.test.").to_vec().unwrap();
    signed[11] = 1;
    signed.extend([0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 0]);
    let query = read(&signed);
    assert!(query.is_signed());
    assert_eq!(query.form(), Form::Whole);
    let mut status = question("vwp.test.");
    status.set_op_code(OpCode::Status);
    let Err(Refusal::Answer(answer)) = Query::read(&status.to_vec().unwrap()) else { panic!("no refusal") };
    let answer = Message::from_vec(&answer).unwrap();
    assert_eq!((answer.response_code(), answer.op_code()), (ResponseCode::NotImp, OpCode::Status));
}

fn wire_question() -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(4711);
    let mut builder = builder.question();
    builder.push((Name::vec_from_str("_vw.arena.vwp.test").unwrap(), Rtype::SVCB)).unwrap();
    builder.finish()
}

fn is_malformed(bytes: &[u8]) -> bool {
    match Query::read(bytes) {
        Err(Refusal::Answer(answer)) => {
            WireMessage::from_octets(answer).unwrap().header().rcode() == Rcode::FORMERR
        }
        _ => false,
    }
}

#[test]
fn what_breaks_off_goes_on_or_counts_wrong_is_malformed() {
    let good = wire_question();
    assert!(Query::read(&good).is_ok());
    for length in 0..12 {
        assert_eq!(Query::read(&good[..length]), Err(Refusal::Silence));
    }
    for length in 12..good.len() {
        assert!(is_malformed(&good[..length]), "at {length}");
    }
    assert!(is_malformed(&[&good[..], &[0]].concat()));
    for (at, value) in [(5, 0), (5, 2), (6, 1), (7, 1), (8, 1), (9, 1), (10, 1), (11, 1)] {
        let mut message = good.clone();
        message[at] = value;
        assert!(is_malformed(&message), "count at {at}");
    }
    let mut two = [&good[..], &good[12..]].concat();
    two[5] = 2;
    assert!(is_malformed(&two));
    for target in [0, 4, 12, 14, 200] {
        let pointing = [&good[..12], &[0xc0, target, 0, 64, 0, 1]].concat();
        assert!(is_malformed(&pointing), "to {target}");
    }
    let mut response = good;
    response[2] |= 0x80;
    assert_eq!(Query::read(&response), Err(Refusal::Silence));
}

#[test]
fn two_opt_records_or_one_below_the_root_are_malformed() {
    const OPT: [u8; 11] = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
    let with = |records: &[&[u8]]| {
        let mut message = wire_question();
        message[11] = u8::try_from(records.len()).unwrap();
        message.extend(records.concat());
        is_malformed(&message)
    };
    assert!(!with(&[&OPT]));
    assert!(with(&[&OPT, &OPT]));
    assert!(with(&[&[&[1, b'a'], &OPT[..]].concat()]));
    assert!(with(&[&[&OPT[..9], &[0, 4, 0, 10, 0, 9]].concat()]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_make_it_fail(bytes in vec(any::<u8>(), 0..600), plain in vec(any::<u8>(), 0..600)) {
        check(&bytes, &plain)?;
    }

    #[test]
    fn no_change_to_a_good_message_makes_it_fail(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        options in vec((0_u16..20, prop_oneof![Just(8_usize), Just(24), 0_usize..50]), 0..3),
        plain in vec(any::<u8>(), 0..300),
    ) {
        let options: Vec<(u16, Vec<u8>)> = options.into_iter().map(|(code, length)| (code, vec![7; length])).collect();
        let options: Vec<(u16, &[u8])> = options.iter().map(|(code, data)| (*code, data.as_slice())).collect();
        let mut message = with_options("aReNa.vwp.test.", &options);
        for (at, byte) in changes {
            let at = at.index(message.len());
            message[at] = byte;
        }
        check(&message, &plain)?;
    }
}

/// Reads, and answers with what can be answered with; the answer can be read by others, and
/// is the asker's.
fn check(bytes: &[u8], plain: &[u8]) -> Result<(), TestCaseError> {
    let query = match Query::read(bytes) {
        Ok(query) => query,
        Err(Refusal::Silence) => {
            prop_assert!(bytes.len() < 12 || bytes[2] & 0x80 != 0);
            return Ok(());
        }
        Err(Refusal::Answer(answer)) => {
            prop_assert_eq!(&answer[..2], &bytes[..2]);
            prop_assert!(Message::from_vec(&answer).is_ok());
            return Ok(());
        }
    };
    let plain = match query.form() {
        Form::Ready(plain) => plain,
        Form::Plain(asked) => {
            prop_assert_eq!(read(&asked).form(), Form::Plain(asked));
            refuse(&query, OptRcode::NXDOMAIN, None)
        }
        Form::Whole => plain.to_vec(),
    };
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Https] {
        let answer = finish(&query, &plain, transport, &service());
        prop_assert_eq!(&answer[..2], &bytes[..2]);
        prop_assert_eq!(Opcode::from_int(answer[2] >> 3 & 0xf), query.opcode());
        prop_assert!(transport != Transport::Udp || answer.len() <= 1232);
        let message = WireMessage::from_octets(answer.as_slice()).unwrap();
        for record in &message {
            prop_assert!(record.is_ok());
        }
        // The whole question section, byte for byte.
        let questions = usize::from(message.header_counts().qdcount());
        if questions == 1 {
            let length = message.question().next().unwrap().unwrap().qname().compose_len() + 4;
            let question = 12..12 + usize::from(length);
            prop_assert_eq!(&answer[question.clone()], &bytes[question]);
        }
    }
    Ok(())
}

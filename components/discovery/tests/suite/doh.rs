//! DNS over HTTPS (RFC 8484).

use crate::support::{Operator, Port, record};
use hickory_proto::op::{Edns, Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use http::{Method, Request, StatusCode, header};
use vwp_core::jose;

const MEDIA_TYPE: &str = "application/dns-message";

fn port_with_arena() -> Port {
    let port = Port::new();
    port.register(&Operator::new(1), &record("arena"));
    port
}

fn query(name: &str, rtype: RecordType) -> Message {
    let mut query = Message::new();
    query.add_query(Query::query(Name::from_ascii(name).unwrap(), rtype));
    query
}

fn post(body: Vec<u8>) -> Request<Vec<u8>> {
    Request::post("/dns-query").header(header::CONTENT_TYPE, MEDIA_TYPE).body(body).unwrap()
}

fn uri(query: &Message) -> String {
    format!("/dns-query?dns={}", jose::encode(query.to_vec().unwrap()))
}

#[test]
fn get_and_post_are_answered_with_the_freshness_of_the_records() {
    let port = port_with_arena();
    let query = self::query("_vw.arena.vwp.test.", RecordType::SVCB);
    for answer in [port.get(&uri(&query)), port.send(post(query.to_vec().unwrap()))] {
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.headers[header::CONTENT_TYPE], MEDIA_TYPE);
        assert_eq!(answer.headers[header::CACHE_CONTROL], "max-age=60");
        assert_eq!(Message::from_vec(&answer.body).unwrap().answers().len(), 1);
    }
    let cache_control = |name: &str| {
        port.get(&uri(&self::query(name, RecordType::TXT))).headers[header::CACHE_CONTROL].clone()
    };
    assert_eq!(cache_control("_vw.other.vwp.test."), "max-age=10");
    assert_eq!(cache_control("_dns.resolver.arpa."), "no-store");
}

#[test]
fn head_is_answered_like_get_without_the_message() {
    let port = port_with_arena();
    let uri = uri(&query("_vw.arena.vwp.test.", RecordType::SVCB));
    let request = Request::builder().method(Method::HEAD).uri(&uri).body(Vec::new()).unwrap();
    let answer = port.send(request);
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
    assert_eq!(answer.headers[header::CACHE_CONTROL], "max-age=60");
}

#[test]
fn answers_are_padded_for_who_speaks_edns() {
    let port = port_with_arena();
    let mut query = query("_vw.arena.vwp.test.", RecordType::SVCB);
    query.set_edns(Edns::new());
    assert_eq!(port.get(&uri(&query)).body.len() % 468, 0);
}

#[test]
fn who_takes_only_other_types_is_told_which_one_there_is() {
    let port = port_with_arena();
    let uri = uri(&query("_vw.arena.vwp.test.", RecordType::SVCB));
    let status = |accept: &str| {
        port.send(Request::get(&uri).header(header::ACCEPT, accept).body(Vec::new()).unwrap()).status
    };
    for accept in [MEDIA_TYPE, "*/*", "application/*;q=0.5", "text/html, application/dns-message"] {
        assert_eq!(status(accept), StatusCode::OK, "{accept}");
    }
    for accept in ["application/dns-json", "text/html"] {
        assert_eq!(status(accept), StatusCode::NOT_ACCEPTABLE, "{accept}");
    }
}

#[test]
fn an_error_of_dns_is_a_success_of_http() {
    let port = port_with_arena();
    let code = |message: &Message| {
        let answer = port.send(post(message.to_vec().unwrap()));
        assert_eq!(answer.status, StatusCode::OK);
        Message::from_vec(&answer.body).unwrap().response_code()
    };
    assert_eq!(code(&query("example.com.", RecordType::A)), ResponseCode::Refused);
    // RFC 9103: a whole zone goes over a stream of its own, if it goes at all.
    assert_eq!(code(&query("vwp.test.", RecordType::AXFR)), ResponseCode::Refused);
    let mut update = query("vwp.test.", RecordType::SOA);
    update.set_op_code(OpCode::Update);
    assert_eq!(code(&update), ResponseCode::Refused);
}

#[test]
fn requests_without_a_dns_query_are_refused() {
    let port = Port::new();
    let slug_of_post = |media_type: &str, body: Vec<u8>| {
        let request = Request::post("/dns-query").header(header::CONTENT_TYPE, media_type);
        port.send(request.body(body).unwrap()).slug()
    };
    assert_eq!(slug_of_post("application/json", vec![]), "unsupported-media-type");
    assert_eq!(slug_of_post(MEDIA_TYPE, vec![0; 65_536]), "body-too-large");
    assert_eq!(slug_of_post(MEDIA_TYPE, vec![]), "bad-request");
    let slug = |query: &str| port.get(&format!("/dns-query{query}")).slug();
    assert_eq!(slug(""), "bad-request");
    assert_eq!(slug("?dns=AAAA&dns=AAAA"), "bad-request");
    assert_eq!(slug("?dns=A+A="), "bad-request");
    assert_eq!(slug(&format!("?dns={}", "A".repeat(8000))), "uri-too-long");
}

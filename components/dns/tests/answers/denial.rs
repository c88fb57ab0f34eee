//! Answers that something is not there, with the proof from the chain (RFC 4035, section 3.1.3).

use crate::proof::{nsecs, proves_name_error, proves_no_data};
use crate::support::{Asker, Port, address, alias};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use vwp_dns::zone::Denial;

fn apex() -> Name {
    Name::from_ascii("vwp.test.").unwrap()
}

/// A negative answer has the start of authority, which says for how long.
fn assert_negative(answer: &Message, code: ResponseCode) {
    assert_eq!((answer.response_code(), answer.authoritative()), (code, true));
    assert_eq!(answer.answers(), []);
    let mut starts = answer.name_servers().iter().filter(|record| record.record_type() == RecordType::SOA);
    let (Some(soa), None) = (starts.next(), starts.next()) else { panic!("{answer:?}") };
    let RData::SOA(data) = soa.data() else { panic!("{soa:?}") };
    assert_eq!((soa.name(), soa.ttl(), data.minimum()), (&apex(), 10, 10));
    assert!(answer.name_servers().iter().all(|record| record.ttl() == 10));
}

#[test]
fn a_name_without_records_of_the_type_has_no_data() {
    let port = Port::with_worlds(Denial::Chain);
    for (asked, rtype) in [
        ("arena.vwp.test.", RecordType::AAAA),
        ("_vw._tcp.arena.vwp.test.", RecordType::SRV),
        ("vwp.test.", RecordType::A),
        ("vwp.test.", RecordType::DS),
        ("unsigned.vwp.test.", RecordType::DS),
    ] {
        assert_negative(&port.ask(asked, rtype, Asker::Plain), ResponseCode::NoError);
        let answer = port.ask(asked, rtype, Asker::Validating);
        assert_negative(&answer, ResponseCode::NoError);
        let name = Name::from_ascii(asked).unwrap();
        assert!(proves_no_data(&answer, &name, rtype, &apex()), "{asked} {rtype}");
        assert_eq!(nsecs(&answer).len(), 1);
    }
}

/// RFC 8020, and RFC 4035, section 3.1.3.2: the name exists although it is in no chain.
#[test]
fn a_name_that_is_only_above_others_exists_without_data() {
    let port = Port::with_worlds(Denial::Chain);
    port.put("x.y.z", vec![address(9)]);
    for asked in ["_tcp.arena.vwp.test.", "y.z.vwp.test.", "z.vwp.test."] {
        for rtype in [RecordType::A, RecordType::ANY, RecordType::NSEC, RecordType::RRSIG] {
            assert_negative(&port.ask(asked, rtype, Asker::Plain), ResponseCode::NoError);
            let answer = port.ask(asked, rtype, Asker::Validating);
            assert_negative(&answer, ResponseCode::NoError);
            assert!(proves_no_data(&answer, &Name::from_ascii(asked).unwrap(), rtype, &apex()), "{asked}");
        }
    }
}

#[test]
fn a_name_that_does_not_exist_is_a_name_error() {
    let port = Port::with_worlds(Denial::Chain);
    for asked in [
        "other.vwp.test.",
        "aaa.vwp.test.",
        "zzz.vwp.test.",
        "x.arena.vwp.test.",
        "a.b.c.d.arena.vwp.test.",
        "x._vw._tcp.arena.vwp.test.",
        "_udp.arena.vwp.test.",
        "*.vwp.test.",
        "*.arena.vwp.test.",
        "below.www.vwp.test.",
    ] {
        for rtype in [RecordType::A, RecordType::ANY, RecordType::DS, RecordType::NSEC] {
            assert_negative(&port.ask(asked, rtype, Asker::Plain), ResponseCode::NXDomain);
            let answer = port.ask(asked, rtype, Asker::Validating);
            assert_negative(&answer, ResponseCode::NXDomain);
            assert!(proves_name_error(&answer, &Name::from_ascii(asked).unwrap(), &apex()), "{asked}");
            assert!((1..=2).contains(&nsecs(&answer).len()));
        }
    }
}

#[test]
fn an_empty_zone_proves_that_it_is_empty() {
    let port = Port::new(Denial::Chain);
    let answer = port.ask("any.vwp.test.", RecordType::A, Asker::Validating);
    assert_negative(&answer, ResponseCode::NXDomain);
    assert!(proves_name_error(&answer, &Name::from_ascii("any.vwp.test.").unwrap(), &apex()));
}

#[test]
fn an_alias_has_no_records_of_types_that_may_be_beside_it() {
    let port = Port::new(Denial::Chain);
    port.put("www", vec![alias("elsewhere.example")]);
    let chain = port.ask("www.vwp.test.", RecordType::NSEC, Asker::Validating);
    assert_eq!(chain.answers()[0].record_type(), RecordType::NSEC);
}

#[test]
fn what_is_registered_or_withdrawn_shows_in_the_next_answer() {
    let port = Port::with_worlds(Denial::Chain);
    let code = || port.ask("new.vwp.test.", RecordType::A, Asker::Validating).response_code();
    assert_eq!(code(), ResponseCode::NXDomain);
    port.put("_vw.new", vec![address(7)]);
    assert_eq!(code(), ResponseCode::NoError);
    port.remove("_vw.new");
    assert_eq!(code(), ResponseCode::NXDomain);
}

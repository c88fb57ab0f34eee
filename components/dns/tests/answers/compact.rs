//! Absence proved with one record made for the question (RFC 9824).

use crate::proof::{NXNAME, nsecs};
use crate::support::{Asker, Port};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use vwp_dns::zone::Denial;

/// The one NSEC record of an answer: its types, once it is clear that it speaks of no other name.
fn types(answer: &Message, asked: &str) -> Vec<RecordType> {
    let [(owner, nsec)] = nsecs(answer)[..] else { panic!("{answer:?}") };
    let asked = Name::from_ascii(asked).unwrap();
    assert_eq!(owner, &asked);
    // RFC 4471: nothing can be between a name and the smallest one under it.
    assert_eq!(
        nsec.next_domain_name(),
        &Name::from_labels([&[0][..]]).unwrap().append_domain(&asked).unwrap()
    );
    let mut types: Vec<_> = nsec.type_bit_maps().collect();
    types.sort();
    types
}

/// The flag in the answer (RFC 9824, section 5.1), which the library does not know.
fn says_compact(port: &Port, asked: &str, who: Asker) -> bool {
    let message = port.raw(asked, RecordType::A, who).message;
    let at = message.len() - 4;
    message[at] & 0x40 != 0
}

#[test]
fn a_name_error_is_told_as_one_to_who_can_tell_by_the_record_or_does_not_validate() {
    let port = Port::with_worlds(Denial::Compact);
    for asked in ["other.vwp.test.", "a.b.c.arena.vwp.test."] {
        let answer = port.ask(asked, RecordType::A, Asker::Plain);
        assert_eq!(answer.response_code(), ResponseCode::NXDomain);
        for (who, code) in
            [(Asker::Validating, ResponseCode::NoError), (Asker::Compact, ResponseCode::NXDomain)]
        {
            let answer = port.ask(asked, RecordType::A, who);
            assert_eq!(answer.response_code(), code);
            let mut expected = vec![RecordType::NSEC, RecordType::RRSIG, RecordType::from(NXNAME)];
            expected.sort();
            assert_eq!(types(&answer, asked), expected);
            assert_eq!(says_compact(&port, asked, who), who == Asker::Compact);
        }
    }
}

#[test]
fn a_name_without_data_shows_the_types_that_it_has() {
    let port = Port::with_worlds(Denial::Compact);
    for who in [Asker::Validating, Asker::Compact] {
        for (asked, has) in [
            ("arena.vwp.test.", vec![RecordType::A, RecordType::TXT]),
            ("_tcp.arena.vwp.test.", vec![]),
            ("vwp.test.", vec![RecordType::NS, RecordType::SOA, RecordType::DNSKEY]),
        ] {
            let answer = port.ask(asked, RecordType::AAAA, who);
            assert_eq!(answer.response_code(), ResponseCode::NoError);
            let types = types(&answer, asked);
            assert!(has.iter().all(|rtype| types.contains(rtype)), "{types:?}");
            assert!(types.contains(&RecordType::NSEC) && types.contains(&RecordType::RRSIG));
            assert!(!types.contains(&RecordType::from(NXNAME)) && !types.contains(&RecordType::AAAA));
        }
    }
}

#[test]
fn a_delegation_without_keys_is_proved_without_showing_the_next_name() {
    let port = Port::with_worlds(Denial::Compact);
    let answer = port.ask("deep.unsigned.vwp.test.", RecordType::A, Asker::Validating);
    assert!(!answer.authoritative());
    assert_eq!(types(&answer, "unsigned.vwp.test."), [RecordType::NS, RecordType::RRSIG, RecordType::NSEC]);
    let answer = port.ask("unsigned.vwp.test.", RecordType::DS, Asker::Validating);
    assert!(!types(&answer, "unsigned.vwp.test.").contains(&RecordType::DS));
}

#[test]
fn the_chain_is_not_shown_to_who_asks_for_it() {
    let port = Port::with_worlds(Denial::Compact);
    for who in [Asker::Plain, Asker::Validating] {
        let answer = port.ask("arena.vwp.test.", RecordType::NSEC, who);
        let shown = format!("{:?}", answer.answers());
        assert!(!answer.answers().is_empty() && !shown.contains("away"), "{shown}");
    }
}

#[test]
fn a_name_with_no_room_for_another_is_denied_by_the_chain() {
    let port = Port::with_worlds(Denial::Compact);
    let label = "x".repeat(63);
    // With the zone's 10 bytes, and a byte for each label's length: 255.
    let longest = format!("{label}.{label}.{label}.{}.vwp.test.", "x".repeat(52));
    for asked in [longest.as_str(), "*.vwp.test."] {
        let answer = port.ask(asked, RecordType::A, Asker::Validating);
        assert_eq!(answer.response_code(), ResponseCode::NXDomain);
        let (name, apex) = (Name::from_ascii(asked).unwrap(), Name::from_ascii("vwp.test.").unwrap());
        assert!(crate::proof::proves_name_error(&answer, &name, &apex));
    }
}

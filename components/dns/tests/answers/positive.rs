//! Answers that have something to say.

use crate::support::{Asker, Port, alias, ipv4, lines, name, reason};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::svcb::SvcParamValue;
use hickory_proto::rr::{Name, RData, RecordType};
use vwp_dns::answer::DesignatedResolver;
use vwp_dns::zone::Denial;

const ASKERS: [Asker; 2] = [Asker::Plain, Asker::Validating];

#[test]
fn a_name_is_answered_with_the_records_of_the_type_and_their_signatures() {
    let port = Port::with_worlds(Denial::Chain);
    for who in ASKERS {
        let answer = port.ask("arena.vwp.test.", RecordType::A, who);
        assert_eq!(answer.response_code(), ResponseCode::NoError);
        assert!(answer.authoritative() && !answer.authentic_data() && !answer.recursion_available());
        assert_eq!(lines(answer.answers()), ["arena.vwp.test. A 192.0.2.1"]);
        assert_eq!(answer.answers().len(), if who == Asker::Plain { 1 } else { 2 });
        assert_eq!((answer.name_servers(), answer.answers()[0].ttl()), (&[][..], 60));
    }
}

#[test]
fn the_apex_has_its_name_servers_its_keys_and_its_start_of_authority() {
    let port = Port::new(Denial::Chain);
    for who in ASKERS {
        let servers = port.ask("vwp.test.", RecordType::NS, who);
        assert_eq!(lines(servers.answers()), ["vwp.test. NS ns.port.example."]);
        let start = port.ask("vwp.test.", RecordType::SOA, who);
        assert!(
            lines(start.answers())[0].starts_with("vwp.test. SOA ns.port.example. hostmaster.vwp.test. ")
        );
        let keys = port.ask("vwp.test.", RecordType::DNSKEY, who);
        assert!(!keys.answers().is_empty());
    }
}

#[test]
fn who_asks_for_the_serial_number_gets_one_that_covers_every_change() {
    let port = Port::with_worlds(Denial::Chain);
    let serial = || match port.ask("vwp.test.", RecordType::SOA, Asker::Validating).answers()[0].data() {
        RData::SOA(soa) => soa.serial(),
        other => panic!("{other:?}"),
    };
    port.advance_s(1);
    let before = serial();
    assert_eq!(serial(), before);
    port.put("arena", vec![]);
    port.advance_s(1);
    assert!(serial() > before);
}

#[test]
fn an_alias_is_followed_inside_the_zone_and_no_further() {
    let port = Port::with_worlds(Denial::Chain);
    for who in ASKERS {
        let answer = port.ask("www.vwp.test.", RecordType::A, who);
        assert_eq!(
            lines(answer.answers()),
            ["arena.vwp.test. A 192.0.2.1", "www.vwp.test. CNAME arena.vwp.test."]
        );
        let answer = port.ask("away.vwp.test.", RecordType::A, who);
        assert_eq!(lines(answer.answers()), ["away.vwp.test. CNAME elsewhere.example."]);
        assert_eq!((answer.response_code(), answer.name_servers()), (ResponseCode::NoError, &[][..]));
        let answer = port.ask("www.vwp.test.", RecordType::CNAME, who);
        assert_eq!(lines(answer.answers()), ["www.vwp.test. CNAME arena.vwp.test."]);
    }
}

#[test]
fn aliases_in_a_circle_or_in_a_long_row_come_to_an_end() {
    let port = Port::with_worlds(Denial::Chain);
    for number in 0..20 {
        port.put(&format!("hop{number}"), vec![alias(&format!("hop{}.vwp.test", number + 1))]);
    }
    for who in ASKERS {
        let circle = port.ask("round.vwp.test.", RecordType::A, who);
        assert_eq!((lines(circle.answers()).len(), circle.response_code()), (2, ResponseCode::NoError));
        let row = port.ask("hop0.vwp.test.", RecordType::A, who);
        assert_eq!((lines(row.answers()).len(), row.response_code()), (8, ResponseCode::NoError));
    }
}

/// RFC 6604, section 3: the code speaks of the last name.
#[test]
fn an_alias_to_nothing_is_a_name_error_about_its_target() {
    let port = Port::with_worlds(Denial::Chain);
    for who in ASKERS {
        let answer = port.ask("lost.vwp.test.", RecordType::A, who);
        assert_eq!(lines(answer.answers()), ["lost.vwp.test. CNAME missing.vwp.test."]);
        assert_eq!((answer.response_code(), answer.authoritative()), (ResponseCode::NXDomain, true));
    }
}

/// RFC 8482: both are questions for a part of what there is.
#[test]
fn questions_for_any_type_or_for_signatures_get_one_small_set() {
    let port = Port::with_worlds(Denial::Chain);
    for who in ASKERS {
        let any = port.ask("arena.vwp.test.", RecordType::ANY, who);
        assert_eq!(lines(any.answers()), ["arena.vwp.test. A 192.0.2.1"]);
        let apex = port.ask("vwp.test.", RecordType::ANY, who);
        assert_eq!(lines(apex.answers()).len(), 1);
        let signatures = port.raw("arena.vwp.test.", RecordType::RRSIG, who);
        let signatures = Message::from_vec(&signatures.message).unwrap();
        assert_eq!(signatures.answers().len(), 1);
        assert_eq!(signatures.answers()[0].record_type(), RecordType::RRSIG);
    }
}

#[test]
fn names_are_found_in_any_case() {
    let port = Port::with_worlds(Denial::Chain);
    let answer = port.ask("ArEnA.vWp.TeSt.", RecordType::A, Asker::Plain);
    assert_eq!(answer.answers()[0].data(), &ipv4(1));
    assert_eq!(answer.queries()[0].name().to_string(), "ArEnA.vWp.TeSt.");
}

#[test]
fn below_a_delegation_the_asker_is_sent_on_with_proof_of_what_the_child_signs() {
    let port = Port::with_worlds(Denial::Chain);
    for who in ASKERS {
        for asked in ["signed.vwp.test.", "deep.signed.vwp.test.", "a.b.c.signed.vwp.test."] {
            let answer = port.ask(asked, RecordType::A, who);
            assert_eq!((answer.response_code(), answer.authoritative()), (ResponseCode::NoError, false));
            assert_eq!(answer.answers(), []);
            assert_eq!(lines(answer.name_servers()), ["signed.vwp.test. NS ns.signed.vwp.test."]);
            assert_eq!(lines(answer.additionals()), ["ns.signed.vwp.test. A 192.0.2.53"]);
            let has_hash = answer.name_servers().iter().any(|r| r.record_type() == RecordType::DS);
            assert_eq!(has_hash, who == Asker::Validating);
        }
        let answer = port.ask("deep.unsigned.vwp.test.", RecordType::DS, who);
        assert!(!answer.authoritative());
        assert_eq!(lines(answer.name_servers()), ["unsigned.vwp.test. NS ns.elsewhere.example."]);
        if who == Asker::Validating {
            let cut = Name::from_ascii("unsigned.vwp.test.").unwrap();
            let [(owner, nsec)] = crate::proof::nsecs(&answer)[..] else { panic!("{answer:?}") };
            let types: Vec<_> = nsec.type_bit_maps().collect();
            assert_eq!(owner, &cut);
            assert!(types.contains(&RecordType::NS) && !types.contains(&RecordType::DS));
        }
    }
}

#[test]
fn an_alias_into_a_delegation_is_answered_with_both() {
    let port = Port::with_worlds(Denial::Chain);
    let answer = port.ask("inside.vwp.test.", RecordType::A, Asker::Validating);
    assert_eq!(lines(answer.answers()), ["inside.vwp.test. CNAME deep.unsigned.vwp.test."]);
    assert_eq!(lines(answer.name_servers()), ["unsigned.vwp.test. NS ns.elsewhere.example."]);
    assert!(answer.authoritative());
}

/// RFC 4035, section 3.1.4.1.
#[test]
fn the_hash_of_a_childs_key_is_on_the_parents_side() {
    let port = Port::with_worlds(Denial::Chain);
    for who in ASKERS {
        let answer = port.ask("signed.vwp.test.", RecordType::DS, who);
        assert!(answer.authoritative());
        assert_eq!(answer.answers()[0].record_type(), RecordType::DS);
    }
}

#[test]
fn other_zones_are_refused_with_the_reason() {
    let port = Port::with_worlds(Denial::Chain);
    for asked in ["example.com.", "test.", ".", "vwp.test.example.com.", "xvwp.test."] {
        let answer = port.ask(asked, RecordType::A, Asker::Plain);
        assert_eq!((answer.response_code(), answer.authoritative()), (ResponseCode::Refused, false));
        assert_eq!(reason(&answer), Some(20), "{asked}");
    }
}

fn designated() -> Vec<DesignatedResolver> {
    let target = name("port.example");
    vec![
        DesignatedResolver {
            priority: 1,
            target: target.clone(),
            alpn: &["h2", "http/1.1"],
            port: None,
            path: Some("/dns-query{?dns}"),
        },
        DesignatedResolver { priority: 2, target, alpn: &["dot"], port: Some(8853), path: None },
    ]
}

#[test]
fn encrypted_transports_are_announced_to_who_knows_only_the_address() {
    let mut port = Port::new(Denial::Chain);
    port.designated = designated();
    let answer = Message::from_vec(&port.raw("_dns.resolver.arpa.", RecordType::SVCB, Asker::Plain).message);
    let answer = answer.unwrap();
    assert!(answer.authoritative());
    let mut seen = Vec::new();
    for record in answer.answers() {
        let RData::SVCB(svcb) = record.data() else { panic!("{record:?}") };
        assert_eq!(svcb.target_name().to_string(), "port.example.");
        let params: Vec<String> = svcb
            .svc_params()
            .iter()
            .map(|(key, value)| match value {
                SvcParamValue::Unknown(unknown) => format!("{key}={}", String::from_utf8_lossy(&unknown.0)),
                value => format!("{key}={value}"),
            })
            .collect();
        seen.push((svcb.svc_priority(), params.join(" ")));
    }
    seen.sort();
    assert_eq!(seen.len(), 2);
    assert!(seen[0].1.starts_with("alpn=h2") && seen[0].1.contains("/dns-query{?dns}"), "{seen:?}");
    assert!(seen[1].1.starts_with("alpn=dot") && seen[1].1.contains("port=8853"), "{seen:?}");
}

#[test]
fn resolver_arpa_is_answered_even_where_nothing_is_announced() {
    let port = Port::new(Denial::Chain);
    let code = |asked: &str, rtype| {
        let answer = Message::from_vec(&port.raw(asked, rtype, Asker::Plain).message).unwrap();
        assert_eq!(answer.answers().len() + answer.name_servers().len(), 1);
        (answer.response_code(), answer.answers().len())
    };
    assert_eq!(code("_dns.resolver.arpa.", RecordType::SVCB), (ResponseCode::NoError, 0));
    assert_eq!(code("resolver.arpa.", RecordType::SVCB), (ResponseCode::NoError, 0));
    assert_eq!(code("resolver.arpa.", RecordType::SOA), (ResponseCode::NoError, 1));
    assert_eq!(code("other.resolver.arpa.", RecordType::SVCB), (ResponseCode::NXDomain, 0));
    assert_eq!(
        port.ask("xresolver.arpa.", RecordType::SVCB, Asker::Plain).response_code(),
        ResponseCode::Refused
    );
}

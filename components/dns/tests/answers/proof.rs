//! What a validating resolver checks (RFC 4035, section 5), written for the tests alone.

use crate::support::START_S;
use hickory_proto::dnssec::Verifier;
use hickory_proto::dnssec::rdata::{DNSSECRData, NSEC, RRSIG};
use hickory_proto::op::Message;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use std::collections::BTreeMap;

/// The pseudo-type of a name that does not exist (RFC 9824, section 2).
pub(crate) const NXNAME: u16 = 128;

/// What is for validators is left out for who did not ask for it.
pub(crate) fn assert_no_signatures(message: &Message, asked: RecordType) {
    for record in message.answers().iter().chain(message.name_servers()).chain(message.additionals()) {
        let rtype = record.record_type();
        assert!(rtype == asked || !matches!(rtype, RecordType::RRSIG | RecordType::NSEC), "{record:?}");
    }
}

/// Every set has a signature that verifies, except where the zone ends.
pub(crate) fn assert_signed(message: &Message, keys: &[Record]) {
    for section in [message.answers(), message.name_servers()] {
        let mut sets: BTreeMap<(Name, RecordType), Vec<&Record>> = BTreeMap::new();
        for record in section.iter().filter(|record| record.record_type() != RecordType::RRSIG) {
            sets.entry((record.name().clone(), record.record_type())).or_default().push(record);
        }
        for ((owner, rtype), records) in sets {
            let is_referral = rtype == RecordType::NS && !message.authoritative();
            let beyond_alias = rtype == RecordType::NS && section == message.name_servers();
            let signatures: Vec<&RRSIG> =
                section.iter().filter(|r| *r.name() == owner).filter_map(rrsig).collect();
            let mut signatures = signatures.into_iter().filter(|sig| sig.type_covered() == rtype).peekable();
            if is_referral || beyond_alias {
                assert!(signatures.peek().is_none(), "a delegation's name servers are not signed");
                continue;
            }
            assert!(signatures.peek().is_some(), "{owner} {rtype} has no signature");
            for signature in signatures {
                verify(&owner, signature, &records, keys);
            }
        }
    }
}

fn verify(owner: &Name, signature: &RRSIG, records: &[&Record], keys: &[Record]) {
    let is_good = keys.iter().any(|key| match key.data() {
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) => {
            key.verify_rrsig(owner, DNSClass::IN, signature, records.iter().copied()).is_ok()
        }
        _ => false,
    });
    assert!(is_good, "the signature of {owner} {} does not verify", signature.type_covered());
    let now = u32::try_from(START_S).unwrap();
    assert!(signature.sig_inception().get() <= now && now < signature.sig_expiration().get());
    assert_eq!(signature.num_labels(), owner.num_labels());
    assert!(records.iter().all(|record| record.ttl() <= signature.original_ttl()));
}

fn rrsig(record: &Record) -> Option<&RRSIG> {
    match record.data() {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(signature),
        _ => None,
    }
}

/// The NSEC records of an answer, with their owners.
pub(crate) fn nsecs(message: &Message) -> Vec<(&Name, &NSEC)> {
    let nsec = |record| match Record::data(record) {
        RData::DNSSEC(DNSSECRData::NSEC(nsec)) => Some((record.name(), nsec)),
        _ => None,
    };
    message.name_servers().iter().filter_map(nsec).collect()
}

/// Whether the NSEC records prove that a name does not exist, and that there is no wildcard for
/// it (RFC 4035, section 5.4).
pub(crate) fn proves_name_error(message: &Message, name: &Name, apex: &Name) -> bool {
    let nsecs = nsecs(message);
    let covers = |name: &Name| nsecs.iter().any(|nsec| covers(nsec, name, apex));
    let shared = |other: &Name| {
        let mut part = name.base_name();
        while !part.zone_of(other) {
            part = part.base_name();
        }
        part
    };
    // What the covering record's names share with the name exists.
    let encloser = nsecs
        .iter()
        .filter(|nsec| self::covers(nsec, name, apex))
        .flat_map(|(owner, nsec)| [shared(owner), shared(nsec.next_domain_name())])
        .max_by_key(Name::num_labels);
    let Some(encloser) = encloser else {
        return false;
    };
    let is_ent = nsecs.iter().any(|(_, nsec)| name.zone_of(nsec.next_domain_name()));
    let wildcard = encloser.prepend_label("*").unwrap();
    covers(name) && !is_ent && covers(&wildcard)
}

/// Whether they prove that a name exists and has no records of a type.
pub(crate) fn proves_no_data(message: &Message, name: &Name, rtype: RecordType, apex: &Name) -> bool {
    nsecs(message).iter().any(|nsec| {
        let (owner, data) = nsec;
        let types: Vec<_> = data.type_bit_maps().collect();
        let is_absent = !types.contains(&rtype)
            && !types.contains(&RecordType::CNAME)
            && !types.contains(&RecordType::from(NXNAME));
        // A record of the parent's side says nothing about the child's (RFC 6840, section 4.1).
        let is_cut = types.contains(&RecordType::NS) && !types.contains(&RecordType::SOA);
        let speaks = !is_cut || rtype == RecordType::DS;
        let is_ent = covers(nsec, name, apex) && name.zone_of(data.next_domain_name());
        (*owner == name && is_absent && speaks) || is_ent
    })
}

/// Whether a name is between the two of an NSEC record.
fn covers((owner, nsec): &(&Name, &NSEC), name: &Name, apex: &Name) -> bool {
    let types: Vec<_> = nsec.type_bit_maps().collect();
    let is_cut = types.contains(&RecordType::NS) && !types.contains(&RecordType::SOA);
    // RFC 6840, section 4.1: below a delegation, the record says nothing.
    !(is_cut && owner.zone_of(name))
        && *owner < name
        && (name < nsec.next_domain_name() || nsec.next_domain_name() == apex)
}

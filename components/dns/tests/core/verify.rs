//! Looks at a whole zone as a validator does.

use crate::support::Port;
use domain::base::Rtype;
use domain::base::iana::Rtype as Type;
use hickory_proto::dnssec::Verifier;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, NSEC, RRSIG};
use hickory_proto::rr::{DNSClass, Name, RData, Record};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use std::collections::{BTreeMap, BTreeSet};
use vwp_dns::name::{OrderedName, OwnName};
use vwp_dns::node::{Node, Set};
use vwp_dns::publish::Head;
use vwp_storage::Kv;
use vwp_storage::kv::Direction;

/// All names of a zone with what they hold.
pub(crate) async fn nodes(port: &Port) -> BTreeMap<OrderedName, Node> {
    let mut nodes = BTreeMap::new();
    let mut rest = Some(port.zone.nodes());
    while let Some(range) = rest {
        let page = port.store.scan(&range, 7, Direction::Forward).await.expect("a page");
        for item in page.items {
            let name = port.zone.name_of_node(&item.key).expect("a name");
            nodes.insert(name, Node::decode(&item.entry.value).expect("a node"));
        }
        rest = page.next;
    }
    nodes
}

/// What a validator has seen of a zone.
pub(crate) struct Seen {
    /// The tags of the zone's keys.
    pub(crate) keys: BTreeSet<u16>,
    /// The tags of the keys whose signatures are in the zone, without those over the keys.
    pub(crate) zone_signers: BTreeSet<u16>,
    /// The tags of the keys that sign the set of keys.
    pub(crate) key_signers: BTreeSet<u16>,
    /// The key that the parent is asked to name.
    pub(crate) asked: u16,
}

/// Verifies every signature, and that the chain is whole and tells the truth.
pub(crate) async fn verify(port: &Port, head: &Head) -> Seen {
    let nodes = nodes(port).await;
    let apex = nodes.get(&OrderedName::apex()).expect("an apex");
    let keys = keys(port, apex);
    let mut seen = Seen {
        keys: keys.keys().copied().collect(),
        zone_signers: BTreeSet::new(),
        key_signers: BTreeSet::new(),
        asked: asked(port, apex, &keys),
    };
    let names: Vec<&OrderedName> = nodes.keys().collect();
    for (place, (name, node)) in nodes.iter().enumerate() {
        let owner = name.to_name(port.zone.apex()).expect("a name");
        let is_cut = !name.is_apex() && node.is_delegation();
        for set in &node.sets {
            let signers = signers(port, &owner, set, &keys);
            if is_cut && set.rtype == Type::NS {
                assert!(signers.is_empty(), "{owner}: a delegation's name servers are not signed");
                continue;
            }
            assert!(!signers.is_empty(), "{owner} {}: not signed", set.rtype);
            match set.rtype {
                Type::DNSKEY | Type::CDS | Type::CDNSKEY => seen.key_signers.extend(signers),
                _ => seen.zone_signers.extend(signers),
            }
        }
        let next = names.get(place + 1).map_or(OrderedName::apex(), |next| (*next).clone());
        check_nsec(port, name, node, &next);
    }
    seen.zone_signers.extend(signers(port, port.zone.apex(), &head.soa, &keys));
    seen
}

fn check_nsec(port: &Port, name: &OrderedName, node: &Node, next: &OrderedName) {
    let owner = name.to_name(port.zone.apex()).expect("a name");
    let set = node.set(Type::NSEC).expect("an NSEC record");
    assert_eq!(set.ttl_s, 10, "RFC 9077");
    let RData::DNSSEC(DNSSECRData::NSEC(nsec)) =
        record(&owner, set.rtype, set.ttl_s, &set.data[0]).into_data()
    else {
        panic!("not an NSEC record");
    };
    let nsec: NSEC = nsec;
    let next = hickory(&next.to_name(port.zone.apex()).expect("a name"));
    assert_eq!(*nsec.next_domain_name(), next, "after {owner}");
    let told: BTreeSet<u16> = nsec.type_bit_maps().map(u16::from).collect();
    let mut types: BTreeSet<u16> = node.sets.iter().map(|set| set.rtype.to_int()).collect();
    types.insert(Type::RRSIG.to_int());
    if name.is_apex() {
        types.insert(Type::SOA.to_int());
    }
    assert_eq!(told, types, "{owner}");
}

fn keys(port: &Port, apex: &Node) -> BTreeMap<u16, DNSKEY> {
    let set = apex.set(Type::DNSKEY).expect("keys");
    let key = |data: &Vec<u8>| match record(port.zone.apex(), set.rtype, set.ttl_s, data).into_data() {
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) => (key.calculate_key_tag().expect("a tag"), key),
        other => panic!("{other} is not a key"),
    };
    set.data.iter().map(key).collect()
}

/// The key that CDS and CDNSKEY ask for, which has to be the same one.
fn asked(port: &Port, apex: &Node, keys: &BTreeMap<u16, DNSKEY>) -> u16 {
    let (cds, cdnskey) = (apex.set(Type::CDS).expect("CDS"), apex.set(Type::CDNSKEY).expect("CDNSKEY"));
    assert_eq!((cds.data.len(), cdnskey.data.len()), (1, 1));
    // They have the format of DS and DNSKEY (RFC 7344, section 3).
    let ds = record(port.zone.apex(), Type::DS, cds.ttl_s, &cds.data[0]).into_data();
    let RData::DNSSEC(DNSSECRData::DS(ds)) = ds else { panic!("not a DS record") };
    let ds: DS = ds;
    let key = keys.get(&ds.key_tag()).expect("one of the zone's keys");
    assert!(ds.covers(&hickory(port.zone.apex()), key).expect("a digest"));
    assert!(key.secure_entry_point() && key.zone_key());
    let wire = apex.set(Type::DNSKEY).expect("keys").data.iter().find(|data| **data == cdnskey.data[0]);
    assert!(wire.is_some(), "CDNSKEY is not one of the zone's keys");
    ds.key_tag()
}

/// The tags of the keys that signed a set. Every signature verifies, now.
fn signers(port: &Port, owner: &OwnName, set: &Set, keys: &BTreeMap<u16, DNSKEY>) -> BTreeSet<u16> {
    let records: Vec<Record> =
        set.data.iter().map(|data| record(owner, set.rtype, set.ttl_s, data)).collect();
    let now = u32::try_from(port.now_s()).expect("before 2106");
    let signer = |data: &Vec<u8>| {
        let RData::DNSSEC(DNSSECRData::RRSIG(rrsig)) =
            record(owner, Type::RRSIG, set.ttl_s, data).into_data()
        else {
            panic!("not a signature");
        };
        let rrsig: RRSIG = rrsig;
        assert_eq!(*rrsig.signer_name(), hickory(port.zone.apex()));
        assert!(rrsig.sig_inception().get() <= now, "{owner} {}: not valid yet", set.rtype);
        assert!(rrsig.sig_expiration().get() > now, "{owner} {}: no longer valid", set.rtype);
        let key = keys.get(&rrsig.key_tag());
        let key = key.unwrap_or_else(|| panic!("{owner} {}: signed with a key that is gone", set.rtype));
        key.verify_rrsig(&hickory(owner), DNSClass::IN, &rrsig, records.iter())
            .unwrap_or_else(|error| panic!("{owner} {}: {error}", set.rtype));
        rrsig.key_tag()
    };
    set.signatures.iter().map(signer).collect()
}

fn hickory(name: &OwnName) -> Name {
    Name::read(&mut BinDecoder::new(name.as_slice())).expect("a name")
}

fn record(owner: &OwnName, rtype: Rtype, ttl_s: u32, data: &[u8]) -> Record {
    let mut wire = owner.as_slice().to_vec();
    wire.extend(rtype.to_int().to_be_bytes());
    wire.extend([0, 1]);
    wire.extend(ttl_s.to_be_bytes());
    wire.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
    wire.extend(data);
    Record::read(&mut BinDecoder::new(&wire)).expect("a record")
}

//! What a world's record says in DNS: the record sets at the world's name and below it.
//!
//! - at the name itself: A and AAAA or CNAME, and LOC (RFC 1876), as far as they are given;
//! - `_vw`: SVCB (RFC 9460), one per endpoint, and TXT;
//! - `_vw._tcp`: SRV (RFC 2782), one per endpoint, TXT (RFC 6763, section 6) and URI
//!   (RFC 7553), one per client that can be launched;
//! - `_<transport>._tcp`: SRV for the endpoints of one transport, which clients that know
//!   nothing of worlds ask for (`_minecraft._tcp`).
//!
//! A world whose name is one label is under the zone's apex; one whose name is a domain of
//! its operator's is the apex of a zone of its own. The projection is a function of the
//! record alone, so whoever has the record can tell what DNS must say.

use crate::parameters;
use crate::record::{Endpoint, Location, Record};
use crate::registry::World;
use domain::base::iana::Rtype as Type;
use domain::base::rdata::ComposeRecordData;
use domain::base::{CharStr, Name, Rtype};
use domain::rdata::rfc1035::TxtBuilder;
use domain::rdata::{Cname, Srv};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use vwp_dns::edit::Content;
use vwp_dns::name::{OrderedName, OwnName};
use vwp_dns::node::Set;
use vwp_dns::zone::Zone;

/// How long a world's records may be cached, in seconds.
pub const TTL_S: u32 = 60;
/// The label of a world's service, whatever its transport.
pub const SERVICE: &[u8] = b"_vw";
/// The label that SRV records of every transport are under, also of those that are not TCP:
/// it is what clients ask for.
pub const TCP: &[u8] = b"_tcp";

/// Record sets by name.
pub type Contents = BTreeMap<OrderedName, Content>;

/// The place of a world in a zone.
pub fn place(name: &str) -> OrderedName {
    // A name of several labels is the apex of a zone of its own.
    if name.contains('.') { OrderedName::apex() } else { OrderedName::apex().child(name.as_bytes()) }
}

/// The record sets of a world. None if the record is not one that [`Record::parse`] gave out.
pub fn project(world: &World, zone: &Zone) -> Option<Contents> {
    let record = &world.fields;
    let at = place(&record.name);
    let own = at.to_name(zone.apex())?;
    let service = at.child(SERVICE);
    let tcp = at.child(TCP);
    let txt = vec![txt(record, &world.operator)?];
    let mut contents = Contents::new();
    put(&mut contents, &at, own_sets(record)?);
    let svcb = record.endpoints.iter().map(|endpoint| parameters::svcb(world, endpoint, &own));
    put(
        &mut contents,
        &service,
        vec![set(Type::SVCB, svcb.collect::<Option<_>>()?), set(Type::TXT, txt.clone())],
    );
    let all: Vec<&Endpoint> = record.endpoints.iter().collect();
    put(
        &mut contents,
        &tcp.child(SERVICE),
        vec![srv_set(&all)?, set(Type::TXT, txt), set(Type::URI, uris(record))],
    );
    for (transport, endpoints) in by_transport(record) {
        put(&mut contents, &tcp.child(format!("_{transport}").as_bytes()), vec![srv_set(&endpoints)?]);
    }
    Some(contents)
}

/// Whether a record set is the record's, so that nobody may change it by other means: what
/// the record says now, and everything at the names of the world's service.
pub fn owns(world: &World, zone: &Zone, name: &OrderedName, rtype: Rtype) -> bool {
    let at = place(&world.fields.name);
    if *name == at.child(SERVICE) || *name == at.child(TCP).child(SERVICE) {
        return true;
    }
    let contents = project(world, zone).unwrap_or_default();
    contents.get(name).is_some_and(|content| content.sets.iter().any(|set| set.rtype == rtype))
}

fn put(contents: &mut Contents, name: &OrderedName, sets: Vec<Set>) {
    let sets: Vec<Set> = sets.into_iter().filter(|set| !set.data.is_empty()).collect();
    if !sets.is_empty() {
        contents.insert(name.clone(), Content { sets, glue: Vec::new() });
    }
}

pub(crate) fn set(rtype: Rtype, data: Vec<Vec<u8>>) -> Set {
    Set::new(rtype, TTL_S, data)
}

/// Record data in canonical form (RFC 4034, section 6.2).
pub(crate) fn canonical(data: &impl ComposeRecordData) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    data.compose_canonical_rdata(&mut bytes).ok()?;
    Some(bytes)
}

pub(crate) fn host(text: &str) -> Option<OwnName> {
    Name::vec_from_str(text).ok()
}

/// What is at the world's name itself.
fn own_sets(record: &Record) -> Option<Vec<Set>> {
    if let Some(alias) = &record.alias {
        // RFC 2181, section 10.1: nothing else is at the name of a CNAME.
        return Some(vec![set(Type::CNAME, vec![canonical(&Cname::new(host(alias)?))?])]);
    }
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for address in &record.addresses {
        match address {
            IpAddr::V4(address) => v4.push(address.octets().to_vec()),
            IpAddr::V6(address) => v6.push(address.octets().to_vec()),
        }
    }
    let loc = record.location.iter().map(loc).collect();
    Some(vec![set(Type::A, v4), set(Type::AAAA, v6), set(Type::LOC, loc)])
}

fn by_transport(record: &Record) -> BTreeMap<&str, Vec<&Endpoint>> {
    let mut groups: BTreeMap<&str, Vec<&Endpoint>> = BTreeMap::new();
    for endpoint in &record.endpoints {
        groups.entry(&endpoint.transport).or_default().push(endpoint);
    }
    groups
}

pub(crate) fn srv_set(endpoints: &[&Endpoint]) -> Option<Set> {
    let srv = |endpoint: &&Endpoint| {
        let Endpoint { priority, weight, port, .. } = **endpoint;
        canonical(&Srv::new(priority, weight, port, host(&endpoint.host)?))
    };
    Some(set(Type::SRV, endpoints.iter().map(srv).collect::<Option<_>>()?))
}

/// RFC 6763, section 6: `key=value` texts of at most 255 bytes, the version first.
pub(crate) fn txt(record: &Record, operator: &str) -> Option<Vec<u8>> {
    let mut txt = TxtBuilder::<Vec<u8>>::new();
    let texts = [
        "v=vw1".to_owned(),
        format!("title={}", record.main_title()),
        format!("operator={operator}"),
        format!("seq={}", record.seq),
        format!("uuid={}", record.uuid),
    ];
    for text in texts {
        let cut = text.get(..text.floor_char_boundary(CharStr::MAX_LEN))?;
        txt.append_charstr(CharStr::from_slice(cut.as_bytes()).ok()?).ok()?;
    }
    canonical(&txt.finish().ok()?)
}

/// RFC 7553, section 4.5: priority, weight, and the URI without quotes or a length.
fn uris(record: &Record) -> Vec<Vec<u8>> {
    let launched: BTreeSet<&str> =
        record.clients.iter().filter_map(|client| client.launch.as_deref()).collect();
    // The order of the record is the operator's preference.
    let launched = record.clients.iter().filter_map(|client| client.launch.as_deref()).filter({
        let mut left = launched;
        move |uri| left.remove(uri)
    });
    let uri = |(priority, uri): (u16, &str)| {
        [&priority.to_be_bytes()[..], &0_u16.to_be_bytes()[..], uri.as_bytes()].concat()
    };
    (1..).zip(launched).map(uri).collect()
}

/// RFC 1876, section 2. Size and precisions are what a person expects of a place that
/// somebody entered by hand: a sphere of 1 m, known to 10 m.
fn loc(location: &Location) -> Vec<u8> {
    /// 1 m and 10 m, in centimetres as a digit and a power of ten.
    const SIZE: u8 = 0x12;
    const PRECISION: u8 = 0x13;
    /// The equator and the prime meridian, in thousandths of a second of arc.
    const ORIGIN: f64 = 2_147_483_648.0;
    /// The altitude that zero stands for: 100 km below the ellipsoid.
    const LOWEST_M: f64 = 100_000.0;
    let arc = |degrees: f64| whole(degrees.mul_add(3_600_000.0, ORIGIN));
    let altitude = whole((location.altitude.unwrap_or(0.0) + LOWEST_M) * 100.0);
    let mut bytes = vec![0, SIZE, PRECISION, PRECISION];
    for part in [arc(location.latitude), arc(location.longitude), altitude] {
        bytes.extend(part.to_be_bytes());
    }
    bytes
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the casts saturate")]
fn whole(number: f64) -> u32 {
    number.round() as u32
}

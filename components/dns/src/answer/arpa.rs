//! `resolver.arpa`: where whoever knows this server by its address learns how to reach it over
//! encrypted transports (RFC 9462). It is nobody's zone: each server answers for itself.

use super::sections::{Sections, records};
use crate::name::OwnName;
use crate::node::Set;
use domain::base::iana::{Rcode, Rtype as Type};
use domain::base::rdata::ComposeRecordData;
use domain::base::{Name, Rtype, Serial, Ttl};
use domain::rdata::svcb::SvcParams;
use domain::rdata::svcb::value::{AlpnBuilder, DohPath};
use domain::rdata::{Ns, Soa, Svcb};

const APEX: &str = "resolver.arpa";
const DESIGNATED: &str = "_dns.resolver.arpa";
/// How long what is said here may be cached. The name of a server changes rarely.
const TTL_S: u32 = 300;

/// A way to reach this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesignatedResolver {
    /// Smaller ones are tried first; at least 1.
    pub priority: u16,
    /// The server's name, which its certificate has.
    pub target: OwnName,
    /// What is spoken there (RFC 7301): `dot` (RFC 7858), or versions of HTTP.
    pub alpn: &'static [&'static str],
    /// The port; none: that of the protocol.
    pub port: Option<u16>,
    /// Over HTTP: where messages are sent, a URI template (RFC 9461, section 5).
    pub path: Option<&'static str>,
}

impl DesignatedResolver {
    /// The data of its SVCB record; none if it is not one.
    fn data(&self) -> Option<Vec<u8>> {
        let mut alpn = AlpnBuilder::<Vec<u8>>::empty();
        for id in self.alpn {
            alpn.push(id.as_bytes()).ok()?;
        }
        let alpn = alpn.freeze();
        let path = self.path.map(|path| DohPath::from_octets(path.as_bytes())).transpose().ok()?;
        let params: SvcParams<Vec<u8>> = SvcParams::from_values(|params| {
            params.push(&alpn)?;
            if let Some(port) = self.port {
                params.port(port)?;
            }
            path.as_ref().map_or(Ok(()), |path| params.push(path))
        })
        .ok()?;
        Some(data(&Svcb::new(self.priority, self.target.clone(), params).ok()?))
    }
}

/// Whether a name is in `resolver.arpa`.
pub(super) fn is_local(name: &OwnName) -> bool {
    apex().is_some_and(|apex| name.ends_with(&apex))
}

/// The answer to a question about a name in `resolver.arpa`.
pub(super) fn answer(name: &OwnName, rtype: Rtype, designated: &[DesignatedResolver]) -> Sections {
    let mut sections = Sections::default();
    let Some(apex) = apex() else {
        return sections;
    };
    let sets = if *name == apex {
        // RFC 6303, section 3: the records of an empty zone that is answered locally.
        let server = data(&Ns::new(apex.clone()));
        vec![soa(&apex), Set::new(Type::NS, TTL_S, vec![server])]
    } else if Name::vec_from_str(DESIGNATED).is_ok_and(|designated| *name == designated) {
        let data: Vec<_> = designated.iter().filter_map(DesignatedResolver::data).collect();
        if data.is_empty() { Vec::new() } else { vec![Set::new(Type::SVCB, TTL_S, data)] }
    } else {
        sections.rcode = Rcode::NXDOMAIN;
        Vec::new()
    };
    let wanted = sets.iter().find(|set| set.rtype == rtype || rtype == Rtype::ANY);
    match wanted {
        Some(set) => sections.answer = records(name, set, false),
        None => sections.authority = records(&apex, &soa(&apex), false),
    }
    sections
}

fn apex() -> Option<OwnName> {
    Name::vec_from_str(APEX).ok()
}

fn soa(apex: &OwnName) -> Set {
    let contact = Name::vec_from_str("nobody.invalid").unwrap_or_else(|_| Name::root_vec());
    let times = [3600, 1200, 604_800, TTL_S].map(Ttl::from_secs);
    let [refresh, retry, expire, minimum] = times;
    let soa = Soa::new(apex.clone(), contact, Serial::from(1), refresh, retry, expire, minimum);
    Set::new(Type::SOA, TTL_S, vec![data(&soa)])
}

fn data(record: &impl ComposeRecordData) -> Vec<u8> {
    let mut data = Vec::new();
    // Appending to a vector does not fail.
    let _ = record.compose_rdata(&mut data);
    data
}

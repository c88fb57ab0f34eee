//! What the zone holds: which names exist in it, and the records at each.
//!
//! Under the apex, each world `w` has
//!
//! - `_vw.w`: SVCB (RFC 9460), one per endpoint, and TXT;
//! - `_vw._tcp.w`: SRV (RFC 2782), one per endpoint, and TXT (RFC 6763, section 6);
//! - `_<transport>._tcp.w`: SRV for the endpoints of one transport, which clients that
//!   know nothing of worlds ask for (`_minecraft._tcp`);
//! - and `w` and `_tcp.w`, which exist without records because names under them do
//!   (RFC 8020: an empty non-terminal is not a name error).

use crate::record::{Endpoint, Record};
use crate::registry::World;
use domain::base::iana::SvcParamKey;
use domain::base::name::{Label, ToName};
use domain::base::{CharStr, Name, Rtype, Serial, Ttl};
use domain::rdata::rfc1035::TxtBuilder;
use domain::rdata::svcb::value::AlpnBuilder;
use domain::rdata::svcb::{SvcParams, UnknownSvcParam};
use domain::rdata::{A, Aaaa, Hinfo, Ns, Soa, Srv, Svcb, Txt, ZoneRecordData};
use http::Uri;
use std::net::IpAddr;
use vwp_core::environment::Settings;
use vwp_core::name::WorldName;

/// A name of our own making.
pub type OwnName = Name<Vec<u8>>;
/// A record's data.
pub type Data = ZoneRecordData<Vec<u8>, OwnName>;

/// How long a world's records may be cached, in seconds.
pub const TTL_S: u32 = 60;
/// How long a record's absence may be cached (RFC 2308, section 5). Short, because a
/// world that was asked for too early should be found soon after it registers.
pub const NEGATIVE_TTL_S: u32 = 10;
/// How long the apex's own records may be cached.
pub const APEX_TTL_S: u32 = 3600;
/// The SVCB parameter that names an endpoint's transport. It has no registered key, so
/// it uses the first of those for private use (RFC 9460, section 14.3.2).
pub const TRANSPORT_PARAM: u16 = 65280;

/// The zone that this port is the authority for.
#[derive(Debug, Clone)]
pub struct Zone {
    apex: OwnName,
    apex_labels: usize,
    nameserver: OwnName,
    address: Option<IpAddr>,
    contact: OwnName,
}

/// Where in the zone a name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Not under the apex.
    Outside,
    /// The apex itself.
    Apex,
    /// The name server's name, when it is in the zone.
    Nameserver,
    /// At or under a world's name.
    World(WorldName, WorldPlace),
    /// A name that cannot exist.
    Nowhere,
}

/// Where under a world's name a name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorldPlace {
    /// The world's name or `_tcp` under it: no records.
    Empty,
    /// `_vw`.
    Service,
    /// `_vw._tcp`.
    ServiceTcp,
    /// `_<transport>._tcp`.
    TransportTcp(String),
}

/// What the zone says to a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// The name has records of the type.
    Records(u32, Vec<Data>),
    /// The name exists and has none of the type.
    NoData,
    /// The name does not exist.
    NameError,
}

impl Zone {
    /// The zone of the settings; none if they do not make a DNS name.
    ///
    /// The name server is the host of the port's URL. Where that is an address, it is
    /// `ns` in the zone with this address. The address of a host name is not known here:
    /// it belongs into the zone that the name is in or, if that is this one, as glue
    /// into the parent zone.
    pub fn from_settings(settings: &Settings) -> Option<Self> {
        let name = |text: &str| Name::<Vec<u8>>::vec_from_str(text).ok();
        let zone = settings.zone.trim_end_matches('.');
        let apex = name(zone).filter(|apex| !apex.is_root())?;
        let uri: Uri = settings.issuer.parse().ok()?;
        let host = uri.host()?;
        let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        let nameserver = match address {
            Some(_) => name(&format!("ns.{zone}"))?,
            None => name(host)?,
        };
        let contact = name(&format!("hostmaster.{zone}"))?;
        Some(Self { apex_labels: apex.label_count(), apex, nameserver, address, contact })
    }

    /// The apex.
    pub fn apex(&self) -> &OwnName {
        &self.apex
    }

    /// Where a name is, without looking at the store.
    pub fn locate(&self, name: &impl ToName) -> Place {
        if !name.ends_with(&self.apex) {
            return Place::Outside;
        }
        let labels: Vec<String> = name.iter_labels().map(text).collect();
        let below = labels.len().saturating_sub(self.apex_labels);
        let below: Vec<&str> = labels.iter().take(below).rev().map(String::as_str).collect();
        let Some((world, rest)) = below.split_first() else {
            return Place::Apex;
        };
        if name.name_eq(&self.nameserver) {
            return Place::Nameserver;
        }
        let place = match rest {
            [] | ["_tcp"] => WorldPlace::Empty,
            ["_vw"] => WorldPlace::Service,
            ["_tcp", "_vw"] => WorldPlace::ServiceTcp,
            ["_tcp", service] => match service.strip_prefix('_') {
                Some(transport) => WorldPlace::TransportTcp(transport.to_owned()),
                None => return Place::Nowhere,
            },
            _ => return Place::Nowhere,
        };
        world.parse().map_or(Place::Nowhere, |name| Place::World(name, place))
    }

    /// The records of a type at the apex.
    pub fn apex_content(&self, rtype: Rtype, serial: u32) -> Content {
        let ns = || ZoneRecordData::Ns(Ns::new(self.nameserver.clone()));
        match rtype {
            Rtype::SOA => Content::Records(APEX_TTL_S, vec![self.soa(serial)]),
            Rtype::NS => Content::Records(APEX_TTL_S, vec![ns()]),
            Rtype::ANY => any(APEX_TTL_S),
            _ => Content::NoData,
        }
    }

    /// The records of a type at the name server's name.
    pub fn nameserver_content(&self, rtype: Rtype) -> Content {
        match (self.address, rtype) {
            (Some(IpAddr::V4(address)), Rtype::A) => {
                Content::Records(APEX_TTL_S, vec![ZoneRecordData::A(A::new(address))])
            }
            (Some(IpAddr::V6(address)), Rtype::AAAA) => {
                Content::Records(APEX_TTL_S, vec![ZoneRecordData::Aaaa(Aaaa::new(address))])
            }
            (Some(_), Rtype::ANY) => any(APEX_TTL_S),
            _ => Content::NoData,
        }
    }

    /// The start of authority. Its last field is the negative TTL (RFC 2308, section 4).
    pub fn soa(&self, serial: u32) -> Data {
        ZoneRecordData::Soa(Soa::new(
            self.nameserver.clone(),
            self.contact.clone(),
            Serial::from(serial),
            Ttl::from_secs(3600),
            Ttl::from_secs(600),
            Ttl::from_secs(1_209_600),
            Ttl::from_secs(NEGATIVE_TTL_S),
        ))
    }
}

/// The records of a type under a world's name. None if a host in the record does not
/// make a DNS name, which registration does not let happen.
pub fn world_content(world: &World, place: &WorldPlace, rtype: Rtype, now_s: u64) -> Option<Content> {
    let record = &world.fields;
    let endpoints = |transport: Option<&str>| {
        let endpoints = record.endpoints.iter();
        endpoints.filter(|endpoint| transport.is_none_or(|t| endpoint.transport == t)).collect::<Vec<_>>()
    };
    // Nothing may be cached for longer than the record is valid.
    let left_s = u32::try_from(record.exp.saturating_sub(now_s)).unwrap_or(u32::MAX);
    let ttl_s = TTL_S.min(left_s);
    let records = |data: Option<Vec<Data>>| Some(Content::Records(ttl_s, data?));
    let all = |of: fn(&Endpoint) -> Option<Data>, endpoints: Vec<&Endpoint>| {
        records(endpoints.into_iter().map(of).collect())
    };
    match (place, rtype) {
        (WorldPlace::TransportTcp(transport), _) if endpoints(Some(transport)).is_empty() => {
            Some(Content::NameError)
        }
        (WorldPlace::Empty, _) => Some(Content::NoData),
        (_, Rtype::ANY) => Some(any(ttl_s)),
        (WorldPlace::Service, Rtype::SVCB) => all(svcb, endpoints(None)),
        (WorldPlace::ServiceTcp, Rtype::SRV) => all(srv, endpoints(None)),
        (WorldPlace::TransportTcp(transport), Rtype::SRV) => all(srv, endpoints(Some(transport))),
        (WorldPlace::Service | WorldPlace::ServiceTcp, Rtype::TXT) => {
            records(txt(record, &world.operator).map(|txt| vec![txt]))
        }
        _ => Some(Content::NoData),
    }
}

/// RFC 8482, section 4.2: a question for any type is answered with one small record.
fn any(ttl_s: u32) -> Content {
    let text = |bytes: &[u8]| CharStr::from_octets(bytes.to_vec()).unwrap_or_else(|_| CharStr::empty());
    let hinfo = Hinfo::new(text(b"RFC8482"), text(b""));
    Content::Records(ttl_s, vec![ZoneRecordData::Hinfo(hinfo)])
}

fn svcb(endpoint: &Endpoint) -> Option<Data> {
    let transport = endpoint.transport.as_bytes().to_vec();
    let transport = UnknownSvcParam::new(SvcParamKey::from_int(TRANSPORT_PARAM), transport).ok()?;
    let mut alpn = AlpnBuilder::<Vec<u8>>::empty();
    for id in alpn_ids(&endpoint.transport) {
        alpn.push(id).ok()?;
    }
    let alpn = alpn.freeze();
    let params = SvcParams::from_values(|params| {
        if !alpn.as_slice().is_empty() {
            params.push(&alpn)?;
        }
        params.port(endpoint.port)?;
        params.push(&transport)
    });
    let target = Name::vec_from_str(&endpoint.host).ok()?;
    Some(ZoneRecordData::Svcb(Svcb::new(endpoint.priority, target, params.ok()?).ok()?))
}

/// The ALPN ids of a transport (RFC 9460, section 7.1), where it is one that TLS
/// negotiates. Others, such as `minecraft`, have none.
fn alpn_ids(transport: &str) -> &'static [&'static [u8]] {
    match transport {
        // Both, so that a client that offers them reaches a server that speaks either.
        "https" => &[b"h2", b"http/1.1"],
        "h2" => &[b"h2"],
        // WebTransport runs over HTTP/3.
        "h3" | "webtransport" => &[b"h3"],
        _ => &[],
    }
}

fn srv(endpoint: &Endpoint) -> Option<Data> {
    let target = Name::vec_from_str(&endpoint.host).ok()?;
    Some(ZoneRecordData::Srv(Srv::new(endpoint.priority, endpoint.weight, endpoint.port, target)))
}

/// RFC 6763, section 6: `key=value` texts of at most 255 bytes, the version first.
fn txt(record: &Record, operator: &str) -> Option<Data> {
    let mut txt = TxtBuilder::<Vec<u8>>::new();
    let texts = [
        "v=vw1".to_owned(),
        format!("title={}", record.main_title()),
        format!("operator={operator}"),
        format!("seq={}", record.seq),
    ];
    for text in texts {
        let cut = text.get(..text.floor_char_boundary(CharStr::MAX_LEN))?;
        txt.append_charstr(CharStr::from_slice(cut.as_bytes()).ok()?).ok()?;
    }
    let txt: Txt<Vec<u8>> = txt.finish().ok()?;
    Some(ZoneRecordData::Txt(txt))
}

/// A label as text in lower case. What is not UTF-8 becomes something that no name of
/// ours contains.
fn text(label: &Label) -> String {
    String::from_utf8_lossy(label.as_ref()).to_ascii_lowercase()
}

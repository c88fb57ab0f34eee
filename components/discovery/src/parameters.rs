//! The SVCB records (RFC 9460) of a world's endpoints, and the parameters that they carry
//! besides the registered ones. `docs/protocol/discovery.md` has the list for readers.

use crate::projection::{canonical, host};
use crate::record::Endpoint;
use crate::registry::World;
use domain::base::iana::SvcParamKey;
use domain::base::name::ToName;
use domain::rdata::Svcb;
use domain::rdata::svcb::value::{AlpnBuilder, Ipv4Hint, Ipv6Hint, Mandatory};
use domain::rdata::svcb::{SvcParams, UnknownSvcParam};
use sha2::{Digest, Sha256};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use vwp_core::jose;
use vwp_dns::name::OwnName;

// None of these has a registered key, so they are in the range for private use
// (RFC 9460, section 14.3.2).

/// The endpoint's transport.
pub const TRANSPORT: u16 = 65280;
/// The versions of the transport's protocol, separated by commas.
pub const PROTOCOL: u16 = 65281;
/// The most bytes of [`PROTOCOL`]: it is in the record of every endpoint, all of which are one set.
const PROTOCOL_LENGTH_MAX: usize = 128;
/// The age from which the content is suitable.
pub const RATING: u16 = 65282;
/// The endpoint's region.
pub const REGION: u16 = 65283;
/// The SHA-256 of the signed record, base64url, by which a cached one is known to be current.
pub const RECORD: u16 = 65284;
/// The endpoint's path.
pub const PATH: u16 = 65285;
/// The extension members that a client has to understand, separated by commas. Where it
/// occurs it is mandatory, so that other clients leave the record alone (RFC 9460, section 8).
pub const CRITICAL: u16 = 65286;

/// The record data of an endpoint of the world whose name is `own`.
pub(crate) fn svcb(world: &World, endpoint: &Endpoint, own: &OwnName) -> Option<Vec<u8>> {
    let target = host(&endpoint.host)?;
    let private = private(world, endpoint)?;
    let mut alpn = AlpnBuilder::<Vec<u8>>::empty();
    for id in alpn_ids(endpoint) {
        alpn.push(id.as_bytes()).ok()?;
    }
    let alpn = alpn.freeze();
    let (v4, v6) = hints(world, endpoint, target.name_eq(own));
    let v4 = Ipv4Hint::<Vec<u8>>::from_addrs(v4).ok()?;
    let v6 = Ipv6Hint::<Vec<u8>>::from_addrs(v6).ok()?;
    let mandatory = Mandatory::<Vec<u8>>::from_keys([SvcParamKey::from_int(CRITICAL)].into_iter()).ok()?;
    // The builder keeps the parameters in the order of their keys (RFC 9460, section 2.2).
    let params = SvcParams::<Vec<u8>>::from_values(|params| {
        if !world.fields.crit.is_empty() {
            params.push(&mandatory)?;
        }
        if !alpn.as_slice().is_empty() {
            params.push(&alpn)?;
        }
        params.port(endpoint.port)?;
        if !v4.as_slice().is_empty() {
            params.push(&v4)?;
        }
        if !v6.as_slice().is_empty() {
            params.push(&v6)?;
        }
        private.iter().try_for_each(|param| params.push(param))
    });
    canonical(&Svcb::new(endpoint.priority, target, params.ok()?).ok()?)
}

fn private(world: &World, endpoint: &Endpoint) -> Option<Vec<UnknownSvcParam<Vec<u8>>>> {
    let record = &world.fields;
    let versions = versions(world, endpoint);
    let rating = record.rating.as_ref().map(|rating| rating.level.to_string());
    let hash = jose::encode(Sha256::digest(world.record.as_bytes()));
    let params = [
        (TRANSPORT, Some(endpoint.transport.clone())),
        (PROTOCOL, (!versions.is_empty()).then_some(versions)),
        (RATING, rating),
        (REGION, endpoint.region.clone()),
        (RECORD, Some(hash)),
        (PATH, endpoint.path.clone()),
        (CRITICAL, (!record.crit.is_empty()).then(|| record.crit.join(","))),
    ];
    let param = |(key, value): (u16, Option<String>)| {
        let value = value?;
        Some(UnknownSvcParam::new(SvcParamKey::from_int(key), value.into_bytes()).ok())
    };
    params.into_iter().filter_map(param).collect()
}

/// The versions of the endpoint's transport, as many as there is room for: a client that needs
/// the others has the record.
fn versions(world: &World, endpoint: &Endpoint) -> String {
    let protocols = world.fields.protocols.iter().filter_map(|protocol| protocol.split_once('/'));
    let mut list = String::new();
    for (_, version) in protocols.filter(|(name, _)| *name == endpoint.transport) {
        if list.len() + version.len() < PROTOCOL_LENGTH_MAX {
            list.push_str(if list.is_empty() { "" } else { "," });
            list.push_str(version);
        }
    }
    list
}

/// RFC 9460, section 7.3: the addresses of the target, where the record knows them.
fn hints(world: &World, endpoint: &Endpoint, is_own: bool) -> (Vec<Ipv4Addr>, Vec<Ipv6Addr>) {
    let addresses =
        if endpoint.hints.is_empty() && is_own { &world.fields.addresses } else { &endpoint.hints };
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for address in addresses {
        match address {
            IpAddr::V4(address) => v4.push(*address),
            IpAddr::V6(address) => v6.push(*address),
        }
    }
    (v4, v6)
}

/// The ALPN ids of an endpoint (RFC 9460, section 7.1): the operator's, or those of a
/// transport that TLS negotiates. Others, such as `minecraft`, have none.
fn alpn_ids(endpoint: &Endpoint) -> Vec<&str> {
    if !endpoint.alpn.is_empty() {
        return endpoint.alpn.iter().map(String::as_str).collect();
    }
    match endpoint.transport.as_str() {
        // Both, so that a client that offers them reaches a server that speaks either.
        "https" => vec!["h2", "http/1.1"],
        "h2" => vec!["h2"],
        // WebTransport runs over HTTP/3.
        "h3" | "webtransport" => vec!["h3"],
        _ => Vec::new(),
    }
}

//! Where a world can be entered: its endpoints, and the addresses that its name has.

use super::check::{self, Checked, bad};
use crate::names;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr};

/// The most endpoints.
pub const ENDPOINTS_MAX: usize = 16;
/// The most transports of one world: each has a name of its own in DNS, and all names of a
/// record have to fit into one commit, beside those of the record before it.
pub const TRANSPORTS_MAX: usize = 8;
/// The longest transport: a service name (RFC 6335, section 5.1).
pub const TRANSPORT_LENGTH_MAX: usize = 15;
/// The most addresses of a world's name, and of an endpoint.
pub const ADDRESSES_MAX: usize = 8;
/// The most ALPN ids of an endpoint.
pub const ALPN_MAX: usize = 4;
/// The longest ALPN id, in bytes; none that is registered is longer.
pub const ALPN_LENGTH_MAX: usize = 32;
/// The longest path of an endpoint, in bytes.
pub const PATH_LENGTH_MAX: usize = 200;
/// The longest region.
pub const REGION_LENGTH_MAX: usize = 32;

/// One place where a world can be entered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// What is spoken there: a service name such as `minecraft` or `https`.
    pub transport: String,
    /// The host's name.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Smaller ones are tried first (RFC 9460 and RFC 2782); at least 1, because 0 is
    /// an alias in SVCB.
    #[serde(default = "first")]
    pub priority: u16,
    /// The share of the traffic among equal priorities (RFC 2782); 0 if it does not
    /// matter.
    #[serde(default)]
    pub weight: u16,
    /// Where it is, in the operator's own words for regions, such as `eu-central`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What is asked for there, where the transport has paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The ALPN ids that are spoken there; without them, those of the transport.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alpn: Vec<String>,
    /// Addresses of the host that spare a client a question (RFC 9460, section 7.3).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<IpAddr>,
}

fn first() -> u16 {
    1
}

impl Endpoint {
    /// An endpoint of which no more is said.
    pub fn new(transport: &str, host: &str, port: u16) -> Self {
        Self {
            transport: transport.to_owned(),
            host: host.to_owned(),
            port,
            priority: first(),
            weight: 0,
            region: None,
            path: None,
            alpn: Vec::new(),
            hints: Vec::new(),
        }
    }

    fn check(&mut self) -> Checked {
        if !is_service_name(&self.transport) {
            return Err(bad("a transport is a service name: 1 to 15 of a-z, 0-9 and single inner hyphens"));
        }
        self.host = names::host(&self.host)
            .ok_or_else(|| bad("an endpoint's host is a DNS name, and not an address"))?;
        if self.port == 0 {
            return Err(bad("an endpoint's port is 1 to 65535"));
        }
        if self.priority == 0 {
            return Err(bad("an endpoint's priority is 1 to 65535"));
        }
        if let Some(region) = &self.region {
            check::token("an endpoint's region", region, REGION_LENGTH_MAX)?;
        }
        if self.path.as_deref().is_some_and(|path| !is_path(path)) {
            return Err(bad(
                "an endpoint's path starts with a slash and has at most 200 characters of a URL",
            ));
        }
        let is_alpn = |id: &String| match id.len() {
            1..=ALPN_LENGTH_MAX if id.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(()),
            _ => Err(bad("an ALPN id has 1 to 32 characters of ASCII")),
        };
        check::list("an endpoint's alpn", &self.alpn, ALPN_MAX, is_alpn)?;
        check_addresses("an endpoint's hints", &self.hints)
    }
}

/// Checks the endpoints and writes their hosts as DNS carries them.
pub(super) fn check_all(endpoints: &mut [Endpoint]) -> Checked {
    if endpoints.is_empty() || endpoints.len() > ENDPOINTS_MAX {
        return Err(bad("a record has 1 to 16 endpoints"));
    }
    for endpoint in endpoints.iter_mut() {
        endpoint.check()?;
    }
    let transports: HashSet<&str> = endpoints.iter().map(|endpoint| endpoint.transport.as_str()).collect();
    if transports.len() > TRANSPORTS_MAX {
        return Err(bad("a record has at most 8 different transports"));
    }
    // Two equal ones would be two equal DNS records, which a set cannot have
    // (RFC 2181, section 5).
    let mut seen = HashSet::new();
    let place = |endpoint: &Endpoint| (endpoint.transport.clone(), endpoint.host.clone(), endpoint.port);
    if !endpoints.iter().all(|endpoint| seen.insert(place(endpoint))) {
        return Err(bad("two endpoints have the same transport, host and port"));
    }
    Ok(())
}

/// A list of addresses at which somebody else could be reached. Others would lead a
/// traveller's browser to the traveller's own machine or link, which names of others must
/// not do. Private addresses stay allowed: a port may serve a network of its own.
pub(super) fn check_addresses(what: &str, addresses: &[IpAddr]) -> Checked {
    check::list(what, addresses, ADDRESSES_MAX, |address| {
        if is_reachable(address.to_canonical()) {
            return Ok(());
        }
        Err(bad(format!("{what} has {address}, which is not an address that others can reach")))
    })
}

fn is_reachable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            // RFC 6890: 0.0.0.0/8 is this host, 127.0.0.0/8 loopback, 169.254.0.0/16 the link.
            let is_this_host = v4.octets()[0] == 0 || v4.is_loopback() || v4.is_link_local();
            !(is_this_host || v4.is_multicast() || v4.is_broadcast())
        }
        IpAddr::V6(v6) => {
            let is_this_host = v6 == Ipv6Addr::UNSPECIFIED || v6.is_loopback() || v6.is_unicast_link_local();
            !(is_this_host || v6.is_multicast())
        }
    }
}

/// RFC 3986, section 3.3, as far as bytes go; what it means is the server's business.
fn is_path(text: &str) -> bool {
    text.len() <= PATH_LENGTH_MAX && text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// RFC 6335, section 5.1: letters, digits and inner single hyphens, at least one
/// letter; in lower case here, so that there is one way to write it.
fn is_service_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty()
        && text.len() <= TRANSPORT_LENGTH_MAX
        && text.bytes().all(is_allowed)
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
        // `_vw` is the DNS label of all endpoints together.
        && text != "vw"
}

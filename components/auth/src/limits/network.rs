//! Where a request comes from.
//!
//! The host says so in `spin-client-addr`, as Spin does: an address and a port. A client that
//! sends a field of that name comes before the host's own, so the last one counts. Behind
//! proxies the option `trusted_proxies` says how many there are; each adds the address of its
//! client to the end of `X-Forwarded-For`, so the one that counts is that many from the end,
//! whatever a client wrote before it.

use http::HeaderMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use vwp_core::environment::Settings;

/// The field in which the host names the address of its peer.
pub const CLIENT_ADDRESS: &str = "spin-client-addr";
/// The field to which each proxy adds the address of its client.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// The option with the number of proxies in front of the host.
pub const TRUSTED_PROXIES: &str = "trusted_proxies";
/// The most addresses that are looked at in one field.
const ADDRESSES_MAX: usize = 32;
/// How much of an IPv4 address is the network: what one subscriber rarely has all of.
const IPV4_PREFIX: u32 = 24;
/// How much of an IPv6 address is the network: what one subscriber often has all of (RFC 6177,
/// section 2).
const IPV6_PREFIX: u32 = 56;

/// A network: the part of an address that its owner cannot change at will.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl Network {
    /// The network of an address.
    pub fn of(address: IpAddr) -> Self {
        // An IPv4 address may come written as one of IPv6 (RFC 4291, section 2.5.5.2).
        Self(match address.to_canonical() {
            IpAddr::V4(address) => {
                let mask = u32::MAX << (32 - IPV4_PREFIX);
                Ipv4Addr::from_bits(address.to_bits() & mask).into()
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX << (128 - IPV6_PREFIX);
                Ipv6Addr::from_bits(address.to_bits() & mask).into()
            }
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = if self.0.is_ipv4() { IPV4_PREFIX } else { IPV6_PREFIX };
        write!(formatter, "{}/{length}", self.0)
    }
}

/// Who asks, as far as that is known before anybody has said who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// The network, if it is known. This machine is no network: who is there needs no limit,
    /// or is a proxy that was not declared, whose clients must not share one.
    pub network: Option<Network>,
    /// What the client shows to be recognised as a device that was signed in before.
    pub device: Option<String>,
}

impl Client {
    /// The client of a request.
    pub fn of(headers: &HeaderMap, settings: &Settings) -> Self {
        let address = address(headers, proxies(settings)).filter(|address| !address.is_loopback());
        Self { network: address.map(Network::of), device: crate::devices::shown(headers) }
    }
}

/// How many proxies there are. What cannot be read is none, which trusts nobody.
fn proxies(settings: &Settings) -> usize {
    settings.options.get(TRUSTED_PROXIES).and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn address(headers: &HeaderMap, proxies: usize) -> Option<IpAddr> {
    let Some(skipped) = proxies.checked_sub(1) else {
        let last = headers.get_all(CLIENT_ADDRESS).iter().next_back()?;
        return parse(last.to_str().ok()?);
    };
    let fields = headers.get_all(FORWARDED_FOR).iter().rev();
    let addresses = fields.flat_map(|field| field.to_str().unwrap_or_default().rsplit(','));
    parse(addresses.take(ADDRESSES_MAX).nth(skipped)?)
}

/// Reads an address, with or without a port.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = text.parse().map(|address: SocketAddr| address.ip());
    let address = with_port.or_else(|_| text.trim_matches(['[', ']']).parse()).ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn shown(address: &str) -> String {
        Network::of(address.parse().unwrap()).to_string()
    }

    #[test]
    fn a_network_is_what_one_subscriber_has() {
        assert_eq!(shown("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(shown("::ffff:192.0.2.77"), "192.0.2.0/24");
        assert_eq!(shown("2001:db8:1:2fff::1"), "2001:db8:1:2f00::/56");
        assert_ne!(shown("2001:db8:1:2f00::1"), shown("2001:db8:1:3000::1"));
    }

    #[test]
    fn what_a_client_writes_about_itself_is_not_believed() {
        let forged = headers(&[
            (CLIENT_ADDRESS, "203.0.113.1:1"),
            (CLIENT_ADDRESS, "192.0.2.1:4711"),
            (FORWARDED_FOR, "203.0.113.9"),
        ]);
        assert_eq!(address(&forged, 0), Some("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn each_declared_proxy_is_believed_about_its_own_client() {
        let chain =
            headers(&[(FORWARDED_FOR, "203.0.113.9, 192.0.2.1"), (FORWARDED_FOR, "[2001:db8::7]:443")]);
        assert_eq!(address(&chain, 1), Some("2001:db8::7".parse().unwrap()));
        assert_eq!(address(&chain, 2), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(address(&chain, 9), None);
    }

    #[test]
    fn what_is_no_address_is_no_network() {
        for text in ["", "unknown", "192.0.2", "192.0.2.1:x"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}

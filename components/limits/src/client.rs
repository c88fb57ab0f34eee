//! The network that a request comes from.
//!
//! The host says so in `spin-client-addr`, as Spin does: an address and a port. A client that sends a field
//! of that name comes before the host's own, so the last one counts. Behind proxies a setting says how many
//! there are; each adds the address of its client to the end of `X-Forwarded-For`, so the one that counts
//! is that many from the end, whatever a client wrote before it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use vwp_middleware::fields::{Fields, values};

/// The field in which the host names the address of its peer.
const CLIENT_ADDRESS: &str = "spin-client-addr";
/// The field to which each proxy adds the address of its client.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// The most addresses that are looked at in one request.
const ADDRESSES_MAX: usize = 32;
/// How much of an IPv4 address is the network: what one subscriber rarely has all of.
const IPV4_PREFIX: u32 = 24;
/// How much of an IPv6 address is the network: what one subscriber often has all of (RFC 6177, section 2).
const IPV6_PREFIX: u32 = 56;

/// The network of whoever asks, as the name of a subject. This machine is none: who is there needs no limit, or
/// is a proxy that was not declared, whose clients must not share one.
pub fn network(request: &Fields, proxies: usize) -> Option<String> {
    let address = address(request, proxies).filter(|address| !address.is_loopback())?;
    Some(match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX << (32 - IPV4_PREFIX);
            format!("{}/{IPV4_PREFIX}", Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX << (128 - IPV6_PREFIX);
            format!("{}/{IPV6_PREFIX}", Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    })
}

fn address(request: &Fields, proxies: usize) -> Option<IpAddr> {
    let text = |value: &&[u8]| std::str::from_utf8(value).ok().map(str::to_owned);
    let Some(skipped) = proxies.checked_sub(1) else {
        return parse(&text(&values(request, CLIENT_ADDRESS).last()?)?);
    };
    let lines: Vec<String> =
        values(request, FORWARDED_FOR).map(|value| text(&value).unwrap_or_default()).collect();
    let mut addresses = lines.iter().rev().flat_map(|line| line.rsplit(',')).take(ADDRESSES_MAX);
    parse(addresses.nth(skipped)?)
}

/// Reads an address, with or without a port. One of IPv4 may come written as one of IPv6 (RFC 4291,
/// section 2.5.5.2).
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = text.parse().map(|address: SocketAddr| address.ip());
    let address = with_port.or_else(|_| text.trim_matches(['[', ']']).parse()).ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vwp_middleware::fields::from_pairs;

    fn peer(address: &str) -> Option<String> {
        network(&from_pairs(&[("spin-client-addr", address)]), 0)
    }

    #[test]
    fn a_network_is_what_one_subscriber_has() {
        assert_eq!(peer("192.0.2.77:4711").as_deref(), Some("192.0.2.0/24"));
        assert_eq!(peer("[::ffff:192.0.2.77]:1").as_deref(), Some("192.0.2.0/24"));
        assert_eq!(peer("[2001:db8:1:2fff::1]:1").as_deref(), Some("2001:db8:1:2f00::/56"));
        assert_ne!(peer("2001:db8:1:2f00::1"), peer("2001:db8:1:3000::1"));
        for none in
            ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "", "unknown", "192.0.2", "192.0.2.1:x"]
        {
            assert_eq!(peer(none), None, "{none}");
        }
    }

    #[test]
    fn what_a_client_writes_about_itself_is_not_believed() {
        let forged = from_pairs(&[
            ("spin-client-addr", "203.0.113.1:1"),
            ("Spin-Client-Addr", "192.0.2.1:4711"),
            ("x-forwarded-for", "203.0.113.9"),
        ]);
        assert_eq!(network(&forged, 0).as_deref(), Some("192.0.2.0/24"));
    }

    #[test]
    fn each_declared_proxy_is_believed_about_its_own_client() {
        let chain = from_pairs(&[
            ("x-forwarded-for", "203.0.113.9, 192.0.2.1"),
            ("X-Forwarded-For", "[2001:db8::7]:443"),
        ]);
        assert_eq!(network(&chain, 1).as_deref(), Some("2001:db8::/56"));
        assert_eq!(network(&chain, 2).as_deref(), Some("192.0.2.0/24"));
        assert_eq!(network(&chain, 9), None);
    }
}

//! The network that a request comes from.
//!
//! The host says so in `spin-client-addr`, as Spin does: an address and a port. A client that
//! sends a field of that name comes before the host's own, so the last one counts. Behind
//! proxies a setting says how many there are; each adds the address of its client to the end of
//! `X-Forwarded-For`, so the one that counts is that many from the end, whatever a client wrote
//! before it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The field in which the host names the address of its peer.
pub const CLIENT_ADDRESS: &str = "spin-client-addr";
/// The field to which each proxy adds the address of its client.
pub const FORWARDED_FOR: &str = "x-forwarded-for";
/// The most addresses that are looked at in one request.
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

    /// The network of whoever asks, if it is known: from the values of [`CLIENT_ADDRESS`] and of
    /// [`FORWARDED_FOR`], behind so many proxies. This machine is no network: who is there needs no
    /// limit, or is a proxy that was not declared, whose clients must not share one.
    pub fn of_request<'a>(
        peers: impl DoubleEndedIterator<Item = &'a [u8]>,
        forwarded: impl DoubleEndedIterator<Item = &'a [u8]>,
        proxies: usize,
    ) -> Option<Self> {
        address(peers, forwarded, proxies).filter(|address| !address.is_loopback()).map(Self::of)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = if self.0.is_ipv4() { IPV4_PREFIX } else { IPV6_PREFIX };
        write!(formatter, "{}/{length}", self.0)
    }
}

fn address<'a>(
    mut peers: impl DoubleEndedIterator<Item = &'a [u8]>,
    forwarded: impl DoubleEndedIterator<Item = &'a [u8]>,
    proxies: usize,
) -> Option<IpAddr> {
    let Some(skipped) = proxies.checked_sub(1) else {
        return parse(std::str::from_utf8(peers.next_back()?).ok()?);
    };
    let lines = forwarded.rev().map(|line| std::str::from_utf8(line).unwrap_or_default());
    parse(lines.flat_map(|line| line.rsplit(',')).take(ADDRESSES_MAX).nth(skipped)?)
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

    fn shown(address: &str) -> String {
        Network::of(address.parse().unwrap()).to_string()
    }

    fn seen(peers: &[&str], forwarded: &[&str], proxies: usize) -> Option<String> {
        let bytes =
            |values: &[&str]| values.iter().map(|value| value.as_bytes().to_vec()).collect::<Vec<_>>();
        let (peers, forwarded) = (bytes(peers), bytes(forwarded));
        let (peers, forwarded) = (peers.iter().map(Vec::as_slice), forwarded.iter().map(Vec::as_slice));
        Network::of_request(peers, forwarded, proxies).map(|network| network.to_string())
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
        let peers = ["203.0.113.1:1", "192.0.2.1:4711"];
        assert_eq!(seen(&peers, &["203.0.113.9"], 0).as_deref(), Some("192.0.2.0/24"));
    }

    #[test]
    fn each_declared_proxy_is_believed_about_its_own_client() {
        let chain = ["203.0.113.9, 192.0.2.1", "[2001:db8::7]:443"];
        assert_eq!(seen(&[], &chain, 1).as_deref(), Some("2001:db8::/56"));
        assert_eq!(seen(&[], &chain, 2).as_deref(), Some("192.0.2.0/24"));
        assert_eq!(seen(&[], &chain, 9), None);
    }

    #[test]
    fn what_is_no_address_or_this_machine_is_no_network() {
        let none =
            ["", "unknown", "192.0.2", "192.0.2.1:x", "127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"];
        for text in none {
            assert_eq!(seen(&[text], &[], 0), None, "{text:?}");
        }
    }
}

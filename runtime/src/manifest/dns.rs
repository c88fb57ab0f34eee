//! What `application.tool.vwp.dns` says: how much of the DNS service there is, and for whom.

use ipnet::IpNet;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The limits of the DNS service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsLimits {
    /// How many answers of one kind a network (/24, /56) is sent each second over UDP; 0 is
    /// no limit. What has a valid cookie does not count.
    pub answers_per_second_max: u32,
    /// How many questions each second a source (an address, in IPv6 a /64) may ask; 0 is no
    /// limit.
    pub queries_per_second_max: u32,
    /// How many connections are open at once, over TCP and TLS together.
    pub connections_max: usize,
    /// How many of them may be of one source.
    pub connections_per_source_max: usize,
    /// How many zone transfers run at once; the others wait.
    pub transfers_max: usize,
    /// How much memory the packet cache has, in bytes; 0 is no cache.
    pub cache_bytes_max: u64,
    /// Networks to which no limit per source applies.
    pub exempt_networks: Vec<IpNet>,
}

impl Default for DnsLimits {
    fn default() -> Self {
        let loopback_v4 = IpNet::new_assert(Ipv4Addr::new(127, 0, 0, 0).into(), 8);
        let loopback_v6 = IpNet::new_assert(Ipv6Addr::LOCALHOST.into(), 128);
        Self {
            answers_per_second_max: 200,
            queries_per_second_max: 5000,
            connections_max: 1024,
            connections_per_source_max: 64,
            transfers_max: 8,
            cache_bytes_max: 64 * 1024 * 1024,
            exempt_networks: vec![loopback_v4, loopback_v6],
        }
    }
}

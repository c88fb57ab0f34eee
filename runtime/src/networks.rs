//! Networks that no component may reach, whatever its manifest allows: a guard against
//! requests that a guest was tricked into sending.
//!
//! Nothing is blocked unless the operator says so. `private` blocks every address that is
//! not reached over the public Internet.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses of IP version 4 that are not globally reachable: IANA's IPv4 Special-Purpose
/// Address Registry (RFC 6890), and multicast (RFC 5771).
const PRIVATE_V4: [Ipv4Net; 14] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

/// The addresses of IP version 6 that are globally unicast (RFC 4291, section 2.4); the rest
/// is private, local, multicast, or a form of version 4.
const GLOBAL_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// Documentation (RFC 3849).
const DOCUMENTATION_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32);
/// Translated addresses of version 4 (RFC 6052).
const TRANSLATED: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
/// Tunnelled addresses of version 4 (RFC 3056).
const TUNNELLED: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16);

/// Reads a network, or an address that is one by itself.
pub fn parse(text: &str) -> Option<IpNet> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or(address).ok().map(|network| network.trunc())
}

/// The networks that are blocked. The default is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockedNetworks {
    networks: Vec<IpNet>,
    private: bool,
}

impl BlockedNetworks {
    /// Reads a list: networks (`10.0.0.0/8`), addresses, and the word `private`. Fails with
    /// the entry that is none of these.
    pub fn parse(entries: &[String]) -> Result<Self, String> {
        let mut blocked = Self::default();
        for entry in entries {
            if entry == "private" {
                blocked.private = true;
            } else if let Some(network) = parse(entry) {
                blocked.networks.push(network);
            } else {
                return Err(format!("`{entry}` is neither a network, nor an address, nor `private`"));
            }
        }
        Ok(blocked)
    }

    /// Whether nothing is blocked.
    pub fn is_empty(&self) -> bool {
        !self.private && self.networks.is_empty()
    }

    /// Whether an address must not be connected to.
    pub fn contain(&self, address: IpAddr) -> bool {
        if self.networks.iter().any(|network| network.contains(&address)) {
            return true;
        }
        let private = match address {
            IpAddr::V4(address) => PRIVATE_V4.iter().any(|network| network.contains(&address)),
            IpAddr::V6(address) => {
                // An address of version 4 in another form is no way around.
                if let Some(inner) = inner_v4(address) {
                    return self.contain(IpAddr::V4(inner));
                }
                !GLOBAL_V6.contains(&address) || DOCUMENTATION_V6.contains(&address)
            }
        };
        self.private && private
    }
}

/// The address of version 4 that one of version 6 stands for.
fn inner_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [_, a, b, .., y, z] = address.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    if TRANSLATED.contains(&address) {
        return Some(join(y, z));
    }
    if TUNNELLED.contains(&address) {
        return Some(join(a, b));
    }
    // Mapped addresses, and those that were once compatible; not `::` and `::1`.
    address.to_ipv4().filter(|_| !address.is_loopback() && !address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(entries: &[&str], address: &str) -> bool {
        let entries: Vec<String> = entries.iter().map(ToString::to_string).collect();
        let blocked = BlockedNetworks::parse(&entries).expect("valid entries");
        blocked.contain(address.parse().expect("an address"))
    }

    #[test]
    fn nothing_is_blocked_unless_it_is_said() {
        assert!(!blocked(&[], "127.0.0.1"));
        assert!(!blocked(&[], "::1"));
    }

    #[test]
    fn a_network_is_blocked_in_every_form_of_its_addresses() {
        for address in ["192.0.2.9", "::ffff:192.0.2.9", "64:ff9b::192.0.2.9", "2002:c000:209::1"] {
            assert!(blocked(&["192.0.2.77/24"], address), "{address}");
        }
        assert!(blocked(&["2001:db8::/32", "192.0.2.1"], "2001:db8::5"));
        assert!(!blocked(&["2001:db8::/32", "192.0.2.1"], "192.0.2.2"));
    }

    #[test]
    fn private_is_what_the_internet_does_not_reach() {
        for address in [
            "0.0.0.0",
            "10.1.1.1",
            "100.64.1.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.31.0.1",
            "192.168.1.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.1.1.1",
            "fc00::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(blocked(&["private"], address), "{address}");
        }
        for address in ["1.1.1.1", "172.32.0.1", "2600::1", "::ffff:1.1.1.1"] {
            assert!(!blocked(&["private"], address), "{address}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        assert!(BlockedNetworks::parse(&["example.com".to_owned()]).is_err());
    }
}

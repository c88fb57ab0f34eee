//! The network that a request comes from, as the name of a subject.

use vwp_core::network::{CLIENT_ADDRESS, FORWARDED_FOR, Network};
use vwp_middleware::fields::{Fields, values};

/// The network of whoever asks behind so many proxies; none if it is not known, or is this machine.
pub fn network(request: &Fields, proxies: usize) -> Option<String> {
    let network =
        Network::of_request(values(request, CLIENT_ADDRESS), values(request, FORWARDED_FOR), proxies);
    network.map(|network| network.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vwp_middleware::fields::from_pairs;

    #[test]
    fn what_the_host_says_counts_or_behind_proxies_what_they_say() {
        let fields = [
            ("spin-client-addr", "203.0.113.1:1"),
            ("Spin-Client-Addr", "192.0.2.1:4711"),
            ("x-forwarded-for", "203.0.113.9, 198.51.100.7"),
            ("X-Forwarded-For", "[2001:db8::7]:443"),
        ];
        let seen = |proxies| network(&from_pairs(&fields), proxies);
        assert_eq!(seen(0).as_deref(), Some("192.0.2.0/24"));
        assert_eq!(seen(1).as_deref(), Some("2001:db8::/56"));
        assert_eq!(seen(2).as_deref(), Some("198.51.100.0/24"));
        assert_eq!((seen(9), network(&Fields::new(), 0)), (None, None));
    }
}

//! Who a request comes from, as far as that is known before anybody has said who they are.

use http::{HeaderMap, HeaderValue};
use vwp_core::environment::Settings;
pub use vwp_core::network::Network;
use vwp_core::network::{CLIENT_ADDRESS, FORWARDED_FOR};

/// The option with the number of proxies in front of the host.
pub const TRUSTED_PROXIES: &str = "trusted_proxies";

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
        let values = |name| headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let network = Network::of_request(values(CLIENT_ADDRESS), values(FORWARDED_FOR), proxies(settings));
        Self { network, device: crate::devices::shown(headers) }
    }
}

/// How many proxies there are. What cannot be read is none, which trusts nobody.
fn proxies(settings: &Settings) -> usize {
    settings.options.get(TRUSTED_PROXIES).and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

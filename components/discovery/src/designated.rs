//! How the port is reached over encrypted transports, as it tells those who ask (RFC 9462).

use crate::options::{self, DNS_OVER_TLS};
use domain::base::Name;
use http::Uri;
use std::net::IpAddr;
use vwp_core::environment::Settings;
use vwp_dns::answer::DesignatedResolver;

/// Where messages are sent over HTTP, as a URI template (RFC 8484, section 3).
const PATH: &str = "/dns-query{?dns}";

/// The ways that the settings name: HTTP where the port's URL is one of HTTPS, and the name
/// where the zone is answered over TLS, if there is one.
pub fn resolvers(settings: &Settings) -> Vec<DesignatedResolver> {
    over_https(settings).into_iter().chain(over_tls(settings)).collect()
}

fn over_https(settings: &Settings) -> Option<DesignatedResolver> {
    let uri: Uri = settings.issuer.parse().ok()?;
    if uri.scheme_str() != Some("https") {
        return None;
    }
    // Both versions, because what ends TLS in front of the port may speak either.
    resolver(1, uri.host()?, uri.port_u16(), &["h2", "http/1.1"], Some(PATH))
}

fn over_tls(settings: &Settings) -> Option<DesignatedResolver> {
    let place = options::option(settings, DNS_OVER_TLS)?;
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (place, None),
    };
    resolver(2, host, port, &["dot"], None)
}

/// A record names its target, so that what is only an address cannot be announced.
fn resolver(
    priority: u16,
    host: &str,
    port: Option<u16>,
    alpn: &'static [&'static str],
    path: Option<&'static str>,
) -> Option<DesignatedResolver> {
    if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return None;
    }
    let target = Name::vec_from_str(host).ok()?;
    Some(DesignatedResolver { priority, target, alpn, port, path })
}

//! Which hosts a component may reach: its `allowed_outbound_hosts`, in Spin's syntax.
//!
//! An entry is `SCHEME://HOST[:PORT]`, with templates anywhere in it:
//! - a scheme of letters, or `*`;
//! - a host name, an address, a network (`10.0.0.0/8`), `*.DOMAIN` for everything under a
//!   domain, `self` for the application's own routes, or `*`;
//! - a port, a range (`8000..8100`, without its end), or `*`; without one, the scheme's.
//!
//! Other components of the application are the hosts `ID.spin.internal`.

use crate::manifest;
use http::Uri;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use url::Host;

/// The most entries that a component may have.
const ENTRIES_MAX: usize = 1024;
/// The longest entry, in bytes; a host name has at most 253.
const ENTRY_LENGTH_MAX: usize = 512;
/// What the names of other components of the application end in.
const CHAINING_SUFFIX: &str = ".spin.internal";

/// Why an entry was refused. It shows the entry as it was written, not what templates
/// stand for, which may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}`: {reason}")]
pub struct InvalidHost {
    /// The entry.
    pub entry: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The hosts that a component may reach. The default is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedHosts {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    scheme: Scheme,
    host: HostRule,
    ports: Ports,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Scheme {
    Any,
    Named(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostRule {
    Any,
    /// Everything under a domain; the text starts with a dot.
    Under(String),
    /// The application's own routes.
    Own,
    Exactly(Host),
    Network(IpNet),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Ports {
    Any,
    One(u16),
    Range(Range<u16>),
}

impl AllowedHosts {
    /// Reads a component's entries, filling templates with the application's variables.
    /// As in Spin, an entry that a template leaves empty allows nothing, so that an
    /// endpoint can be optional.
    pub fn parse(entries: &[String], values: &BTreeMap<String, String>) -> Result<Self, InvalidHost> {
        let mut parsed = Vec::with_capacity(entries.len());
        for entry in bounded(entries)? {
            let invalid = |reason| InvalidHost { entry: entry.clone(), reason };
            if !is_template(entry) {
                parsed.push(Entry::parse(entry).map_err(invalid)?);
                continue;
            }
            let filled = manifest::fill(entry, values).map_err(invalid)?;
            if !matches!(&*filled, "" | "http://" | "https://") {
                // What the entry was filled with may be secret, so the reason leaves it out.
                parsed.push(
                    Entry::parse(&filled)
                        .map_err(|_| invalid("with its variables filled in it is not an entry".into()))?,
                );
            }
        }
        Ok(Self { entries: parsed })
    }

    /// Checks the entries as far as that is possible before the variables are known.
    pub fn check(entries: &[String]) -> Result<(), InvalidHost> {
        for entry in bounded(entries)?.iter().filter(|entry| !is_template(entry)) {
            Entry::parse(entry).map_err(|reason| InvalidHost { entry: entry.clone(), reason })?;
        }
        Ok(())
    }

    /// Whether a connection is allowed. The scheme and the host are taken as they stand in a
    /// URL; an address of IP version 6 may have its brackets or not.
    pub fn permits(&self, scheme: &str, host: &str, port: u16) -> bool {
        self.permits_port(scheme, host, Some(port))
    }

    fn permits_port(&self, scheme: &str, host: &str, port: Option<u16>) -> bool {
        self.entry(scheme, host, port).is_some()
    }

    fn entry(&self, scheme: &str, host: &str, port: Option<u16>) -> Option<&Entry> {
        let host = parse_host(host)?;
        self.entries.iter().find(|entry| {
            entry.scheme.permits(scheme) && entry.host.permits(&host) && entry.ports.permits(port)
        })
    }

    /// The host, or the pattern of hosts, under which a URL may be reached: one of as many as
    /// there are entries, whatever is asked for.
    pub fn rule(&self, url: &Uri) -> Option<String> {
        let (scheme, host) = (url.scheme_str()?, url.host()?);
        if is_self(host) && self.permits_self() {
            return Some("self".to_owned());
        }
        let port = url.port_u16().or_else(|| default_port(scheme));
        self.entry(scheme, host, port).map(|entry| entry.host.to_string())
    }

    /// Whether a URL may be reached; without a port it is the scheme's own.
    pub fn permits_url(&self, url: &Uri) -> bool {
        let (Some(scheme), Some(host)) = (url.scheme_str(), url.host()) else { return false };
        self.permits_port(scheme, host, url.port_u16().or_else(|| default_port(scheme)))
    }

    /// Whether the application's own routes may be reached; `self` has no port.
    pub fn permits_self(&self) -> bool {
        let http = |entry: &Entry| entry.scheme.permits("http") || entry.scheme.permits("https");
        self.entries.iter().any(|entry| http(entry) && matches!(entry.host, HostRule::Any | HostRule::Own))
    }
}

/// The component that a host names as `ID.spin.internal`.
pub fn chained_component(host: &str) -> Option<&str> {
    host.strip_suffix(CHAINING_SUFFIX).filter(|id| !id.is_empty() && !id.contains('.'))
}

/// Whether a host stands for the application's own routes. `self.alt` is for clients that
/// insist on a host with a dot.
pub fn is_self(host: &str) -> bool {
    matches!(host, "self" | "self.alt")
}

/// The port of a scheme when a URL names none.
pub fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        "postgres" => Some(5432),
        "mysql" => Some(3306),
        "redis" => Some(6379),
        "mqtt" => Some(1883),
        _ => None,
    }
}

fn is_template(entry: &str) -> bool {
    entry.contains("{{")
}

fn bounded(entries: &[String]) -> Result<&[String], InvalidHost> {
    if entries.len() > ENTRIES_MAX {
        return Err(InvalidHost {
            entry: entries[ENTRIES_MAX].clone(),
            reason: format!("there are more than {ENTRIES_MAX} entries"),
        });
    }
    match entries.iter().find(|entry| entry.len() > ENTRY_LENGTH_MAX) {
        Some(entry) => Err(InvalidHost {
            entry: entry.chars().take(40).collect(),
            reason: format!("longer than {ENTRY_LENGTH_MAX} bytes"),
        }),
        None => Ok(entries),
    }
}

/// Reads a host as the WHATWG URL standard does, so that every spelling of an address is
/// the same address.
fn parse_host(host: &str) -> Option<Host> {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Some(Host::Ipv4(address)),
        Ok(IpAddr::V6(address)) => Some(Host::Ipv6(address)),
        Err(_) => Host::parse(host).ok(),
    }
}

impl Entry {
    fn parse(entry: &str) -> Result<Self, String> {
        let entry = entry.trim();
        if entry == "insecure:allow-all" {
            return Err("Spin no longer takes it; `*://*:*` allows everything".into());
        }
        let Some((scheme, rest)) = entry.split_once("://") else {
            return Err("an entry is SCHEME://HOST[:PORT], where each may be *".into());
        };
        let (host, port) = match rest.rsplit_once(':') {
            None => (rest, None),
            Some((host, "")) => (host, None),
            // The colon may be one of an address of IP version 6.
            Some(_) if HostRule::parse(rest).is_ok() => (rest, None),
            Some((host, port)) => (host, Some(port.strip_suffix('/').unwrap_or(port))),
        };
        let ports = match (port, default_port(scheme)) {
            (Some(port), _) => Ports::parse(port)?,
            (None, Some(port)) => Ports::One(port),
            (None, None) => return Err(format!("scheme `{scheme}` has no port of its own; name one, or *")),
        };
        Ok(Self { scheme: Scheme::parse(scheme)?, host: HostRule::parse(host)?, ports })
    }
}

impl Scheme {
    fn parse(scheme: &str) -> Result<Self, String> {
        if scheme == "*" {
            return Ok(Self::Any);
        }
        if scheme.is_empty() || !scheme.chars().all(char::is_alphabetic) {
            return Err("a scheme is letters, or *".into());
        }
        Ok(Self::Named(scheme.to_owned()))
    }

    fn permits(&self, scheme: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Named(name) => name == scheme,
        }
    }
}

impl std::fmt::Display for HostRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Under(suffix) => write!(f, "*{suffix}"),
            Self::Own => f.write_str("self"),
            Self::Exactly(host) => host.fmt(f),
            Self::Network(network) => network.fmt(f),
        }
    }
}

impl HostRule {
    fn parse(host: &str) -> Result<Self, String> {
        let host = host.trim();
        if host == "*" {
            return Ok(Self::Any);
        }
        if is_self(host) {
            return Ok(Self::Own);
        }
        if host.starts_with('{') {
            return Err("lists of hosts are not known; write an entry for each".into());
        }
        if let Ok(network) = host.parse::<IpNet>() {
            return Ok(Self::Network(network.trunc()));
        }
        let host = host.strip_suffix('/').unwrap_or(host);
        if host.contains('/') {
            return Err("an entry has no path".into());
        }
        if let Some(domain) = host.strip_prefix("*.").filter(|domain| !domain.contains('*')) {
            return match Host::parse(domain) {
                Ok(Host::Domain(domain)) => Ok(Self::Under(format!(".{domain}"))),
                _ => Err("*. is followed by a domain".into()),
            };
        }
        if host.contains('*') {
            return Err("a host has * only in front, as *.DOMAIN".into());
        }
        Host::parse(host).map(Self::Exactly).map_err(|error| format!("not a host: {error}"))
    }

    fn permits(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Under(suffix), Host::Domain(domain)) => domain.ends_with(suffix),
            (Self::Exactly(exactly), host) => exactly == host,
            (Self::Network(network), Host::Ipv4(address)) => network.contains(&IpAddr::V4(*address)),
            (Self::Network(network), Host::Ipv6(address)) => network.contains(&IpAddr::V6(*address)),
            // A name is not looked up to find out whether it leads into a network. The
            // application itself is asked for apart.
            (Self::Under(_) | Self::Network(_) | Self::Own, _) => false,
        }
    }
}

impl Ports {
    fn parse(port: &str) -> Result<Self, String> {
        if port == "*" {
            return Ok(Self::Any);
        }
        let number = |text: &str| text.parse::<u16>().map_err(|_| format!("`{text}` is not a port"));
        match port.split_once("..") {
            Some((start, end)) => Ok(Self::Range(number(start)?..number(end)?)),
            None => Ok(Self::One(number(port)?)),
        }
    }

    /// A scheme may have no port of its own; then only `*` permits a URL without one.
    fn permits(&self, port: Option<u16>) -> bool {
        match self {
            Self::Any => true,
            Self::One(one) => port == Some(*one),
            Self::Range(range) => port.is_some_and(|port| range.contains(&port)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(entries: &[&str]) -> AllowedHosts {
        let entries: Vec<String> = entries.iter().map(ToString::to_string).collect();
        AllowedHosts::parse(&entries, &values()).expect("valid entries")
    }

    fn values() -> BTreeMap<String, String> {
        let values = [("name", "db.example.com"), ("port", "1234"), ("empty", ""), ("odd", "no host!")];
        values.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Whether the one entry permits the URL.
    fn permits(entry: &str, url: &str) -> bool {
        allowed(&[entry]).permits_url(&url.parse().expect("a URL"))
    }

    #[test]
    fn nothing_is_allowed_without_an_entry() {
        assert!(!AllowedHosts::default().permits("http", "example.com", 80));
        assert!(!AllowedHosts::default().permits_self());
    }

    #[test]
    fn an_entry_permits_its_scheme_host_and_port_only() {
        for (entry, url) in [
            ("http://example.com", "http://example.com/a/b?c"),
            ("http://example.com/", "http://EXAMPLE.com:80"),
            ("http://example.com:", "http://example.com"),
            ("https://example.com", "https://example.com"),
            ("https://example.com:8443/", "https://example.com:8443"),
            ("*://example.com:443", "https://example.com"),
            ("postgres://example.com", "postgres://example.com:5432"),
            ("http://example.com:8000..8010", "http://example.com:8009"),
            ("http://example.com:*", "http://example.com:9"),
            ("http://*", "http://example.com"),
            ("http://*.Example.com", "http://a.b.example.com"),
            ("*://*:*", "ftp://192.0.2.1:1"),
            ("*://*:*", "ftp://192.0.2.1"),
            ("http://[::1]", "http://[::1]"),
            ("http://[::1]:8080", "http://[0:0::1]:8080"),
            ("http://192.0.2.1", "http://192.0.2.1"),
            ("http://192.0.2.77/24", "http://192.0.2.1"),
            ("*://10.0.0.0/8:9", "http://10.1.2.3:9"),
            ("http://2001:db8::/32", "http://[2001:db8::1]"),
            ("http://2001:db8::/32:443", "http://[2001:db8::1]:443"),
            ("http://{{ name }}:{{ port }}", "http://db.example.com:1234"),
            ("http://ledger.spin.internal", "http://ledger.spin.internal"),
            ("http://*.spin.internal", "http://ledger.spin.internal"),
        ] {
            assert!(permits(entry, url), "{entry} should permit {url}");
        }
        for (entry, url) in [
            ("http://example.com", "https://example.com"),
            ("http://example.com", "http://example.com:8080"),
            ("http://example.com", "http://www.example.com"),
            ("http://example.com", "http://example.com.evil.test"),
            ("http://example.com:8000..8010", "http://example.com:8010"),
            ("http://*.example.com", "http://example.com"),
            ("http://*.example.com", "http://myexample.com"),
            ("http://*.example.com", "http://a.example.com:81"),
            ("http://192.0.2.0/24", "http://192.0.3.1"),
            ("http://192.0.2.0/24", "http://example.com"),
            ("http://[::1]", "http://[::2]"),
            ("http://self", "http://self"),
            ("http://self", "http://127.0.0.1"),
        ] {
            assert!(!permits(entry, url), "{entry} should not permit {url}");
        }
    }

    #[test]
    fn what_may_be_reached_is_told_by_its_entry() {
        let allowed = allowed(&["https://a.test", "https://*.b.test", "http://10.0.0.0/8", "http://self"]);
        for (url, expected) in [
            ("https://a.test/path?query", Some("a.test")),
            ("https://anything.b.test", Some("*.b.test")),
            ("http://10.1.2.3", Some("10.0.0.0/8")),
            ("http://self/path", Some("self")),
            ("https://other.test", None),
        ] {
            assert_eq!(allowed.rule(&url.parse().expect("a URL")).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn an_address_of_version_six_needs_no_brackets() {
        let allowed = allowed(&["postgres://[::1]:5432"]);
        assert!(allowed.permits("postgres", "::1", 5432));
        assert!(allowed.permits("postgres", "[::1]", 5432));
    }

    #[test]
    fn the_application_itself_is_allowed_by_self_or_by_everything() {
        for entry in ["http://self", "https://self.alt", "http://*", "*://*:*", "*://self:*"] {
            assert!(allowed(&[entry]).permits_self(), "{entry}");
        }
        for entry in ["http://example.com", "redis://*", "http://*.spin.internal"] {
            assert!(!allowed(&[entry]).permits_self(), "{entry}");
        }
    }

    #[test]
    fn a_malformed_entry_is_refused() {
        for entry in [
            "",
            "*",
            ":",
            "?",
            "example.com",
            "example.com:80",
            "[::1]:80",
            "http://example.com/a",
            "http://example.com:80/a",
            "http://example.com//",
            "http://self//",
            "http://*.example.com/a",
            "http://example.com:port",
            "http://example.com:99999",
            "http://example.com:80..70000",
            "http://example.com:80..",
            "http://example.com:80:90",
            "http://self:port",
            "http://*:port",
            "http://a*.example.com",
            "http://*.*.com",
            "http://*.",
            "http://*.127.0.0.1",
            "http://*.[::1]",
            "http://[::1",
            "http://[::1]junk",
            "http://[::1]/a",
            "http://ff00::/8/a",
            "http://exa mple.com",
            "http://{a,b}.example.com",
            "http://example.com:{80,81}",
            "{http,https}://example.com",
            "*://example.com",
            "smtp://example.com",
            "ht2p://example.com:80",
            "insecure:allow-all",
        ] {
            assert!(AllowedHosts::check(&[entry.to_owned()]).is_err(), "{entry} should be refused");
            assert!(AllowedHosts::parse(&[entry.to_owned()], &values()).is_err(), "{entry}");
        }
    }

    #[test]
    fn a_template_that_is_empty_allows_nothing_and_a_bad_one_is_refused_without_its_value() {
        assert_eq!(allowed(&["https://{{ empty }}", "{{ empty }}"]), AllowedHosts::default());
        AllowedHosts::check(&["http://{{ odd }}".to_owned()]).expect("not known yet");
        let refused = AllowedHosts::parse(&["http://{{ odd }}".to_owned()], &values()).expect_err("refused");
        assert!(!refused.to_string().contains("no host!"), "{refused}");
        assert!(AllowedHosts::parse(&["http://{{ missing }}".to_owned()], &values()).is_err());
    }

    #[test]
    fn a_host_names_a_component_by_its_id() {
        assert_eq!(chained_component("ledger.spin.internal"), Some("ledger"));
        for host in ["spin.internal", ".spin.internal", "a.b.spin.internal", "ledger.spin.internal.test"] {
            assert_eq!(chained_component(host), None, "{host}");
        }
    }
}

//! The DNS service's limits, and the components with scheduled work.

use super::{CACHE_BYTES_MAX, Resolver};
use crate::manifest::{DnsLimits, ManifestError, schema};
use crate::networks;
use ipnet::IpNet;

/// How many components may have scheduled work: each has an instance of its own.
const SCHEDULED_MAX: usize = 16;
/// The most connections, which each may hold a few hundred KiB.
const CONNECTIONS_MAX: u64 = 65_536;
/// The most transfers at once.
const TRANSFERS_MAX: u64 = 1024;
/// The most networks that are exempt: each question looks through all of them.
const EXEMPT_MAX: usize = 64;

impl Resolver {
    pub(super) fn dns(&self, tool: Option<schema::DnsTool>) -> Result<DnsLimits, ManifestError> {
        let Some(tool) = tool else {
            return Ok(DnsLimits::default());
        };
        let default = DnsLimits::default();
        let bounded = |field: &str, given: Option<u64>, default: u64, min: u64, max: u64| {
            let value = given.unwrap_or(default);
            if (min..=max).contains(&value) {
                return Ok(value);
            }
            self.refuse(key(field), format!("{value} is not between {min} and {max}"))
        };
        let count = |field: &str, given: Option<u64>, default: usize, max: u64| {
            let count = bounded(field, given, default as u64, 1, max)?;
            Ok(usize::try_from(count).unwrap_or(usize::MAX))
        };
        Ok(DnsLimits {
            answers_per_second_max: tool.answers_per_second_max.unwrap_or(default.answers_per_second_max),
            queries_per_second_max: tool.queries_per_second_max.unwrap_or(default.queries_per_second_max),
            connections_max: count(
                "connections_max",
                tool.connections_max,
                default.connections_max,
                CONNECTIONS_MAX,
            )?,
            connections_per_source_max: count(
                "connections_per_source_max",
                tool.connections_per_source_max,
                default.connections_per_source_max,
                CONNECTIONS_MAX,
            )?,
            transfers_max: count("transfers_max", tool.transfers_max, default.transfers_max, TRANSFERS_MAX)?,
            cache_bytes_max: bounded(
                "cache_bytes_max",
                tool.cache_bytes_max,
                default.cache_bytes_max,
                0,
                CACHE_BYTES_MAX,
            )?,
            exempt_networks: match tool.exempt_networks {
                Some(networks) => self.networks(&networks)?,
                None => default.exempt_networks,
            },
        })
    }

    fn networks(&self, networks: &[String]) -> Result<Vec<IpNet>, ManifestError> {
        if networks.len() > EXEMPT_MAX {
            return self.refuse(key("exempt_networks"), format!("at most {EXEMPT_MAX}"));
        }
        let network = |text: &String| match networks::parse(text) {
            Some(network) => Ok(network),
            None => self.refuse(key("exempt_networks"), format!("`{text}` is not a network")),
        };
        networks.iter().map(network).collect()
    }

    pub(super) fn check_scheduled(&self, scheduled: &[String]) -> Result<(), ManifestError> {
        let key = "application.tool.vwp.scheduled";
        if scheduled.len() > SCHEDULED_MAX {
            return self.refuse(key, format!("at most {SCHEDULED_MAX} components"));
        }
        for (at, component) in scheduled.iter().enumerate() {
            self.known(key, component)?;
            if scheduled[..at].contains(component) {
                return self.refuse(key, format!("`{component}` is named twice"));
            }
        }
        Ok(())
    }
}

fn key(field: &str) -> String {
    format!("application.tool.vwp.dns.{field}")
}

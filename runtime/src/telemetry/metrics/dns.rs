//! DNS questions over UDP, TCP and TLS. Those over HTTPS are requests of a route, and counted there.

use super::seconds;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::OnceLock;
use std::time::Duration;
use vwp_dns::edge::Transport;

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The packet cache.
    Hit,
    /// The component.
    Miss,
    /// The component, which somebody else had asked the same.
    Shared,
    /// The packet cache, because the component had none (RFC 8767).
    Stale,
    /// The host: it needed no zone, or was refused.
    Host,
}

/// In the order of [`Source`].
const SOURCES: [&str; 5] = ["hit", "miss", "shared", "stale", "none"];
const TRANSPORTS: [&str; 4] = ["udp", "tcp", "tls", "https"];
/// The codes that are told apart (RFC 1035, section 4.1.1; RFC 2136, section 2.2). `dropped` is
/// what was not answered.
const CODES: [&str; 12] = [
    "noerror", "formerr", "servfail", "nxdomain", "notimp", "refused", "yxdomain", "yxrrset", "nxrrset",
    "notauth", "other", "dropped",
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueryLabels {
    transport: &'static str,
    rcode: &'static str,
    cache: &'static str,
}

type Cells = [[[OnceLock<Counter>; SOURCES.len()]; CODES.len()]; TRANSPORTS.len()];

/// What is counted of DNS.
pub struct Dns {
    queries: Family<QueryLabels, Counter>,
    cells: Box<Cells>,
    resolver: Histogram,
}

impl Dns {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let dns = Self { queries: Family::default(), cells: Box::default(), resolver: seconds() };
        registry.register(
            "dns_queries",
            "DNS messages by transport, the answer's code, and where the answer came from",
            dns.queries.clone(),
        );
        registry.register(
            "dns_resolver_duration_seconds",
            "Time that the component took for an answer",
            dns.resolver.clone(),
        );
        dns
    }

    /// A message was answered with this, or not at all.
    pub fn answered(&self, transport: Transport, answer: Option<&[u8]>, source: Source) {
        let transport = match transport {
            Transport::Udp => 0,
            Transport::Tcp => 1,
            Transport::Tls => 2,
            Transport::Https => 3,
        };
        let code = code(answer);
        let source = source as usize;
        let counter = self.cells[transport][code][source].get_or_init(|| {
            let labels =
                QueryLabels { transport: TRANSPORTS[transport], rcode: CODES[code], cache: SOURCES[source] };
            self.queries.get_or_create_owned(&labels)
        });
        counter.inc();
    }

    /// The component took this long.
    pub fn resolved(&self, took: Duration) {
        self.resolver.observe(took.as_secs_f64());
    }
}

/// Which code an answer has: the lower half of the fourth byte (RFC 1035, section 4.1.1).
fn code(answer: Option<&[u8]>) -> usize {
    const OTHER: usize = CODES.len() - 2;
    let Some(answer) = answer else { return CODES.len() - 1 };
    match answer.get(3).map(|flags| usize::from(flags & 0x0f)) {
        Some(code) if code < OTHER => code,
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_s_code_is_told_by_its_name() {
        let name = |flags: u8| CODES[code(Some(&[0, 0, 0x84, flags]))];
        assert_eq!((name(0), name(2), name(3), name(5)), ("noerror", "servfail", "nxdomain", "refused"));
        assert_eq!((name(0x80), name(9), name(10), name(15)), ("noerror", "notauth", "other", "other"));
        assert_eq!((CODES[code(None)], CODES[code(Some(&[]))]), ("dropped", "other"));
    }
}

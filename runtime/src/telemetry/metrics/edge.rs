//! Connections: how many there are, which the host ended itself, and the certificate of TLS.

use super::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// What came of reading a certificate again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// It is used from then on.
    Loaded,
    /// It cannot be used, and the old one still is.
    Failed,
}

/// In the order of [`Reload`].
const RELOADS: [&str; 2] = ["loaded", "failed"];

/// Which HTTP a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 (RFC 9112).
    Http1,
    /// HTTP/2 (RFC 9113).
    Http2,
}

/// In the order of [`Protocol`], by the names that IANA has for TLS (RFC 7301).
const PROTOCOLS: [&str; 2] = ["http/1.1", "h2"];

/// Where a connection came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// Where HTTP is served.
    Http,
    /// Where DNS is, over TCP and TLS.
    Dns,
}

/// In the order of [`Listener`].
const LISTENERS: [&str; 2] = ["http", "dns"];

/// Why the host ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The TLS handshake failed.
    HandshakeFailed,
    /// It took too long.
    HandshakeTimeout,
    /// A proxy sent no PROXY header.
    ProxyHeader,
    /// A request's head took too long, or none came.
    HeadTimeout,
    /// The client took nothing of what it was sent.
    WriteTimeout,
    /// It did not answer a ping (RFC 9113, section 6.7).
    PingTimeout,
}

/// In the order of [`Ended`].
const REASONS: [&str; 6] = [
    "handshake_failed",
    "handshake_timeout",
    "proxy_header",
    "head_timeout",
    "write_timeout",
    "ping_timeout",
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProtocolLabels {
    protocol: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndedLabels {
    listener: &'static str,
    reason: &'static str,
}

/// What is counted of connections.
pub struct Edge {
    not_after: Gauge,
    /// In the order of [`RELOADS`].
    reloads: [Counter; RELOADS.len()],
    /// In the order of [`PROTOCOLS`].
    connections: [Gauge; PROTOCOLS.len()],
    /// In the order of [`LISTENERS`] and [`REASONS`].
    ended: [[Counter; REASONS.len()]; LISTENERS.len()],
}

impl Edge {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let (reloads, connections, ended) = (
            Family::<ReloadLabels, Counter>::default(),
            Family::<ProtocolLabels, Gauge>::default(),
            Family::<EndedLabels, Counter>::default(),
        );
        let edge = Self {
            not_after: Gauge::default(),
            reloads: RELOADS.map(|outcome| reloads.get_or_create_owned(&ReloadLabels { outcome })),
            connections: PROTOCOLS
                .map(|protocol| connections.get_or_create_owned(&ProtocolLabels { protocol })),
            ended: LISTENERS.map(|listener| {
                REASONS.map(|reason| ended.get_or_create_owned(&EndedLabels { listener, reason }))
            }),
        };
        registry.register(
            "tls_certificate_not_after_timestamp_seconds",
            "When the certificate of TLS ends, since the Unix epoch; 0 without one",
            edge.not_after.clone(),
        );
        registry.register(
            "tls_certificate_reloads",
            "How often the certificate of TLS was read again, by what came of it",
            reloads,
        );
        registry.register(
            "http_server_connections",
            "Connections of HTTP clients, idle ones included",
            connections,
        );
        registry.register(
            "connections_ended",
            "Connections that the host ended because of their clients",
            ended,
        );
        edge
    }

    /// The certificate ends then, in seconds since the Unix epoch.
    pub fn certificate_ends(&self, at_s: u64) {
        self.not_after.set(i64::try_from(at_s).unwrap_or(i64::MAX));
    }

    /// The certificate was read again.
    pub fn reloaded(&self, outcome: Reload) {
        self.reloads[outcome as usize].inc();
    }

    /// A connection was ended.
    pub fn ended(&self, listener: Listener, reason: Ended) {
        self.ended[listener as usize][reason as usize].inc();
    }

    /// There is a connection, until what this gives out is dropped.
    pub fn connected(&self, protocol: Protocol) -> Connected {
        let connections = &self.connections[protocol as usize];
        connections.inc();
        Connected(connections.clone())
    }
}

impl Metrics {
    /// What is counted of connections.
    pub fn edge(&self) -> Arc<Edge> {
        self.edge.clone()
    }
}

/// One connection.
#[derive(Debug)]
pub struct Connected(Gauge);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

//! The DNS service: UDP, TCP (RFC 7766, RFC 9210) and TLS (RFC 7858) in front of the
//! resolver component.
//!
//! A message comes in by [`udp`] or [`stream`]. [`service`] reads it, answers what needs no
//! zone, looks in the [`cache`], asks the [`resolver`] unless the same question is under way
//! ([`crate::flights`]), and makes the asker's answer of what
//! it finds; [`guard`] bounds what one source may have. [`notify`] tells other name servers
//! of changes. What a message means is `vwp_dns::edge`'s, and what is in a zone is the
//! component's: the host knows neither.

pub mod arguments;
mod bindings;
pub mod cache;
pub mod changes;
pub mod guard;
pub mod notify;
mod outage;
pub mod rates;
pub mod resolver;
pub mod service;
pub mod sockets;
mod stream;
mod udp;

pub use resolver::Resolver;
pub use sockets::Sockets;

use crate::flights::Flights;
use crate::manifest::DnsLimits;
use crate::networks::BlockedNetworks;
use crate::proxy::Proxies;
use crate::telemetry::metrics;
use cache::Cache;
use changes::Changes;
use guard::Guard;
use notify::Notifier;
use service::{Identity, Service};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Notify, Semaphore, watch};
use vwp_store::Engine;

/// How the DNS service is run.
pub struct Options {
    /// What the server says of itself.
    pub identity: Identity,
    /// What bounds it.
    pub limits: DnsLimits,
    /// Where nothing may be sent to.
    pub blocked: BlockedNetworks,
    /// Whose connections begin with the address of their client.
    pub proxies: Proxies,
    /// Where questions are counted, if they are.
    pub metrics: Option<Arc<metrics::Dns>>,
    /// Where connections are, if they are.
    pub edge: Option<Arc<metrics::Edge>>,
}

/// The DNS service.
pub struct Dns {
    service: Arc<Service>,
    notifier: Notifier,
    connections_max: usize,
}

impl Dns {
    /// In front of a resolver that keeps its state in this store.
    pub fn new(resolver: Resolver, store: &Arc<dyn Engine>, options: Options) -> Self {
        let limits = options.limits;
        let connections_max = limits.connections_max;
        let cache =
            (limits.cache_bytes_max > 0).then(|| Cache::new(limits.cache_bytes_max, Changes::of(store)));
        let service = Service {
            resolver: resolver.clone(),
            cache,
            flights: Flights::default(),
            transfers: Semaphore::new(limits.transfers_max),
            guard: Guard::new(limits, Instant::now()),
            identity: options.identity,
            outage: outage::Outage::default(),
            metrics: options.metrics,
            proxies: options.proxies,
            edge: options.edge,
        };
        Self {
            service: Arc::new(service),
            notifier: Notifier::new(resolver, options.blocked),
            connections_max,
        }
    }

    /// Serves until `stop` turns true, then lets questions in flight end. After each ring
    /// there may be something to tell other name servers.
    pub async fn serve(self, sockets: Sockets, ring: Arc<Notify>, stop: watch::Receiver<bool>) {
        let notifier = self.notifier.run(ring, stop.clone());
        tokio::join!(sockets.serve(self.service, self.connections_max, stop), notifier);
    }
}

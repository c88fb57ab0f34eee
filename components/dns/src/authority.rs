//! The zones that this port is the authority for: its own, those of domains that it hosts, and
//! the catalog of them.

use crate::DnsError;
use crate::catalog;
use crate::name::OwnName;
use crate::publish::{self, Head};
use crate::zone::{Policy, Zone};
use crate::zones;
use vwp_core::Environment;
use vwp_storage::Kv;

/// The zones, and the rules that they are kept by.
#[derive(Debug, Clone)]
pub struct Authority {
    main: Zone,
    catalog: Zone,
    policy: Policy,
    catalog_policy: Policy,
}

impl Authority {
    /// The authority for a port's zone and for those that it hosts.
    pub fn new(main: Zone, policy: Policy) -> Self {
        let catalog = catalog::zone(&main);
        Self { catalog_policy: catalog::policy(&policy), main, catalog, policy }
    }

    /// The port's own zone.
    pub fn main(&self) -> &Zone {
        &self.main
    }

    /// The zone that lists the others (RFC 9432).
    pub fn catalog(&self) -> &Zone {
        &self.catalog
    }

    /// The rules that a zone is kept by.
    pub fn policy(&self, zone: &Zone) -> &Policy {
        if *zone == self.catalog { &self.catalog_policy } else { &self.policy }
    }

    /// The zone with this apex, in lower case; none if there is none.
    pub async fn zone_at<S: Kv>(&self, store: &S, apex: &OwnName) -> Result<Option<Zone>, DnsError> {
        if self.catalog.apex() == apex {
            return Ok(Some(self.catalog.clone()));
        }
        let found = zones::find(store, &self.main, apex).await?;
        Ok(found.zone.filter(|zone| zone.apex() == apex))
    }

    /// The current head of a zone, which is published if it is due.
    pub async fn publish<S: Kv>(
        &self,
        store: &S,
        zone: &Zone,
        environment: &Environment<'_>,
    ) -> Result<Head, DnsError> {
        if *zone == self.catalog {
            catalog::refresh(store, self, environment).await?;
        }
        publish::publish(store, zone, self.policy(zone), environment).await
    }

    /// The head that covers all that was committed before, published now if need be: for whoever
    /// asks seldom and wants all of it.
    pub async fn publish_now<S: Kv>(
        &self,
        store: &S,
        zone: &Zone,
        environment: &Environment<'_>,
    ) -> Result<Head, DnsError> {
        let policy = Policy { publish_every_ms: 0, ..self.policy(zone).clone() };
        publish::publish(store, zone, &policy, environment).await
    }
}

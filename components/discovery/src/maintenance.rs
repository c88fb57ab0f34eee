//! The scheduled work: what falls due without anybody asking for it. A host with a timer calls
//! it (`vwp:timer/scheduled`); elsewhere something like cron does, over HTTP.
//!
//! Each call does a bounded amount of each kind of work and says when it wants to be called
//! again. Two hosts that call at once only repeat each other's reading.

use crate::index::compact::{self, Folded};
use crate::index::decay;
use crate::lease::guard::Leases;
use crate::lease::sweep;
use crate::{browsing, changes, keys, operators, options};
use domain::base::iana::Rtype as Type;
use serde::Serialize;
use std::net::IpAddr;
use vwp_core::{Environment, Problem, keyring};
use vwp_dns::edit::{self, Content, Edit};
use vwp_dns::name::OrderedName;
use vwp_dns::node::{Node, Set};
use vwp_dns::zone::{Policy, Zone};
use vwp_dns::{DnsError, refresh, zones};
use vwp_storage::Kv;
use vwp_storage::kv::Write;

/// How long there is nothing to do at the most, in milliseconds.
const IDLE_MS: u32 = 1000;
/// When to go on if a portion was not all.
const SOON_MS: u32 = 10;
/// How many hosted zones one call looks after.
const ZONES_MAX: u32 = 32;
/// Where the round through the hosted zones has come to.
const ROUND: &str = "discovery/maintenance/zones";

/// What a call did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// After how many milliseconds there is more to do.
    pub next_ms: u32,
    /// How many worlds ended because their record or their lease did.
    pub ended: u64,
    /// The leases, after that.
    pub leases: Leases,
}

/// Does what is due.
pub async fn run<S: Kv>(store: &S, environment: &Environment<'_>) -> Result<Report, Problem> {
    let zone = options::zone(environment.settings)?;
    let policy = options::policy(environment.settings)?;
    let mut next_ms = refresh::maintain(store, &zone, &policy, environment).await?.min(IDLE_MS);
    address_nameserver(store, environment, &zone, &policy).await?;
    browsing::refresh(store, environment, &zone, &policy).await?;
    next_ms = next_ms.min(maintain_hosted(store, environment, &policy).await?);
    let swept = sweep::sweep(store, environment).await?;
    vwp_dns::tsig::keys::reseal(store, environment).await?;
    keyring::reseal(store, keys::ZONE_KEYRING, environment).await?;
    let folded = compact::run(store, compact::DELTAS_MIN).await?;
    let is_more = operators::complete_recoveries(store, environment).await?
        | zones::clear(store).await?
        | decay::run(store, environment).await?
        | changes::prune(store, environment).await?
        | matches!(folded, Folded::Some(_))
        | swept.is_more;
    Ok(Report {
        next_ms: if is_more { SOON_MS } else { next_ms },
        ended: swept.ended,
        leases: Leases::read(store, environment).await?,
    })
}

/// Gives the port's own name server its address, where the port is known by an address alone
/// and its name server's name is therefore in the zone itself.
async fn address_nameserver<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    zone: &Zone,
    policy: &Policy,
) -> Result<(), Problem> {
    let Some(address) = options::own_address(environment.settings)? else {
        return Ok(());
    };
    let name = policy.nameservers.first().and_then(|name| OrderedName::of(name, zone.apex()));
    let Some(name) = name.filter(|name| !name.is_apex()) else {
        return Ok(());
    };
    let (rtype, data) = match address {
        IpAddr::V4(address) => (Type::A, address.octets().to_vec()),
        IpAddr::V6(address) => (Type::AAAA, address.octets().to_vec()),
    };
    let set = Set::new(rtype, policy.apex_ttl_s, vec![data]);
    let node = store.get(&zone.node(&name)).await?.and_then(|entry| Node::decode(&entry.value));
    let has_it = node.as_ref().and_then(|node| node.set(rtype));
    if has_it.is_some_and(|known| (known.ttl_s, &known.data) == (set.ttl_s, &set.data)) {
        return Ok(());
    }
    let edit = Edit::from([(name, Some(Content { sets: vec![set], glue: Vec::new() }))]);
    let signer = vwp_dns::keys::signer(store, zone, policy, environment).await?;
    let plan = edit::plan(store, zone, policy, Some(&signer), &edit, environment.now_seconds()).await?;
    match plan.commit(store).await {
        // The next call does it.
        Ok(_) | Err(DnsError::Conflict) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Looks after a portion of the zones that the port hosts for operators.
async fn maintain_hosted<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    policy: &Policy,
) -> Result<u32, Problem> {
    let place = store.get(ROUND.as_bytes()).await?;
    let after = place.as_ref().and_then(|place| Zone::new(std::str::from_utf8(&place.value).ok()?));
    let hosted = zones::list(store, after.as_ref(), ZONES_MAX).await?;
    let mut next_ms = IDLE_MS;
    for zone in &hosted {
        next_ms = next_ms.min(refresh::maintain(store, zone, policy, environment).await?);
    }
    let is_whole = hosted.len() < ZONES_MAX as usize;
    let write = match hosted.last() {
        Some(last) if !is_whole => Write::put(ROUND, last.apex().to_string()),
        _ if place.is_some() => Write::delete(ROUND),
        _ => return Ok(next_ms),
    };
    store.commit(&[], &[write]).await?;
    Ok(if is_whole { next_ms } else { SOON_MS })
}

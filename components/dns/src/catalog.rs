//! The list of zones that secondaries take over as theirs (catalog zones, RFC 9432).
//!
//! It is a zone of its own, `_catalog` below the port's: no world can have that name, and it
//! differs from port to port, so that a secondary can serve several. It is not signed, is
//! transferred like the others, and answers no questions from resolvers.

use crate::DnsError;
use crate::authority::Authority;
use crate::canonical;
use crate::edit::{self, Content, Edit, Plan};
use crate::name::OrderedName;
use crate::node::Set;
use crate::publish;
use crate::zone::{Policy, Zone};
use domain::base::{Name, Rtype, Ttl};
use domain::rdata::{Ptr, Txt};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use vwp_core::Environment;
use vwp_storage::Kv;
use vwp_storage::kv::Outcome;

/// The label of the catalog below the port's zone.
const LABEL: &str = "_catalog";
/// The version of the catalog's form (RFC 9432, section 4.2.1).
const VERSION: &[u8] = b"2";
/// How long the records may be cached, in seconds. Nobody but secondaries reads them.
const TTL_S: u32 = 60;
/// How often a change is tried when others change the catalog.
const ATTEMPTS_MAX: usize = 16;

/// The catalog of the port whose zone this is.
pub fn zone(main: &Zone) -> Zone {
    let name = format!("{LABEL}.{}", main.apex());
    // Only a name that is full already has no room for a label; its catalog is its own name's.
    Zone::new(&name).unwrap_or_else(|| main.clone())
}

/// The rules that the catalog is kept by, beside those of the other zones.
pub fn policy(policy: &Policy) -> Policy {
    // RFC 9432, section 4.1: the name server is none, because nobody is to ask it.
    let invalid = Name::vec_from_str("invalid").unwrap_or_else(|_| Name::root_vec());
    Policy { nameservers: vec![invalid.clone()], contact: invalid, is_signed: false, ..policy.clone() }
}

/// Makes the catalog if there is none, with the port's own zone in it.
pub async fn refresh<S: Kv>(
    store: &S,
    authority: &Authority,
    environment: &Environment<'_>,
) -> Result<(), DnsError> {
    let catalog = authority.catalog();
    for _ in 0..ATTEMPTS_MAX {
        if store.get(&catalog.node(&version_name())).await?.is_some() {
            return Ok(());
        }
        // The zone's apex is there before anything below it, and published with it.
        publish::create(store, catalog, authority.policy(catalog), environment).await?;
        let version: Txt<Vec<u8>> =
            Txt::build_from_slice(VERSION).map_err(|_| DnsError::Corrupt("the version of the catalog"))?;
        let version = Set::new(Rtype::TXT, TTL_S, vec![canonical::data(&version)?]);
        let (name, member) = member(authority.main())?;
        let edit = Edit::from([
            (version_name(), Some(Content { sets: vec![version], glue: Vec::new() })),
            (name, Some(member)),
        ]);
        let plan = plan_edit(store, authority, &edit, environment).await?;
        if let Outcome::Committed(_) = store.commit(&plan.checks, &plan.writes).await? {
            return Ok(());
        }
    }
    Err(DnsError::Conflict)
}

/// Plans that a zone is in the catalog, or no longer is: a part of the commit by which the
/// port begins or ends to host it.
pub async fn plan<S: Kv>(
    store: &S,
    authority: &Authority,
    zone: &Zone,
    is_member: bool,
    environment: &Environment<'_>,
) -> Result<Plan, DnsError> {
    refresh(store, authority, environment).await?;
    let (name, member) = member(zone)?;
    plan_edit(store, authority, &Edit::from([(name, is_member.then_some(member))]), environment).await
}

async fn plan_edit<S: Kv>(
    store: &S,
    authority: &Authority,
    edit: &Edit,
    environment: &Environment<'_>,
) -> Result<Plan, DnsError> {
    let catalog = authority.catalog();
    edit::plan(store, catalog, authority.policy(catalog), None, edit, environment.now_seconds()).await
}

fn version_name() -> OrderedName {
    OrderedName::apex().child(b"version")
}

/// The name and the record of a member (RFC 9432, section 4.3). The label is made of the
/// zone's name, so that it is the same for as long as the zone is hosted.
fn member(zone: &Zone) -> Result<(OrderedName, Content), DnsError> {
    let hash = Sha256::digest(zone.apex().as_slice());
    let mut label = String::new();
    for byte in hash.iter().take(16) {
        // Writing to a string cannot fail.
        let _ = write!(label, "{byte:02x}");
    }
    let name = OrderedName::apex().child(b"zones").child(label.as_bytes());
    let set = Set::from_records(Rtype::PTR, Ttl::from_secs(TTL_S), [&Ptr::new(zone.apex().clone())])?;
    Ok((name, Content { sets: vec![set], glue: Vec::new() }))
}

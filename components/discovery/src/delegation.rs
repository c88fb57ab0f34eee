//! Subtrees of the zone that other ports serve: `sub.<zone>` and everything below it.
//!
//! In DNS a delegation is a zone cut (NS and DS records, and addresses of name servers that
//! are below it). Lookups over HTTP are sent on to the other port, and registrations at or
//! below the label are refused with its URL. The administrator makes delegations, because
//! whoever has one speaks for every name in it.

use crate::commit::{ATTEMPTS_MAX, Commit, contended, read};
use crate::error::DiscoveryError;
use crate::names;
use crate::registry::holder::Holder;
use crate::{keys, options, projection};
use domain::base::Name;
use domain::base::iana::{DigestAlgorithm, Rtype as Type, SecurityAlgorithm};
use domain::rdata::{Ds, Ns};
use http::Uri;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use vwp_core::environment::Settings;
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem};
use vwp_dns::edit::{self, Content, Edit};
use vwp_dns::name::{OrderedName, OwnName};
use vwp_dns::node::{Glue, Set};
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, KeyRange, Version};

/// How long the records of a delegation may be cached, in seconds.
const TTL_S: u32 = 3600;
/// The most name servers of one delegation.
const NAMESERVERS_MAX: usize = 13;
/// The most addresses of one name server.
const ADDRESSES_MAX: usize = 8;
/// The most DS records of one delegation.
const DS_MAX: usize = 8;
/// The longest URL of a port.
const URL_LENGTH_MAX: usize = 256;
/// The most delegations in a page.
pub const LIMIT_MAX: u32 = 100;

/// A subtree that another port serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// The names of its name servers, 1 to 13.
    pub nameservers: Vec<String>,
    /// The addresses of those that are in the subtree itself, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub addresses: BTreeMap<String, Vec<IpAddr>>,
    /// The DS records of its keys, as in a master file: `12345 13 2 <hexadecimal digits>`.
    /// Without one the subtree is not validated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ds: Vec<String>,
    /// The URL of the other port, without a path.
    pub url: String,
}

/// A delegation with its label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delegated {
    /// The label in the zone.
    pub label: String,
    /// The delegation.
    #[serde(flatten)]
    pub delegation: Delegation,
}

/// A part of the delegations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The delegations, by label.
    pub delegations: Vec<Delegated>,
    /// Where the next page starts.
    pub next: Option<String>,
}

/// The delegation of a label.
pub async fn lookup<S: Kv>(store: &S, label: &WorldName) -> Result<Option<Delegation>, Problem> {
    read(store.get(&keys::delegation(label)).await?.as_ref())
}

/// The delegations, in pages.
pub async fn list<S: Kv>(store: &S, limit: u32, cursor: Option<&str>) -> Result<Page, Problem> {
    let KeyRange { mut start, end } = keys::delegations();
    if let Some(cursor) = cursor {
        // The smallest key after the label's.
        start.extend(cursor.as_bytes());
        start.push(0);
    }
    let page = store.scan(&KeyRange { start, end }, limit.clamp(1, LIMIT_MAX), Direction::Forward).await?;
    let delegated = |item: &vwp_storage::kv::Item| {
        let label = keys::label_of_delegation(&item.key).ok_or_else(Problem::internal)?.to_owned();
        let delegation = read(Some(&item.entry))?.ok_or_else(Problem::internal)?;
        Ok::<_, Problem>(Delegated { label, delegation })
    };
    let delegations: Vec<_> = page.items.iter().map(delegated).collect::<Result<_, _>>()?;
    let last = delegations.last().map(|delegated| delegated.label.clone());
    Ok(Page { next: page.next.and(last), delegations })
}

/// Delegates a label, or changes its delegation. Says whether it is new, and in which commit
/// it was made.
pub async fn delegate<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    label: &WorldName,
    delegation: &Delegation,
) -> Result<(bool, Version), Problem> {
    let content = delegation.content(label, environment.settings)?;
    for _ in 0..ATTEMPTS_MAX {
        let (key, holder_key) = (keys::delegation(label), keys::holder(label));
        let entries = store.get_many(&[key.clone(), holder_key.clone()]).await?;
        let [before, holder] = entries.as_slice() else {
            return Err(Problem::internal());
        };
        let held: Option<Holder> = read(holder.as_ref())?;
        if held.is_some_and(|held| !held.is_free(environment.now_seconds())) {
            return Err(DiscoveryError::NameTaken.into());
        }
        let mut commit = Commit::default();
        commit.require(key.clone(), before.as_ref());
        commit.require(holder_key, holder.as_ref());
        commit.put(key, delegation)?;
        commit.extend(plan(store, environment, label, Some(content.clone())).await?);
        if let Some(version) = commit.apply(store).await? {
            return Ok((before.is_none(), version));
        }
    }
    Err(contended())
}

/// Ends a delegation. None if there is none.
pub async fn revoke<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    label: &WorldName,
) -> Result<Option<Version>, Problem> {
    for _ in 0..ATTEMPTS_MAX {
        let key = keys::delegation(label);
        let Some(before) = store.get(&key).await? else {
            return Ok(None);
        };
        let mut commit = Commit::default();
        commit.require(key.clone(), Some(&before));
        commit.delete(key);
        commit.extend(plan(store, environment, label, None).await?);
        if let Some(version) = commit.apply(store).await? {
            return Ok(Some(version));
        }
    }
    Err(contended())
}

async fn plan<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    label: &WorldName,
    content: Option<Content>,
) -> Result<edit::Plan, Problem> {
    let zone = options::zone(environment.settings)?;
    let policy = options::policy(environment.settings)?;
    let signer = vwp_dns::keys::signer(store, &zone, &policy, environment).await?;
    let edit = Edit::from([(OrderedName::apex().child(label.as_str().as_bytes()), content)]);
    Ok(edit::plan(store, &zone, &policy, Some(&signer), &edit, environment.now_seconds()).await?)
}

impl Delegation {
    /// The records of the zone cut. Refuses what is no delegation.
    fn content(&self, label: &WorldName, settings: &Settings) -> Result<Content, Problem> {
        let cut = own_name(&format!("{label}.{}", settings.zone))?;
        if self.nameservers.is_empty() || self.nameservers.len() > NAMESERVERS_MAX {
            return Err(Problem::bad_request("a delegation has 1 to 13 name servers"));
        }
        if self.ds.len() > DS_MAX {
            return Err(Problem::bad_request("a delegation has at most 8 DS records"));
        }
        check_url(&self.url)?;
        let nameservers: BTreeSet<OwnName> =
            self.nameservers.iter().map(|name| own_name(name)).collect::<Result<_, _>>()?;
        let glue = self.glue(&cut, &nameservers)?;
        let data = nameservers.iter().map(|name| projection::canonical(&Ns::new(name)));
        let data = data.collect::<Option<_>>().ok_or_else(Problem::internal)?;
        let mut sets = vec![Set::new(Type::NS, TTL_S, data)];
        let ds: Vec<Vec<u8>> = self.ds.iter().map(|text| ds(text)).collect::<Result<_, _>>()?;
        if !ds.is_empty() {
            sets.push(Set::new(Type::DS, TTL_S, ds));
        }
        Ok(Content { sets, glue })
    }

    /// The addresses that a referral needs: of the name servers in the subtree, and of no others
    /// (RFC 9471).
    fn glue(&self, cut: &OwnName, nameservers: &BTreeSet<OwnName>) -> Result<Vec<Glue>, Problem> {
        let mut addresses = BTreeMap::new();
        for (name, of_name) in &self.addresses {
            if of_name.is_empty() || of_name.len() > ADDRESSES_MAX {
                return Err(Problem::bad_request("a name server has 1 to 8 addresses"));
            }
            addresses.insert(own_name(name)?, of_name);
        }
        let is_below = |name: &OwnName| name.ends_with(cut);
        if !addresses.keys().all(|name| nameservers.contains(name) && is_below(name)) {
            return Err(Problem::bad_request("addresses are those of name servers in the subtree itself"));
        }
        if !nameservers.iter().all(|name| !is_below(name) || addresses.contains_key(name)) {
            return Err(Problem::bad_request("a name server in the subtree itself needs its addresses"));
        }
        let mut glue = Vec::new();
        for (name, of_name) in addresses {
            let (mut v4, mut v6) = (Vec::new(), Vec::new());
            for address in of_name {
                match address {
                    IpAddr::V4(address) => v4.push(address.octets().to_vec()),
                    IpAddr::V6(address) => v6.push(address.octets().to_vec()),
                }
            }
            let sets = [(Type::A, v4), (Type::AAAA, v6)].into_iter().filter(|(_, data)| !data.is_empty());
            glue.extend(sets.map(|(rtype, data)| Glue {
                name: name.as_slice().to_vec(),
                set: Set::new(rtype, TTL_S, data),
            }));
        }
        Ok(glue)
    }
}

fn own_name(text: &str) -> Result<OwnName, Problem> {
    let name = names::host(text.strip_suffix('.').unwrap_or(text));
    let name = name.and_then(|name| Name::vec_from_str(&name).ok());
    name.ok_or_else(|| Problem::bad_request("a name server is named by a host name"))
}

fn check_url(url: &str) -> Result<(), Problem> {
    let is_plain = |uri: Uri| {
        let has_path = !matches!(uri.path(), "" | "/") || uri.query().is_some() || url.ends_with('/');
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some() && !has_path
    };
    if url.len() > URL_LENGTH_MAX || !url.parse().is_ok_and(is_plain) {
        return Err(Problem::bad_request("url is that of a port: https://host, without a path"));
    }
    Ok(())
}

/// Reads a DS record (RFC 4034, section 5.3).
fn ds(text: &str) -> Result<Vec<u8>, Problem> {
    let bad = || {
        Problem::bad_request(
            "a DS record is `tag algorithm digest-type digest` with a digest of SHA-256 or SHA-384",
        )
    };
    let mut parts = text.split_ascii_whitespace();
    let mut number = || parts.next()?.parse::<u16>().ok();
    let (tag, algorithm, digest_type) = (number(), number(), number());
    let (tag, algorithm, digest_type) = tag
        .zip(algorithm)
        .zip(digest_type)
        .map(|((tag, algorithm), digest)| (tag, algorithm, digest))
        .ok_or_else(bad)?;
    let digest: String = parts.collect();
    // RFC 8624, section 3.3: the digests that are neither weak nor unknown.
    let length = match digest_type {
        2 => 32,
        4 => 48,
        _ => return Err(bad()),
    };
    if digest.len() != length * 2 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(bad());
    }
    let byte = |at: usize| u8::from_str_radix(digest.get(at * 2..at * 2 + 2)?, 16).ok();
    let digest = (0..length).map(byte).collect::<Option<Vec<u8>>>().ok_or_else(bad)?;
    let algorithm = u8::try_from(algorithm).map_err(|_| bad())?;
    let digest_type = u8::try_from(digest_type).map_err(|_| bad())?;
    let ds =
        Ds::new(tag, SecurityAlgorithm::from_int(algorithm), DigestAlgorithm::from_int(digest_type), digest);
    projection::canonical(&ds.map_err(|_| bad())?).ok_or_else(bad)
}

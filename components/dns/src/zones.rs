//! The zones that the port hosts besides its own: domains that belong to operators.
//!
//! `discovery/hosted/<apex>` says that a zone is hosted, `discovery/unhosted/<apex>` that what
//! it held is being removed. The apex is written so that names under it follow it
//! ([`OrderedName`]): no hosted zone is inside another one.

use crate::edit::Plan;
use crate::error::DnsError;
use crate::name::{OrderedName, OwnName};
use crate::zone::Zone;
use domain::base::Name;
use domain::base::name::ToName;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, Key, KeyRange, Outcome, Write};

/// What the keys of hosted zones start with.
const HOSTED: &[u8] = b"discovery/hosted/";
/// What the keys of zones that are being removed start with.
const UNHOSTED: &[u8] = b"discovery/unhosted/";
/// The key that is written whenever a zone is added.
const ADDED: &[u8] = b"discovery/hosted-added";
/// How many keys one commit removes.
const CLEAR_MAX: u32 = 200;

/// The key that says whether the zone of an apex is hosted.
pub fn key(apex: &impl ToName) -> Key {
    let ordered = OrderedName::of(apex, &Name::root_vec()).unwrap_or_default();
    [HOSTED, ordered.as_bytes()].concat()
}

/// The zone that is the authority for a name: the port's own, or the hosted one. `read` are the
/// keys that the answer depends on.
pub async fn find<S: Kv>(store: &S, main: &Zone, name: &impl ToName) -> Result<Found, DnsError> {
    if name.ends_with(main.apex()) {
        return Ok(Found { zone: Some(main.clone()), read: Vec::new() });
    }
    let mut names: Vec<OrderedName> = OrderedName::of(name, &Name::root_vec())
        .map(|name| std::iter::successors(Some(name), OrderedName::parent).collect())
        .unwrap_or_default();
    names.retain(|name| !name.is_apex());
    let read: Vec<Key> = names.iter().map(|name| [HOSTED, name.as_bytes()].concat()).collect();
    let entries = if read.is_empty() { Vec::new() } else { store.get_many(&read).await? };
    // The longest name comes first.
    let hosted = names.iter().zip(entries).find(|(_, entry)| entry.is_some());
    Ok(Found { zone: hosted.and_then(|(name, _)| zone(name)), read })
}

/// What [`find`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The zone; none if the port is no authority for the name.
    pub zone: Option<Zone>,
    /// The keys of the store that this depends on, whether they are there or not.
    pub read: Vec<Key>,
}

/// Up to `limit` hosted zones after one, in order.
pub async fn list<S: Kv>(store: &S, after: Option<&Zone>, limit: u32) -> Result<Vec<Zone>, DnsError> {
    let mut range = KeyRange::prefix(HOSTED);
    if let Some(after) = after {
        // The next key there can be.
        range.start = [&key(after.apex())[..], &[0]].concat();
    }
    let page = store.scan(&range, limit, Direction::Forward).await?;
    page.items.iter().map(|item| hosted_by(&item.key, HOSTED)).collect()
}

/// Plans that a zone is hosted from now on. Refused if it is in, or around, another one.
pub async fn add<S: Kv>(store: &S, main: &Zone, zone: &Zone) -> Result<Plan, DnsError> {
    let apex = zone.apex();
    if apex.ends_with(main.apex()) || main.apex().ends_with(apex) {
        return Err(DnsError::Refused("the domain overlaps the port's own zone".into()));
    }
    // A zone around or inside this one, added at the same time, writes this too.
    let added = Check::unchanged(ADDED, store.get(ADDED).await?.as_ref());
    if find(store, main, apex).await?.zone.is_some_and(|found| found != *zone) {
        return Err(DnsError::Refused("the domain is in one that the port hosts".into()));
    }
    let hosted = key(apex);
    // Names under this one start with it.
    let below = store.scan(&KeyRange::prefix(hosted.clone()), 2, Direction::Forward).await?;
    if below.items.iter().any(|item| item.key != hosted) {
        return Err(DnsError::Refused("the port hosts a domain in this one".into()));
    }
    if !below.items.is_empty() {
        return Ok(Plan::default());
    }
    let removed = unhosted(apex);
    if store.get(&removed).await?.is_some() {
        // What it held before is still being removed.
        return Err(DnsError::Conflict);
    }
    Ok(Plan {
        checks: vec![Check::absent(hosted.clone()), Check::absent(removed), added],
        writes: vec![Write::put(hosted, Vec::new()), Write::put(ADDED, Vec::new())],
    })
}

/// Plans that a zone is no longer hosted. What it held is then removed by [`clear`].
pub async fn remove<S: Kv>(store: &S, zone: &Zone) -> Result<Plan, DnsError> {
    let hosted = key(zone.apex());
    let Some(entry) = store.get(&hosted).await? else {
        return Ok(Plan::default());
    };
    Ok(Plan {
        checks: vec![Check::unchanged(hosted.clone(), Some(&entry))],
        writes: vec![Write::delete(hosted), Write::put(unhosted(zone.apex()), Vec::new())],
    })
}

/// Removes a portion of what zones held that are no longer hosted. Says whether there is more.
pub async fn clear<S: Kv>(store: &S) -> Result<bool, DnsError> {
    let page = store.scan(&KeyRange::prefix(UNHOSTED), 1, Direction::Forward).await?;
    let Some(marker) = page.items.first() else {
        return Ok(false);
    };
    let zone = hosted_by(&marker.key, UNHOSTED)?;
    let page = store.scan(&zone.everything(), CLEAR_MAX, Direction::Forward).await?;
    let mut writes: Vec<Write> = page.items.iter().map(|item| Write::delete(item.key.clone())).collect();
    if page.next.is_none() {
        writes.push(Write::delete(marker.key.clone()));
    }
    // If another host removes the same portion first, the next call goes on from there.
    let check = Check::unchanged(marker.key.clone(), Some(&marker.entry));
    let outcome = store.commit(&[check], &writes).await?;
    Ok(!matches!(outcome, Outcome::Committed(_)) || page.next.is_some())
}

fn unhosted(apex: &OwnName) -> Key {
    let ordered = OrderedName::of(apex, &Name::root_vec()).unwrap_or_default();
    [UNHOSTED, ordered.as_bytes()].concat()
}

fn zone(name: &OrderedName) -> Option<Zone> {
    Zone::new(&name.to_name(&Name::root_vec())?.to_string())
}

fn hosted_by(key: &[u8], prefix: &[u8]) -> Result<Zone, DnsError> {
    let name = key.strip_prefix(prefix).map(OrderedName::from_bytes);
    name.and_then(|name| zone(&name)).ok_or(DnsError::Corrupt("the name of a hosted zone"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use vwp_storage::memory::Memory;

    fn zone(apex: &str) -> Zone {
        Zone::new(apex).expect("a zone")
    }

    fn name(text: &str) -> OwnName {
        Name::vec_from_str(text).expect("a name")
    }

    async fn host(store: &Memory, apex: &str) -> Result<(), DnsError> {
        add(store, &zone("vwp.test"), &zone(apex)).await?.commit(store).await.map(|_| ())
    }

    #[test]
    fn a_name_is_found_in_the_zone_that_is_the_authority_for_it() {
        block_on(async {
            let store = Memory::default();
            for apex in ["arena.example", "gold.example"] {
                host(&store, apex).await.expect("hosted");
                host(&store, apex).await.expect("hosted already");
            }
            for (qname, expected) in [
                ("x.vwp.test", Some("vwp.test")),
                ("vwp.test", Some("vwp.test")),
                ("_vw.ARENA.example", Some("arena.example")),
                ("gold.example", Some("gold.example")),
                ("example", None),
                ("old.example", None),
                (".", None),
            ] {
                let found = find(&store, &zone("vwp.test"), &name(qname)).await.expect("found");
                assert_eq!(found.zone, expected.map(zone), "{qname}");
            }
            let first = list(&store, None, 1).await.expect("a list");
            assert_eq!(first, [zone("arena.example")]);
            assert_eq!(list(&store, first.first(), 10).await.expect("a list"), [zone("gold.example")]);
        });
    }

    #[test]
    fn zones_do_not_overlap() {
        block_on(async {
            let store = Memory::default();
            host(&store, "b.example").await.expect("hosted");
            for apex in ["a.b.example", "example", "x.vwp.test", "test"] {
                assert!(matches!(host(&store, apex).await, Err(DnsError::Refused(_))), "{apex}");
            }
            // Neither do two that are added at the same time.
            let outer = add(&store, &zone("vwp.test"), &zone("d.example")).await.expect("a plan");
            let inner = add(&store, &zone("vwp.test"), &zone("c.d.example")).await.expect("a plan");
            outer.commit(&store).await.expect("hosted");
            assert_eq!(inner.commit(&store).await, Err(DnsError::Conflict));
        });
    }

    #[test]
    fn what_a_zone_held_is_removed_in_portions_and_then_it_can_come_back() {
        block_on(async {
            let store = Memory::default();
            host(&store, "b.example").await.expect("hosted");
            let label = |number: u32| OrderedName::apex().child(number.to_string().as_bytes());
            for number in 0..CLEAR_MAX + 50 {
                let write = Write::put(zone("b.example").node(&label(number)), vec![1]);
                store.commit(&[], &[write]).await.expect("a commit");
            }
            let plan = remove(&store, &zone("b.example")).await.expect("a plan");
            plan.commit(&store).await.expect("removed");
            assert_eq!(host(&store, "b.example").await, Err(DnsError::Conflict));
            assert_eq!(clear(&store).await, Ok(true));
            assert_eq!(clear(&store).await, Ok(false));
            let left =
                store.scan(&zone("b.example").everything(), 1, Direction::Forward).await.expect("a page");
            assert_eq!(left.items, []);
            host(&store, "b.example").await.expect("hosted again");
        });
    }
}

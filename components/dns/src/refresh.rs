//! What a zone needs without anybody asking: new serial numbers, the steps of its keys' lives,
//! signatures that are renewed before they end, and a journal that does not grow for ever.
//!
//! Signatures are renewed by passes over all names, a portion a call. A pass renews what ends
//! soon and what another key made; where it has come to is in the store, and moves in the commit
//! that renews the portion, so that two hosts at once only repeat each other's reading.

use crate::edit::{self, Plan};
use crate::error::DnsError;
use crate::journal::{self, RawStep};
use crate::keys::{self, Ring, Signer};
use crate::name::OrderedName;
use crate::node::{Node, Set};
use crate::publish::{self, Head};
use crate::sign::{self, SignatureInfo};
use crate::zone::{Policy, Zone};
use domain::base::iana::Rtype as Type;
use serde::{Deserialize, Serialize};
use vwp_core::Environment;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, Entry, Item, Key, KeyRange, Outcome, Write};

/// How many names one call looks at.
const NAMES_MAX: u32 = 500;
/// How many signatures one call makes, but for the last name.
const SIGNATURES_MAX: usize = 200;
/// How many names one commit renews: three writes of each name's size go into 1 MiB.
const RENEWED_MAX: usize = 100;
/// How many bytes of nodes one commit renews; each is written, and twice in the journal.
const RENEWED_BYTES_MAX: usize = 250_000;
/// How often a portion is tried when others change its names.
const ATTEMPTS_MAX: usize = 8;
/// When to call again if there is more to do at once.
const SOON_MS: u32 = 10;
/// When to call again if nothing is known to be due.
const IDLE_MS: u32 = 1000;

/// How far the renewal has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Sweep {
    /// When the pass began, in seconds.
    begun_s: u64,
    /// The key that it goes on with; none if it is done.
    from: Option<Key>,
}

/// Does what is due for a zone, a bounded amount of it, and says after how many milliseconds
/// it wants to be called again. Reads little where nothing is due, and opens no key.
pub async fn maintain<S: Kv>(
    store: &S,
    zone: &Zone,
    policy: &Policy,
    environment: &Environment<'_>,
) -> Result<u32, DnsError> {
    let now_s = environment.now_seconds();
    let apex = zone.node(&OrderedName::apex());
    let read = store.get_many(&[apex, zone.keys().into_bytes(), zone.sweep()]).await?;
    let [Some(apex), keys, sweep] = read.as_slice() else {
        publish::create(store, zone, policy, environment).await?;
        return Ok(SOON_MS);
    };
    let mut is_busy = false;
    let ring = keys.as_ref().filter(|_| policy.is_signed).map(Ring::decode).transpose()?;
    let is_stale = ring.as_ref().is_some_and(|ring| ring.is_stale(environment));
    let is_step_due = is_stale || is_step_due(zone, policy, ring.as_ref(), apex, now_s)?;
    if is_step_due {
        if ring.is_some() {
            keys::advance(store, zone, policy, environment).await?;
        } else {
            let sets = publish::apex_sets(zone, policy, None)?;
            edit::plan_apex(store, zone, policy, None, sets, now_s).await?.commit(store).await?;
        }
        is_busy = true;
    } else if let Some(ring) = &ring
        && let Some(pass) = pass(sweep.as_ref(), policy, ring, now_s)?
    {
        let (ring, signer) = keys::full_signer(store, zone, policy, environment).await?;
        let renewal = Renewal { zone, policy, signer: &signer, now_s };
        is_busy = renewal.sweep(store, sweep.as_ref(), pass, &ring).await?;
    }
    let tags = ring.iter().filter_map(Ring::zone_tag).collect::<Vec<_>>();
    // After a step the keys are not those that were read: the next call sees.
    let needs = |head: &Head| !is_step_due && needs_soa(head, policy, &tags, now_s);
    let head = publish::publish_if(store, zone, policy, environment, needs).await?;
    is_busy |= journal::prune(store, zone, policy, head.version, now_s).await?;
    if is_busy {
        return Ok(SOON_MS);
    }
    if journal::latest(store, zone).await?.is_none_or(|latest| latest <= head.version) {
        return Ok(IDLE_MS);
    }
    let since = environment.now.saturating_sub(head.published_at);
    let until = policy.publish_every_ms.saturating_sub(since);
    Ok(u32::try_from(until).unwrap_or(IDLE_MS).min(IDLE_MS))
}

/// Whether a key takes a step now, or the apex is not what keys and policy make it.
fn is_step_due(
    zone: &Zone,
    policy: &Policy,
    ring: Option<&Ring>,
    apex: &Entry,
    now_s: u64,
) -> Result<bool, DnsError> {
    let node = Node::decode(&apex.value).ok_or(DnsError::Corrupt("what is at a name"))?;
    let is_there =
        |set: &Set| node.set(set.rtype).is_some_and(|old| old.data == set.data && old.ttl_s == set.ttl_s);
    let is_same = publish::apex_sets(zone, policy, ring)?.iter().all(is_there);
    Ok(!is_same || ring.is_some_and(|ring| ring.is_due(policy, now_s)))
}

/// Whether the start of authority is to be made anew although the zone is the same: the policy
/// says something else, or its signature ends or is another key's.
fn needs_soa(head: &Head, policy: &Policy, tags: &[u16], now_s: u64) -> bool {
    let is_same = publish::soa(policy, head.serial)
        .is_ok_and(|soa| soa.data == head.soa.data && soa.ttl_s == head.soa.ttl_s);
    !is_same || !is_current(&head.soa, tags, policy, now_s)
}

/// The pass that is under way, or one that is due; none if neither is.
fn pass(sweep: Option<&Entry>, policy: &Policy, ring: &Ring, now_s: u64) -> Result<Option<Pass>, DnsError> {
    let Some(entry) = sweep else {
        return Ok(Some(Pass { begun_s: now_s, from: None }));
    };
    let sweep: Sweep =
        serde_json::from_slice(&entry.value).map_err(|_| DnsError::Corrupt("a zone's renewal"))?;
    if sweep.from.is_some() {
        return Ok(Some(Pass { begun_s: sweep.begun_s, from: sweep.from }));
    }
    // A quarter of the time that a renewal may be late: there is room for three more passes.
    let pause_s = u64::from(renew_before_s(policy) / 4).max(1);
    let is_due = now_s.abs_diff(sweep.begun_s) >= pause_s || ring.has_unclean();
    Ok(is_due.then_some(Pass { begun_s: now_s, from: None }))
}

/// A pass over the zone: when it began, and where it goes on, if not at the beginning.
struct Pass {
    begun_s: u64,
    from: Option<Key>,
}

/// Whether a set is signed by just these keys, for long enough.
fn is_current(set: &Set, tags: &[u16], policy: &Policy, now_s: u64) -> bool {
    set.signatures.len() == tags.len()
        && set.signatures.iter().zip(tags).all(|(signature, tag)| {
            SignatureInfo::read(signature)
                .is_some_and(|info| info.tag == *tag && info.seconds_left(now_s) > renew_before_s(policy))
        })
}

/// How long before its end a signature is renewed. Never so early that a new one would be
/// renewed at once.
fn renew_before_s(policy: &Policy) -> u32 {
    policy.renew_before_s.min(policy.signature_s / 2)
}

/// What signatures are renewed with.
struct Renewal<'a> {
    zone: &'a Zone,
    policy: &'a Policy,
    signer: &'a Signer,
    now_s: u64,
}

/// A name whose signatures are renewed.
struct Renewed {
    key: Key,
    name: OrderedName,
    before: Entry,
    after: Vec<u8>,
}

impl Renewal<'_> {
    /// Goes on with a pass. Says whether it is to go on at once.
    async fn sweep<S: Kv>(
        &self,
        store: &S,
        entry: Option<&Entry>,
        pass: Pass,
        ring: &Ring,
    ) -> Result<bool, DnsError> {
        let nodes = self.zone.nodes();
        let range = KeyRange { start: pass.from.unwrap_or(nodes.start), end: nodes.end };
        let page = store.scan(&range, NAMES_MAX, Direction::Forward).await?;
        let (mut portion, from) = self.portion(page.items, page.next)?;
        let sweep = Sweep { begun_s: pass.begun_s, from };
        let bytes = serde_json::to_vec(&sweep).map_err(|_| DnsError::Corrupt("a zone's renewal"))?;
        for _ in 0..ATTEMPTS_MAX {
            let mut plan = self.plan(&portion);
            plan.checks.push(Check::unchanged(self.zone.sweep(), entry));
            plan.writes.push(Write::put(self.zone.sweep(), bytes.clone()));
            if sweep.from.is_none() {
                let mut clean = ring.clone();
                clean.note_clean(pass.begun_s, self.now_s);
                if clean != *ring {
                    plan.writes.push(Write::put(self.zone.keys(), clean.encode()?));
                }
            }
            let Outcome::Conflict(changed) = store.commit(&plan.checks, &plan.writes).await? else {
                return Ok(sweep.from.is_some());
            };
            if !self.look_again(store, &mut portion, &changed).await? {
                // Another host has gone on, or the keys are others: the next call sees.
                break;
            }
        }
        Ok(true)
    }

    /// What is to be renewed of a page, and the key that the next portion begins with.
    fn portion(
        &self,
        items: Vec<Item>,
        next: Option<KeyRange>,
    ) -> Result<(Vec<Renewed>, Option<Key>), DnsError> {
        let (mut portion, mut signatures, mut bytes) = (Vec::new(), 0, 0);
        for item in items {
            if signatures >= SIGNATURES_MAX || portion.len() >= RENEWED_MAX || bytes >= RENEWED_BYTES_MAX {
                return Ok((portion, Some(item.key)));
            }
            if let Some((renewed, count)) = self.renewed(item.key, item.entry)? {
                signatures += count;
                bytes += renewed.after.len();
                portion.push(renewed);
            }
        }
        Ok((portion, next.map(|range| range.start)))
    }

    /// The name with new signatures, and how many; none if those that it has are current.
    fn renewed(&self, key: Key, before: Entry) -> Result<Option<(Renewed, usize)>, DnsError> {
        let corrupt = DnsError::Corrupt("what is at a name");
        let name = self.zone.name_of_node(&key).ok_or(corrupt.clone())?;
        let owner = name.to_name(self.zone.apex()).ok_or(corrupt.clone())?;
        let mut node = Node::decode(&before.value).ok_or(corrupt)?;
        let is_cut = !name.is_apex() && node.is_delegation();
        let mut count = 0;
        for set in &mut node.sets {
            // RFC 4035, section 2.2: the name servers of a delegation are not signed.
            if is_cut && set.rtype == Type::NS
                || is_current(set, &self.signer.tags(set), self.policy, self.now_s)
            {
                continue;
            }
            set.ttl_s = match set.rtype {
                Type::NSEC => sign::nsec_ttl_s(self.policy),
                _ => set.ttl_s.min(self.policy.record_ttl_max_s),
            };
            self.signer.sign(set, &owner, self.zone, self.policy, self.now_s);
            count += set.signatures.len();
        }
        let after = node.encode();
        if count == 0 {
            return Ok(None);
        }
        Ok(Some((Renewed { key, name, before, after }, count)))
    }

    fn plan(&self, portion: &[Renewed]) -> Plan {
        let mut plan = Plan { checks: vec![self.signer.check().clone()], writes: Vec::new() };
        for renewed in portion {
            plan.checks.push(Check::unchanged(renewed.key.clone(), Some(&renewed.before)));
            plan.writes.push(Write::put(renewed.key.clone(), renewed.after.clone()));
        }
        let step = |renewed: &Renewed| -> RawStep {
            (renewed.name.clone(), Some(renewed.before.value.clone()), Some(renewed.after.clone()))
        };
        let steps: Vec<RawStep> = portion.iter().map(step).collect();
        plan.writes.extend(journal::writes(self.zone, self.now_s, &steps));
        plan
    }

    /// Reads again what others changed, so that under a stream of changes only little has to
    /// be signed between reading and writing. False if it is not names that they changed.
    async fn look_again<S: Kv>(
        &self,
        store: &S,
        portion: &mut Vec<Renewed>,
        changed: &[Key],
    ) -> Result<bool, DnsError> {
        if changed.iter().any(|key| self.zone.name_of_node(key).is_none()) {
            return Ok(false);
        }
        portion.retain(|renewed| !changed.contains(&renewed.key));
        for (key, entry) in changed.iter().zip(store.get_many(changed).await?) {
            let renewed = entry.map(|entry| self.renewed(key.clone(), entry)).transpose()?.flatten();
            portion.extend(renewed.map(|(renewed, _)| renewed));
        }
        Ok(true)
    }
}

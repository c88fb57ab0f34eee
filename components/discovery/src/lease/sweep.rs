//! The sweep: ends worlds whose record or lease has ended.
//!
//! It goes through the queue of what is due, in portions. A world whose lease was renewed
//! meanwhile moves on. One whose lease has ended is *lapsing*: served on and said to be
//! stale for [`GRACE_MS`](super::GRACE_MS), then evicted unless the [`guard`] holds. So a
//! world is gone some ten seconds after its lease, and how many end at once is known before
//! the first of them goes.

use super::guard::{self, Leases};
use super::{GRACE_MS, Lease, expiry};
use crate::changes::Kind;
use crate::commit::{ATTEMPTS_MAX, Commit, contended, read};
use crate::keys;
use crate::registry::transition::{self, After, Ended, Reason, Seen};
use serde::{Deserialize, Serialize};
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, KeyRange};

/// How many worlds of the queue one call looks at.
const DUE_MAX: u32 = 64;
/// How many worlds one call evicts; each is a commit of its own.
const EVICTED_MAX: u32 = 32;
/// How many counters of past minutes one call removes.
const MINUTES_MAX: u32 = 16;

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many worlds ended.
    pub ended: u64,
    /// Whether there is more to do now.
    pub is_more: bool,
}

/// Until when leases may lapse whatever the guard says. In milliseconds.
#[derive(Debug, Serialize, Deserialize)]
struct Evict {
    until: u64,
}

/// Lets all leases lapse that have ended by now, whatever the guard says.
pub async fn evict<S: Kv>(store: &S, environment: &Environment<'_>) -> Result<(), Problem> {
    let mut commit = Commit::default();
    // Those that ended just now are known at the latest after the grace.
    commit.put(keys::EVICT, &Evict { until: environment.now + GRACE_MS })?;
    commit.apply(store).await?;
    Ok(())
}

/// Does a portion of what is due.
pub async fn sweep<S: Kv>(store: &S, environment: &Environment<'_>) -> Result<Swept, Problem> {
    let mut swept = Swept::default();
    let range = KeyRange { start: keys::due(0, ""), end: keys::due(environment.now + 1, "") };
    let page = store.scan(&range, DUE_MAX, Direction::Forward).await?;
    swept.is_more = page.next.is_some();
    for item in &page.items {
        let (at, name) = keys::parts_of_due(&item.key).ok_or_else(Problem::internal)?;
        let name: WorldName = name.parse().map_err(|_| Problem::internal())?;
        swept.ended += u64::from(visit(store, environment, at, &name).await?);
    }
    let evicted = evict_lapsed(store, environment).await?;
    swept.ended += evicted.ended;
    swept.is_more |= evicted.is_more;
    forget_minutes(store, environment).await?;
    Ok(swept)
}

/// Does with a world what is right for what it is now. Says whether that ended it. Nothing is
/// to be done where there is no plan; otherwise the plan says whether it ends the world.
async fn settle<S: Kv>(
    store: &S,
    name: &WorldName,
    plan: impl AsyncFn(&Seen) -> Result<Option<(Commit, bool)>, Problem>,
) -> Result<bool, Problem> {
    for _ in 0..ATTEMPTS_MAX {
        let seen = Seen::read(store, name).await?;
        let Some((commit, is_end)) = plan(&seen).await? else {
            return Ok(false);
        };
        if commit.apply(store).await?.is_some() {
            return Ok(is_end);
        }
    }
    Err(contended())
}

/// Looks at a world in the queue. Says whether it ended.
async fn visit<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    at: u64,
    name: &WorldName,
) -> Result<bool, Problem> {
    let plan = async |seen: &Seen| {
        // Whoever removed the world meanwhile took it out of the queue.
        let (Some(world), Some(before)) = (&seen.world, seen.lease.as_ref().filter(|lease| lease.due == at))
        else {
            return Ok(None);
        };
        let mut commit = Commit::default();
        let expires = expiry(&world.fields);
        let is_expired = expires <= environment.now;
        if is_expired {
            end(store, environment, name, seen, Reason::Expired, &mut commit).await?;
        } else {
            let lapsing = before.ends.filter(|&ends| ends <= environment.now).map(|ends| ends + GRACE_MS);
            let ends = before.ends.filter(|_| lapsing.is_none());
            let due = ends.unwrap_or(u64::MAX).min(expires);
            let lease = Lease { due, lapsing, ..before.clone() };
            seen.require_lease(name, &mut commit);
            commit.put(keys::lease(name), &lease)?;
            transition::queue(name, Some(before), Some(&lease), &mut commit);
        }
        Ok(Some((commit, is_expired)))
    };
    settle(store, name, plan).await
}

/// Evicts a portion of the worlds that are lapsing, as far as the guard lets it.
async fn evict_lapsed<S: Kv>(store: &S, environment: &Environment<'_>) -> Result<Swept, Problem> {
    let leases = Leases::read(store, environment).await?;
    let mut swept = Swept::default();
    if leases.lapsing == 0 {
        return Ok(swept);
    }
    let mut until = environment.now;
    if leases.is_guarded {
        let evict: Option<Evict> = read(store.get(keys::EVICT.as_bytes()).await?.as_ref())?;
        until = until.min(evict.map_or(0, |evict| evict.until));
    }
    let range = KeyRange { start: keys::lapsing(0, ""), end: keys::lapsing(until + 1, "") };
    let page = store.scan(&range, EVICTED_MAX, Direction::Forward).await?;
    swept.is_more = page.next.is_some();
    for item in &page.items {
        let (at, name) = keys::parts_of_lapsing(&item.key).ok_or_else(Problem::internal)?;
        let name: WorldName = name.parse().map_err(|_| Problem::internal())?;
        swept.ended += u64::from(evict_one(store, environment, at, &name).await?);
    }
    Ok(swept)
}

async fn evict_one<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    at: u64,
    name: &WorldName,
) -> Result<bool, Problem> {
    let plan = async |seen: &Seen| {
        // One that was heard of meanwhile is no longer lapsing.
        if seen.lease.as_ref().and_then(|lease| lease.lapsing) != Some(at) {
            return Ok(None);
        }
        let mut commit = Commit::default();
        end(store, environment, name, seen, Reason::Lapsed, &mut commit).await?;
        commit.count(keys::evicted(guard::minute(environment)), 1);
        Ok(Some((commit, true)))
    };
    settle(store, name, plan).await
}

async fn end<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    name: &WorldName,
    seen: &Seen,
    reason: Reason,
    commit: &mut Commit,
) -> Result<(), Problem> {
    let world = seen.world.clone().ok_or_else(Problem::internal)?;
    let kind = match reason {
        Reason::Expired => Kind::Expired,
        Reason::Lapsed => Kind::Lapsed,
    };
    commit.tell(&transition::change(kind, &world, environment))?;
    let after = After::Ended(Ended { reason, at: environment.now, seq: seen.live_seq(), world });
    transition::stage(store, environment, name, seen, &after, commit).await
}

/// Removes the counters of minutes that no longer count.
async fn forget_minutes<S: Kv>(store: &S, environment: &Environment<'_>) -> Result<(), Problem> {
    let current = guard::minute(environment);
    let range = KeyRange { start: keys::evicted(0), end: keys::evicted(current.saturating_sub(1)) };
    let page = store.scan(&range, MINUTES_MAX, Direction::Forward).await?;
    let mut commit = Commit::default();
    for item in &page.items {
        commit.delete(item.key.clone());
    }
    if !commit.is_empty() {
        commit.apply(store).await?;
    }
    Ok(())
}

//! The ledger's log as an outbox. Each call reads a bounded part of it, from where the last one stopped, and commits
//! the events that it found together with the new place: of two that read the same part, one commits.

use super::{Audience, moves};
use crate::Error;
use crate::ledger::{MACHINE, Owners};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use vwp_core::Problem;
use vwp_core::environment::CLOCK_SKEW_MAX_MS;
use vwp_core::outbox::{self, Event, LISTENERS};
use vwp_ledger::codec::{self, Command, Transfer};
use vwp_storage::kv::{Check, Direction, Entry, KeyRange, Outcome, Page, Write};
use vwp_storage::machine::LogEntry;
use vwp_storage::{Kv, Machines};

/// Where it is kept how far the log was read.
const PLACE: &str = "transactions/outbox-place";
/// When to look again, in milliseconds: while nobody listens, while nothing happens, and while there is more.
const NOBODY_MS: u32 = 1000;
const IDLE_MS: u32 = 250;
const SOON_MS: u32 = 10;
/// The most commands that a call reads, and after how many transfers it stops.
const COMMANDS_MAX: u32 = 64;
const TRANSFERS_MAX: usize = 2000;
/// The most events of a call, and the most bytes of them: they are one commit.
const EVENTS_MAX: usize = 200;
const BYTES_MAX: usize = 700_000;
/// A command with so many transfers is read whole or not at all. An escrow's are never longer, and have few enough
/// events for one call.
const WHOLE_MAX: usize = 64;
/// How far the place may fall behind while nobody listens, so that it is not committed for nothing again and again.
const BEHIND_MAX: u64 = 256;
/// How many listeners are looked at for the time since when somebody listens.
const LISTENERS_MAX: u32 = 1000;

/// What comes next: a position of the log, and a transfer of its command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    position: u64,
    item: usize,
}

/// Goes on reading the log; after how many milliseconds there may be more to read.
pub async fn run<S: Kv + Machines>(store: &S) -> Result<u32, Error> {
    // How long the log is, is read before who listens: whoever was told since that it is listening asks for
    // what comes after this.
    let end = store.tree_head(MACHINE).await?.size;
    let kept = store.get(PLACE.as_bytes()).await?;
    let place = match &kept {
        Some(entry) => serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?,
        None => Place { position: 1, item: 0 },
    };
    let listeners = store.scan(&KeyRange::prefix(LISTENERS), LISTENERS_MAX, Direction::Forward).await?;
    if listeners.items.is_empty() {
        let after = Place { position: end.saturating_add(1), item: 0 };
        if after.position.saturating_sub(place.position) > BEHIND_MAX {
            keep(store, kept.as_ref(), after, Vec::new()).await?;
        }
        return Ok(NOBODY_MS);
    }
    if place.position > end {
        return Ok(IDLE_MS);
    }
    let since = earliest(&listeners)?;
    let mut batch = Batch { place, ..Batch::default() };
    for entry in store.entries(MACHINE, place.position, COMMANDS_MAX).await? {
        let is_new = entry.time >= since;
        if entry.position > end || is_new && !batch.read(store, &entry).await? {
            break;
        }
        batch.place = Place { position: entry.position.saturating_add(1), item: 0 };
    }
    keep(store, kept.as_ref(), batch.place, batch.writes).await?;
    Ok(SOON_MS)
}

/// Since when somebody listens, as far as clocks differ. What happened before is told nobody.
fn earliest(listeners: &Page) -> Result<u64, Error> {
    if listeners.next.is_some() {
        return Ok(0);
    }
    let mut earliest = u64::MAX;
    for item in &listeners.items {
        earliest = earliest.min(outbox::read_listener(&item.entry)?.since);
    }
    Ok(earliest.saturating_sub(CLOCK_SKEW_MAX_MS))
}

/// Writes events and how far the log was read. If somebody else has, that one has written the same events.
async fn keep(
    store: &impl Kv,
    kept: Option<&Entry>,
    place: Place,
    mut writes: Vec<Write>,
) -> Result<(), Error> {
    writes.push(Write::put(PLACE, serde_json::to_vec(&place).map_err(|_| Problem::internal())?));
    match store.commit(&[Check::unchanged(PLACE, kept)], &writes).await? {
        Outcome::Committed(_) | Outcome::Conflict(_) => Ok(()),
        Outcome::OutOfBounds(_) | Outcome::NotACounter(_) => Err(Problem::internal().into()),
    }
}

/// What a call has found so far.
#[derive(Debug)]
struct Batch {
    place: Place,
    writes: Vec<Write>,
    bytes: usize,
    transfers: usize,
    audience: Audience,
    owners: Owners,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            place: Place { position: 1, item: 0 },
            writes: Vec::new(),
            bytes: 0,
            transfers: 0,
            audience: Audience::default(),
            owners: Owners::default(),
        }
    }
}

impl Batch {
    /// Reads what is left of a command; whether all of it had room. The place is then where to go on.
    async fn read<S: Kv + Machines>(&mut self, store: &S, entry: &LogEntry) -> Result<bool, Error> {
        let Ok(Command::CreateTransfers { transfers, .. }) = codec::decode_command(&entry.command) else {
            return Ok(true);
        };
        if self.transfers >= TRANSFERS_MAX {
            return Ok(false);
        }
        if self.place.position != entry.position {
            self.place = Place { position: entry.position, item: 0 };
        }
        let is_whole = transfers.len() <= WHOLE_MAX;
        let before = (self.writes.len(), self.bytes, self.place);
        let mut settled = BTreeSet::new();
        for (item, bytes) in transfers.iter().enumerate().skip(self.place.item) {
            if self.transfers >= TRANSFERS_MAX && !is_whole {
                return Ok(false);
            }
            let Ok(sent) = Transfer::decode(bytes) else { continue };
            self.transfers += 1;
            let at = (entry.position, item);
            let events =
                moves::told(store, at, &sent, (&mut self.audience, &mut self.owners), &mut settled).await?;
            if !self.take(&events)? {
                if is_whole && before.0 != 0 {
                    self.writes.truncate(before.0);
                    (self.bytes, self.place) = (before.1, before.2);
                }
                return Ok(false);
            }
            self.place.item = item + 1;
        }
        Ok(true)
    }

    /// Takes a transfer's events, all or none; whether there was room. The first ones always have it.
    fn take(&mut self, events: &[Event]) -> Result<bool, Error> {
        let writes: Vec<Write> = events.iter().map(Event::write).collect::<Result<_, _>>()?;
        let bytes: usize = writes
            .iter()
            .map(|write| if let Write::Append { value, .. } = write { value.len() } else { 0 })
            .sum();
        let is_full = self.writes.len() + writes.len() > EVENTS_MAX || self.bytes + bytes > BYTES_MAX;
        if is_full && !self.writes.is_empty() {
            return Ok(false);
        }
        self.writes.extend(writes);
        self.bytes += bytes;
        Ok(true)
    }
}

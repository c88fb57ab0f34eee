//! Quotes that ended without being accepted are forgotten.
//!
//! A quote is kept for [`KEPT_S`] after its end, so that a client that comes late learns that it ended. Then its
//! terms go, and a mark stays in their place: a provider's key never names another quote, and who accepts the one that
//! ended is told the same as before. What was accepted is kept for ever, because the answer to a repeat is made of it:
//! of a quote that is filled once the ledger says whether it was, and a standing one is taken off those that are
//! forgotten before it is filled for the first time.
//!
//! Each call does a bounded amount, and may be broken off anywhere. Quotes from before there was a list of those that
//! end are not on it, and stay.

use super::fill::{fill_id, progress};
use super::terms::{self, ENDING, Kept};
use crate::Error;
use crate::reference::parse_id;
use vwp_core::Environment;
use vwp_storage::kv::{Direction, KeyRange, Write};
use vwp_storage::{Kv, Machines};

/// How long a quote is kept after its end, in seconds.
pub const KEPT_S: u64 = 7 * 86_400;
/// How many quotes a call deals with.
const QUOTES_MAX: u32 = 64;
/// How many times so many a call looks at, if not one of them can be dealt with for now.
const PAGES_MAX: u32 = 8;

/// Forgets quotes that ended long enough ago, the earliest first; whether there may be more.
pub(crate) async fn run<S: Kv + Machines>(store: &S, environment: &Environment<'_>) -> Result<bool, Error> {
    let Some(last) = environment.now_seconds().checked_sub(KEPT_S) else { return Ok(false) };
    let end = format!("{ENDING}{:016x}", last.saturating_add(1));
    let mut left = Some(KeyRange { start: ENDING.into(), end: end.into_bytes() });
    let mut first_error = None;
    // Those that cannot be read for now keep no other from being forgotten.
    for _ in 0..PAGES_MAX {
        let Some(range) = left.take() else { break };
        let page = store.scan(&range, QUOTES_MAX, Direction::Forward).await?;
        let mut is_any_done = false;
        for item in &page.items {
            match prune(store, &item.key).await {
                Ok(()) => is_any_done = true,
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        if is_any_done {
            return Ok(page.next.is_some());
        }
        left = page.next;
    }
    first_error.map_or(Ok(false), Err)
}

/// Forgets the quote that a key lists, unless it was accepted.
async fn prune<S: Kv + Machines>(store: &S, listed: &[u8]) -> Result<(), Error> {
    let id = std::str::from_utf8(listed).ok().and_then(|key| key.rsplit('/').next());
    let id = parse_id(id.unwrap_or_default())?;
    if let Some((Kept::Quote(quote), entry)) = terms::kept(store, id).await? {
        let is_filled = !quote.terms.standing && progress(store, fill_id(id, None)).await?.made.is_some();
        if !is_filled {
            return terms::forget(store, id, (&quote, &entry)).await;
        }
    }
    store.commit(&[], &[Write::delete(listed)]).await?;
    Ok(())
}

//! A memory of what was shown already, so that nothing is accepted twice: for tickets by their
//! `jti`, for presentations by what their holder signed.
//!
//! Both are remembered by what was signed and never by the text that came in: of an ECDSA
//! signature everybody can make a second valid form (s replaced by n - s), which would be a new
//! text and is no new token.
//!
//! The memory is bounded. Only what has ended is forgotten: a gate that is full turns
//! travellers away for a while rather than letting something in a second time.

use crate::ticket::{LIFETIME_MAX_S, Ticket, TicketError};
use std::collections::{BTreeSet, HashMap};
use vwp_core::environment::{CLOCK_SKEW_MAX_MS, Timestamp};

/// How long a gate ever needs to remember something, in milliseconds: the longest life of a
/// ticket, and what clocks may be apart.
const KEPT_MAX_MS: u64 = LIFETIME_MAX_S * 1000 + 2 * CLOCK_SKEW_MAX_MS;

/// A bounded memory of tickets that were shown.
#[derive(Debug, Clone)]
pub struct Gate {
    capacity: usize,
    /// When each ends, by what names it.
    seen: HashMap<String, Timestamp>,
    /// The same in the order in which they end.
    ends: BTreeSet<(Timestamp, String)>,
}

impl Gate {
    /// A gate that remembers at most `capacity` tickets at a time. A ticket lives two minutes,
    /// so a world that lets in a hundred travellers a second needs a capacity of 12,000.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, seen: HashMap::new(), ends: BTreeSet::new() }
    }

    /// Lets a verified ticket in, once.
    pub fn admit(&mut self, ticket: &Ticket, now: Timestamp) -> Result<(), TicketError> {
        let ends_at = ticket.expires_at_s.saturating_mul(1000);
        self.remember(&format!("{}\n{}", ticket.issuer, ticket.id), ends_at, now)
    }

    /// Remembers something until it ends, and refuses it if it is remembered already.
    pub fn remember(&mut self, name: &str, ends_at: Timestamp, now: Timestamp) -> Result<(), TicketError> {
        self.forget(now);
        if self.seen.contains_key(name) {
            return Err(TicketError::TicketSpent);
        }
        if self.seen.len() >= self.capacity {
            let first_end = self.ends.first().map_or(now, |(end, _)| *end);
            let seconds = first_end.saturating_sub(now).div_ceil(1000).max(1);
            return Err(TicketError::Throttled { retry_after_s: u32::try_from(seconds).unwrap_or(u32::MAX) });
        }
        // Nothing is believed for longer than this, whatever it says of itself.
        let kept_until = ends_at.min(now.saturating_add(KEPT_MAX_MS));
        self.seen.insert(name.to_owned(), kept_until);
        self.ends.insert((kept_until, name.to_owned()));
        Ok(())
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some((end, _)) = self.ends.first()
            && *end <= now
            && let Some((_, name)) = self.ends.pop_first()
        {
            self.seen.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_let_in_once_and_forgotten_when_it_has_ended() {
        let mut gate = Gate::new(10);
        assert_eq!(gate.remember("a", 1000, 0), Ok(()));
        assert_eq!(gate.remember("a", 1000, 999), Err(TicketError::TicketSpent));
        assert_eq!(gate.remember("b", 2000, 1000), Ok(()));
        assert_eq!(gate.len(), 1, "what has ended takes no room");
    }

    #[test]
    fn a_full_gate_turns_away_and_forgets_nothing_that_is_still_good() {
        let mut gate = Gate::new(2);
        assert_eq!(gate.remember("a", 5000, 0), Ok(()));
        assert_eq!(gate.remember("b", 9000, 0), Ok(()));
        assert_eq!(gate.remember("c", 9000, 0), Err(TicketError::Throttled { retry_after_s: 5 }));
        assert_eq!(gate.remember("a", 5000, 0), Err(TicketError::TicketSpent));
        assert_eq!(gate.remember("c", 9000, 5000), Ok(()));
    }

    #[test]
    fn a_gate_of_no_capacity_admits_nothing_and_needs_no_memory() {
        assert_eq!(Gate::new(0).remember("a", 1, 0), Err(TicketError::Throttled { retry_after_s: 1 }));
    }

    #[test]
    fn what_claims_to_end_in_a_century_is_not_kept_that_long() {
        let mut gate = Gate::new(1);
        assert_eq!(gate.remember("a", u64::MAX, 0), Ok(()));
        assert_eq!(gate.remember("b", 1, KEPT_MAX_MS), Ok(()));
    }
}

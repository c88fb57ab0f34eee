//! Velocity rules: how much and how often an account may be debited in a stretch of time.
//!
//! What leaves an account is counted in a ring of [`SLOTS`] parts, each a seventh of the
//! window, rounded up. The newest part is still under way, so the ring covers at least the
//! window that ends now, and at most an eighth part more: in no window of the rule's length
//! does more than the rule's maximum leave, and once in a while a debit is refused a seventh
//! of the window too early.
//!
//! A ring belongs to an account and a window, not to a rule: its sums are the same whatever
//! the maximum is, so another maximum counts from what there is. A window that no rule had
//! before starts with nothing. Holds count when they are made; what is released, expires or
//! is moved back is not counted back. What follows another transfer is not counted, because
//! it is not the account's owner who decides on it, or it was counted with its hold.

use super::Now;
use crate::codec::{Outcome, Rule};
use crate::rows::{AccountRow, NONE, Ring, SLOTS};
use crate::state::State;

/// Whether a rule bounds an account that holds this asset.
pub(crate) fn applies(rule: &Rule, account: &AccountRow, asset: u128) -> bool {
    rule.class == account.class && (rule.asset == 0 || rule.asset == asset)
}

/// The part of a window that a time falls into, counted from the Unix epoch.
pub(crate) fn part_of(window_s: u32, time_ms: u64) -> u64 {
    let length_ms = (u64::from(window_s) * 1000).div_ceil(SLOTS as u64 - 1);
    time_ms / length_ms
}

/// What a ring has counted in the window that ends at a time.
pub(crate) fn used(ring: &Ring, time_ms: u64) -> (u128, u32) {
    let mut ring = *ring;
    ring.turn(part_of(ring.window_s, time_ms));
    let amount = ring.amounts.iter().fold(0, |sum: u128, amount| sum.saturating_add(*amount));
    let count = ring.counts.iter().fold(0, |sum: u32, count| sum.saturating_add(*count));
    (amount, count)
}

impl Ring {
    /// Empties the parts that have begun since.
    fn turn(&mut self, part: u64) {
        let passed = part.saturating_sub(self.part).min(SLOTS as u64);
        for step in 0..passed {
            let slot = slot_of(part.saturating_sub(step));
            (self.amounts[slot], self.counts[slot]) = (0, 0);
        }
        self.part = self.part.max(part);
    }
}

#[allow(clippy::cast_possible_truncation, reason = "it is less than the number of slots")]
fn slot_of(part: u64) -> usize {
    (part % SLOTS as u64) as usize
}

impl State {
    /// Whether the rules let an amount leave an account now.
    pub(super) fn check_velocity(&self, now: Now, account: u32, amount: u128) -> Result<(), Outcome> {
        let account = &self.accounts[account];
        let asset = self.assets[account.asset].asset.id;
        for rule in self.rules.iter().filter(|rule| applies(rule, account, asset)) {
            let ring = self.ring(account, rule.window_s);
            let (sum, count) = ring.map_or((0, 0), |ring| used(&self.rings[ring], now.time));
            if sum.saturating_add(amount) > rule.amount_max || count.saturating_add(1) > rule.count_max {
                return Err(Outcome::VelocityExceeded);
            }
        }
        Ok(())
    }

    /// Counts what has left an account.
    pub(super) fn count_velocity(&mut self, now: Now, account: u32, amount: u128) {
        for index in 0..self.rules.len() {
            let row = &self.accounts[account];
            let asset = self.assets[row.asset].asset.id;
            let Some((earlier, [rule, ..])) = self.rules.split_at_checked(index) else { return };
            let counted = |other: &Rule| other.window_s == rule.window_s && applies(other, row, asset);
            // Rules of one window share a ring.
            if !applies(rule, row, asset) || earlier.iter().any(counted) {
                continue;
            }
            let window_s = rule.window_s;
            let ring = match self.ring(row, window_s) {
                Some(ring) => ring,
                None => self.make_ring(account, window_s),
            };
            let part = part_of(window_s, now.time);
            let ring = self.ring_mut(ring);
            ring.turn(part);
            let slot = slot_of(part);
            ring.amounts[slot] = ring.amounts[slot].saturating_add(amount);
            ring.counts[slot] = ring.counts[slot].saturating_add(1);
        }
    }

    /// An account's ring for a window.
    pub(crate) fn ring(&self, account: &AccountRow, window_s: u32) -> Option<u32> {
        let mut at = self.extra(account).rings;
        while at != NONE {
            let ring = &self.rings[at];
            if ring.window_s == window_s {
                return Some(at);
            }
            at = ring.next;
        }
        None
    }

    fn make_ring(&mut self, account: u32, window_s: u32) -> u32 {
        let (amounts, counts) = ([0; SLOTS], [0; SLOTS]);
        let extra = self.make_extra(account);
        let next = self.extras[extra].rings;
        let ring = self.rings.push(Ring { amounts, counts, part: 0, window_s, account, next });
        self.extra_mut(extra).rings = ring;
        ring
    }
}

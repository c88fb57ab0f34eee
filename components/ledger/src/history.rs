//! An account's entries in order, and what it held at any of them.
//!
//! Every transfer's row points to the entry before it of either account, so an account's
//! entries are a list from the newest to the oldest, and a new one costs nothing but two
//! numbers. Every [`SNAPSHOT_ENTRIES`] entries the account's sums are noted in a snapshot.
//! Snapshots are a list too, of which each also points further back, such that any of them is
//! reached in a logarithmic number of steps (the skew-binary jump pointers of E. W. Myers,
//! "An applicative random-access stack", 1983). So is any entry: from the snapshot after it,
//! fewer than [`SNAPSHOT_ENTRIES`] steps lead back to it, and its sums follow on the way.
//!
//! Entries that are dated back are in a list of the same kind of their own.

use crate::rows::{AccountRow, Backdated, Link, NONE, SNAPSHOT_ENTRIES, Snapshot, TransferRow};
use crate::state::State;
use crate::table::Rows;

/// A row with a link.
pub(crate) trait Linked {
    fn link(&self) -> &Link;
}

impl Linked for Snapshot {
    fn link(&self) -> &Link {
        &self.link
    }
}

impl Linked for Backdated {
    fn link(&self) -> &Link {
        &self.link
    }
}

/// The link of a row that comes after this one.
fn link_to<T: Linked>(rows: &Rows<T>, previous: u32) -> Link {
    if previous == NONE {
        return Link { previous, jump: NONE, depth: 1 };
    }
    let before = rows[previous].link();
    let depth_of = |row: u32| if row == NONE { 0 } else { rows[row].link().depth };
    let jump_of = |row: u32| if row == NONE { NONE } else { rows[row].link().jump };
    // Two jumps of one length become one jump over both.
    let first = before.depth - depth_of(before.jump);
    let second = depth_of(before.jump) - depth_of(jump_of(before.jump));
    let jump = if first == second { jump_of(before.jump) } else { previous };
    Link { previous, jump, depth: before.depth + 1 }
}

/// The oldest row from `newest` back for which `wanted` holds, if it holds for rows from
/// some one on; none if it does not even hold for `newest`.
fn oldest<T: Linked>(rows: &Rows<T>, newest: u32, wanted: impl Fn(&T) -> bool) -> Option<u32> {
    let holds = |row: u32| row != NONE && wanted(&rows[row]);
    let mut row = newest;
    if !holds(row) {
        return None;
    }
    loop {
        let link = rows[row].link();
        row = if holds(link.jump) {
            link.jump
        } else if holds(link.previous) {
            link.previous
        } else {
            return Some(row);
        };
    }
}

/// A place in an account's history: an entry, and the account's sums after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    /// The entry, or [`NONE`] before the first one.
    pub(crate) transfer: u32,
    /// Its number; the first one has 1.
    pub(crate) number: u32,
    pub(crate) debits: u128,
    pub(crate) credits: u128,
}

impl AccountRow {
    /// How many entries since the newest snapshot.
    fn since(&self) -> u32 {
        self.opened.rest().into()
    }
}

impl State {
    /// How many entries an account has.
    pub(crate) fn entries(&self, account: &AccountRow) -> u32 {
        let snapshots =
            if account.snapshot == NONE { 0 } else { self.snapshots[account.snapshot].link.depth };
        snapshots * SNAPSHOT_ENTRIES + account.since()
    }

    /// Appends a transfer, as an entry of both its accounts, and moves what it moves.
    pub(crate) fn append(&mut self, mut transfer: TransferRow) -> u32 {
        let number = self.transfers.len();
        let moved = self.moved(&transfer);
        let debit = self.account_mut(transfer.debit);
        // What was checked before fits: see `limits`.
        debit.debits = debit.debits.wrapping_add(moved);
        transfer.debit_previous = enter(debit, number);
        if debit.since() == SNAPSHOT_ENTRIES {
            self.note(transfer.debit);
        }
        let credit = self.account_mut(transfer.credit);
        credit.credits = credit.credits.wrapping_add(moved);
        transfer.credit_previous = enter(credit, number);
        if credit.since() == SNAPSHOT_ENTRIES {
            self.note(transfer.credit);
        }
        if self.is_dated_back(&transfer) {
            for account in [transfer.debit, transfer.credit] {
                self.date_back(account, number);
            }
        }
        self.transfers.push(transfer)
    }

    /// Notes an account's sums after its newest entry.
    fn note(&mut self, account: u32) {
        let AccountRow { debits, credits, snapshot, last, .. } = self.accounts[account];
        let link = link_to(&self.snapshots, snapshot);
        let snapshot = self.snapshots.push(Snapshot { debits, credits, link, transfer: last });
        // Whoever counted the entry has saved the row.
        let account = &mut self.accounts[account];
        account.snapshot = snapshot;
        account.opened = account.opened.with_rest(0);
    }

    /// Whether it counts from an earlier day than the log's.
    pub(crate) fn is_dated_back(&self, transfer: &TransferRow) -> bool {
        let day = transfer.detail().map_or(0, |detail| self.details[detail].effective_day);
        day != 0 && u64::from(day) < day_of(transfer.time())
    }

    fn date_back(&mut self, account: u32, transfer: u32) {
        let extra = self.make_extra(account);
        let link = link_to(&self.backdated, self.extras[extra].backdated);
        let backdated = self.backdated.push(Backdated { link, transfer });
        self.extra_mut(extra).backdated = backdated;
    }

    /// How much really left one account for the other.
    pub(crate) fn moved(&self, transfer: &TransferRow) -> u128 {
        if transfer.kind().moves() { self.amount(transfer) } else { 0 }
    }

    /// The newest point of an account.
    pub(crate) fn newest(&self, account: &AccountRow) -> Point {
        let number = self.entries(account);
        Point { transfer: account.last, number, debits: account.debits, credits: account.credits }
    }

    /// The point one entry before.
    pub(crate) fn before(&self, account: u32, point: Point) -> Point {
        let transfer = &self.transfers[point.transfer];
        let moved = self.moved(transfer);
        let mut before = Point { number: point.number - 1, ..point };
        if transfer.debit == account {
            before.debits -= moved;
            before.transfer = transfer.debit_previous;
        } else {
            before.credits -= moved;
            before.transfer = transfer.credit_previous;
        }
        before
    }

    /// The oldest snapshot that this is true of, as it is of all newer ones; else the newest
    /// point.
    fn near(&self, account: &AccountRow, later: impl Fn(&Snapshot) -> bool) -> Point {
        let Some(found) = oldest(&self.snapshots, account.snapshot, later) else {
            return self.newest(account);
        };
        let Snapshot { debits, credits, link, transfer } = self.snapshots[found];
        Point { transfer, number: link.depth * SNAPSHOT_ENTRIES, debits, credits }
    }

    /// The point of the entry with this number, or of the newest if there is none.
    pub(crate) fn point(&self, account: u32, number: u32) -> Point {
        let later = |snapshot: &Snapshot| snapshot.link.depth * SNAPSHOT_ENTRIES >= number;
        let mut point = self.near(&self.accounts[account], later);
        while point.number > number {
            point = self.before(account, point);
        }
        point
    }

    /// The point of the newest entry that is not later, where all after it are.
    pub(crate) fn point_until(&self, account: u32, later: impl Fn(&TransferRow) -> bool) -> Point {
        let is_later = |row: u32| row != NONE && later(&self.transfers[row]);
        let mut point = self.near(&self.accounts[account], |snapshot| is_later(snapshot.transfer));
        while is_later(point.transfer) {
            point = self.before(account, point);
        }
        point
    }

    /// The entries that are dated back and whose day in the log is between two, both included.
    pub(crate) fn dated_back(
        &self,
        account: &AccountRow,
        days: core::ops::RangeInclusive<u64>,
    ) -> impl Iterator<Item = &TransferRow> {
        let day = |row: &Backdated| day_of(self.transfers[row.transfer].time());
        let newest = self.extra(account).backdated;
        let (first, last) = days.into_inner();
        let start = match oldest(&self.backdated, newest, |row| day(row) > last) {
            Some(later) => self.backdated[later].link.previous,
            None => newest,
        };
        let row = move |row: u32| (row != NONE).then_some(row);
        let next = move |at: &u32| row(self.backdated[*at].link.previous);
        core::iter::successors(row(start), next)
            .map(|at| &self.backdated[at])
            .take_while(move |row| day(row) >= first)
            .map(|row| &self.transfers[row.transfer])
    }
}

/// Counts an entry of an account; the entry before it.
fn enter(account: &mut AccountRow, number: u32) -> u32 {
    account.opened = account.opened.with_rest(account.opened.rest() + 1);
    core::mem::replace(&mut account.last, number)
}

/// The day of a time, in days since the Unix epoch.
pub(crate) fn day_of(time_ms: u64) -> u64 {
    time_ms / 86_400_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_link_of_a_list_is_found_in_few_steps() {
        let mut rows = Rows::<Backdated>::default();
        let mut newest = NONE;
        for transfer in 0..5000 {
            let link = link_to(&rows, newest);
            newest = rows.push(Backdated { link, transfer });
        }
        for wanted in 0..5000 {
            let steps = core::cell::Cell::new(0);
            let found = oldest(&rows, newest, |row| {
                steps.set(steps.get() + 1);
                row.transfer >= wanted
            });
            assert_eq!(found, Some(wanted));
            assert!(steps.get() < 100, "{} steps to {wanted}", steps.get());
        }
        assert_eq!(oldest(&rows, newest, |_| false), None);
        assert_eq!(oldest(&rows, NONE, |_| true), None);
    }
}

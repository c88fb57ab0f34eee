//! Histories and earlier balances, folded from the list of what happened.

use super::{Event, Naive};
use crate::common::{query_account, query_balance, query_history};
use vwp_ledger::Ledger;
use vwp_ledger::codec::{EntryView, HistoryQuery, Kind, Moment, Order};

impl Naive {
    /// Compares every account's history and earlier balances with the ledger's, in pages of
    /// some size.
    pub fn assert_same_histories(&self, ledger: &Ledger, limit: u32) {
        for id in self.accounts.keys() {
            let entries = self.entries(*id);
            assert_eq!(query_account(ledger, *id).unwrap().entries as usize, entries.len());
            let mut newest = entries.clone();
            newest.reverse();
            let all = HistoryQuery::newest(*id, limit);
            assert_eq!(pages(ledger, all), newest);
            assert_eq!(pages(ledger, HistoryQuery { order: Order::OldestFirst, ..all }), entries);
            let some = HistoryQuery { kind: Some(Kind::Plain), code: Some(1), ..all };
            let is_wanted = |entry: &EntryView| (entry.kind, entry.code) == (Kind::Plain, 1);
            newest.retain(is_wanted);
            assert_eq!(pages(ledger, some), newest);
            newest.reverse();
            assert_eq!(pages(ledger, HistoryQuery { order: Order::OldestFirst, ..some }), newest);
            self.assert_same_balances(ledger, *id);
        }
    }

    fn assert_same_balances(&self, ledger: &Ledger, id: u128) {
        let at = |moment: Moment, counts: &dyn Fn(&Event) -> bool| {
            let moved = || self.happened.iter().filter(|event| event.moves() && counts(event));
            let debits = moved().filter(|event| event.from == id).map(|event| event.amount).sum::<u128>();
            let credits = moved().filter(|event| event.to == id).map(|event| event.amount).sum::<u128>();
            let view = query_balance(ledger, id, moment).unwrap();
            assert_eq!((view.debits, view.credits), (debits, credits), "{id} at {moment:?}");
        };
        let day_of = |event: &Event| u32::try_from(event.time / 86_400_000).unwrap();
        let mut days = vec![0, 19_950, 20_000, u32::MAX];
        for event in self.happened.iter().step_by(3) {
            at(Moment::Position(event.position), &|other| other.position <= event.position);
            at(Moment::Time(event.time), &|other| other.time <= event.time);
            days.extend([day_of(event), day_of(event).saturating_sub(1), event.transfer.effective_day]);
        }
        at(Moment::Position(0), &|_| false);
        at(Moment::Time(u64::MAX), &|_| true);
        for day in days {
            let counted_from = |event: &Event| match event.transfer.effective_day {
                0 => day_of(event),
                effective => effective.min(day_of(event)),
            };
            at(Moment::EffectiveDay(day), &|event| counted_from(event) <= day);
        }
    }

    fn entries(&self, id: u128) -> Vec<EntryView> {
        let (mut debits, mut credits) = (0, 0);
        let mut entries = Vec::new();
        for event in self.happened.iter().filter(|event| event.from == id || event.to == id) {
            let is_debit = event.from == id;
            let moved = if event.moves() { event.amount } else { 0 };
            *(if is_debit { &mut debits } else { &mut credits }) += moved;
            entries.push(EntryView {
                transfer: event.transfer.id,
                other: if is_debit { event.to } else { event.from },
                amount: event.amount,
                debits,
                credits,
                position: event.position,
                time: event.time,
                number: u32::try_from(entries.len()).unwrap() + 1,
                effective_day: event.transfer.effective_day,
                item: event.item,
                code: event.transfer.code,
                kind: event.transfer.kind,
                is_debit,
            });
        }
        entries
    }
}

/// All entries that a query finds, page by page.
pub fn pages(ledger: &Ledger, mut query: HistoryQuery) -> Vec<EntryView> {
    let mut entries = Vec::new();
    loop {
        let page = query_history(ledger, query).unwrap();
        assert!(page.entries.len() <= query.limit as usize);
        entries.extend(page.entries);
        query.start = page.next;
        if page.next.is_none() {
            return entries;
        }
    }
}

//! Reading the state.

use crate::apply::{applies, used};
use crate::codec::{
    self, AccountFlags, AccountView, AssetTotals, AssetView, BalanceView, EntryView, HistoryQuery,
    HistoryView, ITEM_LENGTH, Moment, Order, PlaceView, Query, RulesView, TOTALS_ACCOUNTS_MAX, Totals,
    TransferView, UseView, VelocityView, encode_view,
};
use crate::history::{Point, day_of};
use crate::rows::{AccountRow, AssetRow, Detail, TransferRow};
use crate::state::{Ledger, State};
use alloc::vec::Vec;

/// How many entries a page of a history looks at, if it is filtered.
const LOOKED_AT_MAX: u32 = 10_000;

impl Ledger {
    /// Answers a question about the state, without changing it.
    pub fn query(&self, query: &[u8]) -> Vec<u8> {
        match codec::decode_query(query) {
            // Nothing else borrows the state while this runs: a ledger is not shared.
            Ok(Query::DryRun { openings, transfers }) => self.state.borrow_mut().dry_run(openings, transfers),
            Ok(query) => self.state.borrow().find(query),
            Err(reason) => codec::malformed_query(reason),
        }
    }
}

impl State {
    fn find(&self, query: Query<'_>) -> Vec<u8> {
        match query {
            Query::Asset(id) => {
                encode_view(self.assets.get_by_id(id).map(|row| self.asset_view(row)).as_ref())
            }
            Query::Account(id) => encode_view(self.account_view(id).as_ref()),
            Query::Transfer(id) => encode_view(self.transfer_view(id).as_ref()),
            Query::Totals => encode_view(Some(&self.totals())),
            Query::AssetTotals { asset, start } => encode_view(self.asset_totals(asset, start).as_ref()),
            Query::Balance(id, moment) => encode_view(self.balance(id, moment).as_ref()),
            Query::History(query) => encode_view(self.history(&query).as_ref()),
            Query::Rules => {
                encode_view(Some(&RulesView { digest: self.rules_digest, rules: self.rules.clone() }))
            }
            Query::Velocity(id) => encode_view(self.velocity(id).as_ref()),
            Query::Place(id) => encode_view(self.place(id).as_ref()),
            Query::DryRun { .. } => codec::malformed_query(codec::Malformed::Kind),
        }
    }

    /// What a batch would be answered at the time of the last command.
    fn dry_run(&mut self, openings: &[[u8; ITEM_LENGTH]], transfers: &[[u8; ITEM_LENGTH]]) -> Vec<u8> {
        let now = self.now(self.position.saturating_add(1), openings.len() + transfers.len());
        let savepoint = self.savepoint();
        let reply = self.batch(now, openings, transfers);
        self.take_back(savepoint);
        reply
    }

    fn asset_view(&self, row: &AssetRow) -> AssetView {
        let AssetRow { asset, position, time, .. } = row;
        AssetView { asset: *asset, supply: self.supply(row), position: *position, time: *time }
    }

    fn account_view(&self, id: u128) -> Option<AccountView> {
        let account = self.accounts.get_by_id(id)?;
        let extra = self.extra(account);
        let asset = &self.assets[account.asset].asset;
        let cap = asset.cap.filter(|_| account.is(AccountFlags::ISSUANCE));
        Some(AccountView {
            id,
            asset: asset.id,
            debits: account.debits,
            credits: account.credits,
            debits_pending: extra.debits_pending,
            credits_pending: extra.credits_pending,
            minimum: extra.minimum,
            maximum: cap.unwrap_or(extra.maximum),
            overdraft: extra.overdraft,
            position: account.opened.position(),
            item: account.opened.item(),
            flags: account.flags,
            class: account.class,
            entries: self.entries(account),
            holds: extra.holds,
        })
    }

    fn transfer_view(&self, id: u128) -> Option<TransferView> {
        let row = self.transfers.get_by_id(id)?;
        let detail = row.detail().map_or(Detail::new(0), |detail| self.details[detail]);
        let account_of = |row: u32| self.accounts.get(row).map_or(0, |account| account.id);
        let transfer_of = |row: u32| self.transfers.get(row).map_or(0, |transfer| transfer.id);
        let asset = self.accounts.get(row.debit).map_or(0, |account| self.assets[account.asset].asset.id);
        Some(TransferView {
            id,
            kind: row.kind(),
            answer: self.answer(row),
            item: row.place.item(),
            fingerprint: row.fingerprint,
            debit: account_of(row.debit),
            credit: account_of(row.credit),
            asset,
            code: row.code(),
            effective_day: detail.effective_day,
            origin: transfer_of(detail.origin),
            hold: detail.hold,
            settled_by: transfer_of(detail.settled_by),
            deadline: detail.deadline,
            returned: detail.returned,
        })
    }

    fn totals(&self) -> Totals {
        Totals {
            assets: self.assets.len().into(),
            accounts: self.accounts.len().into(),
            transfers: self.transfers.len().into(),
            holds: self.due.len() as u64,
            position: self.position,
            time: self.time,
            memory: self.memory(),
        }
    }

    fn asset_totals(&self, id: u128, start: u32) -> Option<AssetTotals> {
        let row = self.assets.find(id)?;
        let end = start.saturating_add(TOTALS_ACCOUNTS_MAX).min(self.accounts.len());
        let next = (end < self.accounts.len()).then_some(end);
        let supply = self.supply(&self.assets[row]);
        let mut totals = AssetTotals { supply, next, ..AssetTotals::default() };
        let accounts = (start..end).map(|number| &self.accounts[number]);
        for account in accounts.filter(|account| account.asset == row) {
            let extra = self.extra(account);
            totals.accounts = totals.accounts.saturating_add(1);
            totals.debits.add(account.debits);
            totals.credits.add(account.credits);
            totals.debits_pending.add(extra.debits_pending);
            totals.credits_pending.add(extra.credits_pending);
            if !account.is(AccountFlags::DEBIT_NORMAL) {
                totals.held_debits.add(account.debits);
                totals.held_credits.add(account.credits);
            }
        }
        Some(totals)
    }

    fn balance(&self, id: u128, moment: Moment) -> Option<BalanceView> {
        let row = self.accounts.find(id)?;
        let point = match moment {
            Moment::Position(position) => self.point_until(row, |entry| entry.place.position() > position),
            Moment::Time(time) => self.point_until(row, |entry| entry.time() > time),
            Moment::EffectiveDay(day) => self.point_until(row, |entry| day_of(entry.time()) > day.into()),
        };
        let mut view = BalanceView { debits: point.debits, credits: point.credits };
        if let Moment::EffectiveDay(day) = moment {
            let later = u64::from(day) + 1..=u64::from(day) + u64::from(codec::BACKDATING_DAYS_MAX);
            for entry in self.dated_back(&self.accounts[row], later) {
                let detail = entry.detail().map(|detail| &self.details[detail]);
                let counts = detail.is_some_and(|detail| detail.effective_day <= day);
                let moved = if counts { self.moved(entry) } else { 0 };
                let side = if entry.debit == row { &mut view.debits } else { &mut view.credits };
                // They are part of the account's sums, which fit.
                *side = side.saturating_add(moved);
            }
        }
        Some(view)
    }

    fn history(&self, query: &HistoryQuery) -> Option<HistoryView> {
        let account = self.accounts.find(query.account)?;
        let count = self.entries(&self.accounts[account]);
        let filtered = query.kind.is_some() || query.code.is_some();
        let look_at = if filtered { LOOKED_AT_MAX } else { query.limit };
        Some(match query.order {
            Order::NewestFirst => {
                let first = query.start.unwrap_or(count).min(count);
                self.newest_first(account, first, query, look_at)
            }
            Order::OldestFirst => {
                let first = query.start.unwrap_or(1).max(1);
                self.oldest_first(account, first..=count, query, look_at)
            }
        })
    }

    fn newest_first(&self, account: u32, first: u32, query: &HistoryQuery, look_at: u32) -> HistoryView {
        let mut view = HistoryView::default();
        let mut point = self.point(account, first);
        for _ in 0..look_at {
            if point.number == 0 || view.entries.len() >= query.limit as usize {
                break;
            }
            view.entries.extend(self.entry(account, point, query));
            point = self.before(account, point);
        }
        view.next = Some(point.number).filter(|&number| number != 0);
        view
    }

    fn oldest_first(
        &self,
        account: u32,
        numbers: core::ops::RangeInclusive<u32>,
        query: &HistoryQuery,
        look_at: u32,
    ) -> HistoryView {
        let (first, count) = numbers.into_inner();
        let last = first.saturating_add(look_at - 1).min(count);
        let mut view = HistoryView::default();
        if first > last {
            return view;
        }
        let mut point = self.point(account, last);
        while point.number >= first {
            view.entries.extend(self.entry(account, point, query));
            point = self.before(account, point);
        }
        view.entries.reverse();
        view.next = last.checked_add(1).filter(|&next| next <= count);
        if let Some(cut) = view.entries.get(query.limit as usize) {
            view.next = Some(cut.number);
            view.entries.truncate(query.limit as usize);
        }
        view
    }

    /// An entry, if it is one that the query wants.
    fn entry(&self, account: u32, point: Point, query: &HistoryQuery) -> Option<EntryView> {
        let row: &TransferRow = &self.transfers[point.transfer];
        let (kind, code) = (row.kind(), row.code());
        if query.kind.is_some_and(|wanted| wanted != kind) || query.code.is_some_and(|wanted| wanted != code)
        {
            return None;
        }
        let is_debit = row.debit == account;
        let other = if is_debit { row.credit } else { row.debit };
        Some(EntryView {
            transfer: row.id,
            other: self.accounts[other].id,
            amount: self.amount(row),
            debits: point.debits,
            credits: point.credits,
            position: row.place.position(),
            time: row.time(),
            number: point.number,
            effective_day: row.detail().map_or(0, |detail| self.details[detail].effective_day),
            item: row.place.item(),
            code,
            kind,
            is_debit,
        })
    }

    fn velocity(&self, id: u128) -> Option<VelocityView> {
        let account: &AccountRow = self.accounts.get_by_id(id)?;
        let asset = self.assets[account.asset].asset.id;
        let uses = self.rules.iter().filter(|rule| applies(rule, account, asset)).map(|rule| {
            let ring = self.ring(account, rule.window_s);
            let (amount, count) = ring.map_or((0, 0), |ring| used(&self.rings[ring], self.time));
            UseView { rule: *rule, amount, count }
        });
        Some(VelocityView { uses: uses.collect() })
    }

    fn place(&self, id: u128) -> Option<PlaceView> {
        let at = |position, item| PlaceView { position, item };
        let transfer = self.transfers.get_by_id(id).map(|row| at(row.place.position(), row.place.item()));
        let account = || self.accounts.get_by_id(id).map(|row| at(row.opened.position(), row.opened.item()));
        let asset = || self.assets.get_by_id(id).map(|row| at(row.position, 0));
        transfer.or_else(account).or_else(asset)
    }
}

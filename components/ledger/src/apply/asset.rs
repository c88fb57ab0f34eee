//! Creating assets.

use super::Now;
use crate::codec::{AccountFlags, Answer, Asset, Outcome, Sum};
use crate::rows::{AccountRow, AssetRow};
use crate::state::State;

impl State {
    pub(super) fn create_asset(&mut self, now: Now, asset: &Asset) -> Answer {
        if let Some(known) = self.assets.get_by_id(asset.id) {
            if known.asset != *asset {
                return now.answer(Outcome::IdReused);
            }
            let (position, time) = (known.position, known.time);
            return Answer { outcome: Outcome::Created, repeated: true, position, time, amount: 0 };
        }
        if self.accounts.find(asset.issuance).is_some() {
            return now.answer(Outcome::IdReused);
        }
        if !now.has_room {
            return now.answer(Outcome::Full);
        }
        let number = self.assets.len();
        let issuance = AccountRow {
            // It owes what exists.
            flags: AccountFlags::ISSUANCE.with(AccountFlags::DEBIT_NORMAL).with(AccountFlags::NAMED),
            ..AccountRow::new(asset.issuance, number, now.place(0))
        };
        let issuance = self.push_account(issuance);
        let (position, time) = (now.position, now.time);
        self.assets.push(AssetRow { asset: *asset, issuance, position, time });
        now.answer(Outcome::Created)
    }

    /// How much of an asset is in circulation: what the accounts whose normal balance is a debit owe, together.
    /// Every transfer has two sides, so the others hold as much. More than 128 bits count is as much as they do.
    pub(crate) fn supply(&self, asset: &AssetRow) -> u128 {
        let number = self.accounts[asset.issuance].asset;
        let (mut debits, mut credits) = (Sum::default(), Sum::default());
        for &(_, row) in self.owing.range((number, 0)..=(number, u32::MAX)) {
            debits.add(self.accounts[row].debits);
            credits.add(self.accounts[row].credits);
        }
        let (low, borrows) = debits.low.overflowing_sub(credits.low);
        match debits.high.checked_sub(credits.high.saturating_add(borrows.into())) {
            Some(0) => low,
            Some(_) => u128::MAX,
            // They were credited beyond what they had given: only accounts that may be overdrawn.
            None => 0,
        }
    }
}

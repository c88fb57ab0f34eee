//! Creating assets.

use super::Now;
use crate::codec::{AccountFlags, Answer, Asset, Outcome};
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
        let issuance = self.accounts.push(issuance);
        let (position, time) = (now.position, now.time);
        self.assets.push(AssetRow { asset: *asset, issuance, position, time });
        now.answer(Outcome::Created)
    }

    /// How much of an asset exists: what its issuance account owes.
    pub(crate) fn supply(&self, asset: &AssetRow) -> u128 {
        let account = &self.accounts[asset.issuance];
        // It never takes back more than it gave: see `limits`.
        account.debits.saturating_sub(account.credits)
    }
}

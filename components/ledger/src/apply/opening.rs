//! Opening accounts.

use super::Now;
use crate::codec::{AccountFlags, Answer, ITEM_LENGTH, Opening, Outcome};
use crate::hash;
use crate::rows::AccountRow;
use crate::state::State;

impl State {
    pub(super) fn open(&mut self, now: Now, item: u16, bytes: &[u8; ITEM_LENGTH]) -> Answer {
        let Ok(opening) = Opening::decode(bytes) else {
            return now.answer(Outcome::Malformed);
        };
        let owner = owner_of(bytes);
        let Some(row) = self.accounts.find(opening.account) else {
            return now.answer(self.open_new(now, item, &opening, owner));
        };
        let account = self.accounts[row];
        if self.assets[account.asset].asset.id != opening.asset {
            return now.answer(Outcome::WrongAsset);
        }
        if account.is(AccountFlags::NAMED) {
            let same = account.owner == owner && !account.is(AccountFlags::ISSUANCE);
            let outcome = if same { Outcome::Created } else { Outcome::IdReused };
            return Answer { repeated: same, ..now.answer(outcome) };
        }
        if opening.flags.contains(AccountFlags::DEBIT_NORMAL) {
            // A credit opened it, so it holds something, and such an account owes.
            return now.answer(Outcome::IdReused);
        }
        // Now its owner is known. How many entries it has is kept beside the place.
        let account = self.account_mut(row);
        account.opened = now.place(item).with_rest(account.opened.rest());
        account.owner = owner;
        // One that was set already is who may set it.
        if account.class == 0 {
            account.class = opening.class;
        }
        account.flags = account.flags.with(AccountFlags::NAMED);
        now.answer(Outcome::Created)
    }

    fn open_new(&mut self, now: Now, item: u16, opening: &Opening, owner: u32) -> Outcome {
        let Some(asset) = self.assets.find(opening.asset) else {
            return Outcome::UnknownAsset;
        };
        if !now.has_room {
            return Outcome::Full;
        }
        self.push_account(AccountRow {
            owner,
            class: opening.class,
            flags: opening.flags.with(AccountFlags::NAMED),
            ..AccountRow::new(opening.account, asset, now.place(item))
        });
        Outcome::Created
    }
}

/// What tells an opening's repeat from another opening: its bytes after the two ids.
#[allow(clippy::cast_possible_truncation, reason = "32 bits are enough: see the row")]
fn owner_of(bytes: &[u8; ITEM_LENGTH]) -> u32 {
    hash::fingerprint(bytes.get(32..).unwrap_or_default()) as u32
}

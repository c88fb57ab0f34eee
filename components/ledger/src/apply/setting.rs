//! Setting an account's limits, and the velocity rules.

use super::{Item, Now};
use crate::codec::{
    AccountFlags, Answer, ITEM_LENGTH, Kind, Outcome, RuleSet, Setting, Writer, rules_digest,
};
use crate::hash;
use crate::rows::{AccountRow, PLAIN};
use crate::state::State;

impl State {
    pub(super) fn set_account(&mut self, now: Now, setting: &Setting) -> Answer {
        let mut bytes = Writer::with_capacity(ITEM_LENGTH);
        setting.write(&mut bytes);
        let item = Item::other(now, setting.id, Kind::Setting, &bytes.0);
        self.once(now, item, |state| state.change_account(setting))
    }

    pub(super) fn set_rules(&mut self, now: Now, rules: &RuleSet) -> Answer {
        let mut bytes = Writer::with_capacity(ITEM_LENGTH);
        rules.write(&mut bytes);
        // A fingerprint takes whole rounds, and the body has whole words.
        bytes.0.resize(bytes.0.len().next_multiple_of(32), 0);
        let item = Item::other(now, rules.id, Kind::Rules, &bytes.0);
        self.once(now, item, |state| {
            state.rules_digest = rules_digest(&rules.rules);
            state.rules.clone_from(&rules.rules);
            Outcome::Created
        })
    }

    /// Does something once for an id, and records what became of it.
    fn once(&mut self, now: Now, item: Item, change: impl FnOnce(&mut Self) -> Outcome) -> Answer {
        if let Some(known) = self.known(now, item.id, item.fingerprint) {
            return known;
        }
        if !now.has_room {
            return now.answer(Outcome::Full);
        }
        let outcome = change(self);
        self.record(now, item, outcome);
        now.answer(outcome)
    }

    fn change_account(&mut self, setting: &Setting) -> Outcome {
        let Some(row) = self.accounts.find(setting.account) else { return Outcome::UnknownAccount };
        let account = self.accounts[row];
        let extra = *self.extra(&account);
        let limits = (setting.minimum, setting.maximum, setting.overdraft);
        if account.is(AccountFlags::CLOSED) {
            return Outcome::AccountClosed;
        }
        let unlimited = limits == (PLAIN.minimum, PLAIN.maximum, PLAIN.overdraft);
        if account.is(AccountFlags::ISSUANCE) && !unlimited {
            return Outcome::LimitsFixed;
        }
        if setting.closed && (account.debits != account.credits || extra.holds != 0) {
            return Outcome::NotEmpty;
        }
        if limits != (extra.minimum, extra.maximum, extra.overdraft) {
            let extra = self.make_extra(row);
            let extra = self.extra_mut(extra);
            (extra.minimum, extra.maximum, extra.overdraft) = limits;
        }
        let account: &mut AccountRow = self.account_mut(row);
        account.flags = account.flags.set(AccountFlags::FROZEN, setting.frozen);
        account.flags = account.flags.set(AccountFlags::CLOSED, setting.closed);
        account.class = setting.class;
        Outcome::Created
    }
}

impl Item {
    /// The item of a command that has only one.
    fn other(now: Now, id: u128, kind: Kind, bytes: &[u8]) -> Self {
        Self { id, fingerprint: hash::fingerprint(bytes), kind, code: 0, place: now.place(0) }
    }
}

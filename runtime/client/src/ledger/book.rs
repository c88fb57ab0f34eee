//! The assets and accounts that were met in the log: what an export keeps in memory.

use super::walk::Movement;
use std::collections::BTreeMap;
use vwp_ledger::codec;
use vwp_transactions::reference::id_text;

/// An asset.
#[derive(Debug, Clone)]
pub(super) struct Asset {
    /// The asset's id in the ledger.
    pub(super) id: u128,
    /// `code@world`.
    pub(super) name: String,
    /// What people call it; may be empty.
    pub(super) title: String,
    /// How many decimal places the minor unit stands for.
    pub(super) scale: u8,
}

impl Asset {
    pub(super) fn new(asset: &codec::Asset) -> Self {
        Self {
            id: asset.id,
            name: asset.name.as_str().to_owned(),
            title: asset.title.as_str().to_owned(),
            scale: asset.scale,
        }
    }
}

/// An account.
#[derive(Debug, Clone)]
pub(super) struct Account {
    /// Whose it is: `traveller:<id>`, `world:<name>`, `issuance:<asset>`.
    pub(super) owner: String,
    asset: u128,
    /// The first day that something of it counts from; none if nothing has moved.
    pub(super) first_day: Option<u32>,
}

/// What was met so far.
#[derive(Debug, Default)]
pub(super) struct Book {
    assets: BTreeMap<u128, Asset>,
    accounts: BTreeMap<u128, Account>,
}

impl Book {
    pub(super) fn add(&mut self, id: u128, asset: Asset) {
        self.assets.entry(id).or_insert(asset);
    }

    /// Notes an account with the owner that is named first, so that it has one name in all of an export.
    pub(super) fn open(&mut self, id: u128, asset: u128, owner: &str) {
        if self.assets.contains_key(&asset) {
            let account = || Account { owner: owner.to_owned(), asset, first_day: None };
            self.accounts.entry(id).or_insert_with(account);
        }
    }

    /// Notes an account of which nobody has said whose it is.
    pub(super) fn open_unnamed(&mut self, id: u128, asset: u128) {
        if !self.accounts.contains_key(&id) {
            self.open(id, asset, &format!("unnamed:{}", id_text(id)));
        }
    }

    /// Notes from when on the accounts of a movement count.
    pub(super) fn used(&mut self, movement: &Movement) {
        for id in [movement.from, movement.to] {
            if let Some(account) = self.accounts.get_mut(&id) {
                let first = account.first_day.map_or(movement.day, |day| day.min(movement.day));
                account.first_day = Some(first);
            }
        }
    }

    /// All accounts, by id.
    pub(super) fn accounts(&self) -> impl Iterator<Item = u128> {
        self.accounts.keys().copied()
    }

    /// An account and its asset.
    pub(super) fn account(&self, id: u128) -> anyhow::Result<(&Account, &Asset)> {
        let account = self.accounts.get(&id);
        let known = account.and_then(|account| Some((account, self.assets.get(&account.asset)?)));
        known.ok_or_else(|| anyhow::anyhow!("the log says of no asset that account {} holds it", id_text(id)))
    }
}

/// An amount of minor units as an exact decimal number.
pub(super) fn decimal(amount: u128, scale: u8) -> String {
    let scale = usize::from(scale);
    let digits = format!("{amount:0>width$}", width = scale + 1);
    match digits.split_at_checked(digits.len() - scale) {
        Some((whole, part)) if scale != 0 => format!("{whole}.{part}"),
        _ => digits,
    }
}

/// What an account holds as a signed decimal number: below zero for one that owes, such as an issuance account.
pub(super) fn balance((debits, credits): (u128, u128), scale: u8) -> String {
    let sign = if debits > credits { "-" } else { "" };
    format!("{sign}{}", decimal(credits.abs_diff(debits), scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_minor_unit_has_its_place() {
        let cases = [(0, 0, "0"), (7, 0, "7"), (0, 2, "0.00"), (7, 2, "0.07"), (250, 2, "2.50")];
        for (amount, scale, expected) in cases {
            assert_eq!(decimal(amount, scale), expected);
        }
        assert_eq!(decimal(u128::MAX, 18), "340282366920938463463.374607431768211455");
        assert_eq!(balance((9, 2), 1), "-0.7");
        assert_eq!(balance((2, 9), 0), "7");
    }
}

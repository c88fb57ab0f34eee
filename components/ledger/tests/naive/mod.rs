//! A ledger that is obviously right: balances are folded from the whole history
//! whenever they are needed.

use crate::common::{query_account, query_asset};
use std::collections::{BTreeMap, BTreeSet};
use vwp_ledger::Ledger;
use vwp_ledger::codec::{Answer, Asset, Opening, Outcome, Reply, Transfer};

#[derive(Default)]
pub struct Naive {
    assets: BTreeMap<u128, (Asset, u64)>,
    /// Per account, its asset and its owner.
    accounts: BTreeMap<u128, (u128, String)>,
    /// What was recorded, and what of it happened.
    recorded: BTreeMap<u128, (Transfer, Answer)>,
    happened: Vec<Transfer>,
}

fn answer(position: u64, outcome: Outcome) -> Answer {
    Answer { outcome, repeated: false, position, time: position * 10 }
}

impl Naive {
    pub fn create(&mut self, position: u64, asset: &Asset) -> Reply {
        let answer = match self.assets.get(&asset.id) {
            Some((known, _)) if known != asset => answer(position, Outcome::IdReused),
            Some((_, first)) => Answer { repeated: true, ..answer(*first, Outcome::Created) },
            None if self.accounts.contains_key(&asset.issuance) => answer(position, Outcome::IdReused),
            None => {
                self.assets.insert(asset.id, (*asset, position));
                let owner = format!("issuance:{}", asset.name.as_str());
                self.accounts.insert(asset.issuance, (asset.id, owner));
                answer(position, Outcome::Created)
            }
        };
        Reply::Answers { openings: Vec::new(), transfers: vec![answer] }
    }

    pub fn batch(&mut self, position: u64, openings: &[Opening], transfers: &[Transfer]) -> Reply {
        Reply::Answers {
            openings: openings.iter().map(|opening| self.open(position, opening)).collect(),
            transfers: transfers.iter().map(|transfer| self.transfer(position, transfer)).collect(),
        }
    }

    fn open(&mut self, position: u64, opening: &Opening) -> Answer {
        let owner = opening.owner.as_str();
        match self.accounts.get_mut(&opening.account) {
            Some((asset, _)) if *asset != opening.asset => answer(position, Outcome::WrongAsset),
            Some((_, known)) if known.is_empty() => {
                owner.clone_into(known);
                answer(position, Outcome::Created)
            }
            Some((_, known)) if known != owner => answer(position, Outcome::IdReused),
            Some(_) => Answer { repeated: true, ..answer(position, Outcome::Created) },
            None if !self.assets.contains_key(&opening.asset) => answer(position, Outcome::UnknownAsset),
            None => {
                self.accounts.insert(opening.account, (opening.asset, owner.to_owned()));
                answer(position, Outcome::Created)
            }
        }
    }

    fn transfer(&mut self, position: u64, transfer: &Transfer) -> Answer {
        if let Some((known, first)) = self.recorded.get(&transfer.id) {
            if known != transfer {
                return answer(position, Outcome::IdReused);
            }
            return Answer { repeated: true, ..*first };
        }
        let answer = answer(position, self.judge(transfer));
        let never = [Outcome::ZeroAmount, Outcome::SameAccount, Outcome::WrongAsset];
        if never.contains(&answer.outcome) {
            return answer;
        }
        self.recorded.insert(transfer.id, (*transfer, answer));
        if answer.outcome == Outcome::Created {
            self.happened.push(*transfer);
            self.accounts.entry(transfer.credit).or_insert((transfer.asset, String::new()));
        }
        answer
    }

    fn judge(&self, transfer: &Transfer) -> Outcome {
        let holds_other = |id| self.accounts.get(id).is_some_and(|(asset, _)| *asset != transfer.asset);
        let Some((asset, _)) = self.assets.get(&transfer.asset) else {
            return match (transfer.amount, transfer.debit == transfer.credit) {
                (0, _) => Outcome::ZeroAmount,
                (_, true) => Outcome::SameAccount,
                _ if holds_other(&transfer.debit) || holds_other(&transfer.credit) => Outcome::WrongAsset,
                _ => Outcome::UnknownAsset,
            };
        };
        let issued = transfer.debit == asset.issuance;
        let (debits, credits) = self.sums(transfer.debit);
        let supply = self.sums(asset.issuance).0 - self.sums(asset.issuance).1;
        let (_, credited) = self.sums(transfer.credit);
        if transfer.amount == 0 {
            Outcome::ZeroAmount
        } else if transfer.debit == transfer.credit {
            Outcome::SameAccount
        } else if holds_other(&transfer.debit) || holds_other(&transfer.credit) {
            Outcome::WrongAsset
        } else if !issued && credits - debits < transfer.amount {
            Outcome::ExceedsBalance
        } else if debits.checked_add(transfer.amount).is_none()
            || credited.checked_add(transfer.amount).is_none()
        {
            Outcome::Overflow
        } else if issued && asset.cap.is_some_and(|cap| supply + transfer.amount > cap) {
            Outcome::ExceedsCap
        } else {
            Outcome::Created
        }
    }

    fn sums(&self, account: u128) -> (u128, u128) {
        let of = |side: fn(&Transfer) -> u128| {
            self.happened.iter().filter(|transfer| side(transfer) == account).map(|one| one.amount).sum()
        };
        (of(|transfer| transfer.debit), of(|transfer| transfer.credit))
    }

    /// Compares every account and asset, and what they add up to.
    pub fn assert_same_balances(&self, ledger: &Ledger) {
        for (id, (asset, owner)) in &self.accounts {
            let account = query_account(ledger, *id).expect("the account exists");
            assert_eq!((account.debits, account.credits), self.sums(*id));
            assert_eq!((account.asset, account.owner.as_str()), (*asset, owner.as_str()));
        }
        for (id, (asset, _)) in &self.assets {
            let view = query_asset(ledger, *id).expect("the asset exists");
            let holders: BTreeSet<_> = self.accounts.iter().filter(|(_, (held, _))| held == id).collect();
            let held = holders.iter().filter(|(account, _)| **account != asset.issuance);
            let held: u128 =
                held.map(|(account, _)| query_account(ledger, **account).unwrap().balance()).sum();
            assert_eq!(view.supply, held, "the supply is what the holders hold");
            assert!(asset.cap.is_none_or(|cap| view.supply <= cap));
        }
    }
}

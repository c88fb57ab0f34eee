//! A ledger that is obviously right: it keeps what happened in a list and folds whatever it
//! is asked from that list.

pub mod history;
mod judge;

use crate::common::{
    assert_conserved, query_account, query_asset, query_asset_totals, query_transfer, query_velocity,
};
use std::collections::BTreeMap;
use vwp_ledger::Ledger;
use vwp_ledger::codec::{
    AccountFlags, Answer, Asset, Flags, HoldState, Kind, Opening, Outcome, Reply, Rule, RuleSet, Setting,
    Transfer,
};

#[derive(Debug, Clone, Default)]
pub struct Naive {
    assets: BTreeMap<u128, (Asset, u64, u64)>,
    accounts: BTreeMap<u128, Account>,
    /// What was recorded under an id: the item, and the first answer.
    recorded: BTreeMap<u128, (Body, Answer)>,
    happened: Vec<Event>,
    rules: Vec<Rule>,
    position: u64,
    time: u64,
}

#[derive(Debug, Clone)]
struct Account {
    asset: u128,
    /// The first opening that named its owner.
    opening: Option<Opening>,
    debit_normal: bool,
    issuance: bool,
    setting: Setting,
}

#[derive(Debug, Clone, PartialEq)]
enum Body {
    Transfer(Transfer),
    Setting(Setting),
    Rules(RuleSet),
}

/// Something that was done.
#[derive(Debug, Clone)]
pub struct Event {
    transfer: Transfer,
    from: u128,
    to: u128,
    amount: u128,
    position: u64,
    time: u64,
    item: u16,
    /// The windows of the velocity rules that it was counted for.
    windows: Vec<u32>,
}

impl Event {
    fn moves(&self) -> bool {
        !matches!(self.transfer.kind, Kind::Pending | Kind::Void)
    }

    fn deadline(&self) -> Option<u64> {
        let timeout = u64::from(self.transfer.timeout_s);
        (timeout != 0).then(|| self.time + timeout * 1000)
    }
}

impl Account {
    fn new(asset: u128) -> Self {
        let setting = Setting::new(0, 0);
        Self { asset, opening: None, debit_normal: false, issuance: false, setting }
    }
}

impl Naive {
    /// Begins the next command.
    pub fn tick(&mut self, position: u64, time: u64) -> Reply {
        (self.position, self.time) = (position, time);
        Reply::Answers { openings: Vec::new(), transfers: Vec::new() }
    }

    fn answer(&self, outcome: Outcome, amount: u128) -> Answer {
        Answer { outcome, repeated: false, position: self.position, time: self.time, amount }
    }

    fn one(answer: Answer) -> Reply {
        Reply::Answers { openings: Vec::new(), transfers: vec![answer] }
    }

    pub fn create(&mut self, asset: &Asset) -> Reply {
        Self::one(match self.assets.get(&asset.id) {
            Some((known, ..)) if known != asset => self.answer(Outcome::IdReused, 0),
            Some(&(_, position, time)) => {
                Answer { repeated: true, position, time, ..self.answer(Outcome::Created, 0) }
            }
            None if self.accounts.contains_key(&asset.issuance) => self.answer(Outcome::IdReused, 0),
            None => {
                self.assets.insert(asset.id, (*asset, self.position, self.time));
                let issuance = Account { debit_normal: true, issuance: true, ..Account::new(asset.id) };
                self.accounts.insert(asset.issuance, issuance);
                self.answer(Outcome::Created, 0)
            }
        })
    }

    pub fn set_account(&mut self, setting: &Setting) -> Reply {
        let body = Body::Setting(*setting);
        Self::one(self.known(setting.id, &body).unwrap_or_else(|| {
            let outcome = self.judge_setting(setting);
            if outcome == Outcome::Created {
                self.accounts.get_mut(&setting.account).unwrap().setting = *setting;
            }
            self.record(setting.id, body, self.answer(outcome, 0))
        }))
    }

    fn judge_setting(&self, setting: &Setting) -> Outcome {
        let limits = |setting: &Setting| (setting.minimum, setting.maximum, setting.overdraft);
        let Some(account) = self.accounts.get(&setting.account) else { return Outcome::UnknownAccount };
        let (debits, credits) = self.posted(setting.account);
        let held = self.held(setting.account) != (0, 0);
        if account.setting.closed {
            Outcome::AccountClosed
        } else if account.issuance && limits(setting) != limits(&Setting::new(0, 0)) {
            Outcome::LimitsFixed
        } else if setting.closed && (debits != credits || held) {
            Outcome::NotEmpty
        } else {
            Outcome::Created
        }
    }

    pub fn set_rules(&mut self, rules: &RuleSet) -> Reply {
        let body = Body::Rules(rules.clone());
        Self::one(self.known(rules.id, &body).unwrap_or_else(|| {
            self.rules.clone_from(&rules.rules);
            self.record(rules.id, body, self.answer(Outcome::Created, 0))
        }))
    }

    pub fn batch(&mut self, openings: &[Opening], transfers: &[Transfer]) -> Reply {
        let openings = openings.iter().map(|opening| self.open(opening)).collect();
        let mut answers = Vec::new();
        let mut items: Vec<(u16, Transfer)> = (0..).zip(transfers.iter().copied()).collect();
        while !items.is_empty() {
            let last = items.iter().position(|(_, item)| !item.flags.contains(Flags::LINKED));
            let rest = items.split_off(last.map_or(items.len(), |last| last + 1));
            answers.extend(match (items.as_slice(), last) {
                ([_, ..], None) => items.iter().map(|_| self.answer(Outcome::BadChain, 0)).collect(),
                ([one], Some(_)) => vec![self.single(one.0, &one.1)],
                (chain, Some(_)) => self.chain(chain),
                ([], None) => Vec::new(),
            });
            items = rest;
        }
        Reply::Answers { openings, transfers: answers }
    }

    fn open(&mut self, opening: &Opening) -> Answer {
        let known = self.accounts.get(&opening.account).cloned();
        let debit_normal = opening.flags == AccountFlags::DEBIT_NORMAL;
        let (outcome, repeated) = match known {
            None if !self.assets.contains_key(&opening.asset) => (Outcome::UnknownAsset, false),
            Some(account) if account.asset != opening.asset => (Outcome::WrongAsset, false),
            Some(account) if account.issuance => (Outcome::IdReused, false),
            Some(Account { opening: Some(first), .. }) => {
                if first == *opening {
                    (Outcome::Created, true)
                } else {
                    (Outcome::IdReused, false)
                }
            }
            Some(_) if debit_normal => (Outcome::IdReused, false),
            _ => {
                let account =
                    self.accounts.entry(opening.account).or_insert_with(|| Account::new(opening.asset));
                account.opening = Some(*opening);
                if account.setting.class == 0 {
                    account.setting.class = opening.class;
                }
                account.debit_normal = debit_normal;
                (Outcome::Created, false)
            }
        };
        Answer { repeated, ..self.answer(outcome, 0) }
    }

    fn known(&self, id: u128, body: &Body) -> Option<Answer> {
        let (known, first) = self.recorded.get(&id)?;
        let repeated = Answer { repeated: true, ..*first };
        Some(if known == body { repeated } else { self.answer(Outcome::IdReused, 0) })
    }

    fn record(&mut self, id: u128, body: Body, answer: Answer) -> Answer {
        self.recorded.insert(id, (body, answer));
        answer
    }

    fn single(&mut self, item: u16, transfer: &Transfer) -> Answer {
        let body = Body::Transfer(*transfer);
        if let Some(known) = self.known(transfer.id, &body) {
            return known;
        }
        if let Some(fault) = Self::fault(transfer) {
            return self.answer(fault, 0);
        }
        match self.act(item, transfer) {
            Err(Outcome::WrongAsset) => self.answer(Outcome::WrongAsset, 0),
            Err(outcome) => self.record(transfer.id, body, self.answer(outcome, 0)),
            Ok(amount) => self.record(transfer.id, body, self.answer(Outcome::Created, amount)),
        }
    }

    fn chain(&mut self, chain: &[(u16, Transfer)]) -> Vec<Answer> {
        let refuse = |naive: &Self, refused: usize, outcome: Outcome| -> Vec<Answer> {
            let of = |at: usize| if at == refused { outcome } else { Outcome::LinkedFailed };
            (0..chain.len()).map(|at| naive.answer(of(at), 0)).collect()
        };
        if let Some(at) = chain.iter().position(|(_, item)| Self::fault(item).is_some()) {
            return refuse(self, at, Self::fault(&chain[at].1).unwrap());
        }
        let mut ids: Vec<_> = chain.iter().map(|(_, item)| item.id).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() != chain.len() {
            return chain.iter().map(|_| self.answer(Outcome::BadChain, 0)).collect();
        }
        let body = |transfer: &Transfer| Body::Transfer(*transfer);
        let known: Vec<_> = chain.iter().map(|(_, item)| self.known(item.id, &body(item))).collect();
        if known.iter().any(Option::is_some) {
            let answers = known.into_iter().zip(chain);
            return answers
                .map(|(known, (_, item))| {
                    let failed = self.answer(Outcome::LinkedFailed, 0);
                    known.unwrap_or_else(|| self.record(item.id, body(item), failed))
                })
                .collect();
        }
        let mut after = self.clone();
        let mut answers = Vec::new();
        for (at, (item, transfer)) in chain.iter().enumerate() {
            match after.act(*item, transfer) {
                Ok(amount) => answers.push(after.answer(Outcome::Created, amount)),
                Err(outcome) => {
                    answers = refuse(self, at, outcome);
                    after.clone_from(self);
                    break;
                }
            }
            after.record(transfer.id, body(transfer), answers[at]);
        }
        *self = after;
        for ((_, transfer), answer) in chain.iter().zip(&answers) {
            self.record(transfer.id, body(transfer), *answer);
        }
        answers
    }

    fn fault(transfer: &Transfer) -> Option<Outcome> {
        match transfer.kind {
            Kind::Post | Kind::Void | Kind::Reverse => None,
            _ if transfer.amount == 0 => Some(Outcome::ZeroAmount),
            Kind::Plain | Kind::Pending if transfer.debit == transfer.credit => Some(Outcome::SameAccount),
            _ => None,
        }
    }

    /// What was debited from an account and credited to it.
    pub fn posted(&self, account: u128) -> (u128, u128) {
        let moved = || self.happened.iter().filter(|event| event.moves());
        let debits = moved().filter(|event| event.from == account).map(|event| event.amount).sum();
        (debits, moved().filter(|event| event.to == account).map(|event| event.amount).sum())
    }

    /// What is held of an account and for it.
    fn held(&self, account: u128) -> (u128, u128) {
        let open = || self.happened.iter().filter(|event| self.state(event) == Some(HoldState::Open));
        let debits = open().filter(|event| event.from == account).map(|event| event.amount).sum();
        (debits, open().filter(|event| event.to == account).map(|event| event.amount).sum())
    }

    /// What has become of a hold.
    fn state(&self, event: &Event) -> Option<HoldState> {
        if event.transfer.kind != Kind::Pending {
            return None;
        }
        let settles = |other: &&Event| {
            matches!(other.transfer.kind, Kind::Post | Kind::Void)
                && other.transfer.debit == event.transfer.id
        };
        Some(match self.happened.iter().find(settles) {
            Some(post) if post.transfer.kind == Kind::Post => HoldState::Posted,
            Some(_) => HoldState::Voided,
            None if event.deadline().is_some_and(|deadline| deadline <= self.time) => HoldState::Expired,
            None => HoldState::Open,
        })
    }

    /// How much of a transfer was moved back, and whether by a reversal.
    fn returned(&self, id: u128) -> (u128, bool) {
        let is = |event: &&Event| {
            matches!(event.transfer.kind, Kind::Reverse | Kind::Refund | Kind::Chargeback)
                && event.transfer.debit == id
        };
        let reversed = self.happened.iter().filter(is).any(|event| event.transfer.kind == Kind::Reverse);
        (self.happened.iter().filter(is).map(|event| event.amount).sum(), reversed)
    }

    fn event(&self, id: u128) -> Option<&Event> {
        self.happened.iter().find(|event| event.transfer.id == id)
    }

    /// Compares every account, asset and transfer with the ledger's.
    pub fn assert_same(&self, ledger: &Ledger) {
        for (id, account) in &self.accounts {
            let view = query_account(ledger, *id).expect("the account exists");
            assert_eq!((view.debits, view.credits), self.posted(*id), "what was posted on {id}");
            assert_eq!((view.debits_pending, view.credits_pending), self.held(*id), "what is held on {id}");
            let setting = &account.setting;
            assert_eq!((view.asset, view.class), (account.asset, setting.class));
            assert_eq!(view.flags.contains(AccountFlags::FROZEN), setting.frozen);
            assert_eq!(view.flags.contains(AccountFlags::CLOSED), setting.closed);
            let uses = query_velocity(ledger, *id).unwrap().uses;
            assert_eq!(uses.len(), self.rules_of(*id).count());
            for used in uses {
                assert_eq!((used.amount, used.count), self.used(*id, used.rule.window_s));
            }
        }
        for (id, (asset, ..)) in &self.assets {
            let supply = query_asset(ledger, *id).expect("the asset exists").supply;
            let owing =
                self.accounts.iter().filter(|(_, account)| account.asset == *id && account.debit_normal);
            let owing: Vec<_> = owing.map(|(account, _)| self.posted(*account)).collect();
            let sum = |side: fn((u128, u128)) -> u128| {
                owing.iter().try_fold(0, |sum: u128, sums| sum.checked_add(side(*sums)))
            };
            let owed = sum(|(debits, credits)| debits.saturating_sub(credits));
            let overdrawn = sum(|(debits, credits)| credits.saturating_sub(debits));
            if let (Some(owed), Some(overdrawn)) = (owed, overdrawn) {
                assert_eq!(supply, owed.saturating_sub(overdrawn));
            }
            let issuance = query_account(ledger, asset.issuance).expect("it was opened with its asset");
            assert!(asset.cap.is_none_or(|cap| issuance.balance() <= cap), "no more than the cap is issued");
            let count = self.accounts.values().filter(|account| account.asset == *id).count();
            assert_eq!(query_asset_totals(ledger, *id).unwrap().accounts, count as u64);
            assert_conserved(ledger, *id);
        }
    }

    /// Compares what became of every id with what the ledger says.
    pub fn assert_same_transfers(&self, ledger: &Ledger) {
        for (id, (body, first)) in &self.recorded {
            let view = query_transfer(ledger, *id).expect("the transfer is recorded");
            assert_eq!(view.answer, *first);
            let Body::Transfer(transfer) = body else { continue };
            assert_eq!((view.kind, view.fingerprint), (transfer.kind, transfer.fingerprint()));
            let Some(event) = self.event(*id) else { continue };
            assert_eq!((view.debit, view.credit, view.item), (event.from, event.to, event.item));
            assert_eq!(view.hold, self.state(event));
            assert_eq!(view.returned, self.returned(*id).0);
            assert_eq!(view.effective_day, transfer.effective_day);
        }
    }
}

//! A store in memory, a ledger in memory, and statements that say what a test wants.

use chrono::NaiveDate;
use futures::executor::block_on;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use vwp_core::Problem;
use vwp_core::environment::{Environment, Random, Settings};
use vwp_reconciliation::breaks::Break;
use vwp_reconciliation::import::{self, Format, Imported};
use vwp_reconciliation::ledger::{LedgerEntries, LedgerEntry, LedgerPage};
use vwp_reconciliation::matches::Actor;
use vwp_reconciliation::money::Money;
use vwp_reconciliation::report::{self, Report};
use vwp_reconciliation::run::{self, Run};
use vwp_reconciliation::source::{self, Account, Definition, Source};
use vwp_reconciliation::{Error, actions};
use vwp_storage::kv::{Change, Check, Direction, Entry, KeyRange, Outcome, Page, Version, Write};
use vwp_storage::memory::Memory;
use vwp_storage::{Kv, StorageError};

/// 10 November 2026, at noon.
pub const NOW: u64 = 1_794_312_000_000;
pub const BY: Actor<'_> = Actor { by: "administrator", at: NOW };

/// A store that fails after some commits, as a machine does that is switched off.
pub struct Store {
    pub kv: Memory,
    /// How many commits are left.
    pub commits_left: Cell<usize>,
    /// How many were made.
    pub commits: Cell<usize>,
}

impl Kv for Store {
    async fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Entry>>, StorageError> {
        self.kv.get_many(keys).await
    }

    async fn scan(&self, range: &KeyRange, limit: u32, direction: Direction) -> Result<Page, StorageError> {
        self.kv.scan(range, limit, direction).await
    }

    async fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Outcome, StorageError> {
        let left = self.commits_left.get().checked_sub(1);
        let left = left.ok_or_else(|| StorageError::Unavailable("switched off".to_owned()))?;
        self.commits_left.set(left);
        self.commits.set(self.commits.get() + 1);
        self.kv.commit(checks, writes).await
    }

    async fn changes(
        &self,
        prefix: &[u8],
        since: Version,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<Change>, StorageError> {
        self.kv.changes(prefix, since, limit, wait_ms).await
    }
}

/// A ledger with one account.
#[derive(Default)]
pub struct Ledger {
    pub entries: RefCell<Vec<LedgerEntry>>,
    /// From which numbers it was read.
    pub asked: RefCell<Vec<u64>>,
}

/// How many of its numbers one answer has.
const PAGE: u64 = 45;

impl LedgerEntries for Ledger {
    async fn entries(&self, _: &Account, from: u64) -> Result<LedgerPage, Problem> {
        self.asked.borrow_mut().push(from);
        let all = self.entries.borrow();
        let end = all.last().map_or(1, |entry| entry.number + 1);
        let next = (from + PAGE).min(end).max(from);
        let entries = all.iter().filter(|entry| (from..next).contains(&entry.number)).cloned().collect();
        Ok(LedgerPage { entries, next, is_end: next == end.max(from) })
    }
}

struct NoRandom;

impl Random for NoRandom {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

/// All of it, with the source `bank`.
pub struct World {
    pub store: Store,
    pub ledger: Ledger,
    settings: Settings,
}

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// A bank in euros whose tables have a row for each line: day, amount, reference, text, balance.
pub fn definition() -> Definition {
    serde_json::from_value(serde_json::json!({
        "kind": "bank", "currency": "EUR", "account": {"owner": "world:arena", "asset": "eur@arena"},
        "csv": {"date": 1, "amount": {"column": 2}, "references": [3], "description": [4], "balance": 5,
            "header_rows": 0},
    }))
    .unwrap()
}

impl World {
    pub fn new() -> Self {
        Self::with(definition())
    }

    pub fn with(definition: Definition) -> Self {
        let store =
            Store { kv: Memory::new(|| NOW), commits_left: Cell::new(usize::MAX), commits: Cell::new(0) };
        let settings = Settings {
            zone: "vwp.test".into(),
            issuer: "http://port.test".into(),
            master_key: [1; 32],
            master_key_previous: None,
            admin_token: String::new(),
            options: BTreeMap::new(),
        };
        let world = Self { store, ledger: Ledger::default(), settings };
        world.put("bank", definition, None).unwrap();
        world
    }

    fn environment(&self) -> Environment<'_> {
        Environment { now: NOW, random: &NoRandom, settings: &self.settings }
    }

    pub fn put(
        &self,
        name: &str,
        definition: Definition,
        replaces: Option<u64>,
    ) -> Result<(Source, bool), Error> {
        block_on(source::put(&self.store, &self.environment(), BY.by, name, (definition, 2), replaces))
    }

    pub fn source(&self) -> Source {
        block_on(source::get(&self.store, "bank")).unwrap()
    }

    /// Adds an entry on a day of November; gives out the transfer's id.
    pub fn enter(&self, date: &str, amount: i128, memo: &str) -> String {
        let mut entries = self.ledger.entries.borrow_mut();
        let number = entries.last().map_or(1, |entry| entry.number + 1);
        let transfer = format!("{number:032x}");
        let date = day(date);
        entries.push(LedgerEntry {
            number,
            transfer: transfer.clone(),
            position: number,
            time: date.and_hms_opt(12, 0, 0).unwrap().and_utc().timestamp_millis().unsigned_abs(),
            date,
            amount: Money(amount),
            memo: memo.to_owned(),
            counterparty: String::new(),
        });
        transfer
    }

    pub fn import(&self, format: Format, bytes: &[u8]) -> Result<Vec<Imported>, Error> {
        let source = self.source();
        let file = import::read(&source, format, bytes)?;
        block_on(import::import(&self.store, &self.environment(), BY.by, &source, format, &file))
    }

    /// Imports rows of a table.
    pub fn rows(&self, rows: &[&str]) -> Result<Vec<Imported>, Error> {
        self.import(Format::Csv, rows.join("\n").as_bytes())
    }

    pub fn try_run(&self) -> Result<Run, Error> {
        block_on(run::run(&self.store, &self.ledger, &self.source(), BY, day("2026-11-10")))
    }

    pub fn run(&self) -> Run {
        self.try_run().unwrap()
    }

    pub fn report(&self) -> Report {
        let (from, to) = (day("2026-11-01"), day("2026-11-30"));
        block_on(report::report(&self.store, &self.source(), from, to, day("2026-11-10"))).unwrap()
    }

    /// What is below a key, as JSON, by the last part of its key.
    pub fn records(&self, kind: &str) -> BTreeMap<String, serde_json::Value> {
        let prefix = format!("reconciliation/{kind}/bank/");
        let page =
            block_on(self.store.scan(&KeyRange::prefix(prefix.clone()), 1000, Direction::Forward)).unwrap();
        page.items
            .into_iter()
            .map(|item| {
                let id = String::from_utf8(item.key[prefix.len()..].to_vec()).unwrap();
                let value = serde_json::from_slice(&item.entry.value);
                (id, value.unwrap_or_else(|_| String::from_utf8(item.entry.value).unwrap().into()))
            })
            .collect()
    }

    pub fn breaks(&self) -> Vec<Break> {
        self.records("break").into_values().map(|found| serde_json::from_value(found).unwrap()).collect()
    }

    /// Takes a step of a break, given as JSON without its version.
    pub fn step(&self, broken: &Break, step: serde_json::Value) -> Result<Break, Error> {
        let mut step = step;
        step["version"] = broken.version.into();
        self.step_exactly(&broken.id, step)
    }

    pub fn step_exactly(&self, id: &str, step: serde_json::Value) -> Result<Break, Error> {
        let step = serde_json::from_value(step).unwrap();
        block_on(actions::step(&self.store, &self.ledger, &self.source(), BY, id, step))
    }

    /// Assigns and explains a break.
    pub fn explained(&self, broken: &Break) -> Break {
        let assigned = self.step(broken, serde_json::json!({"step": "assign", "to": "ada"})).unwrap();
        self.step(&assigned, serde_json::json!({"step": "explain", "explanation": "known"})).unwrap()
    }
}

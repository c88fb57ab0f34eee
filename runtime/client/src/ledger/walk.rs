//! The log in order, with what became of each of its items.
//!
//! A command says what was asked for. What became of it the ledger is asked: an item counts at the place
//! where the ledger says that it was done, so that what was refused is left out, and what was sent
//! twice is there once. Of the log one answer is held at a time.

use super::book::{Asset, Book};
use super::source::Source;
use anyhow::Context;
use vwp_ledger::codec::{self, Command, Moment, Opening, Outcome, Query, Totals, Transfer, TransferView};
use vwp_transactions::orders::{Kind, memo_of};

/// A day in milliseconds.
pub(super) const DAY_MS: u64 = 86_400_000;
/// How many balances are asked for at a time.
const BALANCES: usize = 500;

/// An amount that moved from one account to another.
#[derive(Debug, Clone)]
pub(super) struct Movement {
    /// The transfer's id.
    pub(super) id: u128,
    /// The transfer that it follows: the hold that it posts, or what it moves back.
    pub(super) origin: Option<u128>,
    pub(super) kind: Kind,
    /// Its command's position in the log.
    pub(super) position: u64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub(super) time: u64,
    /// The day that it counts from, in days since the Unix epoch.
    pub(super) day: u32,
    /// The account that the amount left.
    pub(super) from: u128,
    /// The account that it reached.
    pub(super) to: u128,
    /// In minor units.
    pub(super) amount: u128,
    pub(super) code: u16,
    pub(super) memo: Option<String>,
}

/// What a walk over the log meets, in order.
pub(super) trait Visitor {
    /// An asset was created on a day; it is not in the book before.
    fn asset(&mut self, asset: &Asset, day: u32) -> anyhow::Result<()>;
    /// An amount moved between two accounts of the book.
    fn movement(&mut self, movement: &Movement, book: &Book) -> anyhow::Result<()>;
    /// After everything else, once for each account that exists: what it held at the end, on the day of
    /// the last command. `debits` and `credits` are the sums of all that left and reached it.
    fn balance(&mut self, account: u128, sums: (u128, u128), day: u32, book: &Book) -> anyhow::Result<()>;
}

/// Walks over the log as it is now; the number of commands.
pub(super) fn walk(source: &Source, visitor: &mut impl Visitor) -> anyhow::Result<u64> {
    let totals = one(source, Query::Totals, codec::decode_totals)?;
    let mut walk = Walk { source, visitor, book: Book::default(), totals };
    let mut from = 1;
    while from <= totals.position {
        let commands = source.commands(from)?;
        let next = from + commands.len() as u64;
        walk.page(from, commands)?;
        from = next;
    }
    walk.balances()?;
    Ok(totals.position)
}

/// An item of a command that may have changed a balance.
enum Step {
    Asset(Box<codec::Asset>),
    Opening(Opening),
    Transfer(Box<Transfer>),
}

struct Walk<'a, V> {
    source: &'a Source,
    visitor: &'a mut V,
    book: Book,
    /// What the log was when the walk began: the port goes on meanwhile.
    totals: Totals,
}

impl<V: Visitor> Walk<'_, V> {
    fn page(&mut self, from: u64, commands: Vec<Vec<u8>>) -> anyhow::Result<()> {
        let mut steps = Vec::new();
        for (position, command) in (from..=self.totals.position).zip(commands) {
            read(&command, |item, step| steps.push((position, item, step)));
        }
        let queries: Vec<Vec<u8>> = steps.iter().filter_map(|(_, _, step)| query_of(step)).collect();
        let mut answers = self.source.answers(&queries)?.into_iter();
        for (position, item, step) in steps {
            if let Step::Opening(opening) = &step {
                self.book.open(opening.account, opening.asset, opening.owner.as_str());
                continue;
            }
            let answer = answers.next().context("an answer is missing")?;
            match step {
                Step::Asset(asset) => self.asset(position, &asset, &answer)?,
                Step::Transfer(transfer) => self.transfer((position, item), &transfer, &answer)?,
                Step::Opening(_) => {}
            }
        }
        Ok(())
    }

    fn asset(&mut self, position: u64, asset: &codec::Asset, answer: &[u8]) -> anyhow::Result<()> {
        let view = codec::decode_asset(answer)?;
        let Some(view) = view.filter(|view| view.position == position) else { return Ok(()) };
        let known = Asset::new(asset);
        self.visitor.asset(&known, day_of(view.time))?;
        self.book.add(asset.id, known);
        self.book.open(asset.issuance, asset.id, &format!("issuance:{}", asset.name.as_str()));
        Ok(())
    }

    fn transfer(&mut self, place: (u64, u16), sent: &Transfer, answer: &[u8]) -> anyhow::Result<()> {
        let view = codec::decode_transfer(answer)?;
        let is_here = |view: &TransferView| (view.answer.position, view.item) == place;
        let Some(view) = view.filter(|view| is_here(view) && view.answer.outcome == Outcome::Created) else {
            return Ok(());
        };
        let Some(kind) = Kind::of_ledger(view.kind).filter(|_| view.kind.moves()) else { return Ok(()) };
        for account in [view.debit, view.credit] {
            self.book.open_unnamed(account, view.asset);
        }
        let movement = Movement {
            id: view.id,
            origin: (view.origin != 0).then_some(view.origin),
            kind,
            position: view.answer.position,
            time: view.answer.time,
            day: if view.effective_day == 0 { day_of(view.answer.time) } else { view.effective_day },
            from: view.debit,
            to: view.credit,
            amount: view.answer.amount,
            code: view.code,
            memo: memo_of(sent),
        };
        self.book.used(&movement);
        self.visitor.movement(&movement, &self.book)
    }

    /// What every account held after the last command of the walk, as the ledger says it.
    fn balances(&mut self) -> anyhow::Result<()> {
        let (at, day) = (Moment::Position(self.totals.position), day_of(self.totals.time));
        let accounts: Vec<u128> = self.book.accounts().collect();
        for some in accounts.chunks(BALANCES) {
            let queries: Vec<Vec<u8>> =
                some.iter().map(|id| codec::encode_query(Query::Balance(*id, at))).collect();
            for (account, answer) in some.iter().zip(self.source.answers(&queries)?) {
                // One that was asked for and refused is not there.
                if let Some(view) = codec::decode_balance(&answer)? {
                    self.visitor.balance(*account, (view.debits, view.credits), day, &self.book)?;
                }
            }
        }
        Ok(())
    }
}

/// The steps of a command. One that the ledger did not understand has none.
fn read(command: &[u8], mut step: impl FnMut(u16, Step)) {
    match codec::decode_command(command) {
        Ok(Command::CreateAsset(asset)) => step(0, Step::Asset(asset)),
        Ok(Command::CreateTransfers { openings, transfers }) => {
            for opening in openings.iter().filter_map(|bytes| Opening::decode(bytes).ok()) {
                step(0, Step::Opening(opening));
            }
            for (item, bytes) in (0..).zip(transfers) {
                // What only holds or releases moves nothing.
                if let Some(transfer) = Transfer::decode(bytes).ok().filter(|transfer| transfer.kind.moves())
                {
                    step(item, Step::Transfer(Box::new(transfer)));
                }
            }
        }
        Ok(Command::SetAccount(_) | Command::SetRules(_) | Command::Tick) | Err(_) => {}
    }
}

fn query_of(step: &Step) -> Option<Vec<u8>> {
    match step {
        Step::Asset(asset) => Some(codec::encode_query(Query::Asset(asset.id))),
        Step::Transfer(transfer) => Some(codec::encode_query(Query::Transfer(transfer.id))),
        Step::Opening(_) => None,
    }
}

fn one<T>(
    source: &Source,
    query: Query<'_>,
    decode: fn(&[u8]) -> Result<T, codec::Malformed>,
) -> anyhow::Result<T> {
    let answer = source.answers(&[codec::encode_query(query)])?.pop().context("an answer is missing")?;
    Ok(decode(&answer)?)
}

/// The day of a time, both since the Unix epoch.
fn day_of(time: u64) -> u32 {
    u32::try_from(time / DAY_MS).unwrap_or(u32::MAX)
}

//! Money: many clients, each an instance of its own, move it between accounts, in the
//! ledger and in counters. Statements fail, replies are lost, instances die midway and
//! are replaced. In the end nothing is lost, and nothing was moved twice.

use crate::faulty::Faulty;
use crate::support::{Either, Place, TestHost, run};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use vwp_ledger::Ledger;
use vwp_ledger::codec::{self, Asset, AssetKind, Opening, Query, Reply, Text, Transfer};
use vwp_storage::kv::{Check, Direction, KeyRange, Kv, Outcome, Write};
use vwp_storage::{Machines, StorageError};
use vwp_storage_sql::{Host, SqlStore};

const MACHINE: &str = "ledger";
const ASSET: u128 = 1;
const ISSUANCE: u128 = 2;
const ACCOUNTS: u64 = 12;
const START: u64 = 1_000;
/// One of this many statements goes wrong.
const FAULTS: u32 = 40;
/// One of this many rounds ends with the instance.
const CRASHES: u64 = 400;

type Store<D> = SqlStore<D, TestHost, Ledger>;

/// A transfer that a client decided on.
#[derive(Debug, Clone, Copy)]
struct Move {
    id: u64,
    from: u64,
    to: u64,
    amount: u64,
}

/// What one client knows to have happened: per account, what came and went.
#[derive(Debug, Default)]
struct Books {
    counters: BTreeMap<u64, i64>,
    ledger: BTreeMap<u64, i64>,
    moved: u64,
}

#[test]
fn over_sqlite_eight_clients_lose_and_double_nothing_in_100_000_operations() {
    trade(&Place::sqlite(), 8, 1, 6_250);
}

#[test]
fn over_postgres_three_hosts_lose_and_double_nothing_in_24_000_operations() {
    if let Some(place) = Place::postgres() {
        trade(&place, 3, 3, 1_334);
    }
}

/// Each host runs some instances, each instance some rounds of one transfer of each kind.
fn trade(place: &Place, hosts: u64, instances: u64, rounds: u64) {
    let name = place.create();
    let open = || Store::new(place.connect(&name), TestHost::real(), Ledger::default());
    run(found(&open()));
    let books: Vec<Books> = std::thread::scope(|scope| {
        let hosts: Vec<_> = (0..hosts)
            .map(|host| {
                let (place, name) = (&place, name.as_str());
                scope.spawn(move || {
                    let clients =
                        (0..instances).map(|at| client(place, name, host * instances + at + 1, rounds));
                    run(futures::future::join_all(clients))
                })
            })
            .collect();
        hosts.into_iter().flat_map(|host| host.join().expect("the clients find what they expect")).collect()
    });
    run(audit(&open(), &books));
}

/// Gives every account what it starts with.
async fn found(store: &Store<Either>) {
    let writes: Vec<_> =
        (0..ACCOUNTS).map(|account| Write::put(counter(account), START.to_le_bytes())).collect();
    store.commit(&[], &writes).await.expect("the database answers");
    let text = "it fits";
    let asset = Asset {
        id: ASSET,
        issuance: ISSUANCE,
        cap: None,
        scale: 2,
        kind: AssetKind::Custom,
        name: Text::new("gold@arena").expect(text),
        issuer: Text::new("operator").expect(text),
        title: Text::new("Gold").expect(text),
    };
    store.submit(MACHINE, codec::encode_asset(&asset)).await.expect("the database answers");
    for account in 0..ACCOUNTS {
        let owner = Text::new(&format!("traveller:{account}")).expect(text);
        let opening = Opening::new(row(account), ASSET, owner);
        let issue = Transfer::plain(u128::from(account) + 10, ISSUANCE, row(account), START.into());
        let command = codec::encode_batch(&[opening], &[issue]).expect("a batch of one");
        store.submit(MACHINE, command).await.expect("the database answers");
    }
}

async fn client(place: &Place, name: &str, number: u64, rounds: u64) -> Books {
    let host = TestHost::real();
    let random = |bound: u64| host.random().first_chunk().copied().map_or(0, u64::from_le_bytes) % bound;
    let open = || {
        let faulty = Faulty::new(place.connect(name), FAULTS, random(u64::MAX));
        Store::new(faulty, TestHost::real(), Ledger::default())
    };
    let mut store = open();
    let mut books = Books::default();
    for round in 0..rounds {
        let id = number << 32 | round << 1;
        let transfer = |id| {
            let from = random(ACCOUNTS);
            Move { id, from, to: (from + 1 + random(ACCOUNTS - 1)) % ACCOUNTS, amount: 1 + random(400) }
        };
        let (counted, booked) = (transfer(id), transfer(id + 1));
        let (first, second) = (RefCell::new(None), RefCell::new(None));
        while first.borrow().is_none() || second.borrow().is_none() {
            // Both at once, as two requests in one instance.
            let both = async {
                futures::join!(
                    finish(&first, async || count(&store, counted).await),
                    finish(&second, async || book(&store, booked).await),
                );
            };
            let crashes = random(CRASHES) == 0;
            let survived = tokio::select! {
                biased;
                () = both => true,
                () = yields(random(12)), if crashes => false,
            };
            if !survived {
                store = open();
            }
        }
        books.moved += u64::from(*first.borrow() == Some(true));
        enter(&mut books.counters, counted, first.take());
        enter(&mut books.ledger, booked, second.take());
    }
    books
}

/// Repeats a transfer until it is known what became of it, and notes that.
async fn finish(done: &RefCell<Option<bool>>, attempt: impl AsyncFn() -> Result<bool, StorageError>) {
    while done.borrow().is_none() {
        match attempt().await {
            Ok(moved) => *done.borrow_mut() = Some(moved),
            // The same id makes it safe to try again.
            Err(StorageError::Unavailable(_) | StorageError::Unknown(_)) => tokio::task::yield_now().await,
            Err(other) => panic!("a client's request is in order: {other}"),
        }
    }
}

async fn yields(times: u64) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

fn enter(accounts: &mut BTreeMap<u64, i64>, transfer: Move, moved: Option<bool>) {
    if moved == Some(true) {
        let amount = i64::try_from(transfer.amount).expect("it is small");
        *accounts.entry(transfer.from).or_default() -= amount;
        *accounts.entry(transfer.to).or_default() += amount;
    }
}

/// Moves an amount between counters. The transfer's own key says that it happened.
async fn count(store: &impl Kv, transfer: Move) -> Result<bool, StorageError> {
    let amount = i64::try_from(transfer.amount).expect("it is small");
    let add = |account, delta| Write::Add { key: counter(account), delta, minimum: 0, maximum: i64::MAX };
    let done = done_key(transfer.id);
    let writes = [Write::put(done.clone(), "moved"), add(transfer.from, -amount), add(transfer.to, amount)];
    match store.commit(&[Check::absent(done)], &writes).await? {
        // A conflict is an attempt before this one, whose reply nobody saw.
        Outcome::Committed(_) | Outcome::Conflict(_) => Ok(true),
        Outcome::OutOfBounds(_) => Ok(false),
        other @ Outcome::NotACounter(_) => panic!("counters hold counters: {other:?}"),
    }
}

/// Moves an amount in the ledger. A repeat of a transfer is answered as the first time.
async fn book(store: &impl Machines, transfer: Move) -> Result<bool, StorageError> {
    let (from, to) = (row(transfer.from), row(transfer.to));
    let transfer = Transfer::plain(transfer.id.into(), from, to, transfer.amount.into());
    let command = codec::encode_batch(&[], &[transfer]).expect("a batch of one");
    let applied = store.submit(MACHINE, command).await?;
    match codec::decode_reply(&applied.answer) {
        Ok(Reply::Answers { transfers, .. }) => match transfers.first().map(|answer| answer.outcome) {
            Some(codec::Outcome::Created) => Ok(true),
            Some(codec::Outcome::ExceedsBalance) => Ok(false),
            other => unexpected(other),
        },
        other => unexpected(other),
    }
}

fn unexpected(answer: impl Debug) -> ! {
    panic!("the ledger answered a transfer with {answer:?}")
}

/// Compares every account with what all clients together know of it.
async fn audit(store: &Store<Either>, books: &[Books]) {
    let mut applied = 0;
    for account in 0..ACCOUNTS {
        let expected = |of: fn(&Books) -> &BTreeMap<u64, i64>| {
            let deltas = books.iter().filter_map(|books| of(books).get(&account));
            i64::try_from(START).expect("it is small") + deltas.sum::<i64>()
        };
        let held = store.get(&counter(account)).await.expect("the database answers").expect("it is there");
        let held = i64::from_le_bytes(held.value.try_into().expect("a counter"));
        assert_eq!(held, expected(|books| &books.counters), "counter {account}");
        let query = codec::encode_query(Query::Account(row(account)));
        let answer = store.query(MACHINE, query).await.expect("the database answers");
        let view = codec::decode_account(&answer).expect("an account").expect("it is there");
        let balance = i64::try_from(view.credits - view.debits).expect("no account is overdrawn");
        assert_eq!(balance, expected(|books| &books.ledger), "account {account}");
    }
    let mut rest = Some(KeyRange::prefix("done/"));
    while let Some(range) = rest {
        let page = store.scan(&range, 1000, Direction::Forward).await.expect("the database answers");
        applied += page.items.len() as u64;
        rest = page.next;
    }
    let moved: u64 = books.iter().map(|books| books.moved).sum();
    assert_eq!(applied, moved, "as many transfers are noted as clients know of");
}

fn counter(account: u64) -> Vec<u8> {
    format!("accounts/{account:02}").into_bytes()
}

fn done_key(id: u64) -> Vec<u8> {
    format!("done/{id:016x}").into_bytes()
}

fn row(account: u64) -> u128 {
    u128::from(account) + 100
}

//! What bounds a port on SQLite: commits and appends per second, and how long a new
//! instance takes to restore a ledger. `cargo bench -p vwp-storage-sql`.

#[path = "../tests/suite/sqlite.rs"]
mod sqlite;

use sqlite::Sqlite;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use vwp_ledger::Ledger;
use vwp_ledger::codec::{self, Asset, AssetKind, Opening, Query, Text, Transfer};
use vwp_storage::Machines;
use vwp_storage::kv::{Kv, Write};
use vwp_storage_sql::{Database, DatabaseError, Dialect, Host, Row, SqlStore, Statement, Value};

const MACHINE: &str = "ledger";
/// How long a rate is measured.
const MEASURED: Duration = Duration::from_secs(3);
/// The accounts that one command opens.
const BATCH: u64 = 1_000;

struct System;

impl Host for System {
    fn now(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn random(&self) -> [u8; 16] {
        let mut random = [0; 16];
        getrandom::fill(&mut random).expect("the system gives randomness");
        random
    }

    async fn sleep(&self, milliseconds: u32) {
        std::thread::sleep(Duration::from_millis(milliseconds.into()));
    }
}

struct Over(Sqlite);

impl Database for Over {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn run(&self, statement: Statement) -> Result<Vec<Row>, DatabaseError> {
        self.0.run(&statement)
    }
}

type Store = SqlStore<Over, System, Ledger>;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, open) in [("synced", Sqlite::durable as fn(&Path) -> Sqlite), ("not synced", Sqlite::open)] {
        for clients in [1, 8] {
            let store =
                |what: &str| Store::new(Over(open(&folder.path().join(what))), System, Ledger::default());
            let file = format!("{name}{clients}");
            let commits = rate(clients, &|| store(&file), &async |store: &Store, number| {
                let write = Write::put(format!("s/{:03}", number % 1000), [7; 100]);
                store.commit(&[], &[write]).await.expect("it is committed");
            });
            let appends = rate(clients, &|| store(&file), &async |store: &Store, _| {
                store.submit(MACHINE, vec![7; 144]).await.expect("it is appended");
            });
            println!("{name}, {clients} clients: {commits:.0} commits/s, {appends:.0} appends/s");
        }
    }
    for accounts in [10_000, 100_000] {
        restore(&folder.path().join(format!("ledger{accounts}")), accounts);
    }
}

/// How often per second clients, each with a store of its own, do something.
fn rate(clients: u32, open: &(impl Fn() -> Store + Sync), work: &(impl AsyncFn(&Store, u64) + Sync)) -> f64 {
    let started = Instant::now();
    let done: u32 = std::thread::scope(|scope| {
        let client = || {
            let (store, mut done) = (open(), 0);
            while started.elapsed() < MEASURED {
                futures::executor::block_on(work(&store, done.into()));
                done += 1;
            }
            done
        };
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().expect("the work succeeds")).sum()
    });
    f64::from(done) / started.elapsed().as_secs_f64()
}

/// Fills a ledger, each account by one transfer, and restores it from its snapshot.
fn restore(path: &Path, accounts: u64) {
    let store = || Store::new(Over(Sqlite::open(path)), System, Ledger::default());
    let first = store().snapshot_every(accounts / BATCH + 1);
    let text = "it fits";
    let asset = Asset {
        id: 1,
        issuance: 2,
        cap: None,
        scale: 2,
        kind: AssetKind::Custom,
        name: Text::new("gold@arena").expect(text),
        issuer: Text::new("operator").expect(text),
        title: Text::new("Gold").expect(text),
    };
    let submit = |command| futures::executor::block_on(first.submit(MACHINE, command)).expect("it is taken");
    submit(codec::encode_asset(&asset));
    for batch in 0..accounts / BATCH {
        let ids = || (batch * BATCH..(batch + 1) * BATCH).map(|number| u128::from(number) + 10);
        let owner = |id| Text::new(&format!("traveller:{id}")).expect(text);
        let openings: Vec<_> = ids().map(|id| Opening::new(id, 1, owner(id))).collect();
        let issue = |id| Transfer::plain(id, 2, id, 100);
        let transfers: Vec<_> = ids().map(issue).collect();
        submit(codec::encode_batch(&openings, &transfers).expect("it fits"));
    }
    let measure = Statement::new(Dialect::Sqlite, "SELECT sum(length(body)) FROM vwp_snapshots");
    let size = Sqlite::open(path).run(&measure).expect("the table is there");
    let started = Instant::now();
    let second = store();
    let query = second.query(MACHINE, codec::encode_query(Query::Totals));
    futures::executor::block_on(query).expect("the machine answers");
    let took = started.elapsed().as_millis();
    let size = size.first().and_then(|row| row.0.first()).cloned().unwrap_or(Value::Null);
    println!("{accounts} accounts, {accounts} transfers: snapshot of {size:?} bytes, restored in {took} ms");
}

//! The same transfers in PostgreSQL, beside ours: Debian's server as it is installed, on the same disk,
//! synced. A batch is one call of one function, which locks its accounts in order, moves the sums, and
//! keeps each transfer under its id. It does less than the ledger does: it answers for the batch and
//! not for each transfer, and knows neither holds nor receipts.

use super::durable::{CLIENTS, Durable};
use super::per_second;
use super::work::{self, Spread, Work};
use crate::Bench;
use crate::measure::{Side, rounds};
use crate::postgres_server::Server;
use crate::report::Row;
use crate::tools::Missing;
use anyhow::{Result, bail, ensure};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio_postgres::{Client, NoTls, Statement};
use uuid::Uuid;
use vwp_store::MachineFactory;

const SCHEMA: &str = "
CREATE TABLE account (
    id bigint PRIMARY KEY,
    balance bigint NOT NULL CHECK (balance >= 0)
);
CREATE TABLE transfer (
    id uuid PRIMARY KEY,
    debit bigint NOT NULL REFERENCES account,
    credit bigint NOT NULL REFERENCES account,
    amount bigint NOT NULL CHECK (amount > 0),
    time timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE FUNCTION transfers(ids uuid[], debits bigint[], credits bigint[], amounts bigint[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE made bigint;
BEGIN
    PERFORM 1 FROM account WHERE id = ANY (debits || credits) ORDER BY id FOR UPDATE;
    WITH item AS (
        INSERT INTO transfer (id, debit, credit, amount)
        SELECT * FROM unnest(ids, debits, credits, amounts)
        ON CONFLICT DO NOTHING
        RETURNING debit, credit, amount
    ), change AS (
        SELECT account, sum(amount) AS amount FROM (
            SELECT debit AS account, -amount AS amount FROM item
            UNION ALL SELECT credit, amount FROM item
        ) AS side GROUP BY account
    ), moved AS (
        UPDATE account SET balance = balance + change.amount FROM change WHERE id = change.account
    )
    SELECT count(*) INTO made FROM item;
    RETURN made;
END $$;";

/// How many transfers are in a batch, and how many batches are made for a round at most.
const BATCHES: [(usize, usize); 3] = [(1, 20_000), (100, 6000), (super::LENGTH_MAX, 80)];

/// In three lengths of batch.
pub(super) fn rows(bench: &Bench, factory: &MachineFactory) -> Result<Vec<Row>> {
    bench.progress.say("starting PostgreSQL");
    let Some(mut server) = Server::start() else { bail!(Missing("PostgreSQL", "postgresql")) };
    // Tests do without durability, a yardstick of durable transfers does not.
    server.crash();
    server.run(&["fsync=on".to_owned()]);
    let mut peer = bench.runtime.block_on(Peer::connect(&server))?;
    let mut rows = Vec::new();
    for (length, batches) in BATCHES {
        let name = format!("ledger, batches of {length}");
        let work = Work::new(Spread::Uniform);
        let mut ledger = Durable::open(bench, &format!("beside-{length}"), factory, work, true)?;
        let mut ours = |turn| ledger.round(bench, batches, length, turn);
        let mut theirs = |turn| bench.runtime.block_on(peer.round(batches, length, turn));
        let sides = [("PostgreSQL", &mut theirs as Side<'_>), (&name, &mut ours)];
        let [theirs, ours] = rounds(bench.effort, &bench.progress, sides)?;
        rows.push(Row::rate(name, "transfers", &ours, ("PostgreSQL", &theirs), None));
    }
    Ok(rows)
}

/// A few connections, and what is sent over them.
struct Peer {
    clients: Vec<(Client, Statement)>,
    work: Work,
}

/// The arguments of the function.
type Batch = (Vec<Uuid>, Vec<i64>, Vec<i64>, Vec<i64>);

impl Peer {
    async fn connect(server: &Server) -> Result<Self> {
        let mut clients = Vec::new();
        for number in 0..CLIENTS {
            let (client, connection) =
                tokio_postgres::connect(&server.address(crate::postgres_server::PASSWORD), NoTls).await?;
            // Ends with its client.
            tokio::spawn(connection);
            if number == 0 {
                client.batch_execute(SCHEMA).await?;
                let fill =
                    "INSERT INTO account SELECT id, $1::bigint FROM generate_series(0, $2::bigint - 1) AS id";
                let (funds, accounts) = (i64::try_from(work::FUNDS)?, i64::try_from(work::ACCOUNTS)?);
                client.execute(fill, &[&funds, &accounts]).await?;
                client.batch_execute("ANALYZE account").await?;
            }
            let statement = client.prepare("SELECT transfers($1, $2, $3, $4)").await?;
            clients.push((client, statement));
        }
        Ok(Self { clients, work: Work::new(Spread::Uniform) })
    }

    fn batch(&mut self, length: usize) -> Result<Batch> {
        let mut batch = Batch::default();
        for _ in 0..length {
            let (id, from, to) = self.work.between();
            batch.0.push(Uuid::from_u128(id));
            batch.1.push(i64::try_from(from)?);
            batch.2.push(i64::try_from(to)?);
            batch.3.push(1);
        }
        Ok(batch)
    }

    /// Transfers per second.
    async fn round(&mut self, batches: usize, length: usize, turn: Duration) -> Result<f64> {
        let batches = (0..batches).map(|_| self.batch(length)).collect::<Result<Vec<_>>>()?;
        let (next, start) = (AtomicUsize::new(0), Instant::now());
        let calls = self.clients.iter().map(|(client, statement)| {
            let (next, batches) = (&next, &batches);
            async move {
                let mut done = 0;
                while start.elapsed() < turn
                    && let Some((ids, debits, credits, amounts)) =
                        batches.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let row = client.query_one(statement, &[ids, debits, credits, amounts]).await?;
                    let made: i64 = row.get(0);
                    ensure!(usize::try_from(made)? == length, "PostgreSQL did not make every transfer");
                    done += length;
                }
                Ok(done)
            }
        });
        let done: usize = futures::future::try_join_all(calls).await?.into_iter().sum();
        Ok(per_second(done, start.elapsed()))
    }
}

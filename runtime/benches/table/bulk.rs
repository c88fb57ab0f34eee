//! Transfers over HTTP, many in a request: through the gateway, the handler and the ledger of a `vwp up`,
//! durable when they are answered. The clients share the two cores with it.

use crate::Bench;
use crate::client::Client;
use crate::measure::Figures;
use crate::port::Port;
use crate::report::Row;
use anyhow::{Context, Result, ensure};
use ciborium::Value as Cbor;
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use vwp_client::key::Key;
use vwp_client::sign::Statement;

const WORLD: &str = "bench-bank";
const ASSET: &str = "gold@bench-bank";
/// Who pays: as many travellers, each at one client in so many.
const TRAVELLERS: usize = 8;
/// What each of them has.
const FUNDS: u64 = 1_000_000_000_000;
/// 99 of 100 requests of 50 transfers shall be answered within this time, with a hundred clients.
const P99_MS_MAX: f64 = 50.0;

/// How a request is written.
#[derive(Debug, Clone, Copy)]
enum Form {
    Json,
    Cbor,
}

impl Form {
    const fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Cbor => "CBOR",
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Cbor => "application/cbor",
        }
    }
}

/// The clients, and how many transfers are in a request.
const LOADS: [(usize, usize, Form); 6] = [
    (100, 50, Form::Json),
    (32, 1, Form::Json),
    (32, 100, Form::Json),
    (4, 1000, Form::Json),
    (4, 8190, Form::Json),
    (4, 8190, Form::Cbor),
];

/// All loads, one after the other.
pub(crate) fn rows(bench: &Bench) -> Result<Vec<Row>> {
    let port = Port::start(&bench.scratch.path().join("bulk"))?;
    let bank = Bank::open(&port)?;
    let mut rows = Vec::new();
    for (clients, length, form) in LOADS {
        let [mut rate, mut p50, mut p99] = std::array::from_fn(|_| Figures::default());
        let name = format!("bulk of {length} over HTTP, {clients} clients, {}", form.name());
        for round in 1..=bench.effort.rounds {
            bench.progress.say(&format!("{name}, round {round} of {}", bench.effort.rounds));
            let mut load = bank.load(clients, length, form, bench.effort.turn)?;
            rate.push(load.per_second);
            p50.push(load.within_ms(0.5)?);
            p99.push(load.within_ms(0.99)?);
        }
        rows.push(Row::rate_alone(name.clone(), "transfers", &rate));
        // With few clients the latency says how long a batch is, and nothing of the port.
        if clients >= 32 {
            let max = (length == 50).then_some(P99_MS_MAX);
            rows.push(Row::alone(format!("{name}, 50 of 100 within"), "ms", &p50));
            rows.push(Row::quantity(format!("{name}, 99 of 100 within"), "ms", &p99, None, max));
        }
    }
    port.stop()?;
    Ok(rows)
}

/// A world with a currency, and travellers who have some.
struct Bank<'a> {
    port: &'a Port,
    /// The travellers' names in the ledger, and their tokens.
    payers: Vec<(String, String)>,
    next: AtomicU64,
}

impl<'a> Bank<'a> {
    fn open(port: &'a Port) -> Result<Self> {
        let (client, key) = (Client::new(port)?, Key::generate()?);
        client.register(WORLD, &key)?;
        let signed = |path: &str, typ: &str, claims| {
            let body = Statement::new(typ, &client.issuer, claims).sign(&key);
            client.send(path, "application/jose", &[], &body)
        };
        let asset = json!({"asset": ASSET, "scale": 2, "title": "Bench gold"});
        signed("/v1/assets", "vwp-asset+jws", asset)?.member(201, "asset")?;
        let mut payers = Vec::new();
        for number in 0..TRAVELLERS {
            let handle = format!("payer{number}");
            let body = json!({ "handle": handle, "password": "correct horse battery" });
            let id = client.post("/v1/travellers", None, &body)?.member_text(201, "traveller")?;
            let token = client.post("/v1/sessions", None, &body)?.member_text(200, "access_token")?;
            let owner = format!("traveller:{id}");
            let filled = json!({"idempotency_key": handle, "from": format!("issuance:{ASSET}"),
                "to": owner, "asset": ASSET, "amount": FUNDS.to_string()});
            signed("/v1/transfers", "vwp-transfer+jws", filled)?.member(201, "transfer_id")?;
            payers.push((owner, token));
        }
        Ok(Self { port, payers, next: AtomicU64::new(0) })
    }

    /// Clients that each send the next request when the last one is answered.
    fn load(&self, clients: usize, length: usize, form: Form, turn: Duration) -> Result<Load> {
        let start = Instant::now();
        let results: Vec<Result<Vec<f64>>> = std::thread::scope(|scope| {
            let client = |number: usize| {
                scope.spawn(move || {
                    let client = Client::new(self.port)?;
                    let (owner, token) = &self.payers[number % TRAVELLERS];
                    let bearer = format!("Bearer {token}");
                    let mut latencies = Vec::new();
                    while start.elapsed() < turn {
                        let body = self.body(owner, length, form)?;
                        let sent = Instant::now();
                        let headers = [("authorization", bearer.as_str())];
                        let answer =
                            client.send_bytes("/v1/transfers/bulk", form.media_type(), &headers, &body)?;
                        latencies.push(sent.elapsed().as_secs_f64() * 1000.0);
                        check(&answer, length, form)?;
                    }
                    Ok(latencies)
                })
            };
            let threads: Vec<_> = (0..clients).map(client).collect();
            let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined.map(|joined| joined.unwrap_or_else(|_| anyhow::bail!("a client panicked"))).collect()
        });
        let elapsed = start.elapsed().as_secs_f64();
        let latencies_ms = results.into_iter().collect::<Result<Vec<_>>>()?.concat();
        let transfers = u32::try_from(latencies_ms.len() * length)?;
        Ok(Load { per_second: f64::from(transfers) / elapsed, latencies_ms })
    }

    fn body(&self, owner: &str, length: usize, form: Form) -> Result<Vec<u8>> {
        let to = format!("world:{WORLD}");
        let keys = (0..length).map(|_| format!("bulk-{}", self.next.fetch_add(1, Ordering::Relaxed)));
        match form {
            Form::Json => {
                let order = |key: String| json!({"idempotency_key": key, "from": owner, "to": to, "asset": ASSET, "amount": "1"});
                Ok(serde_json::to_vec(&json!({ "transfers": keys.map(order).collect::<Vec<_>>() }))?)
            }
            Form::Cbor => {
                let text = |text: &str| Cbor::Text(text.to_owned());
                let account = |owner: &str| Cbor::Array(vec![text(owner), text(ASSET)]);
                let order = |key: String| {
                    let (from, to, amount, code) = (0.into(), 1.into(), 1.into(), 0.into());
                    Cbor::Array(vec![Cbor::Text(key), from, to, amount, Cbor::Null, code, Cbor::Bool(false)])
                };
                let accounts = Cbor::Array(vec![account(owner), account(&to)]);
                let bulk = Cbor::Array(vec![accounts, Cbor::Array(keys.map(order).collect())]);
                let mut bytes = Vec::new();
                ciborium::into_writer(&bulk, &mut bytes)?;
                Ok(bytes)
            }
        }
    }
}

/// Sees that every transfer was made.
fn check(answer: &[u8], length: usize, form: Form) -> Result<()> {
    let made = match form {
        Form::Json => {
            let answer: serde_json::Value = serde_json::from_slice(answer)?;
            let transfers = answer["transfers"].as_array().context("no transfers in the answer")?;
            transfers.iter().filter(|transfer| transfer["outcome"] == "created").count()
        }
        Form::Cbor => {
            let answer: Cbor = ciborium::from_reader(answer)?;
            let transfers = answer.as_array().context("the answer is no array")?;
            let is_made = |transfer: &&Cbor| transfer.as_array().is_some_and(|parts| parts[0].is_null());
            transfers.iter().filter(is_made).count()
        }
    };
    ensure!(made == length, "{made} of {length} transfers were made");
    Ok(())
}

/// What a load came to.
struct Load {
    per_second: f64,
    latencies_ms: Vec<f64>,
}

impl Load {
    /// The time within which this part of the requests was answered.
    fn within_ms(&mut self, part: f64) -> Result<f64> {
        self.latencies_ms.sort_by(f64::total_cmp);
        let count = f64::from(u32::try_from(self.latencies_ms.len())?);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is a place in a list"
        )]
        let place = (count * part) as usize;
        let within = self.latencies_ms.get(place.min(self.latencies_ms.len().saturating_sub(1)));
        within.copied().context("no request was answered in the turn")
    }
}

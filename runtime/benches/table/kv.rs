//! Commits of one small value, beside appends of the same bytes with one `fdatasync`
//! each, to a file on the same file system.

use crate::Bench;
use crate::measure::{rate, rounds};
use crate::report::Row;
use anyhow::{Result, bail};
use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use vwp_storage::kv::{Outcome, Write};
use vwp_storage::limits;
use vwp_store::{Engine, FjallEngine, FjallOptions};

/// The length of a value.
const VALUE_BYTES: usize = 200;
/// How many keys are written in turn.
const KEYS: u32 = 10_000;

/// One client and many.
pub(crate) fn rows(bench: &Bench) -> Result<Vec<Row>> {
    let folder = bench.scratch.path();
    let store: Arc<dyn Engine> = Arc::new(FjallEngine::open(&folder.join("kv"), FjallOptions::default())?);
    let bytes = vec![7; limits::commit_bytes(&[], &[write(0)])];
    let mut file = File::create(folder.join("kv-raw"))?;
    let mut raw = |turn| {
        rate(turn, || {
            file.write_all(&bytes)?;
            file.sync_data()?;
            Ok(1)
        })
    };
    let mut one = |turn| bench.runtime.block_on(commits(&store, 1, turn));
    let mut many = |turn| bench.runtime.block_on(commits(&store, 64, turn));
    let sides = [
        ("append + fdatasync", &mut raw as crate::measure::Side<'_>),
        ("kv commit, 1 client", &mut one),
        ("kv commit, 64 clients", &mut many),
    ];
    let [raw, one, many] = rounds(bench.effort, &bench.progress, sides)?;
    let raw = ("append + fdatasync", &raw);
    Ok(vec![
        Row::rate("kv commit, 1 client", "commits", &one, raw, Some(0.8)),
        Row::rate("kv commit, 64 clients", "commits", &many, raw, Some(4.0)),
    ])
}

fn write(number: u32) -> Write {
    Write::put(format!("bench/{:08}", number % KEYS), vec![7; VALUE_BYTES])
}

/// Commits per second of this many clients together.
async fn commits(store: &Arc<dyn Engine>, clients: u32, turn: Duration) -> Result<f64> {
    let (start, next) = (Instant::now(), Arc::new(AtomicU32::new(0)));
    let client = || {
        let (store, next) = (store.clone(), next.clone());
        tokio::spawn(async move {
            while start.elapsed() < turn {
                let outcome = store.commit(vec![], vec![write(next.fetch_add(1, Ordering::Relaxed))]).await?;
                if !matches!(outcome, Outcome::Committed(_)) {
                    bail!("a commit without checks did not succeed: {outcome:?}");
                }
            }
            Ok(())
        })
    };
    for client in (0..clients).map(|_| client()).collect::<Vec<_>>() {
        client.await??;
    }
    Ok(f64::from(next.load(Ordering::Relaxed)) / start.elapsed().as_secs_f64())
}

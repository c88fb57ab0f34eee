//! Commits of one small value, beside one write and one `fdatasync` of the same bytes for
//! each, in a file on the same file system: one that grows, and one that is laid out
//! beforehand. The targets are for the former; the latter is what the disk can do.

use crate::Bench;
use crate::measure::{Side, rate, rounds};
use crate::raw::RawLog;
use crate::report::Row;
use anyhow::{Result, bail};
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
/// The length of the file that is laid out beforehand.
const LAID_OUT_BYTES: u64 = 64 * 1_048_576;

/// One client and many.
pub(crate) fn rows(bench: &Bench) -> Result<Vec<Row>> {
    let folder = bench.scratch.path();
    let store: Arc<dyn Engine> = Arc::new(FjallEngine::open(&folder.join("kv"), FjallOptions::default())?);
    let bytes = vec![7; limits::commit_bytes(&[], &[write(0)])];
    let mut growing = RawLog::growing(&folder.join("kv-growing"))?;
    let mut laid_out = RawLog::laid_out(&folder.join("kv-laid-out"), LAID_OUT_BYTES)?;
    let mut growing = |turn| rate(turn, || growing.append(&bytes).map(|()| 1));
    let mut laid_out = |turn| rate(turn, || laid_out.append(&bytes).map(|()| 1));
    let mut one = |turn| bench.runtime.block_on(commits(&store, 1, turn));
    let mut many = |turn| bench.runtime.block_on(commits(&store, 64, turn));
    let sides = [
        ("overwrite + fdatasync", &mut laid_out as Side<'_>),
        ("append + fdatasync", &mut growing),
        ("kv commit, 1 client", &mut one),
        ("kv commit, 64 clients", &mut many),
    ];
    let [laid_out, growing, one, many] = rounds(bench.effort, &bench.progress, sides)?;
    let (laid_out, growing) = (("overwrite + fdatasync", &laid_out), ("append + fdatasync", &growing));
    Ok(vec![
        Row::rate("kv commit, 1 client", "commits", &one, growing, Some(0.8)),
        Row::rate("kv commit, 1 client", "commits", &one, laid_out, None),
        Row::rate("kv commit, 64 clients", "commits", &many, growing, Some(4.0)),
        Row::rate("kv commit, 64 clients", "commits", &many, laid_out, None),
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

//! What is done without anybody asking for it: by a host's timer, or when the administrator has it done.

use crate::exchange::prune;
use crate::schedules::run::{self, Report, SOON_MS};
use crate::{Error, outbox};
use vwp_core::Environment;
use vwp_storage::{Kv, Machines};

/// Makes the transfers that are due, tells what is new in the ledger's log, and forgets what ended.
pub async fn run<S: Kv + Machines>(store: &S, environment: &Environment<'_>) -> Result<Report, Error> {
    let due = run::run(store, environment).await;
    // What cannot be done of one is no reason not to do the others.
    let next_ms = outbox::log::run(store).await;
    let has_more = prune::run(store, environment).await;
    let mut report = due?;
    report.next_ms = report.next_ms.min(next_ms?);
    if has_more? {
        report.next_ms = report.next_ms.min(SOON_MS);
    }
    Ok(report)
}

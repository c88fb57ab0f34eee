//! What is done without anybody asking for it: by a host's timer, or when the administrator has it done.

use crate::schedules::run::{self, Report};
use crate::{Error, outbox};
use vwp_core::Environment;
use vwp_storage::{Kv, Machines};

/// Makes the transfers that are due, and tells what is new in the ledger's log.
pub async fn run<S: Kv + Machines>(store: &S, environment: &Environment<'_>) -> Result<Report, Error> {
    let due = run::run(store, environment).await;
    // What cannot be done of one is no reason not to do the other.
    let next_ms = outbox::log::run(store).await;
    let mut report = due?;
    report.next_ms = report.next_ms.min(next_ms?);
    Ok(report)
}

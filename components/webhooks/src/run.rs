//! Events become deliveries, and what is due is sent: by a host's timer, or when the administrator has it done.
//!
//! A call goes on as long as there is something to send, for a bounded time, and looks for more while it waits for
//! answers. Those endpoints that are failing are tried in the call's first moments only: when the call ends, nobody
//! waits for one that does not answer.

use crate::attempts::{self, LIMITS};
use crate::claims::{self, Slots};
use crate::{WebhookError, fan_out};
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use serde::Serialize;
use std::future::Future;
use std::pin::pin;
use vwp_core::Environment;
use vwp_core::outbound::Outbound;
use vwp_storage::Kv;

/// When to look again if there was nothing to do, and if there was, in milliseconds.
const IDLE_MS: u32 = 250;
const SOON_MS: u32 = 10;
/// How often is looked for more while answers are waited for, in milliseconds.
const LOOK_MS: u32 = 200;
/// How long a call takes on more, in milliseconds. It ends when the last answer is there, and a host that is told to end
/// has 30 s for that. How long it takes on what is for endpoints that are failing.
const FILL_MS: u64 = 12_000;
const FAILING_FILL_MS: u64 = 1000;

const _: () = assert!(FILL_MS + LIMITS.time_max.as_secs() * 1000 < 30_000);

/// The time, as a component has it.
pub trait Clock {
    /// Milliseconds since the Unix epoch.
    fn now(&self) -> u64;
    /// Until so many milliseconds have passed.
    fn wait(&self, milliseconds: u32) -> impl Future<Output = ()>;
}

/// What a call did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many events became deliveries.
    pub events: u32,
    /// How many attempts were made.
    pub attempts: u32,
    /// After how many milliseconds there may be more to do.
    pub next_ms: u32,
}

/// Makes deliveries of events, and sends what is due.
pub async fn run<S: Kv, O: Outbound, C: Clock>(
    store: &S,
    (outbound, clock): (&O, &C),
    environment: &Environment<'_>,
) -> Result<Report, WebhookError> {
    let begun = clock.now();
    // What goes on takes longer than a request may, so that the time is asked for again.
    let current = || Environment { now: clock.now(), ..*environment };
    let mut report = Report { next_ms: IDLE_MS, ..Report::default() };
    let mut slots = Slots::new(environment);
    let mut sending = FuturesUnordered::new();
    loop {
        let environment_now = current();
        let age_ms = environment_now.now.saturating_sub(begun);
        if age_ms < FILL_MS {
            let events = fan_out::run(store, &environment_now).await?;
            report.events = report.events.saturating_add(events);
            let takes_failing = age_ms < FAILING_FILL_MS;
            for claimed in claims::fill(store, &environment_now, &mut slots, takes_failing).await? {
                sending.push(attempts::send(outbound, environment, claimed));
            }
            if events > 0 && sending.is_empty() {
                continue;
            }
        }
        if sending.is_empty() {
            break;
        }
        let done = match select(sending.next(), pin!(clock.wait(LOOK_MS))).await {
            Either::Left((done, _)) => done,
            Either::Right(_) => None,
        };
        if let Some((claimed, answer)) = done {
            slots.free(&claimed.delivery.endpoint);
            attempts::settle(store, &current(), (&claimed, &answer)).await?;
            report.attempts = report.attempts.saturating_add(1);
        }
    }
    if report.events != 0 || report.attempts != 0 {
        report.next_ms = SOON_MS;
    }
    Ok(report)
}

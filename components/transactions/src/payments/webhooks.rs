//! What processors say by themselves.
//!
//! The adapter decides whether a webhook is the processor's. An event says what something was when it happened, so
//! the same one may come several times and after later ones: a record learns from an event only what may follow
//! what it knows. Which events have come is committed together with what they changed.

use super::money;
use super::record::{self, dispute_fits, disputed_key, fits, movement_fits, parse_phase_key, update};
use crate::Error;
use vwp_core::{Environment, Problem};
use vwp_processor::{Command, Event, Fault, Processor, Reply, Request, Subject};
use vwp_storage::kv::Write;
use vwp_storage::{Kv, Machines};

/// The longest body of a webhook, in bytes.
pub const BODY_LENGTH_MAX: usize = 262_144;
/// How long it is kept which events have come, in milliseconds. Processors repeat them for 30 days at most.
const KEPT_MS: u64 = 40 * 86_400_000;
/// The longest id of an event, in bytes.
const ID_LENGTH_MAX: usize = 256;

/// Takes a webhook of a processor.
pub(crate) async fn receive<S: Kv + Machines>(
    store: &S,
    processor: &impl Processor,
    environment: &Environment<'_>,
    name: &str,
    command: Command,
) -> Result<(), Error> {
    match ask(processor, name, command).await? {
        Reply::Event(event) => apply(store, environment, name, &event).await,
        _ => Err(Problem::internal().into()),
    }
}

/// Asks a processor for the events of a time again. Says how many there were, and after which the next
/// page starts.
pub(crate) async fn replay<S: Kv + Machines>(
    store: &S,
    processor: &impl Processor,
    environment: &Environment<'_>,
    name: &str,
    command: Command,
) -> Result<(usize, Option<String>), Error> {
    let Reply::Events(page) = ask(processor, name, command).await? else {
        return Err(Problem::internal().into());
    };
    // They come newest first, and what came first is told first.
    for event in page.events.iter().rev() {
        apply(store, environment, name, event).await?;
    }
    Ok((page.events.len(), page.next))
}

async fn ask(processor: &impl Processor, name: &str, command: Command) -> Result<Reply, Error> {
    let request = Request { key: String::new(), is_repeat: false, command };
    processor.ask(name, &request).await.map_err(|fault| match fault {
        Fault::Forged(why) => Problem::unauthorised(format!("the processor did not sign this: {why}")).into(),
        Fault::Refused(reason) => Error::PaymentRefused(reason),
        Fault::Unknown(why) => {
            eprintln!("a payment processor: {why}");
            Problem::unavailable("the processor's adapter does not answer").into()
        }
    })
}

async fn apply<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    name: &str,
    event: &Event,
) -> Result<(), Error> {
    let Some(notice) = &event.notice else { return Ok(()) };
    // Others may use the same account at the processor.
    let Some((id, number)) = parse_phase_key(&notice.key) else { return Ok(()) };
    let known = record::stored(store, id).await?.filter(|record| record.processor == name);
    let Some(known) = known else { return Ok(()) };
    let is_fit = match &notice.subject {
        Subject::Payment(payment) => fits(payment),
        Subject::Movement(movement) => movement_fits(movement),
        Subject::Dispute(dispute) => dispute_fits(dispute),
    };
    if !is_fit || event.id.is_empty() || event.id.len() > ID_LENGTH_MAX {
        return Err(Problem::internal().into());
    }
    let seen = format!("transactions/payment-event/{name}/{}", event.id).into_bytes();
    let record = if store.get(&seen).await?.is_some() {
        known
    } else {
        let expires_at = Some(environment.now.saturating_add(KEPT_MS));
        let mut writes = vec![Write::Put { key: seen, value: Vec::new(), expires_at }];
        if matches!(notice.subject, Subject::Dispute(_)) {
            writes.push(Write::put(disputed_key(&known), []));
        }
        let (record, ()) = update(store, id, &writes, |record| {
            match &notice.subject {
                Subject::Payment(payment) => record.observe(payment, false),
                Subject::Movement(movement) => record.observe_movement(number, movement),
                Subject::Dispute(dispute) => record.observe_dispute(dispute),
            }
            Ok(())
        })
        .await?;
        record
    };
    // Also after a repeat: the first time may have been broken off before the ledger was asked.
    money::settle(store, &record).await
}

//! One call to a processor after the other, each atomic: intended, called, known.

use super::money;
use super::record::{
    Act, Capture, Direct, End, Intent, PHASES_MAX, Phase, Record, fits, movement_fits, phase_key, update,
};
use crate::Error;
use crate::amount::Amount;
use vwp_core::Problem;
use vwp_processor::{Command, Fault, Processor, Reply, Request};
use vwp_storage::{Kv, Machines};

/// The longest word of a processor for why it refuses, in bytes.
const REASON_LENGTH_MAX: usize = 64;

/// Does a phase, after those before it, or finds that it was done: what has become of the record then.
/// `allow` is asked only if the phase is new.
pub(crate) async fn run<S: Kv + Machines>(
    store: &S,
    processor: &impl Processor,
    record: Record,
    intent: Intent,
    allow: impl Fn(&Record) -> Result<(), Error>,
) -> Result<Record, Error> {
    let (record, is_known) = advance(store, processor, record, None).await?;
    if !is_known {
        return Err(Error::OutcomeUnknown);
    }
    let (record, (number, is_new)) = update(store, record.id, &[], |record| {
        let known = record.phases.iter().position(|phase| phase.intent.key == intent.key);
        if let Some(number) = known {
            let is_same = record.phases.get(number).is_some_and(|phase| phase.intent == intent);
            return if is_same { Ok((number, false)) } else { Err(Error::IdempotencyKeyReused) };
        }
        allow(record)?;
        if record.phases.len() >= PHASES_MAX {
            return Err(Error::Invalid(format!("something can be done with it {PHASES_MAX} times")));
        }
        record.phases.push(Phase::new(intent.clone()));
        Ok((record.phases.len() - 1, true))
    })
    .await?;
    finish(store, processor, record, (number, is_new)).await
}

/// Does a phase that is kept already, and those before it. A refusal is its answer, for ever.
pub(crate) async fn finish<S: Kv + Machines>(
    store: &S,
    processor: &impl Processor,
    record: Record,
    (number, is_new): (usize, bool),
) -> Result<Record, Error> {
    let (record, _) = advance(store, processor, record, is_new.then_some(number)).await?;
    let phase = record.phases.get(number).ok_or_else(Problem::internal)?;
    match phase.end.clone() {
        Some(End::Done) => Ok(record),
        Some(End::Refused(reason)) => Err(Error::PaymentRefused(reason)),
        Some(End::Unfunded) => Err(Error::InsufficientFunds),
        None => Err(Error::OutcomeUnknown),
    }
}

/// Goes on where the last one stopped, and says whether all is known now. `fresh` is the phase that nobody can have
/// begun before.
pub(crate) async fn advance<S: Kv + Machines>(
    store: &S,
    processor: &impl Processor,
    mut record: Record,
    fresh: Option<usize>,
) -> Result<(Record, bool), Error> {
    let mut is_known = true;
    for number in 0..record.phases.len() {
        if record.phases.get(number).is_none_or(|phase| phase.end.is_some()) {
            continue;
        }
        let Some(next) = carry_out(store, processor, &record, number, fresh != Some(number)).await? else {
            // What comes after it waits for it.
            is_known = false;
            break;
        };
        record = next;
    }
    money::settle(store, &record).await?;
    Ok((record, is_known))
}

/// Calls the processor, and commits what it answers. None: nobody knows what it did.
async fn carry_out<S: Kv + Machines>(
    store: &S,
    processor: &impl Processor,
    record: &Record,
    number: usize,
    is_repeat: bool,
) -> Result<Option<Record>, Error> {
    let Some(phase) = record.phases.get(number) else { return Err(Problem::internal().into()) };
    let gives = phase.intent.act.gives();
    let ended = |end: End| {
        update(store, record.id, &[], move |record| {
            if let Some(phase) = record.phases.get_mut(number).filter(|phase| phase.end.is_none()) {
                phase.end = Some(end.clone());
            }
            Ok(())
        })
    };
    // Nobody is to spend it meanwhile.
    if gives && !money::hold(store, record, number).await? {
        return Ok(Some(ended(End::Unfunded).await?.0));
    }
    let command = command(record, &phase.intent)?;
    let request = Request { key: phase_key(record.id, number), is_repeat, command };
    let answer = processor.ask(&record.processor, &request).await;
    let changed = match answer {
        Ok(reply) if is_fit(&reply, gives) => {
            update(store, record.id, &[], |record| {
                match &reply {
                    Reply::Movement(movement) => record.observe_movement(number, movement),
                    Reply::Payment(payment) => record.observe(payment, true),
                    Reply::Event(_) | Reply::Events(_) => {}
                }
                if let Some(phase) = record.phases.get_mut(number) {
                    phase.end = Some(End::Done);
                }
                Ok(())
            })
            .await?
        }
        Err(Fault::Refused(reason)) => ended(End::Refused(bounded(&reason))).await?,
        Ok(_) => {
            log("it answers something else");
            return Ok(None);
        }
        Err(fault) => {
            log(&fault.to_string());
            return Ok(None);
        }
    };
    Ok(Some(changed.0))
}

/// Asks what has become of what is not settled yet, because not every processor tells it by itself. One that does
/// refuses, and that is no news.
pub(crate) async fn look<S: Kv + Machines>(
    store: &S,
    processor: &impl Processor,
    mut record: Record,
) -> Result<Record, Error> {
    for (number, reference) in record.unsettled() {
        let request = Request { key: String::new(), is_repeat: false, command: Command::Look { reference } };
        let seen = match processor.ask(&record.processor, &request).await {
            Ok(seen) if is_fit(&seen, number.is_some()) => seen,
            Ok(_) => {
                log("it says something else of what is not settled");
                continue;
            }
            Err(Fault::Refused(_)) => continue,
            Err(fault) => {
                log(&fault.to_string());
                continue;
            }
        };
        (record, ()) = update(store, record.id, &[], |record| {
            match (&seen, number) {
                (Reply::Movement(movement), Some(number)) => record.observe_movement(number, movement),
                (Reply::Payment(payment), _) => record.observe(payment, false),
                _ => {}
            }
            Ok(())
        })
        .await?;
        money::settle(store, &record).await?;
    }
    Ok(record)
}

/// Whether an answer is one to what was asked, and can be kept.
fn is_fit(reply: &Reply, gives: bool) -> bool {
    match reply {
        Reply::Movement(movement) => gives && movement_fits(movement),
        Reply::Payment(payment) => !gives && fits(payment),
        Reply::Event(_) | Reply::Events(_) => false,
    }
}

/// Tells the administrator.
fn log(why: &str) {
    eprintln!("a payment processor: {why}");
}

/// The word of a processor as it is shown to others.
fn bounded(reason: &str) -> String {
    let is_fit = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    let word: String = reason.chars().filter(is_fit).take(REASON_LENGTH_MAX).collect();
    if word.is_empty() { "refused".to_owned() } else { word }
}

fn command(record: &Record, intent: &Intent) -> Result<Command, Error> {
    let amount = intent.amount.unwrap_or(record.terms.amount);
    let amount = minor(amount)?;
    let currency = record.currency.clone();
    Ok(match intent.act {
        Act::Create => {
            let is_captured_at_once = record.terms.capture == Capture::Automatic;
            Command::CreatePayment { amount, currency, is_captured_at_once }
        }
        Act::Confirm => Command::Confirm {
            reference: record.reference()?,
            payment_method: intent.payment_method.clone(),
            return_url: intent.return_url.clone(),
        },
        Act::Capture => Command::Capture { reference: record.reference()?, amount },
        Act::Cancel => Command::Cancel { reference: record.reference()? },
        Act::Refund => {
            let payment_method = record.payment_method();
            Command::Refund { reference: record.reference()?, amount, currency, payment_method }
        }
        Act::Payout => {
            let destination = record.terms.destination.clone().ok_or_else(Problem::internal)?;
            Command::Payout { amount, currency, destination }
        }
    })
}

/// An amount as a processor counts it.
pub(crate) fn minor(amount: Amount) -> Result<u64, Error> {
    u64::try_from(amount.0).map_err(|_| Error::Overflow)
}

/// Requires that an id is one of a payment, or of a payout.
pub(crate) fn require_direct(record: Option<Record>, direct: Direct) -> Result<Record, Error> {
    record.filter(|record| record.terms.direct == direct).ok_or(Error::UnknownPayment)
}

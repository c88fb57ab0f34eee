//! What is kept of a payment or a payout: what was asked for, and each phase.

use crate::Error;
use crate::amount::Amount;
use crate::listing::{self, Paged, place};
use crate::outbox::records;
use crate::reference::{Owner, id_text, parse_id};
use serde::{Deserialize, Serialize};
use vwp_core::Problem;
use vwp_processor::{Dispute, DisputeState, Movement, MovementState, Payment, PaymentState};
use vwp_storage::kv::{Check, Outcome, Write};
use vwp_storage::{Kv, Machines};

/// The most phases: a payment can be tried, captured and given back in parts so often. All of them are one value.
pub(crate) const PHASES_MAX: usize = 32;
/// The most disputes of a payment. A bank has one, and rarely a second one.
const DISPUTES_MAX: usize = 8;
/// The longest name or word that is taken from a processor, and the longest URL, in bytes.
const WORD_LENGTH_MAX: usize = 255;
const URL_LENGTH_MAX: usize = 4096;
/// How often a commit is tried again that others came before.
const CONFLICTS_MAX: usize = 32;

/// Which of the two it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Direct {
    /// Money comes in.
    Payment,
    /// Money leaves.
    Payout,
}

/// When money is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capture {
    /// As soon as the payment is confirmed.
    #[default]
    Automatic,
    /// When the payee says so.
    Manual,
}

/// What was asked for. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub(crate) direct: Direct,
    /// Who asked.
    pub(crate) by: String,
    /// Whose account is credited or, by a payout, debited.
    pub(crate) owner: String,
    pub(crate) asset: String,
    pub(crate) amount: Amount,
    pub(crate) capture: Capture,
    /// Where a payout goes, as the processor calls it.
    pub(crate) destination: Option<String>,
}

/// What a phase does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Act {
    Create,
    Confirm,
    Capture,
    Cancel,
    Refund,
    Payout,
}

impl Act {
    /// Whether it moves money out of the port.
    pub(crate) fn gives(self) -> bool {
        matches!(self, Self::Refund | Self::Payout)
    }
}

/// What a phase is asked to do: the same again is the same phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Intent {
    pub(crate) act: Act,
    /// The caller's idempotency key.
    pub(crate) key: String,
    pub(crate) amount: Option<Amount>,
    /// What pays, of a confirmation.
    pub(crate) payment_method: Option<String>,
    pub(crate) return_url: Option<String>,
}

/// How a phase ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum End {
    /// The processor did it. What it moves may be under way.
    Done,
    /// It was not done: the processor's word for why.
    Refused(String),
    /// It was not begun: the account has less.
    Unfunded,
}

/// A call to a processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Phase {
    pub(crate) intent: Intent,
    /// None: it goes on.
    pub(crate) end: Option<End>,
    /// The money that it moves out.
    pub(crate) movement: Option<Movement>,
}

impl Phase {
    pub(crate) fn new(intent: Intent) -> Self {
        Self { intent, end: None, movement: None }
    }

    /// Whether its money is out, or may be.
    pub(crate) fn counts(&self) -> bool {
        self.intent.act.gives()
            && match &self.movement {
                Some(movement) => movement.state != MovementState::Failed,
                None => matches!(self.end, None | Some(End::Done)),
            }
    }
}

/// A payment or a payout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(skip)]
    pub(crate) id: u128,
    pub(crate) terms: Terms,
    pub(crate) processor: String,
    pub(crate) currency: String,
    /// In milliseconds since the Unix epoch.
    pub(crate) created_at: u64,
    pub(crate) phases: Vec<Phase>,
    /// A payment, as the processor saw it last.
    pub(crate) payment: Option<Payment>,
    /// How much was taken, once it was. It never changes.
    pub(crate) captured: Option<Amount>,
    /// What the payer's bank says against it, in the order in which it was heard of.
    #[serde(default)]
    pub(crate) disputes: Vec<Dispute>,
}

impl Record {
    pub(crate) fn owner(&self) -> Result<Owner, Error> {
        self.terms.owner.parse()
    }

    /// What the processor calls the payment.
    pub(crate) fn reference(&self) -> Result<String, Error> {
        let payment = self.payment.as_ref().ok_or_else(Problem::internal)?;
        Ok(payment.reference.clone())
    }

    /// What it was confirmed with last.
    pub(crate) fn payment_method(&self) -> Option<String> {
        let mut done = self.phases.iter().rev().filter(|phase| phase.end == Some(End::Done));
        done.find_map(|phase| phase.intent.payment_method.clone())
    }

    /// What of it may still change, as the processor calls it; with the number of the phase, if it is money that
    /// leaves.
    pub(crate) fn unsettled(&self) -> Vec<(Option<usize>, String)> {
        let waits =
            |payment: &&Payment| !matches!(payment.state, PaymentState::Captured | PaymentState::Cancelled);
        let payment = self.payment.iter().filter(waits).map(|payment| (None, payment.reference.clone()));
        let moving = self.phases.iter().enumerate().filter_map(|(number, phase)| {
            let movement = phase.movement.as_ref()?;
            let is_moving = movement.state == MovementState::Pending;
            is_moving.then(|| (Some(number), movement.reference.clone()))
        });
        payment.chain(moving).collect()
    }

    /// How much went back, or is on its way.
    pub(crate) fn given(&self) -> u128 {
        let given = self.phases.iter().filter(|phase| phase.counts());
        given.filter_map(|phase| phase.intent.amount).map(|amount| amount.0).sum()
    }

    /// How much of what was taken may still go back.
    pub(crate) fn refundable(&self) -> u128 {
        let given = self.given();
        let disputed = self.disputes.iter().filter(|dispute| dispute.state == DisputeState::Withdrawn);
        let disputed: u128 = disputed.map(|dispute| u128::from(dispute.amount)).sum();
        self.captured.map_or(0, |captured| captured.0).saturating_sub(given).saturating_sub(disputed)
    }

    /// Learns what has become of the payment. Whether the processor answered that to a call just now, or
    /// told it some time ago, decides what of two states that may follow each other is the later one.
    pub(crate) fn observe(&mut self, seen: &Payment, is_answer: bool) {
        let is_final = |state| matches!(state, PaymentState::Captured | PaymentState::Cancelled);
        let known = self.payment.as_ref();
        if known.is_some_and(|known| known.reference != seen.reference || is_final(known.state)) {
            return;
        }
        let is_later = known.is_none_or(|known| {
            let failed = known.state == PaymentState::Processing && seen.decline.is_some();
            is_answer || failed || seen.state > known.state
        });
        if !is_later {
            return;
        }
        if seen.state == PaymentState::Captured {
            let asked = self.phases.iter().rev().find(|phase| {
                phase.intent.act == Act::Capture && !matches!(phase.end, Some(End::Refused(_)))
            });
            let asked = asked.and_then(|phase| phase.intent.amount).unwrap_or(self.terms.amount);
            // Nobody is credited with more than was agreed on, whatever arrived.
            let taken = seen.received.map_or(asked.0, u128::from).min(self.terms.amount.0);
            self.captured = Some(Amount(taken));
        }
        self.payment = Some(seen.clone());
    }

    /// Learns what has become of what a phase moves out.
    pub(crate) fn observe_movement(&mut self, number: usize, seen: &Movement) {
        let Some(phase) = self.phases.get_mut(number).filter(|phase| phase.intent.act.gives()) else {
            return;
        };
        let is_later = phase
            .movement
            .as_ref()
            .is_none_or(|known| known.reference == seen.reference && seen.state > known.state);
        if is_later {
            phase.movement = Some(seen.clone());
        }
    }
}

impl Record {
    /// Learns what has become of a dispute.
    pub(crate) fn observe_dispute(&mut self, seen: &Dispute) {
        let known = self.disputes.iter_mut().find(|known| known.reference == seen.reference);
        if let Some(known) = known {
            // How much it is about does not change: what moved for it is to move back.
            known.state = known.state.max(seen.state);
        } else if self.disputes.len() < DISPUTES_MAX {
            self.disputes.push(seen.clone());
        }
    }
}

/// Whether what a processor says of a dispute can be kept.
pub(crate) fn dispute_fits(dispute: &Dispute) -> bool {
    (1..=WORD_LENGTH_MAX).contains(&dispute.reference.len())
}

/// Whether what a processor says of a payment can be kept.
pub(crate) fn fits(payment: &Payment) -> bool {
    let is_short = |text: &Option<String>, most: usize| text.as_ref().is_none_or(|text| text.len() <= most);
    let is_named = (1..=WORD_LENGTH_MAX).contains(&payment.reference.len());
    is_named && is_short(&payment.redirect_url, URL_LENGTH_MAX) && is_short(&payment.decline, WORD_LENGTH_MAX)
}

/// Whether what a processor says of money that leaves can be kept.
pub(crate) fn movement_fits(movement: &Movement) -> bool {
    (1..=WORD_LENGTH_MAX).contains(&movement.reference.len())
}

/// The key that a phase has at the processor.
pub(crate) fn phase_key(id: u128, number: usize) -> String {
    format!("{}-{number}", id_text(id))
}

/// Reads what [`phase_key`] wrote; none if somebody else wrote it.
pub(crate) fn parse_phase_key(key: &str) -> Option<(u128, usize)> {
    let (id, number) = key.split_once('-')?;
    Some((parse_id(id).ok()?, number.parse().ok().filter(|number| *number < PHASES_MAX)?))
}

fn record_key(id: u128) -> Vec<u8> {
    format!("transactions/payment/{}", id_text(id)).into_bytes()
}

fn decode(id: u128, value: &[u8]) -> Result<Record, Error> {
    let record: Record = serde_json::from_slice(value).map_err(|_| Problem::internal())?;
    Ok(Record { id, ..record })
}

fn encode(record: &Record) -> Result<Vec<u8>, Error> {
    Ok(serde_json::to_vec(record).map_err(|_| Problem::internal())?)
}

/// What is kept under an id, if anything.
pub(crate) async fn stored(store: &impl Kv, id: u128) -> Result<Option<Record>, Error> {
    let Some(entry) = store.get(&record_key(id)).await? else { return Ok(None) };
    decode(id, &entry.value).map(Some)
}

/// Keeps a new record, unless there is one under this id; what is kept then.
pub(crate) async fn keep(store: &impl Kv, record: &Record) -> Result<Record, Error> {
    let key = record_key(record.id);
    let writes = [Write::put(key.clone(), encode(record)?), Write::put(listed_key(record), [])];
    store.commit(&[Check::absent(key)], &writes).await?;
    match stored(store, record.id).await? {
        Some(kept) if kept.terms == record.terms => Ok(kept),
        Some(_) => Err(Error::IdempotencyKeyReused),
        None => Err(Problem::unavailable("what was asked for could not be kept").into()),
    }
}

/// Changes a record, and writes something else, and what is to be told of it, in the same commit. The change is made again on what others
/// have made of the record meanwhile.
pub(crate) async fn update<S: Kv + Machines, T>(
    store: &S,
    id: u128,
    more: &[Write],
    change: impl Fn(&mut Record) -> Result<T, Error>,
) -> Result<(Record, T), Error> {
    let key = record_key(id);
    for _ in 0..CONFLICTS_MAX {
        let entry = store.get(&key).await?.ok_or(Error::UnknownPayment)?;
        let before = decode(id, &entry.value)?;
        let mut record = before.clone();
        let result = change(&mut record)?;
        let value = encode(&record)?;
        if value == entry.value && more.is_empty() {
            return Ok((record, result));
        }
        let told = records::of_payment(store, &before, &record, entry.version).await?;
        let writes = [&[Write::put(key.clone(), value)], more, &told].concat();
        let check = Check::unchanged(key.clone(), Some(&entry));
        if let Outcome::Committed(_) = store.commit(&[check], &writes).await? {
            return Ok((record, result));
        }
    }
    Err(Problem::unavailable("too many change this at the same time").into())
}

/// Where a list of an account has it.
fn listed_key(record: &Record) -> Vec<u8> {
    let Record { id, terms, created_at, .. } = record;
    let prefix = listed_prefix(terms.direct, &terms.owner, &terms.asset);
    format!("{prefix}{}", place(*created_at, *id)).into_bytes()
}

/// Where the list of all that are disputed has it.
pub(crate) fn disputed_key(record: &Record) -> Vec<u8> {
    format!("{DISPUTED}{}", place(record.created_at, record.id)).into_bytes()
}

/// The list of all that are disputed.
pub(crate) const DISPUTED: &str = "transactions/payments-disputed/";

pub(crate) fn listed_prefix(direct: Direct, owner: &str, asset: &str) -> String {
    let of = match direct {
        Direct::Payment => "payments",
        Direct::Payout => "payouts",
    };
    format!("transactions/{of}-of/{owner}/{asset}/")
}

/// A page of a list, and where the next page starts, if there is one.
pub(crate) async fn list(
    store: &impl Kv,
    prefix: &str,
    page: &Paged,
) -> Result<(Vec<Record>, Option<String>), Error> {
    let (ids, next) = listing::ids(store, prefix, page).await?;
    let mut records = Vec::with_capacity(ids.len());
    for id in ids {
        records.extend(stored(store, id).await?);
    }
    Ok((records, next))
}

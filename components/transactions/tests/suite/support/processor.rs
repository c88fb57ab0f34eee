//! A payment processor in memory: it does what it is asked once for each key, tells of everything that happens,
//! and counts its money.

use futures::pending;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use vwp_processor::{
    Command, Dispute, DisputeState, Event, Events, Fault, Movement, MovementState, Notice, Payment,
    PaymentState, Processor, Reply, Request, Subject,
};

/// The header in which this processor signs, and what it says there.
pub const SIGNATURE: (&str, &str) = ("model-signature", "genuine");
/// What pays nothing.
pub const DECLINED: &str = "pm_declined";
/// What makes the payer go somewhere first.
pub const CHALLENGED: &str = "pm_challenged";

#[derive(Default)]
struct Books {
    answers: BTreeMap<String, Result<Reply, Fault>>,
    payments: BTreeMap<String, (String, u64, bool, Payment)>,
    movements: BTreeMap<String, (String, u64, Movement)>,
    /// By the payment's reference.
    disputes: BTreeMap<String, Dispute>,
    events: Vec<Event>,
    cash: i128,
    done: usize,
}

/// The processor.
#[derive(Default)]
pub struct Model {
    books: RefCell<Books>,
    /// Whether each call lets others go on first, before and after it is done.
    pub interleaved: Cell<bool>,
    /// Whether answers are lost.
    pub is_mute: Cell<bool>,
}

impl Model {
    /// What it has: what it took less what it gave.
    pub fn cash(&self) -> i128 {
        self.books.borrow().cash
    }

    /// How many calls did something.
    pub fn done(&self) -> usize {
        self.books.borrow().done
    }

    /// All that happened, oldest first.
    pub fn events(&self) -> Vec<Event> {
        self.books.borrow().events.clone()
    }

    /// Lets what is on its way arrive or fail, and what a bank sends back come back.
    pub fn finish(&self) {
        let mut books = self.books.borrow_mut();
        let keys: Vec<String> = books.movements.keys().cloned().collect();
        for key in keys {
            let Some((key, amount, movement)) = books.movements.get(&key).cloned() else { continue };
            let next = match (movement.state, amount % 5) {
                (MovementState::Pending, 2) | (MovementState::Done, 3) => MovementState::Failed,
                (MovementState::Pending, _) => MovementState::Done,
                _ => continue,
            };
            books.moved(&key, amount, Movement { state: next, ..movement });
        }
    }

    /// The bank of the payer of a payment takes some of it back, and at the next call decides against the payer. Nothing
    /// happens if nothing was taken.
    pub fn dispute(&self, payment: usize, amount: u64) {
        let mut books = self.books.borrow_mut();
        let taken = books.payments.values().filter(|(.., payment)| payment.state == PaymentState::Captured);
        let taken = taken.map(|(key, _, _, payment)| (key.clone(), payment.reference.clone())).nth(payment);
        let Some((key, reference)) = taken else { return };
        let dispute = match books.disputes.get(&reference) {
            None => {
                books.cash -= i128::from(amount);
                Dispute { reference: format!("dp_{key}"), amount, state: DisputeState::Withdrawn }
            }
            Some(known) if known.state == DisputeState::Withdrawn => {
                let known = known.clone();
                books.cash += i128::from(known.amount);
                Dispute { state: DisputeState::Reinstated, ..known }
            }
            Some(_) => return,
        };
        books.disputes.insert(reference, dispute.clone());
        books.tell(&key, Subject::Dispute(dispute));
    }

    /// The payer comes back from where it had to go.
    pub fn pass_challenges(&self) {
        let mut books = self.books.borrow_mut();
        let waiting: Vec<String> = books.payments.keys().cloned().collect();
        for reference in waiting {
            if books.payments[&reference].3.state == PaymentState::ActionRequired {
                books.pay(&reference);
            }
        }
    }
}

impl Books {
    fn tell(&mut self, key: &str, subject: Subject) {
        let id = format!("evt_{}", self.events.len());
        self.events.push(Event { id, notice: Some(Notice { key: key.to_owned(), subject }) });
    }

    fn moved(&mut self, key: &str, amount: u64, movement: Movement) {
        let was = self.movements.get(key).map(|(_, _, movement)| movement.state);
        match (was, movement.state) {
            (Some(MovementState::Done), MovementState::Failed) => self.cash += i128::from(amount),
            (_, MovementState::Done) => self.cash -= i128::from(amount),
            _ => {}
        }
        self.tell(key, Subject::Movement(movement.clone()));
        self.movements.insert(key.to_owned(), (key.to_owned(), amount, movement));
    }

    fn seen(&mut self, reference: &str, change: impl FnOnce(&mut Payment)) -> Reply {
        let (key, _, _, payment) = self.payments.get_mut(reference).unwrap();
        change(payment);
        let (key, payment) = (key.clone(), payment.clone());
        self.tell(&key, Subject::Payment(payment.clone()));
        Reply::Payment(payment)
    }

    fn pay(&mut self, reference: &str) -> Reply {
        let (_, amount, is_captured_at_once, _) = self.payments[reference].clone();
        if is_captured_at_once {
            return self.take(reference, amount);
        }
        self.seen(reference, |payment| payment.state = PaymentState::Authorised)
    }

    fn take(&mut self, reference: &str, amount: u64) -> Reply {
        self.cash += i128::from(amount);
        self.seen(reference, |payment| {
            (payment.state, payment.received, payment.redirect_url) =
                (PaymentState::Captured, Some(amount), None);
        })
    }

    fn state(&self, reference: &str) -> PaymentState {
        self.payments[reference].3.state
    }

    fn give(&mut self, key: &str, amount: u64) -> Reply {
        let state = if amount.is_multiple_of(5) { MovementState::Done } else { MovementState::Pending };
        let movement = Movement { reference: format!("mv_{key}"), state };
        self.moved(key, amount, movement.clone());
        Reply::Movement(movement)
    }

    fn act(&mut self, key: &str, command: &Command) -> Result<Reply, Fault> {
        let refused = |why: &str| Err(Fault::Refused(why.to_owned()));
        match command {
            Command::CreatePayment { amount: 13, .. } => refused("amount_too_small"),
            Command::CreatePayment { amount, is_captured_at_once, .. } => {
                let reference = format!("pay_{key}");
                let payment = Payment {
                    reference: reference.clone(),
                    state: PaymentState::Open,
                    received: None,
                    redirect_url: None,
                    decline: None,
                };
                let kept = (key.to_owned(), *amount, *is_captured_at_once, payment.clone());
                self.payments.insert(reference, kept);
                Ok(Reply::Payment(payment))
            }
            Command::Confirm { payment_method, .. } if payment_method.as_deref() == Some(DECLINED) => {
                refused("card_declined")
            }
            Command::Confirm { reference, payment_method, .. } => match self.state(reference) {
                PaymentState::Open if payment_method.as_deref() == Some(CHALLENGED) => {
                    Ok(self.seen(reference, |payment| {
                        payment.state = PaymentState::ActionRequired;
                        payment.redirect_url = Some("https://bank.test/".to_owned());
                    }))
                }
                PaymentState::Open | PaymentState::ActionRequired => Ok(self.pay(reference)),
                _ => refused("unexpected_state"),
            },
            Command::Capture { reference, amount } => match self.state(reference) {
                PaymentState::Authorised => Ok(self.take(reference, *amount)),
                _ => refused("unexpected_state"),
            },
            Command::Cancel { reference } => match self.state(reference) {
                PaymentState::Captured | PaymentState::Cancelled => refused("unexpected_state"),
                _ => Ok(self.seen(reference, |payment| payment.state = PaymentState::Cancelled)),
            },
            Command::Refund { amount, .. } if *amount % 7 == 6 => refused("charge_disputed"),
            Command::Refund { amount, .. } | Command::Payout { amount, .. } => Ok(self.give(key, *amount)),
            Command::Look { .. } | Command::VerifyWebhook { .. } | Command::Events { .. } => {
                refused("another_call")
            }
        }
    }
}

impl Processor for Model {
    async fn ask(&self, _: &str, request: &Request) -> Result<Reply, Fault> {
        match &request.command {
            Command::VerifyWebhook { headers, body } => {
                let is_signed =
                    headers.iter().any(|(name, value)| (name.as_str(), value.as_str()) == SIGNATURE);
                let event = serde_json::from_str(body).ok().filter(|_| is_signed);
                return event.map(Reply::Event).ok_or_else(|| Fault::Forged("no signature".to_owned()));
            }
            Command::Events { after, .. } => {
                let events: Vec<Event> = self.books.borrow().events.iter().rev().cloned().collect();
                let skipped = after.as_ref().map_or(0, |after| {
                    events.iter().position(|event| event.id == *after).map_or(0, |place| place + 1)
                });
                let page: Vec<Event> = events.iter().skip(skipped).take(2).cloned().collect();
                let next = page.last().filter(|_| skipped + 2 < events.len()).map(|event| event.id.clone());
                return Ok(Reply::Events(Events { events: page, next }));
            }
            Command::Look { .. } => return Err(Fault::Refused("told_by_webhooks".to_owned())),
            _ => {}
        }
        if self.interleaved.get() {
            pending!();
        }
        let answer = {
            let mut books = self.books.borrow_mut();
            let known = books.answers.get(&request.key).cloned();
            known.unwrap_or_else(|| {
                let answer = books.act(&request.key, &request.command);
                books.done += 1;
                books.answers.insert(request.key.clone(), answer.clone());
                answer
            })
        };
        if self.interleaved.get() {
            pending!();
        }
        if self.is_mute.get() { Err(Fault::Unknown("lost".to_owned())) } else { answer }
    }
}

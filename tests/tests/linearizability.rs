//! Money and worlds as several people see them at once: whatever they are told fits one order of all that
//! was asked, in which nothing comes before what had been answered when it was sent. The host
//! is killed in the middle of it, and started again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Http};
use vwp_tests::linearizable::{Model, Operation, Recorder, check};
use vwp_tests::people::{Operator, Traveller};
use vwp_tests::{random_below, tools, unique};

/// How many ask at once.
const CLIENTS: usize = 6;
/// How often each of them asks, before the kill and after it.
const CALLS: usize = 25;
/// What each traveller begins with: little, so that it often does not suffice.
const FUNDS: u64 = 20;
/// The largest payment.
const AMOUNT_MAX: u64 = 15;

/// Some accounts of one asset.
struct Accounts(usize);

#[derive(Debug, Clone, Copy)]
enum Ask {
    Pay { from: usize, to: usize, amount: u64 },
    Balance(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Paid,
    TooLittle,
    Balance(u64),
}

impl Model for Accounts {
    type State = Vec<u64>;
    type Call = Ask;
    type Answer = Told;

    fn initial(&self) -> Vec<u64> {
        vec![FUNDS; self.0]
    }

    fn step(&self, balances: &Vec<u64>, ask: &Ask, told: Option<&Told>) -> Option<Vec<u64>> {
        let (after, answer) = match *ask {
            Ask::Balance(account) => (balances.clone(), Told::Balance(balances[account])),
            Ask::Pay { from, amount, .. } if balances[from] < amount => (balances.clone(), Told::TooLittle),
            Ask::Pay { from, to, amount } => {
                let mut after = balances.clone();
                after[from] -= amount;
                after[to] += amount;
                (after, Told::Paid)
            }
        };
        told.is_none_or(|told| *told == answer).then_some(after)
    }
}

/// The record of one world, by its number.
struct Record;

#[derive(Debug, Clone, Copy)]
enum Look {
    Update(u64),
    Read,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Updated,
    NotNewer,
    Number(u64),
}

impl Model for Record {
    type State = u64;
    type Call = Look;
    type Answer = Seen;

    fn initial(&self) -> u64 {
        1
    }

    fn step(&self, number: &u64, look: &Look, seen: Option<&Seen>) -> Option<u64> {
        let (after, answer) = match *look {
            Look::Update(newer) if newer > *number => (newer, Seen::Updated),
            Look::Update(_) => (*number, Seen::NotNewer),
            Look::Read => (*number, Seen::Number(*number)),
        };
        seen.is_none_or(|seen| *seen == answer).then_some(after)
    }
}

struct Market {
    travellers: Vec<Traveller>,
    asset: String,
}

impl Market {
    fn open(host: &Host) -> Self {
        let bank = Operator::registered(host, "bank");
        let travellers: Vec<Traveller> = (0..3).map(|_| Traveller::signed_in(host)).collect();
        for traveller in &travellers {
            bank.issue(host, "gold", &traveller.account(), &FUNDS.to_string());
        }
        Self { asset: bank.asset("gold"), travellers }
    }

    fn random(&self) -> Ask {
        let any = |below: usize| usize::try_from(random_below(below as u64)).expect("a small number");
        let (from, accounts) = (any(self.travellers.len()), self.travellers.len());
        if random_below(2) == 0 {
            return Ask::Balance(from);
        }
        Ask::Pay { from, to: (from + 1 + any(accounts - 1)) % accounts, amount: 1 + random_below(AMOUNT_MAX) }
    }

    fn perform(&self, http: &Http, ask: &Ask) -> Option<Told> {
        match *ask {
            Ask::Balance(account) => {
                let traveller = &self.travellers[account];
                let path = format!("/v1/ledger/accounts/{}/{}", traveller.account(), self.asset);
                let reply = http.try_send(&Call::get(path).bearer(&traveller.token)).ok()?.expect(200);
                Some(Told::Balance(reply.text("balance").parse().expect("a balance is a number")))
            }
            Ask::Pay { from, to, amount } => {
                let to = self.travellers[to].account();
                let payer = &self.travellers[from];
                let call = payer.transfer_call(&unique("pay"), &to, &self.asset, &amount.to_string());
                let reply = http.try_send(&call).ok()?;
                match (reply.status, reply.problem().as_deref()) {
                    (201, _) => Some(Told::Paid),
                    (422, Some("insufficient-funds")) => Some(Told::TooLittle),
                    // Nobody knows yet, and the next one who asks may.
                    (503, _) => None,
                    _ => panic!("a payment was answered with {}", reply.shown()),
                }
            }
        }
    }
}

/// Has several clients ask, kills the host when about half is done, starts it again, and goes on.
fn through_a_kill<C: Send + Sync, A: Send>(
    mut host: Host,
    random: impl Fn() -> C + Sync,
    perform: impl Fn(&Host, &C) -> Option<A> + Sync,
) -> Vec<Operation<C, A>> {
    let (recorder, is_killed) = (Recorder::default(), AtomicBool::new(false));
    let (done, progress) = channel();
    let ask = |host: &Host, calls: usize, done: &Sender<()>| {
        for _ in 0..calls {
            let is_answered = recorder.record(random(), |call| perform(host, call));
            // Nobody listens any more after the kill.
            let _ = done.send(());
            if !is_answered && is_killed.load(Ordering::SeqCst) {
                break;
            }
        }
    };
    let (seen, ask) = (&host, &ask);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let done = done.clone();
            scope.spawn(move || ask(seen, CALLS * 2, &done));
        }
        assert_eq!(progress.iter().take(CLIENTS * CALLS).count(), CLIENTS * CALLS);
        let process = seen.process_id().expect("the host is the test's own");
        is_killed.store(true, Ordering::SeqCst);
        rustix::process::kill_process(process, rustix::process::Signal::KILL).expect("the host is killed");
    });
    host = host.restarted();
    let seen = &host;
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let done = done.clone();
            scope.spawn(move || ask(seen, CALLS, &done));
        }
    });
    recorder.finish()
}

fn skipped() -> bool {
    let is_others = std::env::var_os("VWP_URL").is_some();
    if is_others {
        tools::skip("linearizability", "the deployment of VWP_URL is not the test's to kill");
    }
    is_others
}

#[test]
fn payments_and_balances_fit_one_order() {
    if skipped() {
        return;
    }
    let host = Host::start_own();
    let market = Market::open(&host);
    let history = through_a_kill(host, || market.random(), |host, ask| market.perform(&host.http, ask));
    let told = |wanted: Told| {
        history.iter().any(|asked| asked.answered.as_ref().is_some_and(|(_, told)| *told == wanted))
    };
    assert!(told(Told::Paid) && told(Told::TooLittle), "the payments were all alike");
    let length = history.len();
    let placed = check(&Accounts(market.travellers.len()), history);
    assert_eq!(placed, Ok(()), "of {length} operations so many fit one order");
}

#[test]
fn updates_and_lookups_of_a_world_fit_one_order() {
    if skipped() {
        return;
    }
    let host = Host::start_own();
    let operator = Operator::registered(&host, "linear");
    let random = || match random_below(3) {
        0 => Look::Update(2 + random_below((CLIENTS * CALLS) as u64)),
        _ => Look::Read,
    };
    let path = format!("/v1/worlds/{}", operator.world);
    let perform = |host: &Host, look: &Look| match *look {
        Look::Read => {
            let reply = host.http.try_send(&Call::get(&path)).ok()?.expect(200);
            Some(Seen::Number(reply.json()["seq"].as_u64().expect("a number")))
        }
        Look::Update(number) => {
            let reply = host.http.try_send(&Call::jose("/v1/worlds", operator.record(host, number))).ok()?;
            match (reply.status, reply.problem().as_deref()) {
                (200 | 201, _) => Some(Seen::Updated),
                (409, Some("record-replayed")) => Some(Seen::NotNewer),
                (503, _) => None,
                _ => panic!("an update was answered with {}", reply.shown()),
            }
        }
    };
    let history = through_a_kill(host, random, perform);
    let length = history.len();
    assert_eq!(check(&Record, history), Ok(()), "of {length} operations so many fit one order");
}

/// What the checker is worth: histories of which it is known whether they fit.
mod checker {
    use super::*;

    fn asked(called: u64, answered: u64, call: Ask, told: Told) -> Operation<Ask, Told> {
        Operation { called, answered: Some((answered, told)), call }
    }

    const PAY: Ask = Ask::Pay { from: 0, to: 1, amount: FUNDS };

    #[test]
    fn a_balance_is_read_before_or_after_a_payment_under_way() {
        for balance in [0, FUNDS] {
            let read = asked(1, 2, Ask::Balance(0), Told::Balance(balance));
            assert_eq!(check(&Accounts(2), vec![asked(0, 3, PAY, Told::Paid), read]), Ok(()));
        }
    }

    #[test]
    fn an_answered_payment_is_seen_by_who_asks_then() {
        let stale = asked(2, 3, Ask::Balance(0), Told::Balance(FUNDS));
        assert_eq!(check(&Accounts(2), vec![asked(0, 1, PAY, Told::Paid), stale]), Err(1));
    }

    #[test]
    fn what_was_seen_once_is_not_unseen() {
        let pay = asked(0, 9, PAY, Told::Paid);
        let new = asked(1, 2, Ask::Balance(1), Told::Balance(2 * FUNDS));
        let old = asked(3, 4, Ask::Balance(0), Told::Balance(FUNDS));
        assert!(check(&Accounts(2), vec![pay, new, old]).is_err());
    }

    #[test]
    fn nobody_pays_the_same_money_twice() {
        let history = vec![asked(0, 3, PAY, Told::Paid), asked(1, 2, PAY, Told::Paid)];
        assert!(check(&Accounts(2), history).is_err());
    }

    #[test]
    fn what_nobody_was_told_of_happened_late_or_never_and_not_before_it_was_asked() {
        let unknown = |called| Operation { called, answered: None, call: PAY };
        let read = |at, balance| asked(at, at + 1, Ask::Balance(0), Told::Balance(balance));
        assert_eq!(check(&Accounts(2), vec![unknown(0), read(1, FUNDS), read(3, 0)]), Ok(()));
        assert_eq!(check(&Accounts(2), vec![unknown(0), read(1, FUNDS), read(3, FUNDS)]), Ok(()));
        assert!(check(&Accounts(2), vec![read(1, 0), unknown(3)]).is_err());
    }
}

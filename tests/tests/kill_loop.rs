//! Nothing that was acknowledged is lost: the host is killed at random moments under load,
//! and after every restart all that it had confirmed is there, and what was left open can
//! be settled by asking again.

use serde_json::json;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Reply};
use vwp_tests::people::{Operator, Traveller, balance, sign_in};
use vwp_tests::{random_below, tools, unique};

/// How often the host is killed.
const ROUNDS: usize = 8;
/// The shortest and the longest time under load before a kill, in milliseconds.
const LOAD_MS: (u64, u64) = (150, 900);
/// What each traveller begins with.
const FUNDS: u128 = 1_000_000_000;
/// How many sign-ups are sent in one round at most, because each costs a password hash
/// to make and another one to check.
const SIGN_UPS_MAX: usize = 6;

/// Something that was sent and what came back: none if the host died before.
struct Sent<T> {
    what: T,
    reply: Option<Reply>,
}

struct Payment {
    payer: usize,
    payee: usize,
    key: String,
    amount: u128,
}

/// What one round sent.
#[derive(Default)]
struct Round {
    worlds: Mutex<Vec<Sent<(Operator, String)>>>,
    travellers: Mutex<Vec<Sent<(String, String)>>>,
    payments: Mutex<Vec<Sent<Payment>>>,
}

/// Who trades, and what each of them must have.
struct Market {
    arena: Operator,
    asset: String,
    travellers: Vec<Traveller>,
    expected: Vec<u128>,
}

impl Market {
    fn open(host: &Host) -> Self {
        let arena = Operator::registered(host, "arena");
        let travellers: Vec<Traveller> = (0..3).map(|_| Traveller::signed_in(host)).collect();
        let asset = arena.asset("gold");
        for traveller in &travellers {
            arena.issue(host, "gold", &traveller.account(), &FUNDS.to_string());
        }
        let expected = vec![FUNDS; travellers.len()];
        Self { arena, asset, travellers, expected }
    }

    fn call(&self, payment: &Payment) -> Call {
        let to = self.travellers[payment.payee].account();
        self.travellers[payment.payer].transfer_call(
            &payment.key,
            &to,
            &self.asset,
            &payment.amount.to_string(),
        )
    }

    fn settle(&mut self, payment: &Payment) {
        self.expected[payment.payer] -= payment.amount;
        self.expected[payment.payee] += payment.amount;
    }

    /// Every balance is what the confirmed payments make it, and the money is all there.
    fn audit(&self, host: &Host) {
        let held: Vec<u128> =
            self.travellers.iter().map(|traveller| traveller.balance(host, &self.asset)).collect();
        assert_eq!(held, self.expected, "balances after the confirmed payments");
        let issuance = format!("issuance:{}", self.asset);
        let issued = balance(host, &issuance, &self.asset, &self.arena.token(host));
        assert_eq!(held.iter().sum::<u128>(), issued, "money is conserved");
        let asset = host.http.send(&Call::get(format!("/v1/assets/{}", self.asset))).expect(200);
        assert_eq!(asset.text("supply"), issued.to_string());
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    if std::env::var_os("VWP_URL").is_some() {
        return tools::skip("the kill loop", "the deployment of VWP_URL is not the test's to kill");
    }
    let mut host = Host::start_own();
    let mut market = Market::open(&host);
    let mut worlds: Vec<String> = Vec::new();
    let (mut acknowledged, mut left_open) = (0, 0);
    for number in 0..ROUNDS {
        let round = load_until_killed(&mut host, &market);
        host = host.restarted();
        let sent = Sums::of(&round);
        acknowledged += sent.acknowledged;
        left_open += sent.left_open;
        settle_worlds(&host, round.worlds.into_inner().unwrap(), &mut worlds);
        settle_travellers(&host, round.travellers.into_inner().unwrap());
        settle_payments(&host, &mut market, round.payments.into_inner().unwrap());
        market.audit(&host);
        eprintln!("round {number}: {} acknowledged, {} left open", sent.acknowledged, sent.left_open);
    }
    for name in &worlds {
        let _ = host.http.send(&Call::get(format!("/v1/worlds/{name}"))).expect(200);
    }
    audit_log(&host);
    assert!(acknowledged > ROUNDS, "the load was too small to prove anything");
    eprintln!("{acknowledged} acknowledged, {left_open} left open by {ROUNDS} kills");
}

struct Sums {
    acknowledged: usize,
    left_open: usize,
}

impl Sums {
    fn of(round: &Round) -> Self {
        fn open<T>(sent: &Mutex<Vec<Sent<T>>>) -> (usize, usize) {
            let sent = sent.lock().unwrap();
            (sent.len(), sent.iter().filter(|sent| sent.reply.is_none()).count())
        }
        let parts = [open(&round.worlds), open(&round.travellers), open(&round.payments)];
        let all: usize = parts.iter().map(|(all, _)| all).sum();
        let left_open = parts.iter().map(|(_, open)| open).sum();
        Self { acknowledged: all - left_open, left_open }
    }
}

/// Sends registrations, sign-ups and payments at the same time, and kills the host in the
/// middle of it.
fn load_until_killed(host: &mut Host, market: &Market) -> Round {
    let round = Round::default();
    let stop = AtomicBool::new(false);
    let http = host.http.clone();
    let seen = &*host;
    let wait = Duration::from_millis(LOAD_MS.0 + random_below(LOAD_MS.1 - LOAD_MS.0));
    let send = |call: &Call| http.try_send(call).ok();
    std::thread::scope(|scope| {
        let (round, stop, send) = (&round, &stop, &send);
        for _ in 0..2 {
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let operator = Operator::new("kill");
                    let record = operator.record(seen, 1);
                    let reply = send(&Call::jose("/v1/worlds", record.clone()));
                    round.worlds.lock().unwrap().push(Sent { what: (operator, record), reply });
                }
            });
        }
        scope.spawn(move || {
            for _ in 0..SIGN_UPS_MAX {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let (handle, password) = (unique("t"), unique("password"));
                let body = json!({"handle": handle, "password": password});
                let reply = send(&Call::json("/v1/travellers", &body));
                round.travellers.lock().unwrap().push(Sent { what: (handle, password), reply });
            }
        });
        for payer in 0..market.travellers.len() {
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let payee = (payer + 1) % market.travellers.len();
                    let amount = u128::from(1 + random_below(1000));
                    let payment = Payment { payer, payee, key: unique("k"), amount };
                    let reply = send(&market.call(&payment));
                    round.payments.lock().unwrap().push(Sent { what: payment, reply });
                }
            });
        }
        std::thread::sleep(wait);
        // From another thread's view the kill comes out of nowhere.
        kill(seen);
        stop.store(true, Ordering::Relaxed);
    });
    host.kill();
    round
}

fn kill(host: &Host) {
    let pid = host.process_id().expect("the host is the test's own");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the host is killed");
}

fn settle_worlds(host: &Host, sent: Vec<Sent<(Operator, String)>>, worlds: &mut Vec<String>) {
    for Sent { what: (operator, record), reply } in sent {
        let path = format!("/v1/worlds/{}", operator.world);
        let call = Call::jose("/v1/worlds", record.clone());
        require_settled(host, reply, &call, "record-replayed");
        let shown = host.http.send(&Call::get(path)).expect(200);
        assert_eq!(shown.text("record"), record, "the record is the one that was sent");
        worlds.push(operator.world);
    }
}

/// What was answered was done. What was not either arrived or did not: asking again tells,
/// and settles it.
fn require_settled(host: &Host, reply: Option<Reply>, call: &Call, slug_if_there: &str) {
    if let Some(reply) = reply {
        assert_eq!(reply.status, 201, "{}", reply.shown());
        return;
    }
    let again = host.http.send(call);
    let was_there = again.problem().as_deref() == Some(slug_if_there);
    assert!(again.status == 201 || was_there, "{}", again.shown());
}

fn settle_travellers(host: &Host, sent: Vec<Sent<(String, String)>>) {
    for Sent { what: (handle, password), reply } in sent {
        let call = Call::json("/v1/travellers", &json!({"handle": handle, "password": password}));
        require_settled(host, reply, &call, "handle-taken");
        let _ = sign_in(host, &handle, &password).expect(200);
    }
}

fn settle_payments(host: &Host, market: &mut Market, sent: Vec<Sent<Payment>>) {
    for Sent { what: payment, reply } in sent {
        let again = host.http.send(&market.call(&payment));
        assert!(again.is_success(), "{}", again.shown());
        if let Some(reply) = reply {
            assert_eq!(reply.status, 201, "{}", reply.shown());
            assert_eq!(again.status, 200, "an acknowledged payment was forgotten");
            assert_eq!(again.json(), reply.json(), "the receipt is the same for ever");
        }
        market.settle(&payment);
    }
}

/// The log itself says the same: every transfer once, no position twice.
fn audit_log(host: &Host) {
    let Some(token) = &host.admin_token else { return };
    let mut ids: HashMap<String, u64> = HashMap::new();
    let mut from = Some(1);
    let mut last = 0;
    while let Some(next) = from {
        let call = Call::get(format!("/v1/ledger/entries?from={next}&limit=1000")).bearer(token);
        let page = host.http.send(&call).expect(200).json();
        for entry in page["entries"].as_array().into_iter().flatten() {
            let position = entry["position"].as_u64().expect("a position");
            assert!(position > last, "position {position} comes after {last}");
            last = position;
            for transfer in entry["command"]["transfers"].as_array().into_iter().flatten() {
                let id = transfer["transfer_id"].as_str().expect("an id").to_owned();
                // A retry is in the log again; the ledger answers it with the first one.
                ids.entry(id).or_insert(position);
            }
        }
        from = page["next"].as_u64();
    }
    assert!(!ids.is_empty() && ids.values().all(|position| *position <= last));
}

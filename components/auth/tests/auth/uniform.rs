//! Whoever fails to sign in learns nothing of who exists: neither from the answer nor from the work
//! that it takes. Work is counted and not timed; the bench shows times.

use crate::clients::{Client, Meeting};
use crate::support::{PASSWORD, Port};
use futures::executor::block_on;
use http::{Response, StatusCode};
use std::cell::RefCell;
use std::collections::BTreeMap;
use vwp_auth::limits::{self, Network};
use vwp_auth::password::{Hasher, Verdict};
use vwp_auth::{AuthError, accounts};
use vwp_core::Problem;

const HOME: &str = "192.0.2.7";
const TRIES: usize = 10_000;
const KNOWN: [&str; 5] = ["ada", "grace", "edith", "hedy", "joan"];
const UNKNOWN: [&str; 5] = ["nobody", "stranger", "someone", "eve", "mallory"];

/// Hashes nothing, and notes what hashing would have cost.
#[derive(Default)]
struct Counting(RefCell<Vec<(vwp_password::Cost, usize)>>);

impl Hasher for Counting {
    fn hash(&self, _: &str, _: &[u8; vwp_password::SALT_LENGTH]) -> Result<String, vwp_password::Fault> {
        unreachable!("who fails has nothing hashed anew")
    }

    fn verify(&self, password: &str, phc: Option<&str>) -> Result<Verdict, vwp_password::Fault> {
        self.0.borrow_mut().push((vwp_password::Cost::of(phc)?, password.len()));
        Ok(Verdict::Wrong)
    }
}

/// All that a failure shows, or takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    /// Keys read, commits, writes.
    asked: (usize, usize, usize),
    hashed: Vec<(vwp_password::Cost, usize)>,
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

fn seen(port: &Port, handle: &str, client: &limits::Client) -> Seen {
    let (store, hasher) = (Meeting::new(&port.store), Counting::default());
    let tried = (handle, "not the password");
    let outcome = block_on(accounts::sign_in_with(&hasher, &store, tried, client, &port.environment()));
    let Err(error) = outcome else { panic!("{handle} was let in") };
    assert!(matches!(error, AuthError::WrongCredentials), "{error}");
    let answer: Response<Vec<u8>> = Problem::from(error).into_response();
    let header = |name: &http::HeaderName, value: &http::HeaderValue| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    Seen {
        asked: store.asked.get(),
        hashed: hasher.0.take(),
        status: answer.status().as_u16(),
        headers: answer.headers().iter().map(|(name, value)| header(name, value)).collect(),
        body: answer.into_body(),
    }
}

#[test]
fn ten_thousand_failures_take_one_work_and_get_one_answer_whether_or_not_there_is_the_traveller() {
    let port = Port::new();
    for handle in KNOWN {
        assert_eq!(port.sign_up(handle).status, StatusCode::CREATED);
    }
    let devices = [None, Some("A".repeat(43))];
    let networks = [None, Some(Network::of(HOME.parse().unwrap()))];
    // What was seen, by who the client is: that decides how much is counted, and is known to it.
    let mut known: BTreeMap<(bool, bool), BTreeMap<Seen, usize>> = BTreeMap::new();
    let mut unknown = known.clone();
    let environment = port.environment();
    for _ in 0..TRIES {
        // Known and unknown ones come by chance, each from everywhere.
        let [side, who, device, network] = environment.random_bytes::<4>().map(usize::from);
        let client = limits::Client { network: networks[network % 2], device: devices[device % 2].clone() };
        let place = (client.network.is_some(), client.device.is_some());
        let (handles, counts) = if side % 2 == 0 { (KNOWN, &mut known) } else { (UNKNOWN, &mut unknown) };
        let seen = seen(&port, handles[who % handles.len()], &client);
        *counts.entry(place).or_default().entry(seen).or_default() += 1;
        // A day without an attempt begins every count again.
        port.advance_s(24 * 3600);
    }
    assert_eq!(known.len(), 4);
    for (place, counts) in &known {
        assert_eq!(counts.len(), 1, "from {place:?} known ones differ: {counts:?}");
        let theirs = &unknown[place];
        assert!(counts.keys().eq(theirs.keys()), "from {place:?}: {counts:?} and {theirs:?}");
        let seen = counts.keys().next().unwrap();
        assert_eq!(seen.hashed, [(vwp_password::Cost::TODAY, "not the password".len())]);
        // The attempt is counted before the password is looked at, so that guesses that are sent
        // at once are all counted; the log tells of the failure, which is known only after it.
        assert_eq!(seen.asked.1, 2, "the attempt, and the entry of the log");
    }
}

#[test]
fn over_http_the_answer_for_a_known_traveller_is_the_one_for_an_unknown_to_the_byte() {
    let port = Port::new();
    port.sign_up("ada");
    for _ in 0..3 {
        let answers = ["ada", "nobody"].map(|handle| {
            // From a network each, so that what limits are left is the same.
            let address = if handle == "ada" { "198.51.100.7" } else { "203.0.113.7" };
            let answer = Client::at(&port, address).sign_in(handle, "not the password");
            (answer.status, answer.headers, answer.text)
        });
        assert_eq!(answers[0].0, StatusCode::UNAUTHORIZED);
        assert_eq!(answers[0], answers[1]);
        port.advance_s(3600);
    }
    assert_eq!(Client::at(&port, HOME).sign_in("ada", PASSWORD).status, StatusCode::OK);
}

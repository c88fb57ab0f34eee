//! A ledger, its log, and clients on a network that loses, doubles and reorders, in a world
//! where the machine may stop at any moment. Everything follows from one number.
//!
//! What survives is the log, and now and then a checkpoint. After every command each asset
//! is conserved; after every crash the state is as it was, byte for byte; what was answered
//! once is answered again; and in the end the log alone gives the same state.

use crate::common::generate::{self, ASSETS, Random, START_MS};
use crate::common::{assert_conserved, checkpoint, query_transfer, restore};
use std::collections::BTreeMap;
use vwp_ledger::Ledger;
use vwp_ledger::codec::{self, Answer, Command, Outcome, Reply, Transfer, encode_tick};

/// How many commands the clients make.
const COMMANDS: usize = 40;

/// What a seed came to, so that a run of many can say that something happened at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub commands: u64,
    pub created: u64,
    pub repeated: u64,
    pub crashes: u64,
}

impl Tally {
    pub fn add(&mut self, other: Self) {
        self.commands += other.commands;
        self.created += other.created;
        self.repeated += other.repeated;
        self.crashes += other.crashes;
    }
}

struct World {
    random: Random,
    ledger: Ledger,
    /// What survives: commands with their times, and the state after some of them.
    log: Vec<(u64, Vec<u8>)>,
    saved: Option<(usize, Vec<u8>)>,
    time: u64,
    /// Commands on their way, in no order.
    under_way: Vec<Vec<u8>>,
    /// The first answer to every transfer whose answer stays.
    answered: BTreeMap<(u128, u64), Answer>,
    tally: Tally,
}

/// Runs one seed; panics where the ledger does what it must not.
pub fn run(seed: u64) -> Tally {
    let mut world = World {
        random: Random(seed),
        ledger: Ledger::default(),
        log: Vec::new(),
        saved: None,
        time: START_MS,
        under_way: Vec::new(),
        answered: BTreeMap::new(),
        tally: Tally::default(),
    };
    for step in generate::beginning() {
        world.deliver(step.made.encode());
    }
    let mut unsent = COMMANDS;
    while unsent > 0 || !world.under_way.is_empty() {
        if unsent > 0 && world.random.one_in(2) {
            unsent -= 1;
            let step = generate::step(world.random.next());
            world.time += step.elapsed_ms / 4;
            world.under_way.push(step.made.encode());
        } else {
            world.network();
        }
        if world.random.one_in(25) {
            world.crash();
        }
    }
    world.crash();
    let mut replayed = Ledger::default();
    world.replay(&mut replayed, 0);
    assert_eq!(checkpoint(&replayed, 1 << 20), checkpoint(&world.ledger, 1 << 20), "the log is the truth");
    world.tally
}

impl World {
    /// Something happens to a command that is on its way.
    fn network(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let at = usize::try_from(self.random.below(self.under_way.len() as u64)).unwrap();
        let command = self.under_way.swap_remove(at);
        match self.random.below(12) {
            0 => {}
            1..4 => {
                // Delivered, but its answer is lost: the client sends it again.
                self.deliver(command.clone());
                self.under_way.push(command);
            }
            4 => self.deliver(encode_tick()),
            _ => self.deliver(command),
        }
    }

    fn deliver(&mut self, command: Vec<u8>) {
        self.time += self.random.below(50);
        // Durable first, then applied.
        self.log.push((self.time, command));
        let position = self.log.len() as u64;
        let (time, command) = &self.log[self.log.len() - 1];
        let replies = self.ledger.apply(position, *time, std::slice::from_ref(command));
        let reply = codec::decode_reply(&replies[0]).expect("a reply");
        self.tally.commands += 1;
        for asset in ASSETS {
            assert_conserved(&self.ledger, asset);
        }
        let sent = codec::decode_command(command).expect("a command");
        if let (Command::CreateTransfers { transfers, .. }, Reply::Answers { transfers: answers, .. }) =
            (sent, reply)
        {
            let sent: Vec<_> = transfers.iter().map(|bytes| Transfer::decode(bytes).unwrap()).collect();
            for (transfer, answer) in sent.iter().zip(answers) {
                self.check(transfer, answer);
            }
        }
        if self.random.one_in(30) {
            self.saved = Some((self.log.len(), checkpoint(&self.ledger, 4096)));
        }
    }

    /// The first answer is the answer for ever.
    fn check(&mut self, transfer: &Transfer, answer: Answer) {
        let key = (transfer.id, transfer.fingerprint());
        self.tally.created += u64::from(answer.outcome == Outcome::Created && !answer.repeated);
        self.tally.repeated += u64::from(answer.repeated);
        if let Some(first) = self.answered.get(&key) {
            // The same chain with an id twice, or cut, is refused as such whatever is in it.
            let unheard = matches!(answer.outcome, Outcome::BadChain);
            let in_bad_chain = !answer.repeated && answer.outcome == Outcome::LinkedFailed;
            if !unheard && !in_bad_chain {
                assert_eq!(answer, Answer { repeated: true, ..*first }, "the answer to {transfer:?}");
            }
            return;
        }
        let view = query_transfer(&self.ledger, transfer.id);
        if view.is_some_and(|view| view.fingerprint == key.1) {
            self.answered.insert(key, Answer { repeated: false, ..answer });
        }
    }

    /// The machine stops and is made again of what survived.
    fn crash(&mut self) {
        self.tally.crashes += 1;
        let before = checkpoint(&self.ledger, 1 << 20);
        self.ledger = Ledger::default();
        let mut ledger = Ledger::default();
        let start = match &self.saved {
            Some((start, bytes)) => {
                let size = usize::try_from(1 + self.random.below(5000)).unwrap();
                ledger = restore(bytes, &[size]).expect("the checkpoint is sound");
                *start
            }
            None => 0,
        };
        self.replay(&mut ledger, start);
        self.ledger = ledger;
        assert_eq!(checkpoint(&self.ledger, 1 << 20), before, "the state is as it was");
    }

    fn replay(&self, ledger: &mut Ledger, start: usize) {
        for (at, (time, command)) in self.log.iter().enumerate().skip(start) {
            ledger.apply(at as u64 + 1, *time, std::slice::from_ref(command));
        }
    }
}

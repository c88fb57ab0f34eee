//! What a replicated machine survives, and where it stops.

mod support;

use futures::future::join_all;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use support::{Folders, block_on, clock, replica_options};
use vwp_storage::StorageError;
use vwp_storage::conformance::{ManualClock, Tally};
use vwp_storage::machine::StateMachine;
use vwp_store::{HostMachine, MachineError, MachineFactory, Replica, ReplicaOptions, Replicated, StoreError};

/// A tally whose whole state can be asked for, which counts the commands that all
/// machines of a factory applied, and which fails on `trap`.
struct Probe {
    tally: Tally,
    applied: Arc<AtomicU64>,
    traps: bool,
}

impl HostMachine for Probe {
    fn apply(
        &mut self,
        position: u64,
        time: u64,
        commands: &[Vec<u8>],
    ) -> Result<Vec<Vec<u8>>, MachineError> {
        self.applied.fetch_add(commands.len() as u64, Ordering::SeqCst);
        assert!(!commands.iter().any(|command| command == b"panic"), "this machine panics");
        if self.traps && commands.iter().any(|command| command == b"trap") {
            return Err(MachineError("it trapped".to_owned()));
        }
        Ok(StateMachine::apply(&mut self.tally, position, time, commands))
    }

    fn query(&mut self, query: &[u8]) -> Result<Vec<u8>, MachineError> {
        if query == b"trap" {
            return Err(MachineError("it trapped".to_owned()));
        }
        Ok(StateMachine::checkpoint(&self.tally, 0, u32::MAX))
    }

    fn checkpoint(&mut self, offset: u64, length: u32) -> Result<Vec<u8>, MachineError> {
        Ok(StateMachine::checkpoint(&self.tally, offset, length))
    }

    fn restore(&mut self, part: &[u8]) -> Result<(), MachineError> {
        StateMachine::restore(&mut self.tally, part).map_err(MachineError)
    }
}

/// A factory of probes, and how many commands they applied.
fn probes(traps: bool) -> (MachineFactory, Arc<AtomicU64>) {
    let applied = Arc::<AtomicU64>::default();
    let counted = Arc::clone(&applied);
    let make = move || {
        let probe = Probe { tally: Tally::default(), applied: Arc::clone(&counted), traps };
        Ok(Box::new(probe) as Box<dyn HostMachine>)
    };
    (Arc::new(make), applied)
}

fn open(dir: &Path, factory: MachineFactory, options: &ReplicaOptions) -> Result<Replica, StoreError> {
    Replica::open(dir, "probe", factory, clock(&ManualClock::at(5)), options)
}

fn checkpointing(commands: u64) -> ReplicaOptions {
    ReplicaOptions { checkpoint_commands: commands, ..replica_options() }
}

/// Submits this many commands at once, so that they share batches.
async fn submit(replica: &Replica, count: usize) {
    let commands = (0..count).map(|n| replica.submit(vec![u8::try_from(n % 256).unwrap(); n % 300]));
    for applied in join_all(commands).await {
        applied.unwrap();
    }
}

fn state(replica: &Replica) -> Vec<u8> {
    block_on(replica.query(b"state".to_vec())).unwrap()
}

#[test]
fn a_replay_makes_the_same_state_bit_for_bit() {
    let folders = Folders::new();
    let dir = folders.next();
    let mut expected = Vec::new();
    for _ in 0..4 {
        let replica = open(&dir, probes(true).0, &replica_options()).unwrap();
        if !expected.is_empty() {
            assert_eq!(state(&replica), expected);
        }
        block_on(submit(&replica, 300));
        expected = state(&replica);
    }
    let crashed = folders.copy(&dir);
    assert_eq!(state(&open(&crashed, probes(true).0, &replica_options()).unwrap()), expected);
}

#[test]
fn a_checkpoint_and_the_tail_make_the_state_that_the_whole_log_makes() {
    let folders = Folders::new();
    let dir = folders.next();
    let replica = open(&dir, probes(true).0, &checkpointing(100)).unwrap();
    for _ in 0..10 {
        block_on(submit(&replica, 60));
    }
    let expected = state(&replica);
    drop(replica);
    let (factory, applied) = probes(true);
    let replica = open(&dir, factory, &checkpointing(1_000_000)).unwrap();
    assert_eq!(state(&replica), expected);
    assert!(applied.load(Ordering::SeqCst) < 600, "the checkpoint spared a part of the replay");
    drop(replica);
    std::fs::remove_dir_all(dir.join("checkpoints")).unwrap();
    let (factory, applied) = probes(true);
    assert_eq!(state(&open(&dir, factory, &replica_options()).unwrap()), expected);
    assert_eq!(applied.load(Ordering::SeqCst), 600, "without checkpoints the whole log is replayed");
}

#[test]
fn a_damaged_checkpoint_is_passed_over() {
    let folders = Folders::new();
    let dir = folders.next();
    let replica = open(&dir, probes(true).0, &checkpointing(50)).unwrap();
    for _ in 0..8 {
        block_on(submit(&replica, 50));
    }
    let expected = state(&replica);
    drop(replica);
    let checkpoints: Vec<_> = std::fs::read_dir(dir.join("checkpoints")).unwrap().collect();
    assert!(!checkpoints.is_empty() && checkpoints.len() <= 2, "two checkpoints are kept");
    for place in [0, 9, 20, 30, 500, usize::MAX] {
        let damaged = folders.copy(&dir);
        for entry in std::fs::read_dir(damaged.join("checkpoints")).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            let at = place.min(bytes.len() - 1);
            bytes[at] ^= 0x10;
            std::fs::write(&path, bytes).unwrap();
        }
        assert_eq!(state(&open(&damaged, probes(true).0, &replica_options()).unwrap()), expected);
    }
}

#[test]
fn time_never_goes_back_even_if_the_clock_does() {
    let folders = Folders::new();
    let dir = folders.next();
    let manual = ManualClock::at(100);
    let open = || Replica::open(&dir, "probe", probes(true).0, clock(&manual), &replica_options()).unwrap();
    let replica = open();
    assert_eq!(block_on(replica.submit(vec![])).unwrap().time, 100);
    manual.set(50);
    assert_eq!(block_on(replica.submit(vec![])).unwrap().time, 100);
    drop(replica);
    let replica = open();
    assert_eq!(block_on(replica.submit(vec![])).unwrap().time, 100, "nor across a restart");
    manual.set(101);
    assert_eq!(block_on(replica.submit(vec![])).unwrap().time, 101);
}

#[test]
fn a_command_that_fails_stops_the_machine_and_is_never_skipped() {
    let folders = Folders::new();
    let dir = folders.next();
    let replica = open(&dir, probes(true).0, &replica_options()).unwrap();
    block_on(async {
        submit(&replica, 3).await;
        let failed = replica.submit(b"trap".to_vec()).await;
        assert!(matches!(failed, Err(StorageError::Unknown(_))), "it is in the log: {failed:?}");
        let refused = replica.submit(b"next".to_vec()).await;
        assert!(matches!(refused, Err(StorageError::Unavailable(_))), "{refused:?}");
        let refused = replica.query(vec![]).await;
        assert!(matches!(refused, Err(StorageError::Unavailable(_))), "{refused:?}");
        assert!(replica.health().is_err());
        assert_eq!(replica.entries(4, 1).await.unwrap()[0].command, b"trap");
    });
    drop(replica);
    let refused = open(&dir, probes(true).0, &replica_options()).map(drop).unwrap_err();
    assert!(matches!(refused, StoreError::Machine { .. }), "{refused}");
    let replica = open(&dir, probes(false).0, &replica_options()).unwrap();
    assert_eq!(block_on(replica.submit(vec![])).unwrap().position, 5, "a machine that can goes on");
}

#[test]
fn a_machine_that_panics_leaves_nobody_waiting() {
    let folders = Folders::new();
    let replica = open(&folders.next(), probes(true).0, &replica_options()).unwrap();
    block_on(async {
        let failed = replica.submit(b"panic".to_vec()).await;
        assert!(matches!(failed, Err(StorageError::Unknown(_))), "{failed:?}");
        assert!(replica.submit(b"next".to_vec()).await.is_err());
        assert!(replica.health().is_err());
    });
}

#[test]
fn a_query_that_fails_is_refused_and_the_machine_goes_on() {
    let folders = Folders::new();
    let replica = open(&folders.next(), probes(true).0, &checkpointing(10)).unwrap();
    block_on(submit(&replica, 30));
    let before = state(&replica);
    let refused = block_on(replica.query(b"trap".to_vec()));
    assert!(matches!(refused, Err(StorageError::Unavailable(_))), "{refused:?}");
    assert_eq!(state(&replica), before);
    assert_eq!(block_on(replica.submit(vec![])).unwrap().position, 31);
}

#[test]
fn a_log_without_its_start_is_refused() {
    let folders = Folders::new();
    let dir = folders.next();
    let replica = open(&dir, probes(true).0, &replica_options()).unwrap();
    for _ in 0..8 {
        block_on(submit(&replica, 100));
    }
    drop(replica);
    let segments = support::segments(&dir.join("log"));
    assert!(segments.len() > 2);
    std::fs::remove_file(&segments[0]).unwrap();
    let mark = dir.join("log/acknowledged");
    assert!(matches!(open(&dir, probes(true).0, &replica_options()), Err(StoreError::Corrupt { .. })));
    std::fs::remove_file(mark).unwrap();
    assert!(matches!(open(&dir, probes(true).0, &replica_options()), Err(StoreError::LostData { .. })));
}

/// A machine that waits in `apply` until it is let go.
struct Gate {
    entered: Sender<()>,
    leave: Arc<Mutex<Receiver<()>>>,
}

impl HostMachine for Gate {
    fn apply(&mut self, _: u64, _: u64, commands: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, MachineError> {
        self.entered.send(()).unwrap();
        self.leave.lock().unwrap().recv().unwrap();
        Ok(commands.to_vec())
    }

    fn query(&mut self, query: &[u8]) -> Result<Vec<u8>, MachineError> {
        Ok(query.to_vec())
    }

    fn checkpoint(&mut self, _: u64, _: u32) -> Result<Vec<u8>, MachineError> {
        Ok(vec![])
    }

    fn restore(&mut self, _: &[u8]) -> Result<(), MachineError> {
        Ok(())
    }
}

#[test]
fn what_does_not_fit_the_queue_is_refused_before_it_is_logged_and_the_disk_works_while_the_machine_does() {
    let folders = Folders::new();
    let ((entered, inside), (let_go, leave)) = (channel(), channel());
    let leave = Arc::new(Mutex::new(leave));
    let factory: MachineFactory = Arc::new(move || {
        Ok(Box::new(Gate { entered: entered.clone(), leave: Arc::clone(&leave) }) as Box<dyn HostMachine>)
    });
    let options = ReplicaOptions { queue_items: 2, ..replica_options() };
    let replica = open(&folders.next(), factory, &options).unwrap();
    let submit = |command: u8| {
        let mut submitted = Box::pin(replica.submit(vec![command]));
        assert!(poll_once(&mut submitted).is_none());
        submitted
    };
    let mut waiting = vec![submit(1)];
    inside.recv().unwrap();
    // While the first is applied, the next ones are made durable: one waits to be applied, and one for
    // its place there.
    for position in 2..=3 {
        waiting.push(submit(1));
        while block_on(replica.entries(position, 1)).unwrap().is_empty() {
            std::thread::yield_now();
        }
    }
    waiting.extend([submit(1), submit(1)]);
    let refused = block_on(replica.submit(b"6".to_vec()));
    assert!(matches!(refused, Err(StorageError::Unavailable(_))), "{refused:?}");
    for _ in 0..4 {
        let_go.send(()).unwrap();
    }
    let positions: Vec<_> = waiting.into_iter().map(|waiting| block_on(waiting).unwrap().position).collect();
    assert_eq!(positions, [1, 2, 3, 4, 5], "in order, and what waited last is one batch");
}

/// The answer, if it is there already.
fn poll_once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    futures::FutureExt::now_or_never(future)
}

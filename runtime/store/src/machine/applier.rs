//! The thread that the machine runs on: it applies what is durable, and answers.

use super::checkpoint::Progress;
use super::host::HostMachine;
use super::replay::{Built, Source};
use super::replica::ReplicaOptions;
use super::writer::{Reply, Request, refuse, stop, unknown};
use crate::StoreError;
use crate::queue::Queue;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use vwp_storage::StorageError;
use vwp_storage::kv::Timestamp;
use vwp_storage::machine::Applied;

/// Commands that are durable, and who waits for their answers.
pub(super) struct Batch {
    /// The position of the first command.
    pub(super) first: u64,
    pub(super) time: Timestamp,
    pub(super) commands: Vec<Vec<u8>>,
    pub(super) replies: Vec<Reply<Applied>>,
}

/// A question, and who waits for its answer.
pub(super) struct Question {
    pub(super) query: Vec<u8>,
    pub(super) reply: Reply<Vec<u8>>,
}

/// What the writer hands over at a time. The questions came before the next batch was made durable, and
/// after every command that was acknowledged.
pub(super) struct Work {
    pub(super) batch: Option<Batch>,
    pub(super) questions: Vec<Question>,
}

/// The thread's state.
pub(super) struct Applier {
    queue: Arc<Queue<Request>>,
    source: Source,
    machine: Box<dyn HostMachine>,
    progress: Progress,
    /// Whether the machine failed. It is not called again then.
    failed: bool,
    checkpoints: Checkpoints,
}

/// When the next checkpoint is due, and the thread that writes the current one.
struct Checkpoints {
    commands_max: u64,
    bytes_max: u64,
    commands: u64,
    bytes: u64,
    /// The length of the last one.
    length: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Applier {
    pub(super) fn new(
        queue: Arc<Queue<Request>>,
        source: Source,
        built: Built,
        options: &ReplicaOptions,
    ) -> Self {
        let checkpoints = Checkpoints {
            commands_max: options.checkpoint_commands.max(1),
            bytes_max: options.checkpoint_bytes.max(1),
            commands: built.replayed,
            bytes: built.replayed_bytes,
            length: Arc::new(AtomicU64::new(built.restored)),
            thread: None,
        };
        let Built { machine, progress, .. } = built;
        Self { queue, source, machine, progress, failed: false, checkpoints }
    }

    /// Serves until the writer has ended and all of its batches are applied.
    pub(super) fn run(mut self, work: &Receiver<Work>) {
        let queue = Arc::clone(&self.queue);
        // Were this thread to panic, the writer must not go on taking commands.
        let _guard = queue.guard();
        while let Ok(Work { batch, questions }) = work.recv() {
            if let Some(batch) = batch {
                self.apply(batch);
            }
            for Question { query, reply } in questions {
                // Who no longer waits need not be told.
                let _ = reply.send(self.query(&query));
            }
            self.start_checkpoint();
        }
        if let Some(thread) = self.checkpoints.thread.take() {
            // A thread that panicked has written no checkpoint; the log is whole.
            let _ = thread.join();
        }
    }

    fn apply(&mut self, batch: Batch) {
        let Batch { first, time, commands, replies } = batch;
        if self.failed {
            // It was durable before the machine failed; the next start applies it.
            return refuse(replies, &unknown());
        }
        match self.machine.apply(first, time, &commands) {
            Ok(answers) if answers.len() == commands.len() => {
                self.progress = Progress { next: first.saturating_add(commands.len() as u64), time };
                self.checkpoints.count(&commands);
                for ((position, reply), answer) in (first..).zip(replies).zip(answers) {
                    // Who no longer waits need not be told.
                    let _ = reply.send(Ok(Applied { position, time, answer }));
                }
            }
            Ok(_) => {
                self.fail(&self.source.failed(format!("it did not answer every command from {first}")));
                refuse(replies, &unknown());
            }
            Err(error) => {
                self.fail(&self.source.failed(format!("a command from {first} on failed: {error}")));
                refuse(replies, &unknown());
            }
        }
    }

    fn query(&mut self, query: &[u8]) -> Result<Vec<u8>, StorageError> {
        if self.failed || self.queue.stopped() {
            return Err(StorageError::Unavailable("the machine has stopped".to_owned()));
        }
        self.machine.query(query).map_err(|error| {
            tracing::error!(machine = self.source.name, %error, "a query failed; the machine is rebuilt");
            match self.source.build(self.progress.next) {
                Ok(built) => self.machine = built.machine,
                Err(error) => self.fail(&error),
            }
            StorageError::Unavailable("the machine could not answer".to_owned())
        })
    }

    fn fail(&mut self, error: &StoreError) {
        self.failed = true;
        stop(&self.queue, &self.source.name, error);
    }

    /// Starts a checkpoint in the background, if one is due and none is being written.
    fn start_checkpoint(&mut self) {
        let due = self.checkpoints.due() && !self.queue.stopped();
        let busy = self.checkpoints.thread.as_ref().is_some_and(|thread| !thread.is_finished());
        if !due || busy {
            return;
        }
        let (source, until) = (self.source.clone(), self.progress.next);
        let last = Arc::clone(&self.checkpoints.length);
        let thread = std::thread::Builder::new().name("checkpoint".to_owned()).spawn(move || {
            match source.checkpoint(until) {
                Ok(length) => {
                    last.store(length, Ordering::Relaxed);
                    tracing::info!(machine = source.name, until, length, "wrote a checkpoint");
                }
                Err(error) => tracing::warn!(machine = source.name, %error, "a checkpoint failed"),
            }
        });
        match thread {
            Ok(thread) => self.checkpoints.started(thread),
            Err(error) => tracing::warn!(machine = self.source.name, %error, "a checkpoint did not start"),
        }
    }
}

impl Checkpoints {
    fn count(&mut self, commands: &[Vec<u8>]) {
        self.commands += commands.len() as u64;
        self.bytes += commands.iter().map(|command| command.len() as u64).sum::<u64>();
    }

    /// A checkpoint costs reading the one before. So as much must have come as that has, or the work
    /// for a state that grows would grow with its square.
    fn due(&self) -> bool {
        let many = self.commands >= self.commands_max || self.bytes >= self.bytes_max;
        many && self.bytes >= self.length.load(Ordering::Relaxed)
    }

    fn started(&mut self, thread: JoinHandle<()>) {
        (self.commands, self.bytes) = (0, 0);
        // The thread before it is finished.
        self.thread = Some(thread);
    }
}

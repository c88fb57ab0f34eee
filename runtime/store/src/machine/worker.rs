//! The thread that a machine runs on.

use super::batch;
use super::checkpoint::Progress;
use super::host::HostMachine;
use super::replay::{Built, Source};
use super::replica::ReplicaOptions;
use super::tree::{Hashed, Hashing, Tree};
use crate::StoreError;
use crate::engine::Clock;
use crate::log::{AppendError, Log};
use crate::queue::Queue;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use vwp_storage::StorageError;
use vwp_storage::machine::Applied;

/// What the machine is asked to do.
pub(super) enum Request {
    /// Append, sync and apply a command.
    Submit { command: Vec<u8>, reply: Reply<Applied> },
    /// Answer a question.
    Query { query: Vec<u8>, reply: Reply<Vec<u8>> },
}

type Reply<T> = oneshot::Sender<Result<T, StorageError>>;

/// The thread's state.
pub(super) struct Worker {
    queue: Arc<Queue<Request>>,
    log: Log,
    tree: Tree,
    source: Source,
    machine: Box<dyn HostMachine>,
    progress: Progress,
    clock: Clock,
    checkpoints: Checkpoints,
}

/// When the next checkpoint is due, and the thread that writes the current one.
struct Checkpoints {
    commands_max: u64,
    bytes_max: u64,
    commands: u64,
    bytes: u64,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn new(
        queue: Arc<Queue<Request>>,
        (log, tree): (Log, Tree),
        source: Source,
        built: Built,
        clock: Clock,
        options: &ReplicaOptions,
    ) -> Self {
        let checkpoints = Checkpoints {
            commands_max: options.checkpoint_commands.max(1),
            bytes_max: options.checkpoint_bytes.max(1),
            commands: built.replayed,
            bytes: 0,
            thread: None,
        };
        let Built { machine, progress, .. } = built;
        Self { queue, log, tree, source, machine, progress, clock, checkpoints }
    }

    /// Serves until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let queue = Arc::clone(&self.queue);
        let _guard = queue.guard();
        let (mut requests, mut commands, mut replies) = (Vec::new(), Vec::new(), Vec::new());
        let mut queries = Vec::new();
        while self.queue.take(&mut requests) {
            for request in requests.drain(..) {
                match request {
                    Request::Submit { command, reply } => {
                        commands.push(command);
                        replies.push(reply);
                    }
                    Request::Query { query, reply } => queries.push((query, reply)),
                }
            }
            if !commands.is_empty() {
                self.batch(&commands, &mut replies);
                commands.clear();
            }
            for (query, reply) in queries.drain(..) {
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

    /// Appends the commands as one record, applies them, answers.
    fn batch(&mut self, commands: &[Vec<u8>], replies: &mut Vec<Reply<Applied>>) {
        if self.queue.stopped() {
            return refuse(replies, &unavailable());
        }
        let time = self.progress.time.max((self.clock)());
        // A batch holds fewer commands than the queue holds items.
        let count = u32::try_from(commands.len()).unwrap_or(u32::MAX);
        // What is hashed meanwhile is the tree's only once the log has it.
        let done = std::thread::scope(|scope| {
            let hashing = Hashing::start(scope, time, commands);
            let first = self.log.append(count, |payload| batch::encode(time, commands, payload))?;
            let applied = self.machine.apply(first, time, commands);
            Ok((first, applied, hashing.finish()))
        });
        let (first, applied, hashed) = match done {
            Ok(done) => done,
            Err(AppendError::Refused(error)) => {
                tracing::error!(machine = self.source.name, %error, "a batch was refused; nothing was written");
                return refuse(replies, &unavailable());
            }
            Err(AppendError::Unknown(error)) => {
                self.stop(&error);
                return refuse(replies, &unknown());
            }
        };
        self.grow(hashed);
        match applied {
            Ok(answers) if answers.len() == commands.len() => {
                self.progress = Progress { next: self.log.next_position(), time };
                self.checkpoints.count(commands);
                for ((position, reply), answer) in (first..).zip(replies.drain(..)).zip(answers) {
                    // Who no longer waits need not be told.
                    let _ = reply.send(Ok(Applied { position, time, answer }));
                }
            }
            Ok(_) => {
                self.stop(&self.source.failed(format!("it did not answer every command from {first}")));
                refuse(replies, &unknown());
            }
            Err(error) => {
                self.stop(&self.source.failed(format!("a command from {first} on failed: {error}")));
                refuse(replies, &unknown());
            }
        }
    }

    /// Adds what is in the log to the tree over it. A tree that cannot be written gives no more
    /// receipts until a restart builds it again; the machine, whose truth is the log, serves on.
    fn grow(&mut self, hashed: Vec<Hashed>) {
        if let Err(error) = self.tree.extend(hashed) {
            tracing::error!(machine = self.source.name, %error, "the tree over the log could not be written");
        }
    }

    fn query(&mut self, query: &[u8]) -> Result<Vec<u8>, StorageError> {
        if self.queue.stopped() {
            return Err(unavailable());
        }
        self.machine.query(query).map_err(|error| {
            tracing::error!(machine = self.source.name, %error, "a query failed; the machine is rebuilt");
            match self.source.build(self.progress.next) {
                Ok(built) => self.machine = built.machine,
                Err(error) => self.stop(&error),
            }
            StorageError::Unavailable("the machine could not answer".to_owned())
        })
    }

    /// Takes no more calls: the state may no longer be what the log says.
    fn stop(&self, error: &StoreError) {
        tracing::error!(machine = self.source.name, %error, "the machine has stopped until it is restarted");
        self.queue.stop("the machine has stopped; it must be restarted");
    }

    /// Starts a checkpoint in the background, if one is due and none is being written.
    fn start_checkpoint(&mut self) {
        let due = self.checkpoints.due() && !self.queue.stopped();
        let busy = self.checkpoints.thread.as_ref().is_some_and(|thread| !thread.is_finished());
        if !due || busy {
            return;
        }
        let (source, until) = (self.source.clone(), self.progress.next);
        let thread = std::thread::Builder::new().name("checkpoint".to_owned()).spawn(move || {
            match source.checkpoint(until) {
                Ok(()) => tracing::info!(machine = source.name, until, "wrote a checkpoint"),
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

    fn due(&self) -> bool {
        self.commands >= self.commands_max || self.bytes >= self.bytes_max
    }

    fn started(&mut self, thread: JoinHandle<()>) {
        (self.commands, self.bytes) = (0, 0);
        // The thread before it is finished.
        self.thread = Some(thread);
    }
}

fn refuse<T>(replies: &mut Vec<Reply<T>>, error: &StorageError) {
    for reply in replies.drain(..) {
        // Who no longer waits need not be told.
        let _ = reply.send(Err(error.clone()));
    }
}

fn unavailable() -> StorageError {
    StorageError::Unavailable("the machine could not take the command".to_owned())
}

fn unknown() -> StorageError {
    StorageError::Unknown("the machine failed while it took the command".to_owned())
}

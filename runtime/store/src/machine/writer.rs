//! The thread that makes commands durable.
//!
//! It takes all that waits, appends the commands to the log as one record, syncs it, adds them to the
//! [tree](super::tree) over the log, and hands them to the [applier](super::applier). While those are
//! applied, the next record is being written: the disk and the machine work at the same time, and the
//! order of the log is the order of both.

use super::applier::{Batch, Question, Work};
use super::batch;
use super::tree::{Hashed, Hashing, Tree};
use crate::StoreError;
use crate::engine::Clock;
use crate::log::{AppendError, Log};
use crate::queue::Queue;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use tokio::sync::oneshot;
use vwp_storage::StorageError;
use vwp_storage::kv::Timestamp;
use vwp_storage::machine::Applied;

/// What the machine is asked to do.
pub(super) enum Request {
    /// Append, sync and apply a command.
    Submit { command: Vec<u8>, reply: Reply<Applied> },
    /// Answer a question.
    Query(Question),
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, StorageError>>;

/// The thread's state.
pub(super) struct Writer {
    pub(super) name: String,
    pub(super) queue: Arc<Queue<Request>>,
    pub(super) log: Log,
    pub(super) tree: Option<Tree>,
    /// The time of the last batch, which the next one's is not before.
    pub(super) time: Timestamp,
    pub(super) clock: Clock,
    /// Where batches go once they are durable. It holds one, so that neither thread waits for the other
    /// to take what it has finished.
    pub(super) applier: SyncSender<Work>,
}

impl Writer {
    /// Serves until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let queue = Arc::clone(&self.queue);
        let _guard = queue.guard();
        let mut requests = Vec::new();
        while self.queue.take(&mut requests) {
            let (mut commands, mut replies, mut questions) = (Vec::new(), Vec::new(), Vec::new());
            for request in requests.drain(..) {
                match request {
                    Request::Submit { command, reply } => {
                        commands.push(command);
                        replies.push(reply);
                    }
                    Request::Query(question) => questions.push(question),
                }
            }
            let batch = self.append(commands, replies);
            // If the applier has ended, what it does not take is dropped, and that tells those who wait.
            if self.applier.send(Work { batch, questions }).is_err() {
                break;
            }
        }
    }

    /// Appends the commands as one record. None if there are none, or they were refused.
    fn append(&mut self, commands: Vec<Vec<u8>>, replies: Vec<Reply<Applied>>) -> Option<Batch> {
        if commands.is_empty() {
            return None;
        }
        if self.queue.stopped() {
            refuse(replies, &unavailable());
            return None;
        }
        let time = self.time.max((self.clock)());
        // A batch holds fewer commands than the queue holds items.
        let count = u32::try_from(commands.len()).unwrap_or(u32::MAX);
        // What is hashed meanwhile is the tree's only once the log has it.
        let appended = std::thread::scope(|scope| {
            let hashing = self.tree.is_some().then(|| Hashing::start(scope, time, &commands));
            let first = self.log.append(count, |payload| batch::encode(time, &commands, payload))?;
            Ok((first, hashing.map(Hashing::finish)))
        });
        match appended {
            Ok((first, hashed)) => {
                self.time = time;
                self.grow(hashed.unwrap_or_default());
                Some(Batch { first, time, commands, replies })
            }
            Err(AppendError::Refused(error)) => {
                tracing::error!(machine = self.name, %error, "a batch was refused; nothing was written");
                refuse(replies, &unavailable());
                None
            }
            Err(AppendError::Unknown(error)) => {
                stop(&self.queue, &self.name, &error);
                refuse(replies, &unknown());
                None
            }
        }
    }

    /// Adds what is in the log to the tree over it. A tree that cannot be written gives no more
    /// receipts until a restart builds it again; the machine, whose truth is the log, serves on.
    fn grow(&mut self, hashed: Vec<Hashed>) {
        if let Some(tree) = &mut self.tree
            && let Err(error) = tree.extend(hashed)
        {
            tracing::error!(machine = self.name, %error, "the tree over the log could not be written");
        }
    }
}

/// Takes no more calls: what the log or the machine holds is no longer certain.
pub(super) fn stop(queue: &Queue<Request>, name: &str, error: &StoreError) {
    tracing::error!(machine = name, %error, "the machine has stopped until it is restarted");
    queue.stop("the machine has stopped; it must be restarted");
}

pub(super) fn refuse<T>(replies: Vec<Reply<T>>, error: &StorageError) {
    for reply in replies {
        // Who no longer waits need not be told.
        let _ = reply.send(Err(error.clone()));
    }
}

fn unavailable() -> StorageError {
    StorageError::Unavailable("the machine could not take the command".to_owned())
}

pub(super) fn unknown() -> StorageError {
    StorageError::Unknown("the machine failed while it took the command".to_owned())
}

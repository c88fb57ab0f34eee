//! The writer: the one thread that decides commits, makes them durable and applies
//! them.
//!
//! A round takes everything that waits, decides it in order, appends what was accepted
//! to the log as one record, applies it to the index, and answers. Every answer of a
//! round comes after its sync, because a refusal too may rest on a commit of the same
//! round. What arrives meanwhile waits for the next round.

use super::effect::{self, Effect};
use super::evaluate::{Decision, Evaluator};
use super::index::Staged;
use super::{Shared, fail};
use crate::StoreError;
use crate::log::{AppendError, Log};
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, PoisonError};
use tokio::sync::oneshot;
use vwp_storage::StorageError;
use vwp_storage::kv::{Change, Check, Key, Outcome, Timestamp, Version, Write};

/// What the writer is asked to do.
pub(super) enum Request {
    /// Decide a commit.
    Commit { checks: Vec<Check>, writes: Vec<Write>, reply: Reply },
    /// Remove keys whose time has come. `done` is dropped when that is durable.
    Expire { due: Vec<(Key, Timestamp)>, done: SyncSender<()> },
    /// Prune the log before this version. `done` is dropped when that is done.
    Prune { before: Version, done: SyncSender<()> },
}

type Reply = oneshot::Sender<Result<Outcome, StorageError>>;

/// The writer's state; its memory is used again in each round.
pub(super) struct Writer {
    shared: Arc<Shared>,
    log: Log,
    staged: Staged,
    payload: Vec<u8>,
    accepted: Vec<(Version, Vec<Effect>)>,
    answers: Vec<(Reply, Result<Outcome, StorageError>)>,
    maintained: Vec<SyncSender<()>>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, log: Log) -> Self {
        Self {
            shared,
            log,
            staged: Staged::default(),
            payload: Vec::new(),
            accepted: Vec::new(),
            answers: Vec::new(),
            maintained: Vec::new(),
        }
    }

    /// Serves until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let _guard = shared.queue.guard();
        let mut batch = Vec::new();
        while self.shared.queue.take(&mut batch) {
            self.round(&mut batch);
        }
        if let Err(error) = self.shared.index.persist() {
            tracing::warn!(%error, "the index was not synced; the next start replays the log");
        }
    }

    fn round(&mut self, batch: &mut Vec<Request>) {
        let now = self.shared.now();
        let mut failed = self.shared.queue.stopped();
        for request in batch.drain(..) {
            if let Err(error) = self.decide(now, request) {
                fail(&self.shared, &error);
                failed = true;
            }
        }
        if failed {
            return self.refuse();
        }
        if self.accepted.is_empty() {
            return self.answer();
        }
        let shared = Arc::clone(&self.shared);
        let _inside = shared.gate.pass();
        // A round holds fewer commits than the queue holds items.
        let count = u32::try_from(self.accepted.len()).unwrap_or(u32::MAX);
        match self.log.append(count, |record| record.extend_from_slice(&self.payload)) {
            Ok(_) => self.publish(),
            Err(AppendError::Refused(error)) => {
                tracing::error!(%error, "the store refused a batch of commits; nothing was written");
                self.refuse();
            }
            Err(AppendError::Unknown(error)) => self.stop(&error),
        }
    }

    fn decide(&mut self, now: Timestamp, request: Request) -> Result<(), StoreError> {
        let version = self.log.next_position() + self.accepted.len() as u64;
        let evaluator = Evaluator { index: &self.shared.index, staged: &self.staged, now };
        match request {
            Request::Commit { checks, writes, reply } => {
                // The reply goes in first: if the index fails, it is answered too.
                let answer = match evaluator.commit(version, &checks, writes) {
                    Ok(Decision::Accepted(effects)) => {
                        self.accept(version, effects);
                        Ok(Outcome::Committed(version))
                    }
                    Ok(Decision::Refused(outcome)) => Ok(outcome),
                    Ok(Decision::Invalid(error)) => Err(error),
                    Err(error) => {
                        self.answers.push((reply, Err(unavailable())));
                        return Err(error);
                    }
                };
                self.answers.push((reply, answer));
            }
            Request::Expire { due, done } => {
                let effects = evaluator.expire(due)?;
                self.accept(version, effects);
                self.maintained.push(done);
            }
            Request::Prune { before, done } => {
                self.maintained.push(done);
                // A segment that stays is only space.
                if let Err(error) = self.log.prune(before) {
                    tracing::warn!(%error, "the log was not pruned");
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self, version: Version, effects: Vec<Effect>) {
        effect::encode(&effects, &mut self.payload);
        self.staged.stage(version, &effects);
        self.accepted.push((version, effects));
    }

    /// The record is durable: applies it, tells the followers, answers.
    fn publish(&mut self) {
        let (next, identity) = (self.log.next_position(), self.log.identity());
        if let Err(error) = self.shared.index.apply(&mut self.staged, next, identity) {
            return self.stop(&error);
        }
        self.shared.next_version.store(next, Ordering::Release);
        for observer in self.shared.observers.read().unwrap_or_else(PoisonError::into_inner).iter() {
            for (version, effects) in &self.accepted {
                observer.committed(*version, &mut effects.iter().filter_map(effect_key));
            }
        }
        let changes = self.accepted.drain(..).flat_map(|(version, effects)| {
            effects.into_iter().filter_map(move |effect| change(version, effect))
        });
        self.shared.feed.publish(changes);
        self.answer();
    }

    fn answer(&mut self) {
        self.payload.clear();
        self.payload.shrink_to(PAYLOAD_KEPT);
        for (reply, answer) in self.answers.drain(..) {
            // Who no longer waits need not be told.
            let _ = reply.send(answer);
        }
        self.maintained.clear();
    }

    /// Nothing was written: whoever waits may try again.
    fn refuse(&mut self) {
        self.staged.clear();
        self.accepted.clear();
        for (_, answer) in &mut self.answers {
            *answer = Err(unavailable());
        }
        self.answer();
    }

    /// Stops for good. Nobody knows what became of what was accepted.
    fn stop(&mut self, error: &StoreError) {
        fail(&self.shared, error);
        for (_, answer) in &mut self.answers {
            if matches!(answer, Ok(Outcome::Committed(_))) {
                let text = "the store failed while it wrote the commit";
                *answer = Err(StorageError::Unknown(text.to_owned()));
            } else {
                // A refusal may rest on a commit that is unknown.
                *answer = Err(unavailable());
            }
        }
        self.staged.clear();
        self.accepted.clear();
        self.answer();
    }
}

/// How much memory for payloads an idle writer keeps.
const PAYLOAD_KEPT: usize = 1_048_576;

fn unavailable() -> StorageError {
    StorageError::Unavailable("the store could not write".to_owned())
}

/// The key that an effect changed for readers.
fn effect_key(effect: &Effect) -> Option<&[u8]> {
    match effect {
        Effect::Put { key, .. } | Effect::Delete { key } | Effect::Expire { key, .. } => Some(key),
        Effect::Forget { .. } => None,
    }
}

/// What followers are told of an effect.
fn change(version: Version, effect: Effect) -> Option<Change> {
    match effect {
        Effect::Put { key, value, .. } => Some(Change { version, key, value: Some(value) }),
        Effect::Delete { key } | Effect::Expire { key, .. } => Some(Change { version, key, value: None }),
        Effect::Forget { .. } => None,
    }
}

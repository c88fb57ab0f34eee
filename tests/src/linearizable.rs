//! Whether a recorded history is linearizable: whether each operation can be placed at one moment
//! between its call and its answer so that, done one after the other, all of them answer what they
//! did (Herlihy and Wing, *Linearizability: A Correctness Condition for Concurrent Objects*, 1990).
//!
//! The search is that of Wing and Gong, with Lowe's memory of what was tried (*Testing for
//! linearizability*, 2017). It decides either way; it takes long only for histories with many
//! operations under way at once that are alike.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What an object does when it is used by one at a time.
pub trait Model {
    /// What it is in.
    type State: Clone + Eq + Hash;
    /// What it is asked.
    type Call;
    /// What it answers.
    type Answer;

    /// What it is in before anything is asked.
    fn initial(&self) -> Self::State;

    /// What it is in after a call with this answer; none if it would not have given that answer. Without
    /// an answer, nobody was told one.
    fn step(
        &self,
        state: &Self::State,
        call: &Self::Call,
        answer: Option<&Self::Answer>,
    ) -> Option<Self::State>;
}

/// A call, and what became of it. The times are of a clock that only orders.
#[derive(Debug, Clone)]
pub struct Operation<C, A> {
    /// Before it was sent.
    pub called: u64,
    /// After it was answered, and with what; none if it never was, and so may happen later, or never.
    pub answered: Option<(u64, A)>,
    /// What was asked.
    pub call: C,
}

/// Records what several threads do at once.
pub struct Recorder<C, A> {
    clock: AtomicU64,
    operations: Mutex<Vec<Operation<C, A>>>,
}

impl<C, A> Default for Recorder<C, A> {
    fn default() -> Self {
        Self { clock: AtomicU64::new(0), operations: Mutex::default() }
    }
}

impl<C, A> Recorder<C, A> {
    /// Does something, and records it. Gives out whether it was answered.
    pub fn record(&self, call: C, perform: impl FnOnce(&C) -> Option<A>) -> bool {
        let called = self.clock.fetch_add(1, Ordering::SeqCst);
        let answer = perform(&call);
        let answered = answer.map(|answer| (self.clock.fetch_add(1, Ordering::SeqCst), answer));
        let is_answered = answered.is_some();
        self.operations.lock().expect("no recording panicked").push(Operation { called, answered, call });
        is_answered
    }

    /// What was recorded.
    pub fn finish(self) -> Vec<Operation<C, A>> {
        self.operations.into_inner().expect("no recording panicked")
    }
}

/// How far a search has come: which operations have been placed, and what the object is in then.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place<S> {
    placed: Vec<bool>,
    state: S,
}

/// Whether a history is linearizable. If it is not, as many operations as could be placed at most.
pub fn check<M: Model>(model: &M, mut history: Vec<Operation<M::Call, M::Answer>>) -> Result<(), usize> {
    history.sort_by_key(|operation| operation.called);
    let first = Place { placed: vec![false; history.len()], state: model.initial() };
    let (mut tried, mut left, mut furthest) = (HashSet::new(), vec![first], 0);
    while let Some(place) = left.pop() {
        let open = |index: &usize| !place.placed[*index];
        let ends = (0..history.len()).filter(open);
        let ends = ends.filter_map(|index| history[index].answered.as_ref().map(|(time, _)| *time));
        // What was answered before another one was called comes before it.
        let Some(end) = ends.min() else { return Ok(()) };
        furthest = furthest.max(place.placed.iter().filter(|placed| **placed).count());
        // The last one put on the list is tried first: the one that was called first.
        for index in (0..history.len()).rev().filter(open) {
            let operation = &history[index];
            if operation.called > end {
                continue;
            }
            let answer = operation.answered.as_ref().map(|(_, answer)| answer);
            let Some(state) = model.step(&place.state, &operation.call, answer) else { continue };
            let mut placed = place.placed.clone();
            placed[index] = true;
            let next = Place { placed, state };
            if tried.insert(next.clone()) {
                left.push(next);
            }
        }
    }
    Err(furthest)
}

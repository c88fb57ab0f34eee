//! Questions that are under way: who asks the same meanwhile waits for that answer, instead of having it made once
//! more.
//!
//! Nobody is handed an answer here. Whoever joins a flight may have arrived after something happened that the flight's
//! answer does not know of. It waits until the answer is kept, and then looks into the cache like somebody who
//! arrives at that moment. So joining can only cost time, and the cache's own rule is the only one that says what
//! is true. An answer that may not be kept is for its asker alone, and is not shared either.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What became of a flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landed {
    /// There is no saying yet.
    UnderWay,
    /// It was answered, and the answer kept if it may be.
    Answered,
    /// Whoever was asked failed.
    Failed,
    /// It was not asked to its end: too many questions waited, or whoever asked is gone.
    Abandoned,
}

/// The flights by question. Each is of an asker who waits, and so there are no more than of those.
#[derive(Default)]
pub(crate) struct Flights {
    under_way: Mutex<HashMap<Box<[u8]>, watch::Receiver<Landed>>>,
}

/// What an asker does.
pub(crate) enum Boarded<'a> {
    /// It asks, for all who join.
    Leads(Flight<'a>),
    /// It waits for who does.
    Joins(watch::Receiver<Landed>),
}

/// A question that is being asked. Dropped before it has landed, it is abandoned.
pub(crate) struct Flight<'a> {
    flights: &'a Flights,
    question: Box<[u8]>,
    landed: watch::Sender<Landed>,
}

impl Flights {
    /// Joins the flight of a question, or begins one.
    pub(crate) fn board(&self, question: &[u8]) -> Boarded<'_> {
        let mut under_way = self.under_way();
        if let Some(landing) = under_way.get(question) {
            return Boarded::Joins(landing.clone());
        }
        let (landed, landing) = watch::channel(Landed::UnderWay);
        under_way.insert(question.into(), landing);
        Boarded::Leads(Flight { flights: self, question: question.into(), landed })
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Box<[u8]>, watch::Receiver<Landed>>> {
        // Nothing is ever half done under this lock.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight<'_> {
    /// Tells those who wait. The answer is to be kept before.
    pub(crate) fn land(self, landed: Landed) {
        // First it is no more to be joined; who comes later looks into the cache.
        self.flights.under_way().remove(&self.question);
        self.landed.send_replace(landed);
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if *self.landed.borrow() == Landed::UnderWay {
            self.flights.under_way().remove(&self.question);
            self.landed.send_replace(Landed::Abandoned);
        }
    }
}

/// Waits until a flight has landed.
pub(crate) async fn landing(mut landing: watch::Receiver<Landed>) -> Landed {
    landing.wait_for(|landed| *landed != Landed::UnderWay).await.map_or(Landed::Abandoned, |landed| *landed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(flights: &Flights) -> Flight<'_> {
        match flights.board(b"a?") {
            Boarded::Leads(flight) => flight,
            Boarded::Joins(_) => panic!("somebody else leads"),
        }
    }

    fn joins(flights: &Flights) -> watch::Receiver<Landed> {
        match flights.board(b"a?") {
            Boarded::Joins(landing) => landing,
            Boarded::Leads(_) => panic!("nobody leads"),
        }
    }

    #[tokio::test]
    async fn one_asks_and_the_others_are_told_when_it_is_answered() {
        let flights = Flights::default();
        let flight = leads(&flights);
        let mut first = Box::pin(landing(joins(&flights)));
        let second = joins(&flights);
        assert!(matches!(flights.board(b"b?"), Boarded::Leads(_)), "another question is another flight");
        assert!(futures::poll!(&mut first).is_pending());
        flight.land(Landed::Answered);
        assert_eq!((first.await, landing(second).await), (Landed::Answered, Landed::Answered));
        drop(leads(&flights));
        assert!(flights.under_way().is_empty());
    }

    #[tokio::test]
    async fn who_goes_away_leaves_nobody_waiting() {
        let flights = Flights::default();
        let flight = leads(&flights);
        let waiting = joins(&flights);
        drop(flight);
        assert_eq!(landing(waiting).await, Landed::Abandoned);
        leads(&flights).land(Landed::Failed);
        assert!(flights.under_way().is_empty());
    }
}

//! Rows on their way from a database to a guest that reads them as a stream.
//!
//! A database gives rows as fast as it can and a guest takes them when it likes, so a
//! writer waits once a little is buffered. But a guest may use a connection again while it
//! reads from it, and there is one connection, which the unread rows occupy. Then the
//! writer does not wait any more: it buffers the rest, up to a bound, and makes way. Both
//! would otherwise wait for each other until the request's time has passed.

use futures::channel::oneshot;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::sync::Notify;
use wasmtime::StoreContextMut;
use wasmtime::component::{Destination, Lift, Lower, StreamProducer, StreamResult, VecBuffer};

/// How much is buffered before a writer waits for the guest, in bytes.
const BUFFERED_BYTES_MAX: usize = 64 * 1024;
/// How much is buffered if the connection is wanted for something else, in bytes.
const BACKLOG_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What the streams of one connection know of each other: whether it is wanted.
#[derive(Default)]
pub(super) struct Pressure {
    waiting: AtomicUsize,
    room: Notify,
}

/// While this lives, the connection is wanted.
pub(super) struct Wanted(Arc<Pressure>);

impl Pressure {
    /// Asks the streams of this connection to make way.
    pub(super) fn want(self: &Arc<Self>) -> Wanted {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.room.notify_waiters();
        Wanted(self.clone())
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Why a row was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The guest does not read any more.
    Gone,
    /// The connection is wanted, and more is unread than is buffered.
    Backlog,
}

struct State<T, E> {
    rows: Vec<T>,
    bytes: usize,
    end: Option<Result<(), E>>,
    is_written: bool,
    is_read: bool,
    reader: Option<Waker>,
}

struct Buffer<T, E> {
    state: Mutex<State<T, E>>,
    pressure: Arc<Pressure>,
}

impl<T, E> Buffer<T, E> {
    fn state(&self) -> MutexGuard<'_, State<T, E>> {
        // Nothing panics while it holds the lock, so the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the database puts rows.
pub(super) struct Writer<T, E>(Arc<Buffer<T, E>>);

/// What the guest reads.
pub(super) struct Rows<T, E> {
    buffer: Arc<Buffer<T, E>>,
    end: Option<oneshot::Sender<Result<(), E>>>,
    kept: Option<Box<dyn Send + Sync>>,
}

impl<T, E> Rows<T, E> {
    /// Drops this when the guest stops reading, or has read all.
    pub(super) fn keep(mut self, kept: impl Send + Sync + 'static) -> Self {
        self.kept = Some(Box::new(kept));
        self
    }
}

/// How a stream of rows ends.
pub(super) type Ended<E> = oneshot::Receiver<Result<(), E>>;

/// A stream of rows: its writer, its reader, and how it ends.
pub(super) fn channel<T, E>(pressure: &Arc<Pressure>) -> (Writer<T, E>, Rows<T, E>, Ended<E>) {
    let state =
        State { rows: Vec::new(), bytes: 0, end: None, is_written: true, is_read: true, reader: None };
    let buffer = Arc::new(Buffer { state: Mutex::new(state), pressure: pressure.clone() });
    let (end, ended) = oneshot::channel();
    (Writer(buffer.clone()), Rows { buffer, end: Some(end), kept: None }, ended)
}

impl<T, E> Writer<T, E> {
    /// Gives the guest a row of so many bytes, after waiting until there is room for it.
    pub(super) async fn push(&self, row: T, bytes: usize) -> Result<(), Refused> {
        let mut row = Some(row);
        loop {
            let room = self.0.pressure.room.notified();
            let mut room = pin!(room);
            // Registered before it is looked, so that no wake-up is missed in between.
            room.as_mut().enable();
            if self.try_push(&mut row, bytes)? {
                return Ok(());
            }
            room.await;
        }
    }

    fn try_push(&self, row: &mut Option<T>, bytes: usize) -> Result<bool, Refused> {
        let mut state = self.0.state();
        if !state.is_read {
            return Err(Refused::Gone);
        }
        let is_wanted = self.0.pressure.waiting.load(Ordering::SeqCst) > 0;
        let bytes_max = if is_wanted { BACKLOG_BYTES_MAX } else { BUFFERED_BYTES_MAX };
        // A row that is larger than the buffer passes alone.
        if state.bytes > 0 && state.bytes.saturating_add(bytes) > bytes_max {
            return if is_wanted { Err(Refused::Backlog) } else { Ok(false) };
        }
        state.bytes = state.bytes.saturating_add(bytes);
        state.rows.extend(row.take());
        wake(&mut state);
        Ok(true)
    }

    /// Waits until the guest does not read any more.
    pub(super) async fn abandoned(&self) {
        loop {
            let changed = self.0.pressure.room.notified();
            let mut changed = pin!(changed);
            changed.as_mut().enable();
            if !self.0.state().is_read {
                return;
            }
            changed.await;
        }
    }

    /// Ends the stream.
    pub(super) fn end(self, result: Result<(), E>) {
        self.0.state().end = Some(result);
    }
}

impl<T, E> Drop for Writer<T, E> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_written = false;
        wake(&mut state);
    }
}

fn wake<T, E>(state: &mut State<T, E>) {
    if let Some(reader) = state.reader.take() {
        reader.wake();
    }
}

impl<T, E> Drop for Rows<T, E> {
    fn drop(&mut self) {
        self.buffer.state().is_read = false;
        self.buffer.pressure.room.notify_waiters();
    }
}

impl<D, T, E> StreamProducer<D> for Rows<T, E>
where
    T: Lower + Lift + Send + Sync + 'static,
    E: Send + 'static,
{
    type Item = T;
    type Buffer = VecBuffer<T>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, T, VecBuffer<T>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let reader = self.get_mut();
        if reader.end.is_none() {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let mut state = reader.buffer.state();
        let rows = std::mem::take(&mut state.rows);
        state.bytes = 0;
        if rows.is_empty() && state.is_written {
            if finish {
                return Poll::Ready(Ok(StreamResult::Cancelled));
            }
            state.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let end = (!state.is_written).then(|| state.end.take());
        drop(state);
        reader.buffer.pressure.room.notify_waiters();
        if !rows.is_empty() {
            destination.set_buffer(rows.into());
        }
        match end {
            None => Poll::Ready(Ok(StreamResult::Completed)),
            Some(Some(result)) => {
                if let Some(end) = reader.end.take() {
                    // Who dropped the future does not want to know.
                    let _ = end.send(result);
                }
                Poll::Ready(Ok(StreamResult::Dropped))
            }
            Some(None) => Poll::Ready(Err(wasmtime::format_err!("the rows stopped without an end"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn pair() -> (Arc<Pressure>, Writer<u8, ()>, Rows<u8, ()>) {
        let pressure = Arc::new(Pressure::default());
        let (writer, rows, _) = channel(&pressure);
        (pressure, writer, rows)
    }

    #[tokio::test]
    async fn a_writer_waits_when_enough_is_unread_unless_the_connection_is_wanted() {
        let (pressure, writer, _rows) = pair();
        assert_eq!(writer.push(1, BUFFERED_BYTES_MAX).await, Ok(()));
        let mut waiting = Box::pin(writer.push(2, 1));
        assert_eq!((&mut waiting).now_or_never(), None);
        let wanted = pressure.want();
        assert_eq!(waiting.await, Ok(()));
        drop(wanted);
        assert_eq!(writer.push(3, 1).now_or_never(), None);
    }

    #[tokio::test]
    async fn what_is_unread_is_bounded_even_if_the_connection_is_wanted() {
        let (pressure, writer, _rows) = pair();
        let _wanted = pressure.want();
        assert_eq!(writer.push(1, BACKLOG_BYTES_MAX).await, Ok(()));
        assert_eq!(writer.push(2, 1).await, Err(Refused::Backlog));
    }

    #[tokio::test]
    async fn a_writer_learns_that_nobody_reads() {
        let (_pressure, writer, rows) = pair();
        assert_eq!(writer.push(1, BUFFERED_BYTES_MAX).await, Ok(()));
        let mut waiting = Box::pin(writer.push(2, 1));
        assert_eq!((&mut waiting).now_or_never(), None);
        drop(rows);
        assert_eq!(waiting.await, Err(Refused::Gone));
    }
}

//! An answer's body: it may pause only so long, and its request counts as under way until
//! the body has ended or is dropped.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::{Error, WasiBody};

/// A request's turns.
pub(super) type Permits = [OwnedSemaphorePermit; 3];

pub(super) struct Guarded {
    /// None when it has ended: then its connection and its place are free.
    open: Option<(WasiBody, Permits)>,
    pause_max: Duration,
    /// Runs while the body pauses.
    alarm: Option<Pin<Box<Sleep>>>,
    pauses: bool,
}

impl Guarded {
    pub(super) fn new(body: WasiBody, pause_max: Duration, permits: Permits) -> Self {
        Self { open: Some((body, permits)), pause_max, alarm: None, pauses: false }
    }

    /// Ready when the body has paused for too long.
    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let end = Instant::now() + self.pause_max;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        if !self.pauses {
            self.pauses = true;
            alarm.as_mut().reset(end);
        }
        alarm.as_mut().poll(context)
    }
}

impl Body for Guarded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some((body, _)) = &mut self.open else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
            self.pauses = false;
            if !matches!(frame, Some(Ok(_))) {
                self.open = None;
            }
            return Poll::Ready(frame);
        }
        ready!(self.poll_alarm(context));
        self.open = None;
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.open.as_ref().is_none_or(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.open.as_ref().map_or(SizeHint::with_exact(0), |(body, _)| body.size_hint())
    }
}

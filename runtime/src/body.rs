//! Bodies between client and guest: a request's with a bound, for components whose
//! manifest sets one; and an answer's that does not look whole when it is not.

use bytes::Bytes;
use http::{StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use vwp_core::Problem;
use wasmtime_wasi_http::handler::Request;
use wasmtime_wasi_http::{Error, WasiBody};

/// Whether a body turned out to be longer than it may be.
#[derive(Clone, Default)]
pub struct Exceeded(Arc<AtomicBool>);

impl Exceeded {
    /// Whether it did, so far.
    pub fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The refusal of a body that is too long.
pub fn too_long(bytes_max: u64) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body-too-large",
        "The body is too large",
        format!("a request to this component has at most {bytes_max} bytes"),
    )
}

/// Bounds the request's body. One that says that it is too long is refused before it is
/// sent; of one that does not say, the guest sees it break off.
pub fn bound(request: Request, bytes_max: Option<u64>) -> Result<(Request, Exceeded), Problem> {
    let exceeded = Exceeded::default();
    let Some(bytes_max) = bytes_max else {
        return Ok((request, exceeded));
    };
    let stated = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if stated.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > bytes_max) {
        return Err(too_long(bytes_max));
    }
    let request = request.map(|inner| {
        Bounded { inner, left: bytes_max, bytes_max, exceeded: exceeded.clone() }.boxed_unsync()
    });
    Ok((request, exceeded))
}

struct Bounded {
    inner: WasiBody,
    left: u64,
    bytes_max: u64,
    exceeded: Exceeded,
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let next = std::task::ready!(Pin::new(&mut self.inner).poll_frame(context));
        if let Some(Ok(frame)) = &next
            && let Some(data) = frame.data_ref()
        {
            let Some(left) = self.left.checked_sub(data.len() as u64) else {
                self.left = 0;
                self.exceeded.0.store(true, Ordering::Relaxed);
                return Poll::Ready(Some(Err(Error::HttpRequestBodySize(Some(self.bytes_max)))));
            };
            self.left = left;
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Whether a guest was stopped, or failed, before it was done with a request.
#[derive(Clone, Default)]
pub struct CutOff(Arc<AtomicBool>);

impl CutOff {
    /// Says that it was. To be said before the guest's end of the body is dropped.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_so(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// An answer's body that breaks off if its guest does. By itself a body whose guest is
/// gone just ends, and the client would take what it has for the whole.
pub fn honest(inner: WasiBody, cut_off: CutOff) -> WasiBody {
    Honest { inner, cut_off }.boxed_unsync()
}

struct Honest {
    inner: WasiBody,
    cut_off: CutOff,
}

impl Body for Honest {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match std::task::ready!(Pin::new(&mut self.inner).poll_frame(context)) {
            None if self.cut_off.is_so() => Poll::Ready(Some(Err(Error::HttpResponseIncomplete))),
            next => Poll::Ready(next),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream() && !self.cut_off.is_so()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

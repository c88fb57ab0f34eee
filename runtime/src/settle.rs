//! Small answers as a whole.
//!
//! A guest's body is a stream, so its end is known only when the guest has run again,
//! and hyper would send the head first, each part as a chunk, and the end by itself. Most
//! answers end at once. Here an answer is looked at again after others have run; if it
//! has ended by then it is sent with its length in one write, and if not, it is streamed.

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use wasmtime_wasi_http::handler::Response;
use wasmtime_wasi_http::{Error, WasiBody};

/// The longest body that is waited for, in bytes.
const LENGTH_MAX: usize = 64 * 1024;
/// How often others may run before an answer that has not ended is streamed.
const LOOKS_MAX: usize = 4;

/// The same answer, with its length if it has ended already. Fails with what broke it off,
/// if that is known before anything of it is sent.
pub async fn settle(response: Response) -> Result<Response, Error> {
    let (parts, body) = response.into_parts();
    Ok(Response::from_parts(parts, settle_body(body).await?))
}

/// The same body, with its length if it has ended already. Fails with what broke it off.
pub async fn settle_body(mut body: WasiBody) -> Result<WasiBody, Error> {
    let mut begun = Vec::new();
    let mut length = 0;
    for _ in 0..LOOKS_MAX {
        while let Some(next) = body.frame().now_or_never() {
            match next {
                None => return Ok(whole(joined(begun, length))),
                Some(Err(error)) => return Err(error),
                Some(Ok(frame)) if frame.is_data() && length <= LENGTH_MAX => {
                    length += frame.data_ref().map_or(0, Bytes::len);
                    begun.push(Ok(frame));
                }
                // Trailers, or more than is kept: what has begun goes on as it is.
                Some(other) => {
                    begun.push(other);
                    return Ok(resumed(begun, body));
                }
            }
        }
        tokio::task::yield_now().await;
    }
    Ok(resumed(begun, body))
}

/// A body that was waited for.
pub enum Gathered {
    /// The whole of it.
    Whole(Bytes),
    /// It is longer than it was waited for, or has trailers; nothing of it is lost.
    Beyond(WasiBody),
}

/// Waits for the end of a body of up to so many bytes. Fails with what broke it off.
pub async fn gather(mut body: WasiBody, bytes_max: usize) -> Result<Gathered, Error> {
    let (mut begun, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame?;
        length += frame.data_ref().map_or(0, Bytes::len);
        let is_beyond = length > bytes_max || !frame.is_data();
        begun.push(Ok(frame));
        if is_beyond {
            return Ok(Gathered::Beyond(resumed(begun, body)));
        }
    }
    Ok(Gathered::Whole(joined(begun, length)))
}

type Frames = Vec<Result<Frame<Bytes>, Error>>;

/// A body whose bytes are all there.
pub fn whole(bytes: Bytes) -> WasiBody {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

fn joined(frames: Frames, length: usize) -> Bytes {
    let mut parts = frames.into_iter().flatten().filter_map(|frame| frame.into_data().ok());
    let first = parts.next().unwrap_or_default();
    if first.len() == length {
        return first;
    }
    let mut bytes = BytesMut::with_capacity(length);
    bytes.extend_from_slice(&first);
    parts.for_each(|part| bytes.extend_from_slice(&part));
    bytes.freeze()
}

/// What has begun, and then the rest.
fn resumed(begun: Frames, rest: WasiBody) -> WasiBody {
    if begun.is_empty() {
        return rest;
    }
    let begun = futures::stream::iter(begun);
    let rest = futures::stream::unfold(rest, |mut rest| async move {
        let frame = rest.frame().await?;
        Some((frame, rest))
    });
    StreamBody::new(futures::StreamExt::chain(begun, rest)).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body;
    use tokio::sync::mpsc;

    fn answer(parts: mpsc::UnboundedReceiver<&'static str>) -> Response {
        let frames = futures::stream::unfold(parts, |mut parts| async move {
            let part = parts.recv().await?;
            Some((Ok(Frame::data(Bytes::from_static(part.as_bytes()))), parts))
        });
        Response::new(StreamBody::new(frames).boxed_unsync())
    }

    #[tokio::test]
    async fn an_answer_that_has_ended_has_a_length() {
        let (sender, receiver) = mpsc::unbounded_channel();
        sender.send("hello, ").expect("sent");
        sender.send("world").expect("sent");
        drop(sender);
        let settled = settle(answer(receiver)).await.expect("sound");
        assert_eq!(settled.body().size_hint().exact(), Some(12));
        let bytes = settled.into_body().collect().await.expect("a body").to_bytes();
        assert_eq!(bytes, "hello, world");
    }

    #[tokio::test]
    async fn an_answer_that_goes_on_is_streamed_from_its_start() {
        let (sender, receiver) = mpsc::unbounded_channel();
        sender.send("first ").expect("sent");
        let settled = settle(answer(receiver)).await.expect("sound");
        assert_eq!(settled.body().size_hint().exact(), None);
        sender.send("second").expect("sent");
        drop(sender);
        let bytes = settled.into_body().collect().await.expect("a body").to_bytes();
        assert_eq!(bytes, "first second");
    }

    #[tokio::test]
    async fn a_body_is_gathered_to_its_end_or_goes_on_as_it_is() {
        for (bytes_max, is_whole) in [(12, true), (11, false)] {
            let (sender, receiver) = mpsc::unbounded_channel();
            sender.send("first ").expect("sent");
            let mut gathering = Box::pin(gather(answer(receiver).into_body(), bytes_max));
            assert!(futures::poll!(&mut gathering).is_pending());
            sender.send("second").expect("sent");
            drop(sender);
            let (bytes, was_whole) = match gathering.await.expect("sound") {
                Gathered::Whole(bytes) => (bytes, true),
                Gathered::Beyond(body) => (body.collect().await.expect("a body").to_bytes(), false),
            };
            assert_eq!((&bytes[..], was_whole), (&b"first second"[..], is_whole));
        }
    }
}

//! Small answers as a whole.
//!
//! A guest's body is a stream, so its end is known only when the guest has run again,
//! and hyper would send the head first, each part as a chunk, and the end by itself. Most
//! answers end at once. Here an answer is looked at again after others have run; if it
//! has ended by then it is sent with its length in one write, and if not, it is streamed.

use bytes::BytesMut;
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
                None => return Ok(whole(begun, length)),
                Some(Err(error)) => return Err(error),
                Some(Ok(frame)) if frame.is_data() && length <= LENGTH_MAX => {
                    length += frame.data_ref().map_or(0, bytes::Bytes::len);
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

type Frames = Vec<Result<Frame<bytes::Bytes>, Error>>;

fn whole(frames: Frames, length: usize) -> WasiBody {
    let mut parts = frames.into_iter().flatten().filter_map(|frame| frame.into_data().ok());
    let first = parts.next().unwrap_or_default();
    let bytes = if first.len() == length {
        first
    } else {
        let mut bytes = BytesMut::with_capacity(length);
        bytes.extend_from_slice(&first);
        parts.for_each(|part| bytes.extend_from_slice(&part));
        bytes.freeze()
    };
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
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
    use bytes::Bytes;
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
}

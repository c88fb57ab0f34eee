//! One way to serve a request: bound the body, read the settings, call a handler
//! that knows nothing of the host.

use crate::settings;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use std::time::{SystemTime, UNIX_EPOCH};
use vwp_core::environment::{Environment, Random, Timestamp};
use vwp_core::{Problem, reply};

/// The longest body that any handler reads. Handlers have tighter bounds of their own.
const BODY_LENGTH_MAX: usize = 1_048_576;

struct HostRandom;

impl Random for HostRandom {
    fn fill(&self, buffer: &mut [u8]) {
        // WASI's random never fails; without randomness there is nothing safe to do.
        getrandom::fill(buffer).expect("the host provides randomness");
    }
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// Reads the settings, which an [`Environment`] borrows.
pub async fn environment<T>(
    call: impl AsyncFnOnce(&Environment<'_>) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let settings = settings::current().await?;
    call(&Environment { now: now(), random: &HostRandom, settings: &settings }).await
}

/// Serves one request with a handler.
pub async fn serve<H>(request: spin_sdk::http::Request, handler: H) -> Response<Full<Bytes>>
where
    H: AsyncFnOnce(&Environment<'_>, Request<Vec<u8>>) -> Response<Vec<u8>>,
{
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, BODY_LENGTH_MAX).collect().await {
        Ok(body) => body.to_bytes().to_vec(),
        Err(error) if error.is::<LengthLimitError>() => {
            return finish(reply::too_large(BODY_LENGTH_MAX).into_response());
        }
        Err(_) => return finish(Problem::bad_request("the body broke off").into_response()),
    };
    let request = Request::from_parts(parts, body);
    let answer = environment(async |environment| Ok(handler(environment, request).await)).await;
    finish(answer.unwrap_or_else(Problem::into_response))
}

fn finish(response: Response<Vec<u8>>) -> Response<Full<Bytes>> {
    response.map(|body| Full::new(Bytes::from(body)))
}

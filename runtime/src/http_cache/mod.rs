//! A shared cache in front of components (RFC 9111), for the routes that ask for it: what a component says that
//! everybody may keep is answered without the component, and who asks for what is just being asked for waits for that
//! answer.
//!
//! - [`asked`]: which requests may be answered with the answer to another one.
//! - [`kept`]: the answers, and for how long they may be used. What the fields of requests and answers mean for that is
//!   the `http-cache-semantics` library's to say.
//!
//! Only what says for how long everybody may keep it is kept, in memory. An answer may be older than what the
//! component would say now by no more than that. A request that changes something and succeeds makes what is kept of its
//! target forgotten (RFC 9111, section 4.4).

mod asked;
mod kept;

use crate::flights::{Boarded, Flights, Landed, landing};
use asked::Asked;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::Body;
use kept::{Found, Shelf};
use std::time::{Duration, SystemTime};
use vwp_core::Problem;
use wasmtime_wasi_http::WasiBody;

/// The field in which a cache says what it did (RFC 9211).
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// How many flights a request waits for. Who finds nothing after that asks for itself.
const FLIGHTS_MAX: usize = 2;

/// What the cache did with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It had the answer, which is good for so much longer.
    Hit(Duration),
    /// It had no answer, and waited for somebody else's.
    Collapsed,
    /// It had no answer, and asked; whether it keeps that answer.
    Miss(bool),
    /// The request was not for it.
    Bypass,
}

impl Outcome {
    /// As it is told to the client (RFC 9211, section 2).
    fn status(self) -> Option<HeaderValue> {
        let text = match self {
            Self::Hit(fresh_for) => format!("vwp; hit; ttl={}", fresh_for.as_secs()),
            Self::Collapsed => "vwp; fwd=miss; collapsed".to_owned(),
            Self::Miss(true) => "vwp; fwd=miss; stored".to_owned(),
            Self::Miss(false) => "vwp; fwd=miss".to_owned(),
            Self::Bypass => "vwp; fwd=bypass".to_owned(),
        };
        HeaderValue::try_from(text).ok()
    }
}

/// The cache of a host.
pub struct HttpCache {
    shelf: Shelf,
    flights: Flights,
}

/// What a component answers, or why it does not.
type Forwarded = Result<Response<WasiBody>, Problem>;

/// An answer, and how it came about.
type Answered = Result<(Response<WasiBody>, Outcome), Problem>;

impl HttpCache {
    /// A cache of so many bytes.
    pub fn new(bytes_max: u64) -> Self {
        Self { shelf: Shelf::new(bytes_max), flights: Flights::default() }
    }

    /// Answers a request from the cache, or by forwarding it; also says how. The answer says so too.
    pub async fn answer<B: Body>(
        &self,
        request: Request<B>,
        forward: impl AsyncFnOnce(Request<B>) -> Forwarded,
    ) -> Answered {
        let (mut answer, outcome) = match Asked::of(&request) {
            Some(asked) => self.look(&asked, request, forward).await?,
            None => self.pass(request, forward).await?,
        };
        if let Some(status) = outcome.status() {
            answer.headers_mut().append(CACHE_STATUS, status);
        }
        Ok((answer, outcome))
    }

    /// Forwards what is not for the cache.
    async fn pass<B>(
        &self,
        request: Request<B>,
        forward: impl AsyncFnOnce(Request<B>) -> Forwarded,
    ) -> Answered {
        let changed = (!request.method().is_safe()).then(|| request.uri().clone());
        let answer = forward(request).await?;
        let status = answer.status();
        if let Some(uri) = changed.filter(|_| status.is_success() || status.is_redirection()) {
            self.shelf.forget(&uri);
        }
        Ok((answer, Outcome::Bypass))
    }

    async fn look<B>(
        &self,
        asked: &Asked,
        request: Request<B>,
        forward: impl AsyncFnOnce(Request<B>) -> Forwarded,
    ) -> Answered {
        let mut flights = 0;
        loop {
            match self.shelf.find(asked, SystemTime::now()) {
                Found::Fresh(answer, _) if flights > 0 => return Ok((answer, Outcome::Collapsed)),
                Found::Fresh(answer, fresh_for) => return Ok((answer, Outcome::Hit(fresh_for))),
                Found::Alone => break,
                // What HEAD is answered says less than what GET is, so that nobody waits for it.
                Found::Nothing if asked.is_head || flights == FLIGHTS_MAX => break,
                Found::Nothing => {}
            }
            match self.flights.board(&self.shelf.alike(asked)) {
                Boarded::Leads(flight) => {
                    // Another flight may have landed since the look.
                    if let Found::Fresh(answer, fresh_for) = self.shelf.find(asked, SystemTime::now()) {
                        flight.land(Landed::Answered);
                        return Ok((answer, Outcome::Hit(fresh_for)));
                    }
                    let answered = self.ask(asked, request, forward).await;
                    flight.land(if answered.is_ok() { Landed::Answered } else { Landed::Failed });
                    return answered;
                }
                Boarded::Joins(flight) => match landing(flight).await {
                    Landed::Answered => flights += 1,
                    Landed::Failed => break,
                    // One of those who waited leads now.
                    Landed::Abandoned | Landed::UnderWay => {}
                },
            }
        }
        self.ask(asked, request, forward).await
    }

    /// Asks the component, for everybody who will ask the same.
    async fn ask<B>(
        &self,
        asked: &Asked,
        request: Request<B>,
        forward: impl AsyncFnOnce(Request<B>) -> Forwarded,
    ) -> Answered {
        let request = if asked.is_head { request } else { Asked::for_everybody(request) };
        let answer = forward(request).await?;
        if asked.is_head {
            return Ok((answer, Outcome::Miss(false)));
        }
        let (answer, is_kept) = self.shelf.keep(asked, answer, SystemTime::now()).await.map_err(|error| {
            tracing::warn!("an answer broke off before it could be kept: {error}");
            Problem::internal()
        })?;
        Ok((asked.conditioned(answer), Outcome::Miss(is_kept)))
    }
}

#[cfg(test)]
mod tests;

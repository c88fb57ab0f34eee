//! Requests from component to component of one application, which never leave the
//! process: `http://ID.spin.internal` reaches a component whether it has a public route or
//! not, and `http://self` the application's own routes.

use crate::admission::REQUESTS_MAX;
use crate::engine::INSTANCES_MAX;
use crate::handler::{Handler, Origin};
use crate::http::{Router, refuse};
use http::header::{HOST, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use vwp_core::Problem;
use wasmtime_wasi_http::{Error, WasiBody};

/// How many components may call one another for one request from outside. Each waits for
/// the next in an instance of its own, so a loop would otherwise take them all.
pub const HOPS_MAX: u32 = 8;
/// How many such requests run at once. Requests from outside leave room for these, so that
/// the two cannot block each other; the remaining instances answer DNS.
const RUNNING_MAX: usize = INSTANCES_MAX as usize - REQUESTS_MAX - 16;
/// How long a request waits for its turn.
const WAIT: Duration = Duration::from_secs(1);

/// Where a request within the application goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To the component with this id.
    Component(String),
    /// To whatever the application's routes lead to.
    Routes,
}

/// The application as its own components reach it.
pub struct Chain {
    components: BTreeMap<String, Handler>,
    router: Arc<Router>,
    running: Arc<Semaphore>,
    /// Where the application is served, for the `Host` of requests to its own routes.
    origin: OnceLock<Authority>,
}

impl Chain {
    /// A chain to the components that have a trigger, and to the routes.
    pub fn new(components: BTreeMap<String, Handler>, router: Arc<Router>) -> Self {
        let running = Arc::new(Semaphore::new(RUNNING_MAX));
        Self { components, router, running, origin: OnceLock::new() }
    }

    /// Says where the application is served. Only the first call counts.
    pub fn serve_at(&self, address: SocketAddr) {
        if let Ok(authority) = address.to_string().parse() {
            let _ = self.origin.set(authority);
        }
    }

    /// Sends a request, which counts among the hops of its origin. A component that fails answers
    /// as it would over the network.
    pub async fn send(
        &self,
        target: &Target,
        request: Request<WasiBody>,
        origin: Origin,
    ) -> Result<Response<WasiBody>, Error> {
        let handler = match target {
            Target::Component(id) => self.components.get(id).ok_or(Error::DestinationNotFound)?,
            Target::Routes => match self.router.route(request.uri().path()) {
                Some(handler) => handler,
                None => return Ok(refuse(Problem::not_found("no route has this path"))),
            },
        };
        let running = tokio::time::timeout(WAIT, self.running.clone().acquire_owned()).await;
        let Ok(Ok(permit)) = running else {
            return Ok(refuse(Problem::unavailable("too many requests at once")));
        };
        let request = self.arrived(target, request)?;
        let response = handler.handle(request, origin, None).await.unwrap_or_else(refuse);
        // The instance is busy until the body has ended, so the permit goes with it.
        Ok(response.map(|body| body.map_frame(move |frame| held(frame, &permit)).boxed_unsync()))
    }

    /// The request as the other component sees it.
    fn arrived(&self, target: &Target, request: Request<WasiBody>) -> Result<Request<WasiBody>, Error> {
        let (mut head, body) = request.into_parts();
        let mut parts = head.uri.into_parts();
        parts.scheme = Some(Scheme::HTTP);
        parts.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
        if let (Target::Routes, Some(origin)) = (target, self.origin.get()) {
            parts.authority = Some(origin.clone());
        }
        let authority = parts.authority.as_ref().ok_or(Error::HttpRequestUriInvalid)?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Error::HttpRequestUriInvalid)?;
        head.headers.insert(HOST, host);
        head.uri = Uri::from_parts(parts).map_err(|_| Error::HttpRequestUriInvalid)?;
        Ok(Request::from_parts(head, body))
    }
}

/// Keeps the permit as long as the body that maps its frames with this.
fn held<F>(frame: F, _: &tokio::sync::OwnedSemaphorePermit) -> F {
    frame
}

//! The HTTP trigger's requests: what arrives is checked, routed and admitted.

use crate::admission::{Admissions, Gate};
use crate::handler::{Handler, Origin};
use crate::http_cache::HttpCache;
use crate::manifest::{Pattern, RouteLimits};
use crate::settle::{settle, whole};
use crate::telemetry::Telemetry;
use crate::telemetry::request::{Told, Watched};
use crate::telemetry::trace::SpanContext;
use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::time::Duration;
use vwp_core::Problem;
use wasmtime_wasi_http::{Error as WasiError, WasiBody};

/// In which header a handler finds the address and the port of the client, as on Spin. Whatever the
/// client sent in its place is gone.
const CLIENT_ADDRESS: HeaderName = HeaderName::from_static("spin-client-addr");

/// The connection over which a request arrived.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Whether it was over TLS.
    pub scheme: Scheme,
    /// Who is at its other end: the client, or the last proxy.
    pub peer: SocketAddr,
}

/// What the routes lead to.
pub struct Router {
    routes: Vec<Route>,
    no_route: Told,
    admissions: Admissions,
    /// None if no route has its answers kept.
    cache: Option<HttpCache>,
}

/// Which paths a handler answers, and within which limits.
pub struct Served {
    /// The paths.
    pub pattern: Pattern,
    /// What answers.
    pub handler: Handler,
    /// What bounds the route, beside what bounds the component.
    pub limits: RouteLimits,
    /// Whether its answers are kept for others, as far as they say that they may be.
    pub cache: bool,
}

/// A route, as its requests need it.
struct Route {
    pattern: Pattern,
    handler: Handler,
    gate: Gate,
    is_cached: bool,
    told: Told,
}

impl Router {
    /// A router over these routes. `wait` is how long a request waits for its turn, `cache_bytes` how much memory
    /// answers that are kept may take; 0: none are.
    pub fn new(routes: Vec<Served>, wait: Duration, cache_bytes: u64, telemetry: &Telemetry) -> Self {
        let route = |Served { pattern, handler, limits, cache }: Served| {
            let told = Told::route(telemetry, handler.component(), &pattern.to_string());
            Route { pattern, handler, gate: Gate::new(&limits), is_cached: cache, told }
        };
        Self {
            routes: routes.into_iter().map(route).collect(),
            no_route: Told::no_route(telemetry),
            admissions: Admissions::new(wait),
            cache: (cache_bytes > 0).then(|| HttpCache::new(cache_bytes)),
        }
    }

    /// The handler of the most exact route that takes the path.
    pub fn route(&self, path: &str) -> Option<&Handler> {
        self.find(path).map(|route| &route.handler)
    }

    fn find(&self, path: &str) -> Option<&Route> {
        let matching = self.routes.iter().filter_map(|route| Some((route.pattern.matches(path)?, route)));
        matching.max_by(|(left, _), (right, _)| left.cmp(right)).map(|(_, route)| route)
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request<Incoming>, arrival: Arrival) -> Response<WasiBody> {
        // A request with both lengths may mean one thing here and another to a proxy before
        // us, and so carry a second request past it. RFC 9112, section 6.1: its connection
        // must not be used again. hyper drops Content-Length from such a request, so any
        // request in chunks may be one.
        let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
        let route = self.find(request.uri().path());
        let watched = route.map_or(&self.no_route, |route| &route.told).arrived(&request);
        let span = watched.as_ref().and_then(Watched::span);
        let mut answer = self.try_answer(route, request, arrival, span).await.unwrap_or_else(refuse);
        if let Some(watched) = watched {
            watched.answered(&answer);
        }
        if is_chunked {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    async fn try_answer(
        &self,
        route: Option<&Route>,
        request: Request<Incoming>,
        arrival: Arrival,
        span: Option<SpanContext>,
    ) -> Result<Response<WasiBody>, Problem> {
        if request.method() == Method::CONNECT {
            let title = "The server is no proxy";
            return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "no-proxy", title, "CONNECT is not taken"));
        }
        let Some(route) = route else {
            return Err(Problem::not_found("no route has this path"));
        };
        let mut request = absolute(request, arrival.scheme)?;
        let peer = HeaderValue::try_from(arrival.peer.to_string()).map_err(|_| Problem::internal())?;
        request.headers_mut().insert(CLIENT_ADDRESS, peer);
        let forward = |request| self.forward(route, request, span);
        match &self.cache {
            Some(cache) if route.is_cached => {
                let (answer, outcome) = cache.answer(request, forward).await?;
                route.told.cached(outcome);
                Ok(answer)
            }
            _ => forward(request).await,
        }
    }

    /// Has the component answer, when it is the request's turn.
    async fn forward(
        &self,
        Route { handler, gate, told, .. }: &Route,
        request: Request<Incoming>,
        span: Option<SpanContext>,
    ) -> Result<Response<WasiBody>, Problem> {
        let admitted = self.admissions.admit(gate, handler.turns()).await;
        let admission = admitted.inspect_err(|reason| told.refused(*reason))?.counted(told.admitted());
        let is_head = request.method() == Method::HEAD;
        let request = request.map(|body| body.map_err(WasiError::Hyper).boxed_unsync());
        let answer = handler.handle(request, Origin { hops: 0, span }, Some(admission)).await?;
        if is_head {
            // The length of an answer to HEAD is that of the one to GET, which is not known here.
            return Ok(answer);
        }
        let answer = settle(answer).await.map_err(|error| {
            tracing::warn!(component = handler.component(), "an answer broke off at its start: {error}");
            Problem::internal()
        })?;
        if promises_another_length(&answer) {
            tracing::error!(
                component = handler.component(),
                "defect: the guest answered with a Content-Length that is not its body's"
            );
            return Err(Problem::internal());
        }
        Ok(answer)
    }
}

/// Whether the answer's head states another length than its body has, if that is known.
/// The client would wait for the rest, or take it for the next answer.
fn promises_another_length(answer: &Response<WasiBody>) -> bool {
    let (Some(promised), Some(length)) =
        (answer.headers().get(header::CONTENT_LENGTH), answer.body().size_hint().exact())
    else {
        return false;
    };
    // An answer without content may state the length that there would be (RFC 9110, section 8.6).
    let has_no_content = answer.status() == StatusCode::NOT_MODIFIED;
    !has_no_content && promised.to_str().ok().and_then(|promised| promised.parse().ok()) != Some(length)
}

/// Gives the request's target a scheme and an authority, which WASI requires. HTTP/1.1
/// sends the authority as `Host`, once (RFC 9112, section 3.2).
fn absolute(mut request: Request<Incoming>, scheme: Scheme) -> Result<Request<Incoming>, Problem> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Problem::bad_request("the request names more than one host"));
    }
    let authority = match (request.uri().authority(), host) {
        (Some(authority), _) => authority.clone(),
        (None, Some(host)) => {
            let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
            host.ok_or_else(|| Problem::bad_request("Host is not an authority"))?
        }
        (None, None) => return Err(Problem::bad_request("the request names no host")),
    };
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(scheme);
    parts.authority = Some(authority);
    parts.path_and_query.get_or_insert_with(|| http::uri::PathAndQuery::from_static("/"));
    *request.uri_mut() =
        Uri::from_parts(parts).map_err(|_| Problem::bad_request("the target is malformed"))?;
    Ok(request)
}

/// The problem as an answer.
pub fn refuse(problem: Problem) -> Response<WasiBody> {
    problem.into_response().map(|body| whole(Bytes::from(body)))
}

//! The HTTP trigger: accepts connections, admits requests, routes them to handlers.

use crate::engine::INSTANCES_MAX;
use crate::handler::Handler;
use crate::manifest::Pattern;
use crate::settle::settle;
use anyhow::{Context, Result};
use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{Method, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use vwp_core::Problem;
use wasmtime_wasi_http::{Error as WasiError, WasiBody};

/// How many connections are open at once; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 4096;
/// How many requests run at once; each has an instance of its own, and the engine has
/// room for some more than these.
pub const REQUESTS_MAX: usize = INSTANCES_MAX as usize - 56;
/// How many more wait for their turn; beyond that they are refused at once.
const WAITING_MAX: usize = 1024;
/// How long a request waits for its turn.
const WAIT: Duration = Duration::from_secs(1);
/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of a connection is buffered; a longer head is refused.
const CONNECTION_BUFFER_BYTES: usize = 64 * 1024;
/// How long requests in flight may take to end when the host stops.
const DRAIN: Duration = Duration::from_secs(10);
/// How long accepting pauses when the system has no more descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the routes lead to.
pub struct Router {
    routes: Vec<(Pattern, Handler)>,
    running: Semaphore,
    waiting: AtomicUsize,
}

impl Router {
    /// A router over these routes.
    pub fn new(routes: Vec<(Pattern, Handler)>) -> Self {
        Self { routes, running: Semaphore::new(REQUESTS_MAX), waiting: AtomicUsize::new(0) }
    }

    /// The handler of the most exact route that takes the path.
    pub fn route(&self, path: &str) -> Option<&Handler> {
        let matching =
            self.routes.iter().filter_map(|(pattern, handler)| Some((pattern.matches(path)?, handler)));
        matching.max_by(|(left, _), (right, _)| left.cmp(right)).map(|(_, handler)| handler)
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<WasiBody>, Problem> {
        let Some(handler) = self.route(request.uri().path()) else {
            return Err(Problem::not_found("no route has this path"));
        };
        let request = absolute(request)?;
        let _permit = match self.running.try_acquire() {
            Ok(permit) => permit,
            Err(_) => self.wait().await?,
        };
        let is_head = request.method() == Method::HEAD;
        let answer =
            handler.handle(request.map(|body| body.map_err(WasiError::Hyper).boxed_unsync())).await?;
        // The length of an answer to HEAD is that of the one to GET, which is not known here.
        Ok(if is_head { answer } else { settle(answer).await })
    }

    async fn wait(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Problem> {
        let refused = || Problem::unavailable("too many requests at once");
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(refused());
        }
        let permit = tokio::time::timeout(WAIT, self.running.acquire()).await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        permit.ok().and_then(Result::ok).ok_or_else(refused)
    }
}

/// Gives the request's target a scheme and an authority, which WASI requires. HTTP/1.1
/// sends the authority as `Host` (RFC 9112, section 3.2).
fn absolute(mut request: Request<Incoming>) -> Result<Request<Incoming>, Problem> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = match (request.uri().authority(), host) {
        (Some(authority), _) => authority.clone(),
        (None, Some(host)) => {
            host.parse::<Authority>().map_err(|_| Problem::bad_request("Host is not an authority"))?
        }
        (None, None) => return Err(Problem::bad_request("the request names no host")),
    };
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(authority);
    parts.path_and_query.get_or_insert_with(|| http::uri::PathAndQuery::from_static("/"));
    *request.uri_mut() =
        Uri::from_parts(parts).map_err(|_| Problem::bad_request("the target is malformed"))?;
    Ok(request)
}

/// The answer that tells a problem.
pub fn refuse(problem: Problem) -> Response<WasiBody> {
    problem
        .into_response()
        .map(|body| Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync())
}

/// Binds the listener. Separate from [`serve`], so that the address is known before.
pub async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} (TCP)"))
}

/// Ends when `stop` turns true, or when nobody is left who could turn it.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Serves until `stop` turns true, then lets requests in flight end.
pub async fn serve(listener: TcpListener, router: Arc<Router>, mut stop: watch::Receiver<bool>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    loop {
        // A permit first: with too many connections open, the rest wait in the backlog.
        let permit = tokio::select! {
            permit = connections.clone().acquire_owned() => permit,
            () = stopped(&mut stop) => break,
        };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, most likely; serving must go on when some are free again.
                    tracing::warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = stopped(&mut stop) => break,
        };
        let connection = graceful.watch(connection(stream, router.clone()));
        tokio::spawn(async move {
            // A client that goes away is no event; the guest sees its body break off.
            let _ = connection.await;
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("stopped with requests still running after {DRAIN:?}");
    }
}

fn connection(
    stream: TcpStream,
    router: Arc<Router>,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send {
    // Answers are written whole; waiting to fill a segment would only delay them.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.answer(request).await.unwrap_or_else(refuse)) }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(CONNECTION_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
}

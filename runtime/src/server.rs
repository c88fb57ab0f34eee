//! The HTTP trigger's sockets: accepts connections, shakes hands, and ends in order.
//!
//! Whatever a client does slowly happens in its own connection's task, under a timeout;
//! the loop that accepts waits for nobody.

use crate::http::{Arrival, Router};
use crate::tls;
use anyhow::{Context, Result};
use http::Request;
use http::uri::Scheme;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

/// How many connections are open at once; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 4096;
/// How many descriptors are kept for the store and everything else, if there are as many.
const DESCRIPTORS_RESERVED: usize = 1024;
/// How long a client may take for its TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to send a request's head, and to idle before one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take nothing of what it is sent.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of a connection is buffered; a longer head is refused with 431.
const CONNECTION_BUFFER_BYTES: usize = 64 * 1024;
/// How many requests a client may have under way in one HTTP/2 connection.
const STREAMS_MAX: u32 = 64;
/// How long a request's head may be in HTTP/2, as it counts them (RFC 9113, section 6.5.2).
const HEADERS_BYTES_MAX: u32 = 64 * 1024;
/// How long requests in flight may take to end when the host stops.
const DRAIN: Duration = Duration::from_secs(10);
/// How long accepting pauses when the system has no more descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds the listener. Separate from [`serve`], so that the address is known before.
pub async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} (TCP)"))
}

/// Ends when `stop` turns true, or when nobody is left who could turn it.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// How connections are served.
pub struct Server {
    /// What answers requests.
    pub router: Arc<Router>,
    /// Shakes hands, if the server speaks TLS.
    pub tls: Option<TlsAcceptor>,
}

impl Server {
    /// Serves until `stop` turns true, then lets requests in flight end.
    pub async fn serve(self, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let server = Arc::new(self);
        let connections = Arc::new(Semaphore::new(connections_max()));
        let graceful = GracefulShutdown::new();
        let mut failures = 0_u64;
        loop {
            // A permit first: with too many connections open, the rest wait in the backlog.
            let permit = tokio::select! {
                permit = connections.clone().acquire_owned() => permit,
                () = stopped(&mut stop) => break,
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stopped(&mut stop) => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, most likely; serving must go on when some are free
                    // again. Said once, not twenty times a second.
                    if failures == 0 {
                        tracing::warn!("cannot accept a connection, and will try again: {error}");
                    }
                    failures += 1;
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            if failures > 0 {
                tracing::info!("connections are accepted again after {failures} attempts");
                failures = 0;
            }
            let (server, watcher, stop) = (server.clone(), graceful.watcher(), stop.clone());
            tokio::spawn(async move {
                server.connection(stream, peer, watcher, stop).await;
                drop(permit);
            });
        }
        drop(listener);
        if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
            tracing::warn!("stopped with requests still running after {DRAIN:?}");
        }
    }

    async fn connection(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        watcher: Watcher,
        mut stop: watch::Receiver<bool>,
    ) {
        // Answers are written whole; waiting to fill a segment would only delay them.
        let _ = stream.set_nodelay(true);
        let Some(acceptor) = &self.tls else {
            let arrival = Arrival { scheme: Scheme::HTTP, peer };
            return converse(stream, &self.router, arrival, watcher).await;
        };
        let router = &self.router;
        let arrival = Arrival { scheme: Scheme::HTTPS, peer };
        let shaken = tokio::select! {
            shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)) => shaken,
            () = stopped(&mut stop) => return,
        };
        match shaken {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(tls::HTTP_2) => {
                converse_in_streams(stream, router, arrival, watcher).await;
            }
            Ok(Ok(stream)) => converse(stream, router, arrival, watcher).await,
            Ok(Err(error)) => tracing::debug!("a TLS handshake failed: {error}"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }
}

/// Answers the requests of one connection, one after the other.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    router: &Arc<Router>,
    arrival: Arrival,
    watcher: Watcher,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let (router, arrival) = (router.clone(), arrival.clone());
        async move { Ok::<_, Infallible>(router.answer(request, arrival).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(CONNECTION_BUFFER_BYTES)
        .serve_connection(TokioIo::new(Box::pin(impatient(stream))), service);
    // A client that goes away is no event; the guest sees its body break off.
    let _ = watcher.watch(connection).await;
}

/// Answers the requests of one HTTP/2 connection, several at once. Only over TLS, where the client
/// asks for it: that is where browsers and DNS clients speak it (RFC 9113, section 3.2; RFC 8484,
/// section 5.2).
async fn converse_in_streams(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    router: &Arc<Router>,
    arrival: Arrival,
    watcher: Watcher,
) {
    let router = router.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, arrival) = (router.clone(), arrival.clone());
        async move { Ok::<_, Infallible>(router.answer(request, arrival).await) }
    });
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        // A client that is gone is noticed, and its connection ends.
        .keep_alive_interval(Some(HEAD_TIMEOUT))
        .keep_alive_timeout(HEAD_TIMEOUT)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADERS_BYTES_MAX)
        .max_send_buf_size(CONNECTION_BUFFER_BYTES)
        .serve_connection(TokioIo::new(Box::pin(impatient(stream))), service);
    let _ = watcher.watch(connection).await;
}

/// A stream that ends with a client that stops reading, which would otherwise keep its connection
/// and what is buffered for it for ever: hyper has no bound of its own for this.
fn impatient<S: AsyncRead + AsyncWrite>(stream: S) -> TimeoutStream<S> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    stream
}

/// How many connections there may be, so that they never take the last descriptor: the
/// store must be able to open its files, and guests to reach other hosts.
fn connections_max() -> usize {
    let limit = getrlimit(Resource::Nofile);
    // The soft limit is there for programs that use select(2); this one may have what the
    // hard limit allows.
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    let descriptors = current.map_or(usize::MAX, |current| usize::try_from(current).unwrap_or(usize::MAX));
    let reserved = DESCRIPTORS_RESERVED.min(descriptors / 2);
    (descriptors - reserved).clamp(1, CONNECTIONS_MAX)
}

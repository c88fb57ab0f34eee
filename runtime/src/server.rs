//! The HTTP trigger's sockets: accepts connections, shakes hands, and ends in order.
//!
//! Whatever a client does slowly happens in its own connection's task, under a timeout;
//! the loop that accepts waits for nobody.

use crate::http::Router;
use anyhow::{Context, Result};
use http::Request;
use http::uri::Scheme;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
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
            let stream = match accepted {
                Ok((stream, _)) => stream,
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
                server.connection(stream, watcher, stop).await;
                drop(permit);
            });
        }
        drop(listener);
        if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
            tracing::warn!("stopped with requests still running after {DRAIN:?}");
        }
    }

    async fn connection(&self, stream: TcpStream, watcher: Watcher, mut stop: watch::Receiver<bool>) {
        // Answers are written whole; waiting to fill a segment would only delay them.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return converse(stream, &self.router, Scheme::HTTP, watcher).await;
        };
        let shaken = tokio::select! {
            shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)) => shaken,
            () = stopped(&mut stop) => return,
        };
        match shaken {
            Ok(Ok(stream)) => converse(stream, &self.router, Scheme::HTTPS, watcher).await,
            Ok(Err(error)) => tracing::debug!("a TLS handshake failed: {error}"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }
}

/// Answers the requests of one connection.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    router: &Arc<Router>,
    scheme: Scheme,
    watcher: Watcher,
) {
    let mut stream = TimeoutStream::new(stream);
    // Without it a client that stops reading keeps its connection and what is buffered
    // for it for ever: hyper has no bound of its own for this.
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let service = service_fn(|request: Request<Incoming>| {
        let (router, scheme) = (router.clone(), scheme.clone());
        async move { Ok::<_, Infallible>(router.answer(request, scheme).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(CONNECTION_BUFFER_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    // A client that goes away is no event; the guest sees its body break off.
    let _ = watcher.watch(connection).await;
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

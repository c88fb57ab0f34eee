//! The HTTP trigger's sockets: accepts connections, shakes hands, and ends in order.
//!
//! Whatever a client does slowly happens in its own connection's task, under a timeout;
//! the loop that accepts waits for nobody.

use crate::http::{Arrival, Router};
use crate::proxy::Proxies;
use crate::telemetry::metrics::{Connected, Edge, Ended, Listener, Protocol};
use crate::tls::{self, Certificate};
use anyhow::{Context, Result};
use http::Request;
use http::uri::Scheme;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::convert::Infallible;
use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutStream;

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
    /// What it shakes hands with, if it speaks TLS.
    pub tls: Option<Arc<Certificate>>,
    /// Whose connections begin with the address of their client.
    pub proxies: Proxies,
    /// Where connections are counted, if they are.
    pub metrics: Option<Arc<Edge>>,
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
        mut stream: TcpStream,
        peer: SocketAddr,
        watcher: Watcher,
        mut stop: watch::Receiver<bool>,
    ) {
        // Answers are written whole; waiting to fill a segment would only delay them.
        let _ = stream.set_nodelay(true);
        let client = tokio::select! {
            client = self.proxies.client(&mut stream, peer) => client,
            () = stopped(&mut stop) => return,
        };
        let peer = match client {
            Ok(client) => client,
            Err(error) => {
                tracing::debug!("a connection of a proxy was ended: {error}");
                return self.count(Ended::ProxyHeader);
            }
        };
        let ended = match &self.tls {
            None => self.converse(stream, Arrival { scheme: Scheme::HTTP, peer }, watcher).await,
            Some(certificate) => {
                let accepting = certificate.for_http().accept(stream);
                let shaken = tokio::select! {
                    shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, accepting) => shaken,
                    () = stopped(&mut stop) => return,
                };
                let arrival = Arrival { scheme: Scheme::HTTPS, peer };
                match shaken {
                    Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(tls::HTTP_2) => {
                        self.converse_in_streams(stream, arrival, watcher).await
                    }
                    Ok(Ok(stream)) => self.converse(stream, arrival, watcher).await,
                    Ok(Err(error)) => {
                        tracing::debug!("a TLS handshake failed: {error}");
                        Some(Ended::HandshakeFailed)
                    }
                    Err(_) => Some(Ended::HandshakeTimeout),
                }
            }
        };
        if let Some(reason) = ended {
            self.count(reason);
        }
    }

    fn count(&self, reason: Ended) {
        tracing::debug!("a connection was ended: {reason:?}");
        if let Some(metrics) = &self.metrics {
            metrics.ended(Listener::Http, reason);
        }
    }

    fn connected(&self, protocol: Protocol) -> Option<Connected> {
        self.metrics.as_ref().map(|metrics| metrics.connected(protocol))
    }

    /// Answers the requests of one connection, one after the other. Returns why the host ended it,
    /// if the client did not.
    async fn converse(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        arrival: Arrival,
        watcher: Watcher,
    ) -> Option<Ended> {
        let _connected = self.connected(Protocol::Http1);
        let service = service_fn(|request: Request<Incoming>| {
            let (router, arrival) = (self.router.clone(), arrival.clone());
            async move { Ok::<_, Infallible>(router.answer(request, arrival).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(CONNECTION_BUFFER_BYTES)
            .serve_connection(TokioIo::new(Box::pin(impatient(stream))), service);
        // A client that goes away is no event; the guest sees its body break off.
        let error = watcher.watch(connection).await.err()?;
        if error.is_timeout() { Some(Ended::HeadTimeout) } else { write_timeout(&error) }
    }

    /// Answers the requests of one HTTP/2 connection, several at once. Only over TLS, where the client
    /// asks for it: that is where browsers and DNS clients speak it (RFC 9113, section 3.2; RFC 8484,
    /// section 5.2).
    async fn converse_in_streams(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        arrival: Arrival,
        watcher: Watcher,
    ) -> Option<Ended> {
        let _connected = self.connected(Protocol::Http2);
        let router = self.router.clone();
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
        let error = watcher.watch(connection).await.err()?;
        if error.is_timeout() { Some(Ended::PingTimeout) } else { write_timeout(&error) }
    }
}

/// Whether a connection ended because its client took nothing; see [`impatient`].
fn write_timeout(error: &hyper::Error) -> Option<Ended> {
    let cause = error.source()?.downcast_ref::<io::Error>()?;
    (cause.kind() == io::ErrorKind::TimedOut).then_some(Ended::WriteTimeout)
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

//! Requests that leave the process: a client with pooled connections, HTTP/1.1 and, where
//! a server of `https` offers it, HTTP/2.

use super::connection::{Stream, Used};
use super::failure::{Failure, explain, explain_body};
use super::guard::Guard;
use crate::hosts::default_port;
use crate::networks::BlockedNetworks;
use crate::telemetry::Metrics;
use futures::future::BoxFuture;
use http::{Extensions, Request, Response, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tower_service::Service;
use wasmtime_wasi_http::{Error, WasiBody};

/// How many connections to one host are kept for later requests.
const IDLE_PER_HOST_MAX: usize = 8;
/// How long they are kept.
const IDLE: Duration = Duration::from_secs(30);
/// How much of a connection is buffered; a longer head of an answer is refused.
const BUFFER_BYTES: usize = 64 * 1024;

/// Connects to a host, over TLS if its URL says so.
pub(crate) type Connector = Bounded<HttpsConnector<Tcp>>;

/// The client of the process.
pub(super) struct Web {
    blocked: Arc<BlockedNetworks>,
    metrics: Option<Arc<Metrics>>,
    /// Made when it is first needed, because that reads the system's certificates.
    client: OnceLock<Result<Client<Connector, WasiBody>, rustls::Error>>,
}

tokio::task_local! {
    /// How long the connection may take that the request at hand makes. The client has no
    /// other way to hand it to the connector.
    static CONNECT_TIMEOUT: Duration;
}

impl Web {
    pub(super) fn new(blocked: BlockedNetworks, metrics: Option<Arc<Metrics>>) -> Self {
        Self { blocked: Arc::new(blocked), metrics, client: OnceLock::new() }
    }

    /// Sends a request. It is sent again, once and if the budget allows, when the connection over
    /// which it went was one that was kept, and ended without an answer; then the server had most
    /// likely closed it while the request was on its way. That is right for what may be done twice
    /// (RFC 9112, section 9.3.1; RFC 9110, section 9.2.2) and has no content. What was never written
    /// to a kept connection, because that proved dead before, hyper sends over another one.
    pub(super) async fn send(
        &self,
        request: Request<WasiBody>,
        connect: Duration,
        guard: &Guard,
    ) -> Result<Response<WasiBody>, Error> {
        let client = match self.client.get_or_init(|| client(self.blocked.clone(), self.metrics.clone())) {
            Ok(client) => client,
            Err(error) => {
                tracing::error!("outbound HTTP cannot be set up: {error}");
                return Err(Error::ConfigurationError);
            }
        };
        guard.sent();
        let spare = spare(&request);
        match (attempt(client, request, connect).await, spare) {
            (Err(failed), Some(spare)) if failed.was_kept && failed.is_broken() && guard.retries() => {
                attempt(client, spare, connect).await.map_err(|failed| failed.error)
            }
            (answer, _) => answer.map_err(|failed| failed.error),
        }
    }
}

/// The same request once more, if it may be done twice and has no content.
fn spare(request: &Request<WasiBody>) -> Option<Request<WasiBody>> {
    let is_empty = request.body().size_hint().exact() == Some(0);
    if !request.method().is_idempotent() || !is_empty {
        return None;
    }
    let mut spare = Request::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    spare.method_mut().clone_from(request.method());
    spare.uri_mut().clone_from(request.uri());
    spare.headers_mut().clone_from(request.headers());
    Some(spare)
}

/// A request that was not answered.
struct Failed {
    error: Error,
    /// Whether its connection had answered another one before.
    was_kept: bool,
}

impl Failed {
    /// Whether the connection ended.
    fn is_broken(&self) -> bool {
        matches!(self.error, Error::ConnectionTerminated)
    }
}

async fn attempt(
    client: &Client<Connector, WasiBody>,
    mut request: Request<WasiBody>,
    connect: Duration,
) -> Result<Response<WasiBody>, Failed> {
    let host = request.uri().host().unwrap_or_default().to_owned();
    let connection = capture_connection(&mut request);
    let answer = CONNECT_TIMEOUT.scope(connect, client.request(request)).await;
    let used = used(&connection);
    match answer {
        Ok(answer) => {
            if let Some(used) = used {
                used.set();
            }
            Ok(answer.map(|body| body.map_err(explain_body).boxed_unsync()))
        }
        Err(error) => {
            tracing::debug!("a request to {host} failed: {error:?}");
            Err(Failed { error: explain(&error), was_kept: used.is_some_and(|used| used.is_so()) })
        }
    }
}

/// What is known of the connection over which a request went, if there was one.
fn used(connection: &CaptureConnection) -> Option<Used> {
    let mut extensions = Extensions::new();
    connection.connection_metadata().as_ref()?.get_extras(&mut extensions);
    extensions.remove()
}

/// Makes a client that trusts the system's authorities, and whose connections are counted there.
pub(crate) fn client<B>(
    blocked: Arc<BlockedNetworks>,
    metrics: Option<Arc<Metrics>>,
) -> Result<Client<Connector, B>, rustls::Error>
where
    B: Body + Send,
    B::Data: Send,
{
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots())
        .with_no_client_auth();
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .wrap_connector(Tcp { blocked, metrics });
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
        .pool_idle_timeout(IDLE)
        .http1_max_buf_size(BUFFER_BYTES)
        .build(Bounded(https)))
}

/// The system's authorities, which its operator may have chosen; Mozilla's on a system that
/// has none, such as an empty container.
fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!("the system's certificates: {error}");
    }
    roots.add_parsable_certificates(native.certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// Bounds how long a connection takes, the handshake of TLS included.
#[derive(Debug, Clone)]
pub(crate) struct Bounded<S>(S);

impl<S> Service<Uri> for Bounded<S>
where
    S: Service<Uri>,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = S::Response;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = BoxFuture<'static, Result<S::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let timeout = CONNECT_TIMEOUT.try_with(|timeout| *timeout).unwrap_or(super::CONNECT.default);
        let connecting = tokio::time::timeout(timeout, self.0.call(url));
        Box::pin(async move { connecting.await.map_err(|_| Failure::TimedOut)?.map_err(Into::into) })
    }
}

/// Connects to a host, but to no address that is blocked. The name is looked up here and
/// nowhere else, so that what was checked is what is connected to.
#[derive(Clone)]
pub(crate) struct Tcp {
    blocked: Arc<BlockedNetworks>,
    metrics: Option<Arc<Metrics>>,
}

impl Service<Uri> for Tcp {
    type Response = TokioIo<Stream>;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<Self::Response, Failure>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let (blocked, metrics) = (self.blocked.clone(), self.metrics.clone());
        Box::pin(async move {
            let stream = connect(&url, &blocked).await?;
            let open = metrics.map(|metrics| metrics.connected_out());
            Ok(TokioIo::new(Stream::new(stream, open)))
        })
    }
}

async fn connect(url: &Uri, blocked: &BlockedNetworks) -> Result<TcpStream, Failure> {
    let host = url.host().ok_or(Failure::NotFound)?;
    // An address of IP version 6 has brackets in a URL (RFC 3986, section 3.2.2).
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = url.port_u16().or_else(|| default_port(url.scheme_str()?)).ok_or(Failure::NotFound)?;
    let found = tokio::net::lookup_host((host, port)).await.map_err(|_| Failure::NotFound)?;
    let (prohibited, allowed): (Vec<SocketAddr>, Vec<SocketAddr>) =
        found.partition(|address| blocked.contain(address.ip()));
    if allowed.is_empty() {
        return Err(if prohibited.is_empty() { Failure::NotFound } else { Failure::Prohibited });
    }
    TcpStream::connect(&*allowed).await.map_err(|error| match error.kind() {
        ErrorKind::ConnectionRefused => Failure::Refused,
        ErrorKind::TimedOut => Failure::TimedOut,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Failure::Unroutable,
        _ => Failure::Unavailable,
    })
}

//! Requests that leave the process: a client with pooled connections, HTTP/1.1 and, where
//! a server of `https` offers it, HTTP/2.

use super::failure::{Failure, explain, explain_body};
use crate::hosts::default_port;
use crate::networks::BlockedNetworks;
use futures::future::BoxFuture;
use http::{Request, Response, Uri};
use http_body::Body;
use http_body_util::BodyExt;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
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
    /// Made when it is first needed, because that reads the system's certificates.
    client: OnceLock<Result<Client<Connector, WasiBody>, rustls::Error>>,
}

tokio::task_local! {
    /// How long the connection may take that the request at hand makes. The client has no
    /// other way to hand it to the connector.
    static CONNECT_TIMEOUT: Duration;
}

impl Web {
    pub(super) fn new(blocked: BlockedNetworks) -> Self {
        Self { blocked: Arc::new(blocked), client: OnceLock::new() }
    }

    pub(super) async fn send(
        &self,
        request: Request<WasiBody>,
        connect: Duration,
    ) -> Result<Response<WasiBody>, Error> {
        let client = match self.client.get_or_init(|| client(self.blocked.clone())) {
            Ok(client) => client,
            Err(error) => {
                tracing::error!("outbound HTTP cannot be set up: {error}");
                return Err(Error::ConfigurationError);
            }
        };
        let host = request.uri().host().unwrap_or_default().to_owned();
        let answer = CONNECT_TIMEOUT.scope(connect, client.request(request)).await;
        let answer = answer.map_err(|error| {
            tracing::debug!("a request to {host} failed: {error:?}");
            explain(&error)
        })?;
        Ok(answer.map(|body| body.map_err(explain_body).boxed_unsync()))
    }
}

/// Makes a client that trusts the system's authorities.
pub(crate) fn client<B>(blocked: Arc<BlockedNetworks>) -> Result<Client<Connector, B>, rustls::Error>
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
        .wrap_connector(Tcp { blocked });
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
#[derive(Debug, Clone)]
pub(crate) struct Tcp {
    blocked: Arc<BlockedNetworks>,
}

impl Service<Uri> for Tcp {
    type Response = TokioIo<TcpStream>;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<Self::Response, Failure>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let blocked = self.blocked.clone();
        Box::pin(async move {
            let stream = connect(&url, &blocked).await?;
            // Requests are written whole; waiting to fill a segment would only delay them.
            let _ = stream.set_nodelay(true);
            Ok(TokioIo::new(stream))
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

//! The sockets of the DNS service, and the loops that accept connections.

use super::guard::Connected;
use super::service::{Asker, Service};
use super::{stream, udp};
use crate::server::stopped;
use crate::telemetry::metrics::{Ended, Listener};
use crate::tls::Certificate;
use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use vwp_dns::edge::Transport;

/// How many sockets share the port of UDP, at most: the system spreads clients over them.
const UDP_SOCKETS_MAX: usize = 8;
/// How much the system may hold for a socket of UDP while nobody reads, in bytes.
const UDP_BUFFER_BYTES: usize = 1024 * 1024;
/// How long a client may take for its TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long accepting pauses when the system has no more descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long questions in flight may take to end when the host stops.
const DRAIN: Duration = Duration::from_secs(5);

/// The sockets of the DNS service.
pub struct Sockets {
    udp: Vec<UdpSocket>,
    tcp: TcpListener,
    tls: Option<(TcpListener, Arc<Certificate>)>,
}

impl Sockets {
    /// Binds UDP and TCP; with port 0, to one free port.
    pub async fn bind(address: SocketAddr) -> Result<Self> {
        // TCP first: it does not share its port, so that a second host is told that the port
        // is taken, and does not take half of the datagrams.
        let tcp =
            TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} (TCP)"))?;
        let address = tcp.local_addr()?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let udp = (0..processors.min(UDP_SOCKETS_MAX)).map(|_| bind_udp(address));
        let udp = udp.collect::<io::Result<_>>();
        let udp = udp.with_context(|| format!("cannot listen on {address} (UDP)"))?;
        Ok(Self { udp, tcp, tls: None })
    }

    /// Sockets that were bound by whoever started this process. Each socket of UDP is read by as
    /// many tasks as there are processors.
    pub fn passed(tcp: TcpListener, passed: Vec<std::net::UdpSocket>) -> Result<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let mut udp = Vec::new();
        for socket in passed {
            for _ in 1..processors.min(UDP_SOCKETS_MAX) {
                udp.push(UdpSocket::from_std(socket.try_clone()?)?);
            }
            udp.push(UdpSocket::from_std(socket)?);
        }
        Ok(Self { udp, tcp, tls: None })
    }

    /// Adds DNS over TLS, at a socket that was passed on.
    pub fn use_tls(&mut self, listener: TcpListener, certificate: Arc<Certificate>) {
        self.tls = Some((listener, certificate));
    }

    /// Adds DNS over TLS (RFC 7858).
    pub async fn bind_tls(&mut self, address: SocketAddr, certificate: Arc<Certificate>) -> Result<()> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address} (DNS over TLS)"))?;
        self.tls = Some((listener, certificate));
        Ok(())
    }

    /// Says where DNS is served.
    pub fn announce(&self) -> Result<()> {
        println!("DNS on {} (UDP, TCP)", self.tcp.local_addr()?);
        if let Some((listener, _)) = &self.tls {
            println!("DNS over TLS on {}", listener.local_addr()?);
        }
        Ok(())
    }

    /// Serves until `stop` turns true, then lets questions in flight end.
    pub(super) async fn serve(
        self,
        service: Arc<Service>,
        connections_max: usize,
        stop: watch::Receiver<bool>,
    ) {
        let open = Arc::new(Semaphore::new(connections_max));
        let mut serving = JoinSet::new();
        for socket in self.udp {
            serving.spawn(udp::serve(socket, service.clone(), stop.clone()));
        }
        if let Some((listener, certificate)) = self.tls {
            let server = Server { tls: Some(certificate), service: service.clone(), open: open.clone() };
            serving.spawn(server.serve(listener, stop.clone()));
        }
        serving.spawn(Server { tls: None, service, open }.serve(self.tcp, stop));
        while serving.join_next().await.is_some() {}
    }
}

/// A socket that shares its port with others of this process.
fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // The system may allow less; then bursts are shorter.
    let _ = socket.set_recv_buffer_size(UDP_BUFFER_BYTES);
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// What accepts connections at one address.
#[derive(Clone)]
struct Server {
    tls: Option<Arc<Certificate>>,
    service: Arc<Service>,
    /// As many permits as connections may be open at once, wherever.
    open: Arc<Semaphore>,
}

impl Server {
    async fn serve(self, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                () = stopped(&mut stop) => break,
            };
            let Ok((stream, client)) = accepted else {
                // Out of descriptors, most likely; the server for HTTP says so.
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            // Beyond the bounds a connection is closed at once (RFC 7766, section 6.2.2).
            let Ok(permit) = self.open.clone().try_acquire_owned() else { continue };
            // Whose a proxy's connection is shows only when its header has been read.
            let connected = if self.service.proxies.contain(client.ip()) {
                None
            } else if let Some(connected) = self.service.guard.connect(client.ip().to_canonical()) {
                Some(connected)
            } else {
                continue;
            };
            let (server, stop) = (self.clone(), stop.clone());
            connections.spawn(async move {
                // However a connection ends, its client knows.
                let _ = server.connection(stream, client, connected, stop).await;
                drop(permit);
            });
        }
        drop(listener);
        let _ = timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
    }

    async fn connection(
        self,
        mut stream: TcpStream,
        peer: SocketAddr,
        connected: Option<Connected>,
        mut stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let client = tokio::select! {
            client = self.service.proxies.client(&mut stream, peer) => client,
            () = stopped(&mut stop) => return Ok(()),
        };
        let client = client.map_err(|error| self.ended(Ended::ProxyHeader, error))?;
        let address = client.ip().to_canonical();
        // It counts until the connection ends.
        let Some(_connected) = connected.or_else(|| self.service.guard.connect(address)) else {
            return Ok(());
        };
        let Some(certificate) = &self.tls else {
            let asker = Asker { address, transport: Transport::Tcp };
            return stream::converse(stream, asker, self.service, stop).await;
        };
        let accepting = certificate.for_dns().accept(stream);
        let shaken = tokio::select! {
            shaken = timeout(HANDSHAKE_TIMEOUT, accepting) => shaken,
            () = stopped(&mut stop) => return Ok(()),
        };
        let shaken = shaken.map_err(|late| self.ended(Ended::HandshakeTimeout, late))?;
        let stream = shaken.map_err(|error| self.ended(Ended::HandshakeFailed, error))?;
        stream::converse(stream, Asker { address, transport: Transport::Tls }, self.service, stop).await
    }

    /// Counts a connection that is ended for this.
    fn ended(&self, reason: Ended, error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
        if let Some(metrics) = &self.service.edge {
            metrics.ended(Listener::Dns, reason);
        }
        io::Error::other(error)
    }
}

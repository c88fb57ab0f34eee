//! The sockets of the DNS service, and the loops that accept connections.

use super::service::{Asker, Service};
use super::{stream, udp};
use crate::server::stopped;
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
use tokio_rustls::TlsAcceptor;
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
    tls: Option<(TcpListener, TlsAcceptor)>,
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
    pub fn use_tls(&mut self, listener: TcpListener, acceptor: TlsAcceptor) {
        self.tls = Some((listener, acceptor));
    }

    /// Adds DNS over TLS (RFC 7858).
    pub async fn bind_tls(&mut self, address: SocketAddr, acceptor: TlsAcceptor) -> Result<()> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address} (DNS over TLS)"))?;
        self.tls = Some((listener, acceptor));
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
        if let Some((listener, acceptor)) = self.tls {
            let server = Server { tls: Some(acceptor), service: service.clone(), open: open.clone() };
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
    tls: Option<TlsAcceptor>,
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
            let address = client.ip().to_canonical();
            // Beyond the bounds a connection is closed at once (RFC 7766, section 6.2.2).
            if let Ok(permit) = self.open.clone().try_acquire_owned()
                && let Some(connected) = self.service.guard.connect(address)
            {
                let transport = if self.tls.is_some() { Transport::Tls } else { Transport::Tcp };
                let (server, stop) = (self.clone(), stop.clone());
                connections.spawn(async move {
                    // However a connection ends, its client knows.
                    let _ = server.connection(stream, Asker { address, transport }, stop).await;
                    drop((permit, connected));
                });
            }
        }
        drop(listener);
        let _ = timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
    }

    async fn connection(
        self,
        stream: TcpStream,
        asker: Asker,
        mut stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else {
            return stream::converse(stream, asker, self.service, stop).await;
        };
        let stream = tokio::select! {
            shaken = timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)) => shaken??,
            () = stopped(&mut stop) => return Ok(()),
        };
        stream::converse(stream, asker, self.service, stop).await
    }
}

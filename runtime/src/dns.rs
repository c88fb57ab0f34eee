//! The DNS listener: hands wire messages to the resolver component over UDP and TCP
//! (RFC 1035, section 4.2; RFC 7766). It knows no message format: what a message means,
//! and what a malformed one deserves, is the component's.

use crate::host::{Grants, State, store};
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot, watch};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    wasmtime::component::bindgen!({
        inline: "package vwp:host; world resolving { export vwp:discovery/resolver@0.1.0; }",
        path: ["../wit/timer", "../wit/discovery"],
    });
}

use bindings::exports::vwp::discovery::resolver::Transport;

/// How many instances of the resolver answer at once.
const INSTANCES: usize = 2;
/// How many questions wait for an instance; beyond that UDP drops and TCP waits.
const WAITING_MAX: usize = 4096;
/// How many TCP connections are open at once; further ones are closed.
const CONNECTIONS_MAX: usize = 512;
/// How long a TCP connection may idle (RFC 7766, section 6.2.3).
const IDLE: Duration = Duration::from_secs(10);
/// The longest message over UDP that is read; more is cut, and so malformed.
const UDP_LENGTH_MAX: usize = 4096;
/// How long a broken resolver rests before it is started again.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

struct Question {
    message: Vec<u8>,
    transport: Transport,
    answer: oneshot::Sender<Vec<u8>>,
}

/// The resolver component, with its instances.
#[derive(Clone)]
pub struct Resolver {
    questions: mpsc::Sender<Question>,
}

impl Resolver {
    /// Compiles the resolver and starts its instances.
    pub fn start(
        engine: &Engine,
        linker: &Linker<State>,
        bytes: &[u8],
        grants: &Arc<Grants>,
    ) -> Result<Self> {
        let component = Component::new(engine, bytes)?;
        let pre = linker.instantiate_pre(&component)?;
        let pre = bindings::ResolvingPre::new(pre)
            .map_err(anyhow::Error::from)
            .with_context(|| format!("component `{}` exports no vwp:discovery/resolver", grants.component))?;
        let (questions, queue) = mpsc::channel(WAITING_MAX);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..INSTANCES {
            let worker = Worker {
                engine: engine.clone(),
                pre: pre.clone(),
                grants: grants.clone(),
                queue: queue.clone(),
            };
            tokio::spawn(worker.run());
        }
        Ok(Self { questions })
    }
}

struct Worker {
    engine: Engine,
    pre: bindings::ResolvingPre<State>,
    grants: Arc<Grants>,
    queue: Arc<Mutex<mpsc::Receiver<Question>>>,
}

impl Worker {
    /// Answers questions; an instance that fails is replaced.
    async fn run(self) {
        while let Err(error) = self.serve().await {
            let component = &*self.grants.component;
            tracing::error!(component, "defect: the resolver failed: {error:#}");
            tokio::time::sleep(RESTART_PAUSE).await;
        }
    }

    async fn serve(&self) -> wasmtime::Result<()> {
        let mut store = store(&self.engine, &self.grants)?;
        let deadline = store.data().deadline.clone();
        deadline.extend(self.grants.request_ms_max);
        let resolving = self.pre.instantiate_async(&mut store).await?;
        let resolver = resolving.vwp_discovery_resolver();
        store
            .run_concurrent(async |accessor| {
                loop {
                    let next = self.queue.lock().await.recv().await;
                    let Some(question) = next else {
                        return Ok(());
                    };
                    deadline.extend(self.grants.request_ms_max);
                    let answered =
                        resolver.call_answer(accessor, question.message, question.transport).await?;
                    // A refusal here is a store that cannot serve; the client asks again.
                    if let Ok(reply) = answered {
                        let _ = question.answer.send(reply.messages.into_iter().next().unwrap_or_default());
                    }
                }
            })
            .await?
    }
}

/// The two sockets of one address.
pub struct Sockets {
    udp: Arc<UdpSocket>,
    tcp: TcpListener,
}

impl Sockets {
    /// Binds both; with port 0, to one free port.
    pub async fn bind(address: SocketAddr) -> Result<Self> {
        let tcp =
            TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} (TCP)"))?;
        let address = tcp.local_addr()?;
        let udp =
            UdpSocket::bind(address).await.with_context(|| format!("cannot listen on {address} (UDP)"))?;
        Ok(Self { udp: Arc::new(udp), tcp })
    }

    /// The address of both.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.tcp.local_addr()?)
    }

    /// Serves until `stop` turns true.
    pub async fn serve(self, resolver: Resolver, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = datagrams(self.udp, resolver.clone()) => {}
            () = connections(self.tcp, resolver) => {}
            () = crate::server::stopped(&mut stop) => {}
        }
    }
}

async fn datagrams(socket: Arc<UdpSocket>, resolver: Resolver) {
    let mut buffer = vec![0; UDP_LENGTH_MAX];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            // An ICMP error of an earlier answer; the socket itself is fine.
            tokio::task::yield_now().await;
            continue;
        };
        let (answer, answered) = oneshot::channel();
        let question = Question { message: buffer[..length].to_vec(), transport: Transport::Udp, answer };
        // With the queue full the question is dropped: UDP clients ask again.
        if resolver.questions.try_send(question).is_ok() {
            let socket = socket.clone();
            tokio::spawn(async move {
                if let Ok(message) = answered.await
                    && !message.is_empty()
                {
                    let _ = socket.send_to(&message, client).await;
                }
            });
        }
    }
}

async fn connections(listener: TcpListener, resolver: Resolver) {
    let open = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(RESTART_PAUSE).await;
            continue;
        };
        // Beyond the bound a connection is closed at once (RFC 7766, section 6.2.2).
        if let Ok(permit) = open.clone().try_acquire_owned() {
            let resolver = resolver.clone();
            tokio::spawn(async move {
                let _ = connection(stream, resolver).await;
                drop(permit);
            });
        }
    }
}

/// Answers the messages of one connection in order, each behind its length in two
/// bytes (RFC 1035, section 4.2.2).
async fn connection(mut stream: TcpStream, resolver: Resolver) -> Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let length = tokio::time::timeout(IDLE, stream.read_u16()).await??;
        let mut message = vec![0; usize::from(length)];
        tokio::time::timeout(IDLE, stream.read_exact(&mut message)).await??;
        let (answer, answered) = oneshot::channel();
        resolver.questions.send(Question { message, transport: Transport::Tcp, answer }).await?;
        let message = answered.await?;
        if message.is_empty() {
            return Ok(());
        }
        let mut framed = u16::try_from(message.len())?.to_be_bytes().to_vec();
        framed.extend(message);
        tokio::time::timeout(IDLE, stream.write_all(&framed)).await??;
    }
}

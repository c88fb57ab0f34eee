//! Datagrams (RFC 1035, section 4.2.1). What can be answered at once is answered in the
//! loop that reads; only what the resolver has to be asked gets a task.

use super::service::{Asker, Moment, Service, Step};
use crate::server::stopped;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use vwp_dns::edge::Transport;

/// The longest message that is read; more is cut, and so malformed.
const LENGTH_MAX: usize = 4096;
/// How many questions wait for the resolver; further ones are dropped, as UDP clients ask
/// again.
const WAITING_MAX: u32 = 4096;
/// How many datagrams are answered before other tasks get their turn.
const TURN: usize = 64;
/// How long questions in flight may take to end when the host stops.
const DRAIN: Duration = Duration::from_secs(5);

/// Answers what comes in at a socket until `stop` turns true.
pub(super) async fn serve(socket: UdpSocket, service: Arc<Service>, mut stop: watch::Receiver<bool>) {
    let socket = Arc::new(socket);
    let waiting = Arc::new(Semaphore::new(WAITING_MAX as usize));
    let mut buffer = vec![0; LENGTH_MAX];
    loop {
        tokio::select! {
            _ = socket.readable() => {}
            () = stopped(&mut stop) => break,
        }
        for _ in 0..TURN {
            match socket.try_recv_from(&mut buffer) {
                Ok((length, client)) => answer(&socket, &buffer[..length], client, &service, &waiting),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // An ICMP error of an earlier answer; the socket itself is fine.
                Err(_) => {}
            }
        }
        tokio::task::yield_now().await;
    }
    let _ = timeout(DRAIN, waiting.acquire_many(WAITING_MAX)).await;
}

fn answer(
    socket: &Arc<UdpSocket>,
    message: &[u8],
    client: SocketAddr,
    service: &Arc<Service>,
    waiting: &Arc<Semaphore>,
) {
    let asker = Asker { address: client.ip().to_canonical(), transport: Transport::Udp };
    match service.begin(message, asker, Moment::now()) {
        Step::Silence => {}
        // If the system's buffer is full, the answer is lost as on any way, and asked again.
        Step::Send(answer) => drop(socket.try_send_to(&answer, client)),
        Step::Ask(question) => {
            let Ok(place) = waiting.clone().try_acquire_owned() else {
                return;
            };
            let (socket, service) = (socket.clone(), service.clone());
            tokio::spawn(async move {
                for answer in service.ask(*question).await.messages {
                    // A client that is gone is no event.
                    let _ = socket.send_to(&answer, client).await;
                }
                drop(place);
            });
        }
    }
}

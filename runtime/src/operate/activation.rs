//! Sockets that a service manager holds, and what it is told.
//!
//! systemd can bind the sockets and pass them on (`LISTEN_FDS`, sd_listen_fds(3)). It keeps them
//! while the process is replaced, so what clients send meanwhile waits in the sockets' queues
//! instead of being refused: with a store that one process at a time may open, that is what an
//! upgrade without refused connections takes. Sockets are told apart by their names
//! (`FileDescriptorName=` in a socket unit): `http`, `dns`, `dns-tls`, `health` and `metrics`; an address
//! option for a socket that was passed on is not used.
//!
//! The service manager is told when the host is ready and when it begins to stop (`NOTIFY_SOCKET`,
//! sd_notify(3)).

use anyhow::{Context, Result, bail};
use listenfd::ListenFd;
use sd_notify::NotifyState;
use std::net::{TcpListener, UdpSocket};

/// What names the sockets, in the order in which they were passed on.
const NAMES_VARIABLE: &str = "LISTEN_FDNAMES";
/// The names that sockets may have.
const NAMES: [&str; 5] = ["http", "dns", "dns-tls", "health", "metrics"];

/// The sockets that were passed on.
#[derive(Debug, Default)]
pub struct Activation {
    tcp: Vec<(String, TcpListener)>,
    udp: Vec<(String, UdpSocket)>,
}

impl Activation {
    /// Takes what was passed to this process; nothing, most often.
    pub fn from_env() -> Result<Self> {
        let names = std::env::var(NAMES_VARIABLE).unwrap_or_default();
        let mut descriptors = ListenFd::from_env();
        let mut activation = Self::default();
        for (at, name) in (0..descriptors.len()).zip(names.split(':').chain(std::iter::repeat(""))) {
            if !NAMES.contains(&name) {
                bail!(
                    "a socket that was passed on has the name `{name}`, and not one of {}",
                    NAMES.join(", ")
                );
            }
            // A socket of another kind is left where it is.
            let described = || format!("the socket `{name}` that was passed on");
            if let Ok(Some(listener)) = descriptors.take_tcp_listener(at) {
                listener.set_nonblocking(true).with_context(described)?;
                activation.tcp.push((name.to_owned(), listener));
            } else if let Ok(Some(socket)) = descriptors.take_udp_socket(at) {
                socket.set_nonblocking(true).with_context(described)?;
                activation.udp.push((name.to_owned(), socket));
            } else {
                bail!(
                    "the socket `{name}` that was passed on is neither one of TCP that listens nor one of UDP"
                );
            }
        }
        Ok(activation)
    }

    /// The socket of this name for connections, if one was passed on.
    pub fn tcp(&mut self, name: &str) -> Result<Option<tokio::net::TcpListener>> {
        let Some(at) = self.tcp.iter().position(|(other, _)| other == name) else { return Ok(None) };
        let (_, listener) = self.tcp.swap_remove(at);
        Ok(Some(tokio::net::TcpListener::from_std(listener)?))
    }

    /// The sockets of this name for datagrams that were passed on.
    pub fn udp(&mut self, name: &str) -> Vec<UdpSocket> {
        let (taken, left) = std::mem::take(&mut self.udp).into_iter().partition(|(other, _)| other == name);
        self.udp = left;
        taken.into_iter().map(|(_, socket): (String, UdpSocket)| socket).collect()
    }

    /// Refuses sockets that nothing took: somebody would wait at them for ever.
    pub fn finish(self) -> Result<()> {
        let left = self.tcp.iter().map(|(name, _)| name).chain(self.udp.iter().map(|(name, _)| name));
        let left: Vec<&str> = left.map(String::as_str).collect();
        if left.is_empty() {
            return Ok(());
        }
        bail!("sockets were passed on that this application does not serve, or twice: {}", left.join(", "))
    }
}

/// Tells the service manager, if there is one, that requests are served.
pub fn tell_ready() {
    tell(&[NotifyState::Ready]);
}

/// Tells it that the host begins to stop.
pub fn tell_stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("the service manager was not told: {error}");
    }
}

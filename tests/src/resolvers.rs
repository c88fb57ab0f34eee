//! Unbound as a validating resolver that trusts one zone's keys, and somebody in between who
//! tampers with answers.

use crate::dns;
use crate::foreign::{Place, Server};
use crate::tools;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the one in between looks whether it is to stop.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// Unbound, if it is there, asking one server for a zone and trusting only `anchor`, a DS or
/// DNSKEY record.
pub fn unbound(server: SocketAddr, zone: &str, anchor: &str) -> Option<Server> {
    unbound_of(&[(server, zone)], anchor)
}

/// The same for several zones, each at a server of its own.
pub fn unbound_of(stubs: &[(SocketAddr, &str)], anchor: &str) -> Option<Server> {
    if !tools::require("unbound", "unbound") {
        return None;
    }
    let place = Place::new();
    let (folder, port) = (place.folder(), place.address.port());
    let anchor = place.write("anchor", &format!("{anchor}\n"));
    let stub = |(server, zone): &(SocketAddr, &str)| {
        let address = format!("{}@{}", server.ip(), server.port());
        format!("stub-zone:\n  name: \"{zone}\"\n  stub-addr: {address}\n  stub-no-cache: yes\n")
    };
    let stubs: String = stubs.iter().map(stub).collect();
    // Names under `test` lead nowhere by default (RFC 6761, section 6.2).
    let configuration = format!(
        "server:\n  interface: 127.0.0.1\n  port: {port}\n  username: \"\"\n  chroot: \"\"\n  \
         directory: \"{folder}\"\n  pidfile: \"{folder}/unbound.pid\"\n  use-syslog: no\n  verbosity: 1\n  \
         val-log-level: 2\n  num-threads: 1\n  module-config: \"validator iterator\"\n  \
         trust-anchor-file: \"{}\"\n  do-not-query-localhost: no\n  do-ip6: no\n  \
         local-zone: \"test.\" nodefault\n  ede: yes\n\
         remote-control:\n  control-enable: no\n{stubs}",
        anchor.display(),
    );
    let file = place.write("unbound.conf", &configuration);
    let is_ready = |address| dns::ask_udp(address, &dns::question(1, "localhost", 1), dns::SILENCE).is_some();
    Some(place.start(Command::new("unbound").arg("-d").arg("-c").arg(file), is_ready))
}

/// Stands between a resolver and a server, and changes answers, over UDP alone.
#[derive(Debug)]
pub struct Tamperer {
    /// Where it listens.
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tamperer {
    /// Passes everything on to a server and back; in answers, every `from` becomes `to`.
    pub fn start(server: SocketAddr, from: &'static [u8], to: &'static [u8]) -> Self {
        assert_eq!(from.len(), to.len(), "a message keeps its length");
        let listener = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        listener.set_read_timeout(Some(STOP_CHECK)).expect("a time limit");
        let address = listener.local_addr().expect("an address");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, client)) = listener.recv_from(&mut buffer) else { continue };
                let Some(mut answer) = dns::ask_udp(server, &buffer[..length], Duration::from_secs(2)) else {
                    continue;
                };
                replace(&mut answer, from, to);
                let _ = listener.send_to(&answer, client);
            }
        });
        Self { address, stop, thread: Some(thread) }
    }
}

impl Drop for Tamperer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn replace(message: &mut [u8], from: &[u8], to: &[u8]) {
    let places: Vec<usize> = message
        .windows(from.len())
        .enumerate()
        .filter(|(_, window)| *window == from)
        .map(|(place, _)| place)
        .collect();
    for place in places {
        message[place..place + to.len()].copy_from_slice(to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tampered_with_keeps_its_length() {
        let mut message = b"one two one".to_vec();
        replace(&mut message, b"one", b"six");
        assert_eq!(message, b"six two six");
    }
}

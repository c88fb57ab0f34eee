//! Servers that others wrote, started on free ports with folders of their own, and stopped
//! with the test.

use crate::eventually;
use std::fs::File;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// How many ports are tried for one that is free for both transports.
const PORTS_TRIED_MAX: usize = 100;

/// A server's folder, and where it will answer.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
    /// Where it answers, over UDP and TCP.
    pub address: SocketAddr,
}

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    child: Child,
    place: Place,
}

impl Place {
    /// A new folder and a free port.
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("vwp-foreign-").expect("a folder for a server");
        Self { folder, address: free_address() }
    }

    /// A file or folder of the server.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its folder, as a configuration names it.
    pub fn folder(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// Writes a file of the server; gives out its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file of a server");
        path
    }

    /// Starts the server, and waits until it is ready.
    #[track_caller]
    pub fn start(self, command: &mut Command, is_ready: impl Fn(SocketAddr) -> bool) -> Server {
        let log = File::create(self.path("log")).expect("a log file");
        let errors = log.try_clone().expect("a log file");
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(log).stderr(errors);
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{command:?} cannot be started: {error}"),
        };
        let mut server = Server { child, place: self };
        let address = server.place.address;
        eventually(&format!("{command:?} answers"), || {
            if let Ok(Some(status)) = server.child.try_wait() {
                panic!("{command:?} ended with {status}:\n{}", server.log());
            }
            is_ready(address)
        });
        server
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.place.address
    }

    /// A file of the server.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path(name)
    }

    /// What it printed.
    pub fn log(&self) -> String {
        read(&self.place.path("log"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines.get(lines.len().saturating_sub(30)..).unwrap_or_default();
            eprintln!("the log of {} ends with:\n{}", self.place.address, tail.join("\n"));
        }
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// An address on this machine whose port is free for both transports. Nothing keeps it
/// free, but the system hands out other ports first.
pub fn free_address() -> SocketAddr {
    for _ in 0..PORTS_TRIED_MAX {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the port's number");
        if UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port is free for both transports");
}

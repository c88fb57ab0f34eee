//! Questions asked with `dig`, changes made with `nsupdate`, and raw messages over both
//! transports.

use crate::tools;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

/// How long an answer may take. What is expected to be silent is waited for as long.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long silence is listened to.
pub const SILENCE: Duration = Duration::from_millis(700);

/// Which transport a question goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
}

/// Whether `dig` is there, after installing it if need be.
pub fn has_dig() -> bool {
    tools::require("dig", "bind9-dnsutils")
}

/// Asks with `dig`; gives out everything that it prints.
pub fn dig(server: SocketAddr, transport: Transport, rtype: &str, name: &str) -> String {
    let mut command = Command::new("dig");
    command.arg(format!("@{}", server.ip())).args(["-p", &server.port().to_string()]);
    command.args(["+tries=2", "+time=5", "+nocookie", "+norecurse"]);
    command.arg(if transport == Transport::Tcp { "+tcp" } else { "+notcp" });
    tools::run(command.args([rtype, name]))
}

/// Runs `nsupdate` with a key file on some update commands.
pub fn nsupdate(server: SocketAddr, zone: &str, key: &Path, changes: &str) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("script");
    let text = format!("server {} {}\nzone {zone}\n{changes}\nsend\n", server.ip(), server.port());
    std::fs::write(&script, text).expect("a script");
    tools::output(Command::new("nsupdate").arg("-k").arg(key).arg(&script))
}

/// The lines of the answer section of what `dig` printed, each as its fields after the
/// class.
pub fn answers(printed: &str) -> Vec<String> {
    let section = printed.split(";; ANSWER SECTION:").nth(1).unwrap_or_default();
    let lines = section.lines().skip(1).take_while(|line| !line.is_empty());
    lines.map(|line| line.split_whitespace().skip(3).collect::<Vec<_>>().join(" ")).collect()
}

/// Sends a message over UDP; none if there was no answer.
pub fn ask_udp(server: SocketAddr, message: &[u8], timeout: Duration) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(timeout)).expect("a time limit");
    socket.send_to(message, server).expect("a datagram");
    let mut buffer = vec![0; 65_536];
    let length = socket.recv(&mut buffer).ok()?;
    buffer.truncate(length);
    Some(buffer)
}

/// Sends bytes over TCP as they are, then says that no more come; gives out everything
/// that is answered until the other side closes.
pub fn send_tcp(server: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect_timeout(&server, TIMEOUT).expect("a connection");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a time limit");
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// A message behind its length, as TCP carries it (RFC 1035, section 4.2.2).
pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("a message is shorter than 64 KiB");
    [&length.to_be_bytes()[..], message].concat()
}

/// A question of one type about a name (RFC 1035, section 4.1), class IN.
pub fn question(id: u16, name: &str, rtype: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.').filter(|label| !label.is_empty()) {
        message.push(u8::try_from(label.len()).expect("a label is short"));
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(rtype.to_be_bytes());
    message.extend([0, 1]);
    message
}

/// The error code of an answer (RFC 1035, section 4.1.1).
pub fn rcode(answer: &[u8]) -> Option<u8> {
    answer.get(3).map(|byte| byte & 0x0f)
}

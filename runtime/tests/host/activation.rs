//! Sockets that a service manager holds: what arrives while the host is replaced waits for the
//! next one, and the service manager is told when that is.

use crate::dns_client::{self, Answer, bytes, give, question};
use crate::raw::Raw;
use crate::support::{Host, MANIFEST, Passed, Start, folder, run_in, within};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use tokio::net::{TcpStream, UnixDatagram};

/// A listener as a service manager makes it.
fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a free port")
}

/// A start with these sockets.
fn start(passed: Vec<Passed>) -> Start {
    Start { passed, ..Start::with(&["--variable", "password=open sesame"]) }
}

#[tokio::test]
async fn while_a_host_is_replaced_clients_wait_and_none_is_refused() {
    let held = listener();
    let address = held.local_addr().expect("an address");
    let passed = || vec![Passed::new("http", &held)];
    let host = Host::start_with(folder(MANIFEST), &start(passed())).await;
    assert_eq!(host.address(), address.to_string(), "it serves at the socket that it was given");
    assert_eq!(host.call("/hello", "").await, "hello");
    host.terminate();
    let folder = host.ended().await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let stream = within(TcpStream::connect(address)).await.expect("nobody is refused");
        let mut client = Raw::over(stream);
        client.get("/hello").await;
        waiting.push(client);
    }
    let host = Host::start_with(folder, &start(passed())).await;
    for mut client in waiting {
        assert_eq!(client.answer().await, (200, "hello".into()));
    }
    host.terminate();
    host.ended().await;
}

#[tokio::test]
async fn questions_wait_too_while_the_host_is_replaced() {
    let tcp = listener();
    let address = tcp.local_addr().expect("an address");
    let udp = UdpSocket::bind(address).expect("the same port");
    let passed = || vec![Passed::new("dns", &tcp), Passed::new("dns", &udp)];
    let options = || Start { passed: passed(), ..Start::default() };
    let host = Host::start_with(folder(dns_client::MANIFEST), &options()).await;
    assert_eq!(host.dns(), address);
    give(&host, "a", [192, 0, 2, 1]).await;
    host.terminate();
    let folder = host.ended().await;
    let client = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    client.connect(address).await.expect("connected");
    client.send(&bytes(&question(7, "a.zone.test.", &[]))).await.expect("sent");
    let _host = Host::start_with(folder, &options()).await;
    let mut answer = [0; 512];
    let length = within(client.recv(&mut answer)).await.expect("an answer");
    let answer = Answer::read(&answer[..length]);
    assert_eq!((answer.id(), answer.addresses()), (7, vec![Ipv4Addr::new(192, 0, 2, 1)]));
}

#[tokio::test]
async fn the_service_manager_is_told_when_the_host_is_ready_and_when_it_stops() {
    let scratch = tempfile::tempdir().expect("a folder");
    let path = scratch.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    let mut options = start(Vec::new());
    options.environment.push(("NOTIFY_SOCKET", path.display().to_string()));
    let host = Host::start_with(folder(MANIFEST), &options).await;
    let mut told = [0; 256];
    let length = within(manager.recv(&mut told)).await.expect("a message");
    assert_eq!(&told[..length], b"READY=1\n");
    host.terminate();
    let length = within(manager.recv(&mut told)).await.expect("a message");
    assert_eq!(&told[..length], b"STOPPING=1\n");
    host.ended().await;
}

#[test]
fn a_socket_that_nothing_would_serve_is_refused_at_start() {
    let held = listener();
    for (name, said) in [("smtp", "has the name `smtp`"), ("dns-tls", "does not serve")] {
        let options = start(vec![Passed::new(name, &held)]);
        let output = run_in("up", folder(MANIFEST).path(), &options);
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && printed.contains(said), "{name}: {printed}");
    }
}

//! A proxy that passes on bytes, and says before them whose they are.

use crate::dns_client::{self, Tcp, bytes, question};
use crate::edges;
use crate::metrics::{COUNTING, counts};
use crate::raw::Raw;
use crate::support::{Host, Start, folder};
use crate::tls::{certify, shake};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// What asks the guest for the address that the host names.
const WHO: &str =
    "GET /header/spin-client-addr HTTP/1.1\r\nHost: host.test\r\nspin-client-addr: 10.9.9.9:9\r\n\r\n";

/// What version 2 begins with.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A host whose proxies are in this network.
async fn start(network: &str) -> Host {
    let mut options = vec!["--proxy-protocol", network];
    options.extend(COUNTING);
    Host::start_with(folder(edges::MANIFEST), &Start::with(&options)).await
}

/// A header of version 2: the command, the family, and what comes behind its length.
fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("a short header");
    [SIGNATURE, &[0x20 | command, family], &length.to_be_bytes(), rest].concat()
}

/// One that names 192.0.2.7, port 49152, and says something besides.
fn of_somebody() -> Vec<u8> {
    let addresses = [192, 0, 2, 7, 198, 51, 100, 1, 0xc0, 0, 0x01, 0xbb];
    version_2(1, 0x11, &[&addresses[..], &[0x05, 0, 3], b"uid"].concat())
}

#[tokio::test]
async fn the_client_is_the_one_that_the_proxy_names() {
    let host = start("127.0.0.0/8,192.0.2.1").await;
    let mapped = [&[0; 10][..], &[0xff, 0xff, 192, 0, 2, 7], &[0; 16], &[0xc0, 0, 0x01, 0xbb]].concat();
    for (header, client) in [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 49152 443\r\n".to_vec(), "192.0.2.7:49152"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 49152 443\r\n".to_vec(), "[2001:db8::7]:49152"),
        (of_somebody(), "192.0.2.7:49152"),
        (version_2(1, 0x21, &mapped), "192.0.2.7:49152"),
    ] {
        // With the request behind it, and in two parts.
        let mut whole = Raw::connect(&host).await;
        whole.send([&header[..], WHO.as_bytes()].concat()).await;
        let mut parts = Raw::connect(&host).await;
        parts.send(&header[..7]).await;
        whole.send(WHO).await;
        assert_eq!(whole.answer().await, (200, client.into()));
        assert_eq!(whole.answer().await, (200, client.into()), "for all of the connection");
        parts.send(&header[7..]).await;
        parts.send(WHO).await;
        assert_eq!(parts.answer().await, (200, client.into()));
    }
}

#[tokio::test]
async fn a_proxy_that_speaks_for_itself_is_its_own_client() {
    let host = start("127.0.0.1").await;
    for header in [b"PROXY UNKNOWN\r\n".to_vec(), version_2(0, 0, &[])] {
        let mut client = Raw::connect(&host).await;
        client.send([&header[..], WHO.as_bytes()].concat()).await;
        let (status, address) = client.answer().await;
        assert_eq!(status, 200);
        assert!(address.starts_with("127.0.0.1:"), "{address}");
    }
}

#[tokio::test]
async fn a_connection_of_a_proxy_without_a_sound_header_is_ended() {
    let host = start("127.0.0.1").await;
    let long = [&[192, 0, 2, 7, 198, 51, 100, 1, 0xc0, 0, 0x01, 0xbb][..], &[4; 2000]].concat();
    let silent = Raw::connect(&host).await;
    let unsound = [
        WHO.as_bytes().to_vec(),
        b"POST /read HTTP/1.1\r\nHost: host.test\r\n\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 198.51.100.1 70000 443\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 \r\n".to_vec(),
        [&b"PROXY TCP4 "[..], &[b'1'; 2000]].concat(),
        version_2(1, 0x12, &long[..12]),
        version_2(1, 0x11, &long),
        version_2(2, 0x11, &long[..12]),
    ];
    let count = unsound.len();
    for header in unsound {
        let mut client = Raw::connect(&host).await;
        client.send(&header).await;
        assert_eq!(client.rest().await, b"", "{:?}", String::from_utf8_lossy(&header));
    }
    // One that ends within its header, and one that says nothing.
    let mut short = Raw::connect(&host).await;
    short.send(&of_somebody()[..20]).await;
    drop(short);
    silent.ended().await;
    let expected = u64::try_from(count + 2).expect("a few");
    let labels = ["listener=\"http\"", "reason=\"proxy_header\""];
    counts(&host, "vwp_connections_ended_total", &labels, |ended| ended >= expected).await;
}

#[tokio::test]
async fn who_is_no_proxy_cannot_say_who_it_is() {
    let host = start("192.0.2.0/24").await;
    for header in [b"PROXY TCP4 192.0.2.7 198.51.100.1 49152 443\r\n".to_vec(), of_somebody()] {
        let mut client = Raw::connect(&host).await;
        client.send([&header[..], WHO.as_bytes()].concat()).await;
        assert_eq!(client.answer().await.0, 400);
    }
    let mut client = Raw::connect(&host).await;
    client.send(WHO).await;
    let (status, address) = client.answer().await;
    assert!(status == 200 && address.starts_with("127.0.0.1:"), "{address}");
}

#[tokio::test]
async fn the_header_comes_before_tls_and_before_dns() {
    let manifest =
        dns_client::MANIFEST.replace("#tool", "dns.connections_per_source_max = 1\ndns.exempt_networks = []");
    let folder = folder(&manifest);
    let certificate = certify(folder.path(), "host");
    let mut options =
        vec!["--tls-cert", "host.crt", "--tls-key", "host.key", "--dns-tls-listen", "127.0.0.1:0"];
    options.extend(["--proxy-protocol", "127.0.0.1"]);
    options.extend(COUNTING);
    let host = Host::start_with(folder, &Start::with(&options)).await;
    let connect = async |address: std::net::SocketAddr, header: &[u8]| {
        let mut stream = TcpStream::connect(address).await.expect("the host listens");
        stream.write_all(header).await.expect("it reads");
        stream
    };
    let stream = connect(host.address().parse().expect("an address"), &of_somebody()).await;
    let mut client = Raw::over(shake(stream, &certificate, &[b"http/1.1"]).await.expect("a handshake"));
    client.get("/count/test/nothing").await;
    assert_eq!(client.answer().await, (200, "0".into()));

    let asked = question(7, "a.zone.test.", &[]);
    let stream = connect(host.dns_over_tls(), &of_somebody()).await;
    let mut first = Tcp(shake(stream, &certificate, &[b"dot"]).await.expect("a handshake"));
    assert_eq!(first.ask(&asked).await.id(), 7);
    // A source is the proxy's client: another one has a connection of its own, the same has none.
    let mut other = Tcp(connect(host.dns(), b"PROXY TCP4 192.0.2.8 198.51.100.1 49152 53\r\n").await);
    assert_eq!(other.ask(&asked).await.id(), 7);
    let mut second = Tcp(connect(host.dns(), &of_somebody()).await);
    second.send_anyway(&bytes(&asked)).await;
    assert_eq!(second.next().await, None);
    let mut none = Tcp(connect(host.dns(), b"").await);
    none.send_anyway(&bytes(&asked)).await;
    assert_eq!(none.next().await, None);
    let labels = ["listener=\"dns\"", "reason=\"proxy_header\""];
    counts(&host, "vwp_connections_ended_total", &labels, |ended| ended >= 1).await;
}

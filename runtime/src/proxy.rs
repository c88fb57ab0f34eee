//! The PROXY protocol, versions 1 and 2: a proxy that passes on bytes says before them whose they
//! are (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>).
//!
//! From the networks that the operator names, every connection begins with a header; without one
//! it is ended. From all others nothing is read as a header, so that nobody else can say who they
//! are. Section 2 of the specification wants both.

use ipnet::IpNet;
use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest header that is read, in bytes: the addresses take 232 at the most, and what proxies
/// tell besides some hundred more.
const LENGTH_MAX: usize = 1024;
/// How long it may take to arrive. Section 2: three seconds at least, for one that was sent again.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Both versions; of what is said besides the addresses nothing is used.
const CONFIG: ParseConfig = ParseConfig { include_tlvs: false, allow_v1: true, allow_v2: true };

/// Why a connection of a proxy is ended.
#[derive(Debug, thiserror::Error)]
pub enum NoHeader {
    /// The connection broke, or ended within the header.
    #[error("the connection broke within the PROXY header: {0}")]
    Broken(#[from] io::Error),
    /// What came is not a header, is too long, or is one of datagrams.
    #[error("the connection does not begin with a PROXY header")]
    Malformed,
    /// It took too long.
    #[error("the PROXY header took too long")]
    Late,
}

/// The proxies whose connections begin with a header. The default is none.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    networks: Arc<[IpNet]>,
}

impl Proxies {
    /// Those in these networks.
    pub fn new(networks: &[IpNet]) -> Self {
        Self { networks: networks.into() }
    }

    /// Whether a connection from there begins with a header.
    pub fn contain(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.networks.iter().any(|network| network.contains(&peer))
    }

    /// Whose connection it is: the one that the proxy names, and if it speaks for itself, or is no
    /// proxy, the one at the other end. Exactly the header is read.
    ///
    /// # Errors
    /// If a proxy's connection has no header.
    pub async fn client(&self, stream: &mut TcpStream, peer: SocketAddr) -> Result<SocketAddr, NoHeader> {
        if !self.contain(peer.ip()) {
            return Ok(peer);
        }
        let named = timeout(TIMEOUT, header(stream)).await.map_err(|_| NoHeader::Late)??;
        Ok(named.unwrap_or(peer))
    }
}

/// Reads a header. What is behind it is left to be read by whoever it is for, so it is looked at
/// before it is taken.
async fn header(stream: &mut TcpStream) -> Result<Option<SocketAddr>, NoHeader> {
    let mut bytes = [0; LENGTH_MAX];
    let mut taken = 0;
    loop {
        let seen = taken + stream.peek(&mut bytes[taken..]).await?;
        if seen == taken {
            return Err(NoHeader::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
        let (end, client) = match ProxyHeader::parse(&bytes[..seen], CONFIG) {
            Ok((header, end)) => (end, Some(named(&header)?)),
            // All that was seen belongs to the header; the rest of it is still to come.
            Err(proxy_header::Error::BufferTooShort) if seen < LENGTH_MAX => (seen, None),
            Err(_) => return Err(NoHeader::Malformed),
        };
        let rest = bytes.get_mut(taken..end).ok_or(NoHeader::Malformed)?;
        stream.read_exact(rest).await?;
        taken = end;
        if let Some(client) = client {
            return Ok(client);
        }
    }
}

/// Whom a header names; none if the proxy speaks for itself, as it does to see whether the host is
/// there, or for somebody without an address of IP.
fn named(header: &ProxyHeader<'_>) -> Result<Option<SocketAddr>, NoHeader> {
    match header.proxied_address() {
        Some(address) if address.protocol == Protocol::Stream => {
            Ok(Some(SocketAddr::new(address.source.ip().to_canonical(), address.source.port())))
        }
        Some(_) => Err(NoHeader::Malformed),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_is_a_proxy_however_its_address_is_written() {
        let networks = ["192.0.2.0/24", "2001:db8::/32"].map(|network| network.parse().expect("a network"));
        let proxies = Proxies::new(&networks);
        for address in ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::7"] {
            assert!(proxies.contain(address.parse().expect("an address")), "{address}");
        }
        for address in ["192.0.3.7", "::ffff:192.0.3.7", "2001:db9::7"] {
            assert!(!proxies.contain(address.parse().expect("an address")), "{address}");
        }
        assert!(!Proxies::default().contain(IpAddr::from([127, 0, 0, 1])));
    }
}

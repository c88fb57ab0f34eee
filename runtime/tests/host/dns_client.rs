//! A DNS client that helps nobody: it sends what it is told, and reads what comes. Messages
//! are written and read by a library that the host does not use.

use crate::support::{Host, within};
use hickory_proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RData, RecordType};
use std::net::Ipv4Addr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// A component that answers DNS messages from its store, which HTTP requests change.
pub(crate) const MANIFEST: &str = r#"
    spin_manifest_version = 2
    [application]
    name = "dns"
    [application.tool.vwp]
    resolver = "resolver"
    #tool
    [[trigger.http]]
    route = "/..."
    component = "resolver"
    [component.resolver]
    source = "RESOLVER"
    [component.resolver.tool.vwp]
    write_spaces = ["test"]
"#;

/// The code of the option for extended errors (RFC 8914).
const EXTENDED_ERROR: u16 = 15;
/// The code of the option for padding (RFC 7830).
const PADDING: u16 = 12;

/// A question without EDNS.
pub(crate) fn plain(id: u16, name: &str, rtype: RecordType) -> Message {
    let mut message = Message::new();
    message.set_id(id);
    message.add_query(Query::query(Name::from_ascii(name).expect("a name"), rtype));
    message
}

/// A question with EDNS and these options.
pub(crate) fn question(id: u16, name: &str, options: &[EdnsOption]) -> Message {
    let mut message = plain(id, name, RecordType::A);
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    for option in options {
        edns.options_mut().insert(option.clone());
    }
    message.set_edns(edns);
    message
}

/// A cookie (RFC 7873).
pub(crate) fn cookie(bytes: &[u8]) -> EdnsOption {
    EdnsOption::Unknown(EdnsCode::Cookie.into(), bytes.to_vec())
}

pub(crate) fn bytes(message: &Message) -> Vec<u8> {
    message.to_vec().expect("a message")
}

/// What an answer says.
#[derive(Debug, Clone)]
pub(crate) struct Answer(pub(crate) Message);

impl Answer {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let message = Message::from_vec(bytes).expect("a message");
        assert_eq!(message.message_type(), MessageType::Response);
        Self(message)
    }

    pub(crate) fn id(&self) -> u16 {
        self.0.id()
    }

    pub(crate) fn code(&self) -> ResponseCode {
        self.0.response_code()
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.0.truncated()
    }

    /// The addresses in it.
    pub(crate) fn addresses(&self) -> Vec<Ipv4Addr> {
        let address = |data: &RData| if let RData::A(address) = data { Some(address.0) } else { None };
        self.0.answers().iter().filter_map(|record| address(record.data())).collect()
    }

    /// The first TTL in it.
    pub(crate) fn ttl(&self) -> Option<u32> {
        self.0.answers().first().map(hickory_proto::rr::Record::ttl)
    }

    pub(crate) fn option(&self, code: EdnsCode) -> Option<Vec<u8>> {
        match self.0.extensions().as_ref()?.option(code)? {
            EdnsOption::Unknown(_, bytes) => Some(bytes.clone()),
            _ => None,
        }
    }

    pub(crate) fn has_padding(&self) -> bool {
        self.option(PADDING.into()).is_some()
    }

    /// The reason beside the code (RFC 8914).
    pub(crate) fn extended_error(&self) -> Option<u16> {
        let bytes = self.option(EXTENDED_ERROR.into())?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }
}

/// A socket that asks one host.
pub(crate) struct Udp(UdpSocket);

impl Udp {
    pub(crate) async fn to(host: &Host) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        socket.connect(host.dns()).await.expect("an address");
        Self(socket)
    }

    pub(crate) async fn send(&self, message: &[u8]) {
        self.0.send(message).await.expect("sent");
    }

    pub(crate) async fn receive(&self) -> Answer {
        let mut buffer = [0; 4096];
        let length = within(self.0.recv(&mut buffer)).await.expect("an answer");
        Answer::read(&buffer[..length])
    }

    pub(crate) async fn ask(&self, message: &Message) -> Answer {
        self.send(&bytes(message)).await;
        self.receive().await
    }
}

/// Asks over UDP for the address of a name.
pub(crate) async fn ask(host: &Host, name: &str) -> Answer {
    Udp::to(host).await.ask(&question(77, name, &[])).await
}

/// A connection.
pub(crate) struct Tcp<S = TcpStream>(pub(crate) S);

impl Tcp {
    pub(crate) async fn to(host: &Host) -> Self {
        Self(TcpStream::connect(host.dns()).await.expect("the host listens"))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Tcp<S> {
    /// Sends a message behind its length.
    pub(crate) async fn send(&mut self, message: &[u8]) {
        let length = u16::try_from(message.len()).expect("a short message");
        let framed = [&length.to_be_bytes()[..], message].concat();
        within(self.0.write_all(&framed)).await.expect("the host reads");
    }

    /// The same to a host that may have ended the connection already.
    pub(crate) async fn send_anyway(&mut self, message: &[u8]) {
        let length = u16::try_from(message.len()).expect("a short message");
        let framed = [&length.to_be_bytes()[..], message].concat();
        let _ = within(self.0.write_all(&framed)).await;
    }

    /// The next message; none if the connection has ended.
    pub(crate) async fn next(&mut self) -> Option<Vec<u8>> {
        let length = within(self.0.read_u16()).await.ok()?;
        let mut message = vec![0; usize::from(length)];
        within(self.0.read_exact(&mut message)).await.expect("a whole message");
        Some(message)
    }

    pub(crate) async fn receive(&mut self) -> Answer {
        Answer::read(&self.next().await.expect("an answer"))
    }

    pub(crate) async fn ask(&mut self, message: &Message) -> Answer {
        self.send(&bytes(message)).await;
        self.receive().await
    }

    /// Sends nothing more, and still reads.
    pub(crate) async fn finish(&mut self) {
        self.0.shutdown().await.expect("a connection");
    }
}

/// How often the guest was asked.
pub(crate) async fn asked(host: &Host) -> u32 {
    host.call("/count/test/asked", "").await.parse().expect("a number")
}

/// Gives a name an address. Once this returns, no older one may be answered.
pub(crate) async fn give(host: &Host, label: &str, address: [u8; 4]) {
    host.call(&format!("/put/test/{label}"), address.to_vec()).await;
}

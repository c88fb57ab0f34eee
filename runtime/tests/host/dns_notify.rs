//! Other name servers are told, and told again.

use crate::dns_client::MANIFEST;
use crate::support::{Host, Start, folder, within};
use hickory_proto::op::{Message, MessageType, OpCode};
use tokio::net::UdpSocket;

#[tokio::test]
async fn a_name_server_is_notified_until_it_answers() {
    let host = Host::start_with(folder(MANIFEST), &Start::default()).await;
    let server = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let address = server.local_addr().expect("an address").to_string();
    host.call("/put/test/notify", address).await;
    let mut buffer = [0; 512];
    for sending in 0..2 {
        let (length, client) = within(server.recv_from(&mut buffer)).await.expect("a message");
        let mut message = Message::from_vec(&buffer[..length]).expect("a message");
        assert_eq!(message.op_code(), OpCode::Notify);
        assert_eq!(message.queries()[0].name().to_string(), "zone.test.");
        if sending == 1 {
            message.set_message_type(MessageType::Response);
            server.send_to(&message.to_vec().expect("a message"), client).await.expect("sent");
        }
    }
}

#[tokio::test]
async fn a_name_server_in_a_blocked_network_is_not_notified() {
    let folder = folder(MANIFEST);
    let config = "[outbound_networking]\nblock_networks = [\"192.0.2.0/24\"]";
    std::fs::write(folder.path().join("runtime.toml"), config).expect("a file");
    let mut host = Host::start_with(folder, &Start::default()).await;
    host.call("/put/test/notify", "192.0.2.1:53").await;
    host.logged("the runtime configuration blocks that network").await;
    host.call("/put/test/notify", "somewhere").await;
    host.logged("a NOTIFY has no address to go to").await;
}

//! DNS over TCP and TLS: many questions at a time, and transfers.

use crate::dns_client::{Answer, MANIFEST, Tcp, bytes, give, plain, question};
use crate::support::{Host, Start, folder};
use crate::tls::{certify, shake};
use hickory_proto::rr::{RData, RecordType};
use std::net::Ipv4Addr;
use tokio::net::TcpStream;

#[tokio::test]
async fn answers_come_when_they_are_ready_and_not_in_the_order_of_the_questions() {
    let host = Host::start_with(folder(MANIFEST), &Start::default()).await;
    give(&host, "a", [192, 0, 2, 1]).await;
    let mut client = Tcp::to(&host).await;
    client.send(&bytes(&question(1, "slow.zone.test.", &[]))).await;
    for id in 2..20 {
        client.send(&bytes(&question(id, "a.zone.test.", &[]))).await;
    }
    for _ in 2..20 {
        assert_eq!(client.receive().await.addresses(), [Ipv4Addr::new(192, 0, 2, 1)]);
    }
    host.call("/put/test/go", "go").await;
    assert_eq!(client.receive().await.id(), 1);
}

#[tokio::test]
async fn who_asks_and_sends_no_more_is_answered_before_the_connection_ends() {
    let host = Host::start_with(folder(MANIFEST), &Start::default()).await;
    let mut client = Tcp::to(&host).await;
    client.send(&bytes(&question(1, "slow.zone.test.", &[]))).await;
    client.finish().await;
    host.call("/put/test/go", "go").await;
    assert_eq!(client.receive().await.id(), 1);
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn what_is_no_question_ends_its_connection() {
    let host = Host::start_with(folder(MANIFEST), &Start::default()).await;
    for message in [&b""[..], &[0; 5], &[0xff; 100]] {
        let mut client = Tcp::to(&host).await;
        client.send(message).await;
        assert_eq!(client.next().await, None);
    }
}

/// Reads a transfer of the guest: a hundred messages, each with its number.
async fn transfer(client: &mut Tcp) {
    for number in 0..100 {
        let answer = client.receive().await;
        assert_eq!((answer.id(), answer.0.answers().len()), (9, 60));
        let RData::TXT(first) = answer.0.answers()[0].data() else {
            panic!("a TXT record");
        };
        assert_eq!(first.txt_data()[0][0], number);
    }
}

#[tokio::test]
async fn a_transfer_is_sent_in_all_its_messages_and_in_order() {
    let host = Host::start_with(folder(MANIFEST), &Start::default()).await;
    let mut client = Tcp::to(&host).await;
    let wanted = bytes(&plain(9, "zone.test.", RecordType::AXFR));
    client.send(&wanted).await;
    transfer(&mut client).await;
    // The connection is good for more.
    client.send(&wanted).await;
    transfer(&mut client).await;
}

#[tokio::test]
async fn transfers_that_nobody_reads_hold_up_no_questions() {
    let manifest = MANIFEST.replace("#tool", "dns.transfers_max = 1");
    let host = Host::start_with(folder(&manifest), &Start::default()).await;
    give(&host, "a", [192, 0, 2, 1]).await;
    let wanted = bytes(&plain(9, "zone.test.", RecordType::AXFR));
    let mut unread = Vec::new();
    for _ in 0..4 {
        let mut client = Tcp::to(&host).await;
        client.send(&wanted).await;
        unread.push(client);
    }
    let mut client = Tcp::to(&host).await;
    for id in 0..20 {
        assert_eq!(client.ask(&question(id, "a.zone.test.", &[])).await.id(), id);
    }
    // One after the other they come to their ends.
    for client in &mut unread {
        transfer(client).await;
    }
}

#[tokio::test]
async fn over_tls_answers_are_padded_and_the_protocol_is_agreed_on() {
    let folder = folder(MANIFEST);
    let certificate = certify(folder.path(), "host");
    let options = ["--tls-cert", "host.crt", "--tls-key", "host.key", "--dns-tls-listen", "127.0.0.1:0"];
    let host = Host::start_with(folder, &Start::with(&options)).await;
    let connect = async |protocols: &[&[u8]]| {
        let stream = TcpStream::connect(host.dns_over_tls()).await.expect("the host listens");
        shake(stream, &certificate, protocols).await
    };
    let stream = connect(&[b"dot"]).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"dot"[..]));
    let mut client = Tcp(stream);
    for name in ["a.zone.test.", "a-rather-longer-name.zone.test."] {
        client.send(&bytes(&question(1, name, &[]))).await;
        let answer = client.next().await.expect("an answer");
        assert_eq!(answer.len() % 468, 0, "RFC 8467, section 4.1");
        assert!(Answer::read(&answer).has_padding());
    }
    let mut unasked = Tcp(connect(&[]).await.expect("a handshake"));
    assert_eq!(unasked.ask(&question(2, "a.zone.test.", &[])).await.id(), 2);
    assert!(connect(&[b"h2"]).await.is_err(), "it does not speak HTTP there");
}

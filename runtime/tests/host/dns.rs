//! DNS over UDP, and what every client is told however it asks.

use crate::dns_client::{MANIFEST, Tcp, Udp, ask, bytes, give, plain, question};
use crate::support::{Host, Start, folder, run_with};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use std::net::Ipv4Addr;

#[tokio::test]
async fn a_question_is_answered_with_its_own_id_and_letters() {
    let host = Host::start_with(folder(MANIFEST), &Start::default()).await;
    give(&host, "a", [192, 0, 2, 1]).await;
    let client = Udp::to(&host).await;
    for (id, name) in [(1, "a.zone.test."), (0xffff, "A.Zone.TEST.")] {
        let answer = client.ask(&question(id, name, &[])).await;
        assert_eq!(answer.id(), id);
        assert_eq!(answer.0.queries()[0].name().to_string(), name);
        assert_eq!(answer.addresses(), [Ipv4Addr::new(192, 0, 2, 1)]);
    }
    assert_eq!(ask(&host, "b.zone.test.").await.code(), ResponseCode::NXDomain);
}

#[tokio::test]
async fn what_is_too_long_for_a_datagram_is_marked_as_cut_and_whole_over_tcp() {
    let host = Host::start_with(folder(MANIFEST), &Start::default()).await;
    let query = plain(5, "big.zone.test.", RecordType::TXT);
    let cut = Udp::to(&host).await.ask(&query).await;
    assert!(cut.is_cut() && cut.0.answers().is_empty());
    let whole = Tcp::to(&host).await.ask(&query).await;
    assert!(!whole.is_cut());
    assert_eq!(whole.0.answers().len(), 10);
}

#[tokio::test]
async fn a_server_tells_its_name_to_who_asks_for_it() {
    let options = Start::with(&["--dns-nsid", "jena-1"]);
    let host = Host::start_with(folder(MANIFEST), &options).await;
    let client = Udp::to(&host).await;
    let wanted = EdnsOption::Unknown(EdnsCode::NSID.into(), Vec::new());
    let told = client.ask(&question(1, "a.zone.test.", &[wanted])).await;
    assert_eq!(told.option(EdnsCode::NSID).as_deref(), Some(&b"jena-1"[..]));
    let untold = client.ask(&question(1, "a.zone.test.", &[])).await;
    assert_eq!(untold.option(EdnsCode::NSID), None);
}

#[tokio::test]
async fn what_is_no_question_gets_an_error_or_silence_and_does_no_harm() {
    let host = Host::start_with(folder(MANIFEST), &Start::default()).await;
    give(&host, "a", [192, 0, 2, 1]).await;
    let client = Udp::to(&host).await;
    // The answer to somebody else's question, and less than a header: silence.
    let mut response = bytes(&question(2, "a.zone.test.", &[]));
    response[2] |= 0x80;
    client.send(&response).await;
    client.send(&response[..11]).await;
    client.send(&[]).await;
    // A question that ends too early.
    let whole = bytes(&question(3, "a.zone.test.", &[]));
    client.send(&whole[..20]).await;
    let answer = client.receive().await;
    assert_eq!((answer.id(), answer.code()), (3, ResponseCode::FormErr));
    // What the component is silent about, and everything else that bytes can be.
    client.send(&bytes(&question(4, "silent.zone.test.", &[]))).await;
    for (at, byte) in (0..whole.len()).flat_map(|at| [0, 1, 0x3f, 0x80, 0xc0, 0xff].map(|byte| (at, byte))) {
        let mut changed = whole.clone();
        changed[at] = byte;
        Udp::to(&host).await.send(&changed).await;
    }
    let answer = client.ask(&question(5, "a.zone.test.", &[])).await;
    assert_eq!(answer.id(), 5);
    assert_eq!(answer.addresses(), [Ipv4Addr::new(192, 0, 2, 1)]);
}

#[test]
fn options_that_make_no_sense_are_refused_at_start() {
    for (options, says) in [
        (&["--dns-nsid", ""][..], "--dns-nsid"),
        (&["--dns-tls-listen", "127.0.0.1:0"], "--tls-cert"),
        (&["--dns-listen", "here"], "--dns-listen"),
    ] {
        let output = run_with("up", MANIFEST, options);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{options:?} were taken");
        assert!(said.contains(says), "{options:?}: {said}");
    }
}

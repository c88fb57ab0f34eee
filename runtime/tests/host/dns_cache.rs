//! Answers are kept, are never older than what is known, and outlive the resolver.

use crate::dns_client::{Answer, MANIFEST, Udp, ask, asked, give, plain, question};
use crate::dns_client::{Tcp, bytes};
use crate::metrics::{COUNTING, counted};
use crate::support::{Host, Start, folder, within};
use futures::future::join_all;
use hickory_proto::op::{OpCode, ResponseCode};
use hickory_proto::rr::RecordType;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// The codes of RFC 8914 for a stale answer, and for a server that is not ready.
const STALE: u16 = 3;
const NOT_READY: u16 = 14;

#[tokio::test]
async fn the_resolver_is_asked_once_until_what_it_answered_from_is_changed() {
    let host = Host::start_with(folder(MANIFEST), &Start::default()).await;
    let client = Udp::to(&host).await;
    for n in 0..50 {
        let address = [192, 0, 2, n];
        give(&host, "a", address).await;
        for name in ["a.zone.test.", "A.zone.test.", "a.ZONE.test."] {
            let answer = client.ask(&question(n.into(), name, &[])).await;
            assert_eq!(answer.addresses(), [Ipv4Addr::from(address)], "{name}");
        }
    }
    assert_eq!(asked(&host).await, 50);
}

#[tokio::test]
async fn that_there_is_nothing_is_kept_until_there_is_something() {
    let host = Host::start_with(folder(MANIFEST), &Start::default()).await;
    for _ in 0..3 {
        assert_eq!(ask(&host, "a.zone.test.").await.code(), ResponseCode::NXDomain);
    }
    assert_eq!(asked(&host).await, 1);
    give(&host, "a", [192, 0, 2, 1]).await;
    assert_eq!(ask(&host, "a.zone.test.").await.addresses(), [Ipv4Addr::new(192, 0, 2, 1)]);
    host.call("/delete/test/a", "").await;
    assert_eq!(ask(&host, "a.zone.test.").await.code(), ResponseCode::NXDomain);
    assert_eq!(asked(&host).await, 3);
}

#[tokio::test]
async fn equal_questions_that_are_under_way_are_asked_once() {
    let host = Host::start_with(folder(MANIFEST), &Start::with(&COUNTING)).await;
    give(&host, "slow", [192, 0, 2, 1]).await;
    let (mut stream, datagrams) = (Tcp::to(&host).await, Udp::to(&host).await);
    for id in 0..30 {
        stream.send(&bytes(&question(id, "slow.zone.test.", &[]))).await;
        datagrams.send(&bytes(&question(id, "SLOW.zone.test.", &[]))).await;
    }
    // The guest waits until it is told to go on.
    within(async { while asked(&host).await == 0 {} }).await;
    host.call("/put/test/go", "go").await;
    for _ in 0..30 {
        assert_eq!(stream.receive().await.addresses(), [Ipv4Addr::new(192, 0, 2, 1)]);
        assert_eq!(datagrams.receive().await.addresses(), [Ipv4Addr::new(192, 0, 2, 1)]);
    }
    assert_eq!(asked(&host).await, 1);
    let queries = "vwp_dns_queries_total";
    assert_eq!(counted(&host, queries, &["cache=\"miss\""]).await, 1);
    let (shared, hits) = (["cache=\"shared\""], ["cache=\"hit\""]);
    assert_eq!(counted(&host, queries, &shared).await + counted(&host, queries, &hits).await, 59);
}

#[tokio::test]
async fn an_answer_is_not_older_than_its_question_however_many_ask_the_same() {
    let host = Arc::new(Host::start_with(folder(MANIFEST), &Start::default()).await);
    // There is always somebody whose question is under way when the address is changed.
    let askers = (0..4).map(|_| {
        let host = host.clone();
        tokio::spawn(async move {
            loop {
                ask(&host, "a.zone.test.").await;
            }
        })
    });
    let askers: Vec<_> = askers.collect();
    for n in 0..100 {
        let address = [192, 0, 2, n];
        give(&host, "a", address).await;
        let answers = (0..4).map(|_| ask(&host, "a.zone.test."));
        for answer in join_all(answers).await {
            assert_eq!(answer.addresses(), [Ipv4Addr::from(address)]);
        }
    }
    askers.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn without_a_cache_every_question_is_asked() {
    let manifest = MANIFEST.replace("#tool", "dns.cache_bytes_max = 0");
    let host = Host::start_with(folder(&manifest), &Start::default()).await;
    for _ in 0..3 {
        ask(&host, "a.zone.test.").await;
    }
    assert_eq!(asked(&host).await, 3);
}

#[tokio::test]
async fn instances_that_have_answered_their_share_are_replaced_and_nobody_notices() {
    let manifest = MANIFEST.replace("#tool", "dns.cache_bytes_max = 0") + "requests_per_instance_max = 2\n";
    let host = Host::start_with(folder(&manifest), &Start::default()).await;
    give(&host, "a", [192, 0, 2, 1]).await;
    let shares = std::thread::available_parallelism().map_or(1, usize::from) * 2;
    for _ in 0..shares.max(4) * 3 {
        assert_eq!(ask(&host, "a.zone.test.").await.addresses(), [Ipv4Addr::new(192, 0, 2, 1)]);
    }
    host.terminate();
    host.ended().await;
}

/// Asks until the answer is as wished.
async fn ask_until(host: &Host, name: &str, wished: impl Fn(&Answer) -> bool) -> Answer {
    within(async {
        loop {
            let answer = ask(host, name).await;
            if wished(&answer) {
                return answer;
            }
        }
    })
    .await
}

#[tokio::test]
async fn when_the_resolver_fails_old_answers_are_given_marked_as_stale() {
    let mut host = Host::start_with(folder(MANIFEST), &Start::default()).await;
    give(&host, "brief", [192, 0, 2, 1]).await;
    let fresh = ask(&host, "brief.zone.test.").await;
    assert_eq!((fresh.ttl(), fresh.extended_error()), (Some(300), None));
    for mode in ["refuse", "servfail", "trap"] {
        host.call("/put/test/mode", mode).await;
        // The answer is good for a second, and given as it is until then.
        let stale = ask_until(&host, "brief.zone.test.", |answer| answer.extended_error().is_some()).await;
        assert_eq!(stale.extended_error(), Some(STALE), "{mode}");
        assert_eq!(stale.addresses(), [Ipv4Addr::new(192, 0, 2, 1)]);
        assert_eq!(stale.ttl(), Some(30), "RFC 8767, section 4");
        // There is no older answer to this one.
        let none = ask(&host, "never-asked.zone.test.").await;
        assert_eq!(none.code(), ResponseCode::ServFail, "{mode}");
        let why = if mode == "servfail" { None } else { Some(NOT_READY) };
        assert_eq!(none.extended_error(), why, "{mode}");
        // Nor is anybody left waiting whose message the resolver would have answered itself.
        let mut update = plain(9, "zone.test.", RecordType::SOA);
        update.set_op_code(OpCode::Update);
        let failed = Udp::to(&host).await.ask(&update).await;
        assert_eq!(failed.code(), ResponseCode::ServFail, "{mode}");
    }
    host.logged("the resolver fails").await;
    host.call("/delete/test/mode", "").await;
    let fresh = ask_until(&host, "brief.zone.test.", |answer| answer.extended_error().is_none()).await;
    assert_eq!(fresh.ttl(), Some(300));
}

#[tokio::test]
async fn an_answer_that_is_known_to_be_wrong_is_not_given_even_if_there_is_no_other() {
    let host = Host::start_with(folder(MANIFEST), &Start::default()).await;
    give(&host, "a", [192, 0, 2, 1]).await;
    assert_eq!(ask(&host, "a.zone.test.").await.code(), ResponseCode::NoError);
    host.call("/put/test/mode", "refuse").await;
    assert_eq!(ask(&host, "a.zone.test.").await.code(), ResponseCode::NoError, "it is still right");
    give(&host, "a", [192, 0, 2, 2]).await;
    assert_eq!(ask(&host, "a.zone.test.").await.code(), ResponseCode::ServFail);
}

//! What one source may have of the DNS service.

use crate::dns_client::{Answer, MANIFEST, Tcp, Udp, bytes, cookie, give, question};
use crate::support::{Host, Start, folder, within};
use hickory_proto::rr::rdata::opt::EdnsCode;

/// A client's half of a cookie.
const OWN_COOKIE: &[u8] = b"8 bytes!";
/// How many questions a test asks at once.
const MANY: u16 = 100;
/// The id of the question that ends them.
const LAST: u16 = 999;

/// A host to which nobody is exempt, with a name that is in its cache.
async fn start(limits: &str) -> Host {
    let manifest = MANIFEST.replace("#tool", &format!("dns.exempt_networks = []\n    {limits}"));
    let host = Host::start_with(folder(&manifest), &Start::default()).await;
    give(&host, "a", [192, 0, 2, 1]).await;
    warm(&host).await;
    host
}

/// Makes the host keep the answer, so that it answers what comes in the order in which it came.
async fn warm(host: &Host) {
    Tcp::to(host).await.ask(&question(1, "a.zone.test.", &[])).await;
}

/// A cookie of this server's.
async fn obtain_cookie(client: &mut Tcp) -> Vec<u8> {
    let answer = client.ask(&question(1, "a.zone.test.", &[cookie(OWN_COOKIE)])).await;
    let whole = answer.option(EdnsCode::Cookie).expect("a cookie");
    assert_eq!(whole.len(), 24, "RFC 9018, section 4");
    whole
}

/// Asks a question many times with one cookie and once more with another, and returns the
/// answers before the last one's.
async fn flood(host: &Host, with: Option<&[u8]>, last: &[u8]) -> Vec<Answer> {
    let client = Udp::to(host).await;
    let options = with.map(cookie);
    for id in 0..MANY {
        client.send(&bytes(&question(id, "a.zone.test.", options.as_slice()))).await;
    }
    client.send(&bytes(&question(LAST, "a.zone.test.", &[cookie(last)]))).await;
    let mut answers = Vec::new();
    loop {
        let answer = client.receive().await;
        if answer.id() == LAST {
            return answers;
        }
        answers.push(answer);
    }
}

#[tokio::test]
async fn a_network_gets_so_many_answers_over_udp_unless_it_has_a_cookie() {
    let host = start("dns.answers_per_second_max = 5").await;
    let proof = obtain_cookie(&mut Tcp::to(&host).await).await;
    let answers = flood(&host, None, &proof).await;
    let cut = answers.iter().filter(|answer| answer.is_cut()).count();
    let whole = answers.len() - cut;
    assert!(whole >= 5 && cut > 0, "{whole} whole, {cut} cut");
    assert!(answers.len() < usize::from(MANY), "some were dropped");
    assert!(answers.iter().filter(|answer| answer.is_cut()).all(|answer| answer.addresses().is_empty()));
    assert_eq!(flood(&host, Some(&proof), &proof).await.len(), usize::from(MANY));
}

#[tokio::test]
async fn a_cookie_outlives_a_restart_and_is_good_for_its_address_alone() {
    let host = start("dns.answers_per_second_max = 5").await;
    let proof = obtain_cookie(&mut Tcp::to(&host).await).await;
    let host = host.restart_with(&Start::default()).await;
    warm(&host).await;
    assert_eq!(flood(&host, Some(&proof), &proof).await.len(), usize::from(MANY));
    let mut forged = proof.clone();
    forged[20] ^= 1;
    assert!(flood(&host, Some(&forged), &proof).await.len() < usize::from(MANY));
}

#[tokio::test]
async fn a_source_that_asks_too_much_over_udp_has_to_show_a_cookie_and_is_then_not_heard() {
    let host = start("dns.queries_per_second_max = 20").await;
    let client = Udp::to(&host).await;
    for id in 0..MANY {
        client.send(&bytes(&question(id, "a.zone.test.", &[cookie(OWN_COOKIE)]))).await;
    }
    let mut demanded = false;
    // The answer that demands a cookie brings one along.
    while !demanded {
        let answer = client.receive().await;
        demanded = answer.0.answers().is_empty();
        assert!(!demanded || answer.option(EdnsCode::Cookie).is_some());
        assert!(answer.id() < MANY - 1, "all were answered");
    }
}

#[tokio::test]
async fn over_a_stream_too_many_questions_are_answered_later_and_none_is_lost() {
    let host = start("dns.queries_per_second_max = 50").await;
    let mut client = Tcp::to(&host).await;
    let asking = MANY + 20;
    for id in 0..asking {
        client.send(&bytes(&question(id, "a.zone.test.", &[]))).await;
    }
    for _ in 0..asking {
        assert_eq!(client.receive().await.addresses().len(), 1);
    }
}

#[tokio::test]
async fn a_source_has_so_many_connections_and_a_new_one_when_one_ends() {
    let host = start("dns.connections_per_source_max = 2").await;
    let query = bytes(&question(1, "a.zone.test.", &[]));
    // The one that warmed the cache may not have been seen to end yet.
    let open = async || {
        within(async {
            loop {
                let mut client = Tcp::to(&host).await;
                client.send_anyway(&query).await;
                if client.next().await.is_some() {
                    return client;
                }
            }
        })
        .await
    };
    let first = open().await;
    let _second = open().await;
    for _ in 0..5 {
        let mut third = Tcp::to(&host).await;
        third.send_anyway(&query).await;
        assert_eq!(third.next().await, None);
    }
    drop(first);
    open().await;
}

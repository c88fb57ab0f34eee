//! Worlds under domains that their operators own, and what proves that they do.

use crate::support::{Operator, Port, record, register_request};
use domain::base::iana::Rcode;
use domain::base::{Message, MessageBuilder, Name, Rtype, Ttl};
use domain::rdata::{A, Aaaa, Txt};
use futures::executor::block_on;
use http::{Request, Response, StatusCode, header};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use vwp_core::outbound::{Limits, Outbound, OutboundError};
use vwp_core::{jose, resolver};
use vwp_discovery::actions::Kind;
use vwp_discovery::record::Record;
use vwp_dns::zones;
use vwp_storage::Kv;

/// A resolver and web servers, as far as a port can reach them.
#[derive(Default)]
struct Internet {
    texts: BTreeMap<String, String>,
    addresses: BTreeMap<String, Vec<IpAddr>>,
    files: BTreeMap<String, Response<Vec<u8>>>,
    is_authenticated: bool,
    /// The URLs that were asked for, without the resolver's.
    asked: RefCell<Vec<String>>,
}

impl Outbound for Internet {
    async fn send(
        &self,
        request: Request<Vec<u8>>,
        limits: Limits,
    ) -> Result<Response<Vec<u8>>, OutboundError> {
        if request.uri().host() == Some("dns.example") {
            assert_eq!(request.uri().path(), "/dns-query");
            let query = request.uri().query().and_then(|query| query.strip_prefix("dns=")).unwrap();
            let answer = Response::builder().header(header::CONTENT_TYPE, "application/dns-message");
            return Ok(answer.body(self.resolve(&jose::decode(query).unwrap())).unwrap());
        }
        let url = request.uri().to_string();
        self.asked.borrow_mut().push(url.clone());
        let answer = self.files.get(&url).cloned().ok_or(OutboundError::Failed("no such host".into()))?;
        if answer.body().len() > limits.body_bytes_max {
            return Err(OutboundError::Exceeded("it is too long"));
        }
        Ok(answer)
    }
}

impl Internet {
    fn resolve(&self, query: &[u8]) -> Vec<u8> {
        let query = Message::from_slice(query).unwrap();
        assert_eq!(query.header().id(), 0);
        let question = query.sole_question().unwrap();
        let name = question.qname().to_string();
        let mut builder = MessageBuilder::new_vec().start_answer(query, Rcode::NOERROR).unwrap();
        builder.header_mut().set_ad(self.is_authenticated);
        let owner = Name::vec_from_str(&name).unwrap();
        let ttl = Ttl::from_secs(60);
        if question.qtype() == Rtype::TXT
            && let Some(text) = self.texts.get(&name)
        {
            let txt: Txt<Vec<u8>> = Txt::build_from_slice(text.as_bytes()).unwrap();
            builder.push((&owner, ttl, txt)).unwrap();
        }
        for address in self.addresses.get(&name).into_iter().flatten() {
            match (address, question.qtype()) {
                (IpAddr::V4(address), Rtype::A) => builder.push((&owner, ttl, A::new(*address))).unwrap(),
                (IpAddr::V6(address), Rtype::AAAA) => {
                    builder.push((&owner, ttl, Aaaa::new(*address))).unwrap();
                }
                _ => {}
            }
        }
        builder.finish()
    }

    fn with_text(name: &str, text: &str) -> Self {
        let texts = BTreeMap::from([(format!("_vwp-challenge.{name}"), text.to_owned())]);
        Self { texts, ..Self::default() }
    }

    fn with_file(name: &str, address: &str, status: StatusCode, body: &str) -> Self {
        let file = Response::builder().status(status).body(body.as_bytes().to_vec()).unwrap();
        Self {
            addresses: BTreeMap::from([(name.to_owned(), vec![address.parse().unwrap()])]),
            files: BTreeMap::from([(format!("https://{name}/.well-known/vwp"), file)]),
            ..Self::default()
        }
    }
}

fn port() -> Port {
    let mut port = Port::new();
    port.settings.options.insert(resolver::URL, "https://dns.example".into());
    port
}

fn challenge(port: &Port, name: &str, operator: &Operator) -> String {
    let answer = port.get(&format!("/v1/worlds/{name}/challenge?operator={}", operator.id));
    answer.json()["text"].as_str().unwrap().to_owned()
}

/// Registers and gives the refusal's reason, if it is refused.
fn register(port: &Port, internet: &Internet, operator: &Operator, record: &Record) -> Option<String> {
    let answer = port.send_out(internet, register_request(&operator.sign(record)));
    (!answer.status.is_success()).then(|| answer.slug())
}

fn is_hosted(port: &Port, name: &str) -> bool {
    let key = zones::key(&Name::<Vec<u8>>::vec_from_str(name).unwrap());
    block_on(port.store.get(&key)).unwrap().is_some()
}

#[test]
fn a_world_is_served_under_a_domain_once_a_txt_record_shows_whose_it_is() {
    let (port, operator) = (port(), Operator::new(1));
    let text = challenge(&port, "arena.example", &operator);
    let arena = record("arena.example");
    assert_eq!(register(&port, &Internet::default(), &operator, &arena).as_deref(), Some("control-unproven"));
    assert!(!is_hosted(&port, "arena.example"));
    assert_eq!(port.get("/v1/worlds/arena.example").slug(), "not-found");

    assert_eq!(register(&port, &Internet::with_text("arena.example", &text), &operator, &arena), None);
    let shown = port.get("/v1/worlds/Arena.Example.").json();
    assert_eq!(
        (shown["name"].as_str(), shown["fqdn"].as_str()),
        (Some("arena.example"), Some("arena.example"))
    );
    assert!(is_hosted(&port, "arena.example"));
    assert!(port.names_in("arena.example", "_vw\0") > 0);
    // What was proved once is not asked for again, and nobody is asked.
    let update = Record { seq: 2, ..arena };
    assert_eq!(register(&port, &Internet::default(), &operator, &update), None);
}

#[test]
fn a_file_on_the_domains_web_site_proves_it_too() {
    let (port, operator) = (port(), Operator::new(1));
    let text = challenge(&port, "arena.example", &operator);
    let file = format!("# proofs\r\nvwp-challenge=other\r\n{text}\r\n");
    let internet = Internet::with_file("arena.example", "1.1.1.1", StatusCode::OK, &file);
    assert_eq!(register(&port, &internet, &operator, &record("arena.example")), None);
    assert_eq!(*internet.asked.borrow(), ["https://arena.example/.well-known/vwp"]);
}

#[test]
fn a_host_that_is_not_on_the_public_internet_is_never_asked() {
    let (port, operator) = (port(), Operator::new(1));
    let text = challenge(&port, "arena.example", &operator);
    let refused = Some("control-unproven");
    for address in
        ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fd00::1"]
    {
        let mut internet = Internet::with_file("arena.example", address, StatusCode::OK, &text);
        assert_eq!(register(&port, &internet, &operator, &record("arena.example")).as_deref(), refused);
        assert!(internet.asked.borrow().is_empty(), "{address} was asked");
        // Nor one that has such an address besides a public one.
        internet.addresses.get_mut("arena.example").unwrap().push("1.1.1.1".parse().unwrap());
        assert_eq!(register(&port, &internet, &operator, &record("arena.example")).as_deref(), refused);
        assert!(internet.asked.borrow().is_empty(), "{address} was asked");
    }
}

#[test]
fn redirects_errors_and_long_files_prove_nothing() {
    let (port, operator) = (port(), Operator::new(1));
    let text = challenge(&port, "arena.example", &operator);
    let long = format!("{text}\n{}", "a".repeat(4096));
    for (status, body) in [
        (StatusCode::FOUND, text.as_str()),
        (StatusCode::NOT_FOUND, &text),
        (StatusCode::OK, &long),
        (StatusCode::OK, ""),
        (StatusCode::OK, &format!("{text}x")),
    ] {
        let internet = Internet::with_file("arena.example", "1.1.1.1", status, body);
        let refused = register(&port, &internet, &operator, &record("arena.example"));
        assert_eq!(refused.as_deref(), Some("control-unproven"), "{status} {body}");
    }
}

#[test]
fn a_text_is_good_for_one_operator_one_domain_and_two_weeks_at_the_most() {
    let (port, operator, other) = (port(), Operator::new(1), Operator::new(2));
    let text = challenge(&port, "arena.example", &operator);
    let refused = Some("control-unproven");
    let internet = Internet::with_text("arena.example", &text);
    assert_eq!(register(&port, &internet, &other, &record("arena.example")).as_deref(), refused);
    let elsewhere = Internet::with_text("gold.example", &text);
    assert_eq!(register(&port, &elsewhere, &operator, &record("gold.example")).as_deref(), refused);
    port.advance_s(7 * 86_400);
    assert_ne!(challenge(&port, "arena.example", &operator), text);
    assert_eq!(register(&port, &internet, &operator, &port.fresh("arena.example", 1)), None);
    let late = self::port();
    late.advance_s(14 * 86_400);
    assert_eq!(register(&late, &internet, &operator, &late.fresh("arena.example", 1)).as_deref(), refused);
}

#[test]
fn a_proved_domain_is_its_operators_until_it_is_withdrawn() {
    let (port, operator, other) = (port(), Operator::new(1), Operator::new(2));
    let mine = Internet::with_text("arena.example", &challenge(&port, "arena.example", &operator));
    let theirs = Internet::with_text("arena.example", &challenge(&port, "arena.example", &other));
    assert_eq!(register(&port, &mine, &operator, &record("arena.example")), None);
    assert_eq!(register(&port, &theirs, &other, &record("arena.example")).as_deref(), Some("name-taken"));
    port.done(&operator, &port.about(Kind::Withdraw, "arena.example", 2));
    assert!(!is_hosted(&port, "arena.example"));
    port.maintain();
    assert_eq!(port.names_in("arena.example", ""), 0);
    assert_eq!(port.get("/v1/worlds/arena.example").slug(), "not-found");
}

#[test]
fn a_port_without_a_resolver_takes_names_in_its_own_zone_only() {
    let (port, operator) = (Port::new(), Operator::new(1));
    let internet = Internet::default();
    let refused = register(&port, &internet, &operator, &record("arena.example"));
    assert_eq!(refused.as_deref(), Some("domains-not-taken"));
    assert_eq!(register(&port, &internet, &operator, &record("arena.vwp.test")), None);
    assert_eq!(port.get("/v1/worlds/arena").json()["name"], "arena");
}

#[test]
fn a_challenge_is_asked_for_with_a_domain_and_an_operator() {
    let (port, operator) = (port(), Operator::new(1));
    let answer = port.get(&format!("/v1/worlds/arena.example/challenge?operator={}", operator.id)).json();
    assert_eq!(answer["txt_name"], "_vwp-challenge.arena.example");
    assert_eq!(answer["url"], "https://arena.example/.well-known/vwp");
    for uri in [
        "/v1/worlds/arena.example/challenge".to_owned(),
        "/v1/worlds/arena.example/challenge?operator=me".to_owned(),
        format!("/v1/worlds/arena/challenge?operator={}", operator.id),
        format!("/v1/worlds/arena.example/challenge?operator={0}&operator={0}", operator.id),
    ] {
        assert_eq!(port.get(&uri).slug(), "bad-request", "{uri}");
    }
}

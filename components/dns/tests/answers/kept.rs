//! How long an answer may be kept, and what is answered when nothing can be known.

use crate::support::{Asker, Port, address, nameserver, reason, text};
use domain::base::Rtype;
use futures::executor::block_on;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use std::cell::Cell;
use vwp_dns::answer::Answer;
use vwp_dns::edit::Plan;
use vwp_dns::name::OrderedName;
use vwp_dns::node::Set;
use vwp_dns::zone::{Denial, Zone};
use vwp_dns::{DnsError, zones};
use vwp_storage::kv::{Change, Check, Direction, Entry, Key, KeyRange, Kv, Outcome, Page, Version, Write};
use vwp_storage::{StorageError, limits};

/// Something that is done to a zone.
type Act = fn(&Port);

/// The keys that are written by what a test does.
fn written(port: &Port, act: impl FnOnce(&Port)) -> Vec<Key> {
    let all = KeyRange::prefix(*b"discovery/");
    let last = |port: &Port| {
        let page = block_on(port.store.scan(&all, limits::PAGE_ITEMS_MAX, Direction::Forward)).unwrap();
        page.items.iter().map(|item| item.entry.version).max().unwrap_or_default()
    };
    let before = last(port);
    act(port);
    let changes = block_on(port.store.changes(b"discovery/", before, 1000, 0)).unwrap();
    changes.into_iter().map(|change| change.key).collect()
}

fn is_spoilt(answer: &Answer, written: &[Key]) -> bool {
    written.iter().any(|key| answer.sources.contains(key))
}

#[test]
fn an_answer_changes_only_if_one_of_its_sources_was_written() {
    let acts: [(&str, Act); 9] = [
        ("changes the name", |port| port.put("arena", vec![address(2)])),
        ("adds another type", |port| port.put("arena", vec![address(1), text("the arena"), machine()])),
        ("removes the name", |port| port.remove("arena")),
        ("adds a name", |port| port.put("new", vec![address(3)])),
        ("adds one below a name that is none", |port| port.put("deep.down.new", vec![address(3)])),
        ("adds one at the end of the chain", |port| port.put("zzz", vec![address(3)])),
        ("delegates a name", |port| port.put("aaa", vec![nameserver("ns.elsewhere.example")])),
        ("removes a delegation", |port| port.remove("unsigned")),
        ("removes a target", |port| port.remove("_vw._tcp.arena")),
    ];
    for denial in [Denial::Chain, Denial::Compact] {
        for (what, act) in acts {
            let port = Port::with_worlds(denial);
            port.publish();
            let asked: Vec<(&str, RecordType, Asker)> = questions();
            let before: Vec<_> =
                asked.iter().map(|(name, rtype, who)| port.raw(name, *rtype, *who)).collect();
            let written = written(&port, act);
            for ((name, rtype, who), before) in asked.into_iter().zip(before) {
                let after = port.raw(name, rtype, who);
                assert!(!before.sources.is_empty());
                if !is_spoilt(&before, &written) {
                    assert_eq!(before.message, after.message, "{name} {rtype} {who:?}, when one {what}");
                }
            }
        }
    }
}

fn machine() -> Set {
    Set::new(Rtype::HINFO, 60, vec![b"\x01a\x01b".to_vec()])
}

fn questions() -> Vec<(&'static str, RecordType, Asker)> {
    let names = [
        "arena.vwp.test.",
        "_tcp.arena.vwp.test.",
        "_vw._tcp.arena.vwp.test.",
        "www.vwp.test.",
        "lost.vwp.test.",
        "new.vwp.test.",
        "down.new.vwp.test.",
        "x.deep.down.new.vwp.test.",
        "aaa.vwp.test.",
        "sub.aaa.vwp.test.",
        "zzz.vwp.test.",
        "zzzz.vwp.test.",
        "x.unsigned.vwp.test.",
        "vwp.test.",
    ];
    let askers = [Asker::Plain, Asker::Validating, Asker::Compact];
    let types = [RecordType::A, RecordType::TXT, RecordType::DS];
    let of = |name| askers.into_iter().flat_map(move |who| types.map(move |rtype| (name, rtype, who)));
    names.into_iter().flat_map(of).collect()
}

#[test]
fn a_change_elsewhere_spoils_no_answer_that_needs_no_serial_number() {
    let port = Port::with_worlds(Denial::Chain);
    let answer = port.raw("arena.vwp.test.", RecordType::A, Asker::Validating);
    let written = written(&port, |port| {
        port.put("zebra", vec![address(3)]);
        port.advance_s(1);
        port.publish();
    });
    assert!(!is_spoilt(&answer, &written));
    let key = port.zone.node(&OrderedName::apex().child(b"arena"));
    assert_eq!(answer.sources, [key]);
}

#[test]
fn an_answer_is_kept_as_long_as_its_shortest_record() {
    let port = Port::with_worlds(Denial::Chain);
    let kept_s = |name, rtype| port.raw(name, rtype, Asker::Validating).kept_s;
    assert_eq!(kept_s("arena.vwp.test.", RecordType::A), 60);
    assert_eq!(kept_s("vwp.test.", RecordType::NS), 3600);
    assert_eq!(kept_s("arena.vwp.test.", RecordType::AAAA), 10);
    assert_eq!(kept_s("other.vwp.test.", RecordType::A), 10);
    assert_eq!(kept_s("lost.vwp.test.", RecordType::A), 10);
    let local = port.raw("_dns.resolver.arpa.", RecordType::SVCB, Asker::Plain);
    assert_eq!((local.kept_s, local.sources), (0, Vec::new()));
}

#[test]
fn without_a_chain_absence_is_answered_and_not_kept() {
    let mut port = Port::new(Denial::Chain);
    port.policy.is_signed = false;
    port.publish();
    port.put("x.y", vec![address(1)]);
    let code = |name: &str| {
        let answer = port.raw(name, RecordType::TXT, Asker::Plain);
        assert_eq!(answer.sources, Vec::<Key>::new());
        Message::from_vec(&answer.message).unwrap().response_code()
    };
    assert_eq!(code("y.vwp.test."), ResponseCode::NoError);
    assert_eq!(code("z.vwp.test."), ResponseCode::NXDomain);
}

/// A store whose writers come between two reads: one commits before the first scan.
struct Between<'a> {
    port: &'a Port,
    plan: Cell<Option<Plan>>,
}

impl Kv for Between<'_> {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, StorageError> {
        self.port.store.get_many(keys).await
    }
    async fn scan(&self, range: &KeyRange, limit: u32, direction: Direction) -> Result<Page, StorageError> {
        if let Some(plan) = self.plan.take() {
            self.port.store.commit(&plan.checks, &plan.writes).await?;
        }
        self.port.store.scan(range, limit, direction).await
    }
    async fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Outcome, StorageError> {
        self.port.store.commit(checks, writes).await
    }
    async fn changes(&self, _: &[u8], _: Version, _: u32, _: u32) -> Result<Vec<Change>, StorageError> {
        Ok(Vec::new())
    }
}

#[test]
fn what_is_written_between_two_reads_is_in_the_answer() {
    for (below, set) in [
        ("new", address(3)),
        ("aaa", nameserver("ns.elsewhere.example")),
        ("x.new", address(3)),
        ("sub.aaa", address(3)),
    ] {
        for asked in ["new.vwp.test.", "sub.aaa.vwp.test."] {
            let port = Port::with_worlds(Denial::Chain);
            port.publish();
            let plan = port.plan(below, vec![set.clone()]);
            let store = Between { port: &port, plan: Cell::new(Some(plan)) };
            let query = Port::query(asked, RecordType::A, Asker::Validating);
            let answer = port.answer_through(&store, &query);
            assert_eq!(answer.fault, None);
            let now = port.raw(asked, RecordType::A, Asker::Validating);
            assert_eq!(answer.message, now.message, "{asked}, when {below} is added");
        }
    }
}

/// A store that cannot serve.
struct Down;

impl Kv for Down {
    async fn get_many(&self, _: &[Key]) -> Result<Vec<Option<Entry>>, StorageError> {
        Err(StorageError::Unavailable("down".into()))
    }
    async fn scan(&self, _: &KeyRange, _: u32, _: Direction) -> Result<Page, StorageError> {
        Err(StorageError::Unavailable("down".into()))
    }
    async fn commit(&self, _: &[Check], _: &[Write]) -> Result<Outcome, StorageError> {
        Err(StorageError::Unavailable("down".into()))
    }
    async fn changes(&self, _: &[u8], _: Version, _: u32, _: u32) -> Result<Vec<Change>, StorageError> {
        Err(StorageError::Unavailable("down".into()))
    }
}

#[test]
fn when_the_store_is_away_the_answer_says_that_it_may_come_back_and_is_not_kept() {
    let port = Port::new(Denial::Chain);
    let query = Port::query("arena.vwp.test.", RecordType::A, Asker::Plain);
    let answer = port.answer_through(&Down, &query);
    assert!(matches!(answer.fault, Some(DnsError::Storage(_))));
    assert_eq!((answer.sources.len(), answer.kept_s), (0, 0));
    let message = Message::from_vec(&answer.message).unwrap();
    assert_eq!((message.response_code(), reason(&message)), (ResponseCode::ServFail, Some(14)));
}

#[test]
fn a_domain_is_refused_until_it_is_hosted_and_then_answered_for() {
    let port = Port::new(Denial::Chain);
    let before = port.raw("www.operator.example.", RecordType::A, Asker::Validating);
    assert_eq!(Message::from_vec(&before.message).unwrap().response_code(), ResponseCode::Refused);
    let written = written(&port, |port| {
        let zone = Zone::new("operator.example").unwrap();
        block_on(async {
            let plan = zones::add(&port.store, &port.zone, &zone).await.unwrap();
            plan.commit(&port.store).await.unwrap();
        });
    });
    assert!(is_spoilt(&before, &written));
    let after = port.raw("www.operator.example.", RecordType::A, Asker::Validating);
    assert_eq!(Message::from_vec(&after.message).unwrap().response_code(), ResponseCode::NXDomain);
    assert!(is_spoilt(&after, &written));
}

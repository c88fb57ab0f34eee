//! A zone in memory, and questions about it.

use crate::proof;
use domain::base::{Name as DomainName, Rtype};
use futures::executor::block_on;
use hickory_proto::op::{Edns, Message, Query as Question};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vwp_core::Environment;
use vwp_core::environment::{Random, Settings};
use vwp_dns::answer::{Answer, Answering, DesignatedResolver, answer};
use vwp_dns::edge::{self, Form, Query, Service, Transport};
use vwp_dns::edit::{self, Content, Edit, Plan};
use vwp_dns::name::{OrderedName, OwnName};
use vwp_dns::node::{Glue, Set};
use vwp_dns::zone::{Denial, Policy, Zone};
use vwp_dns::{DnsError, keys, publish};
use vwp_storage::Kv;
use vwp_storage::memory::Memory;

pub(crate) const START_S: u64 = 1_800_000_000;
const TTL_S: u32 = 60;

/// Numbers that are the same in every run.
#[derive(Default)]
struct Seeded(AtomicU64);

impl Random for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            let mixed = (state ^ (state >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            *byte = (mixed >> 56) as u8;
        }
    }
}

/// The zone `vwp.test`, with its store and its clock.
pub(crate) struct Port {
    pub(crate) store: Memory,
    pub(crate) zone: Zone,
    pub(crate) policy: Policy,
    pub(crate) designated: Vec<DesignatedResolver>,
    settings: Settings,
    clock: Arc<AtomicU64>,
    random: Seeded,
}

/// What the who's message says besides its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// Wants no signatures.
    Plain,
    /// Wants signatures.
    Validating,
    /// Wants signatures, and knows compact denials (RFC 9824, section 5.1).
    Compact,
}

pub(crate) fn name(text: &str) -> OwnName {
    DomainName::vec_from_str(text).unwrap()
}

pub(crate) fn address(last: u8) -> Set {
    Set::new(Rtype::A, TTL_S, vec![vec![192, 0, 2, last]])
}

pub(crate) fn alias(target: &str) -> Set {
    Set::new(Rtype::CNAME, TTL_S, vec![name(target).as_slice().to_vec()])
}

pub(crate) fn nameserver(target: &str) -> Set {
    Set::new(Rtype::NS, TTL_S, vec![name(target).as_slice().to_vec()])
}

pub(crate) fn text(text: &str) -> Set {
    let length = u8::try_from(text.len()).unwrap();
    Set::new(Rtype::TXT, TTL_S, vec![[&[length], text.as_bytes()].concat()])
}

/// The hash of some key (RFC 4034, section 5.1).
pub(crate) fn key_hash() -> Set {
    Set::new(Rtype::DS, TTL_S, vec![[&[0x12, 0x34, 13, 2][..], &[7; 32]].concat()])
}

impl Port {
    pub(crate) fn new(denial: Denial) -> Self {
        let clock = Arc::new(AtomicU64::new(START_S * 1000));
        let store = Memory::new({
            let clock = Arc::clone(&clock);
            move || clock.load(Ordering::Relaxed)
        });
        let mut policy = Policy::new(vec![name("ns.port.example")], name("hostmaster.vwp.test"));
        policy.denial = denial;
        let settings = Settings {
            zone: "vwp.test".into(),
            issuer: "https://port.example".into(),
            master_key: [7; 32],
            master_key_previous: None,
            admin_token: String::new(),
            options: BTreeMap::new(),
        };
        let zone = Zone::new("vwp.test").unwrap();
        Self { store, zone, policy, designated: Vec::new(), settings, clock, random: Seeded::default() }
    }

    /// A zone with one of each: records, an alias, names without records, delegations.
    pub(crate) fn with_worlds(denial: Denial) -> Self {
        let port = Self::new(denial);
        port.put("arena", vec![address(1), text("the arena")]);
        port.put("_vw._tcp.arena", vec![text("service")]);
        port.put("www", vec![alias("arena.vwp.test")]);
        port.put("away", vec![alias("elsewhere.example")]);
        port.put("lost", vec![alias("missing.vwp.test")]);
        port.put("round", vec![alias("about.vwp.test")]);
        port.put("about", vec![alias("round.vwp.test")]);
        let glue = Glue { name: name("ns.signed.vwp.test").as_slice().to_vec(), set: address(53) };
        port.put_content("signed", vec![nameserver("ns.signed.vwp.test"), key_hash()], vec![glue]);
        port.put("unsigned", vec![nameserver("ns.elsewhere.example")]);
        port.put("inside", vec![alias("deep.unsigned.vwp.test")]);
        port
    }

    pub(crate) fn environment(&self) -> Environment<'_> {
        let now = self.clock.load(Ordering::Relaxed);
        Environment { now, random: &self.random, settings: &self.settings }
    }

    pub(crate) fn advance_s(&self, seconds: u64) {
        self.clock.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    pub(crate) fn put(&self, below: &str, sets: Vec<Set>) {
        self.put_content(below, sets, Vec::new());
    }

    pub(crate) fn put_content(&self, below: &str, sets: Vec<Set>, glue: Vec<Glue>) {
        self.edit(below, Some(Content { sets, glue }));
    }

    pub(crate) fn remove(&self, below: &str) {
        self.edit(below, None);
    }

    fn edit(&self, below: &str, content: Option<Content>) {
        self.apply(&Edit::from([(self.place(below), content)])).unwrap();
    }

    fn place(&self, below: &str) -> OrderedName {
        OrderedName::of(&name(&format!("{below}.vwp.test")), self.zone.apex()).unwrap()
    }

    /// What would put sets at a name.
    pub(crate) fn plan(&self, below: &str, sets: Vec<Set>) -> Plan {
        let content = Content { sets, glue: Vec::new() };
        self.plan_edit(&Edit::from([(self.place(below), Some(content))])).unwrap()
    }

    fn plan_edit(&self, edit: &Edit) -> Result<Plan, DnsError> {
        let environment = self.environment();
        block_on(async {
            let signer = if self.policy.is_signed {
                Some(keys::signer(&self.store, &self.zone, &self.policy, &environment).await?)
            } else {
                None
            };
            let now_s = environment.now_seconds();
            edit::plan(&self.store, &self.zone, &self.policy, signer.as_ref(), edit, now_s).await
        })
    }

    /// Commits an edit; the error is for whoever asked.
    pub(crate) fn apply(&self, edit: &Edit) -> Result<(), DnsError> {
        block_on(self.plan_edit(edit)?.commit(&self.store)).map(drop)
    }

    pub(crate) fn publish(&self) {
        block_on(publish::publish(&self.store, &self.zone, &self.policy, &self.environment())).unwrap();
    }

    pub(crate) fn query(asked: &str, rtype: RecordType, who: Asker) -> Query {
        Self::query_name(&Name::from_ascii(asked).unwrap(), rtype, who)
    }

    fn query_name(asked: &Name, rtype: RecordType, who: Asker) -> Query {
        let mut message = Message::new();
        message.add_query(Question::query(asked.clone(), rtype));
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        edns.set_dnssec_ok(who != Asker::Plain);
        message.set_edns(edns);
        let mut bytes = message.to_vec().unwrap();
        if who == Asker::Compact {
            // The library does not know the flag: it is beside DO, before the length.
            let at = bytes.len() - 4;
            bytes[at] |= 0x40;
        }
        Query::read(&bytes).unwrap()
    }

    pub(crate) fn answer_through(&self, store: &impl Kv, query: &Query) -> Answer {
        assert!(matches!(query.form(), Form::Plain(_)));
        let answering = Answering { zone: &self.zone, policy: &self.policy, designated: &self.designated };
        block_on(answer(store, &answering, &self.environment(), query))
    }

    pub(crate) fn raw(&self, asked: &str, rtype: RecordType, who: Asker) -> Answer {
        self.answer_through(&self.store, &Self::query(asked, rtype, who))
    }

    /// Asks, and checks what holds for every answer.
    pub(crate) fn ask(&self, asked: &str, rtype: RecordType, who: Asker) -> Message {
        self.ask_name(&Name::from_ascii(asked).unwrap(), rtype, who)
    }

    pub(crate) fn ask_name(&self, asked: &Name, rtype: RecordType, who: Asker) -> Message {
        let query = Self::query_name(asked, rtype, who);
        let answer = self.answer_through(&self.store, &query);
        assert_eq!(answer.fault, None);
        let finished = edge::finish(&query, &answer.message, Transport::Tcp, &Service::default());
        let message = Message::from_vec(&finished).unwrap();
        assert!(!message.truncated());
        match who {
            Asker::Plain => proof::assert_no_signatures(&message, rtype),
            Asker::Validating | Asker::Compact => proof::assert_signed(&message, &self.dns_keys()),
        }
        message
    }

    /// The zone's keys, as a resolver gets them.
    fn dns_keys(&self) -> Vec<Record> {
        let answer = self.raw("vwp.test.", RecordType::DNSKEY, Asker::Plain);
        Message::from_vec(&answer.message).unwrap().take_answers()
    }
}

/// The option of extended errors in a plain answer (RFC 8914), as a number.
pub(crate) fn reason(message: &Message) -> Option<u16> {
    use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
    match message.extensions().as_ref()?.option(EdnsCode::from(15))? {
        EdnsOption::Unknown(_, data) => Some(u16::from_be_bytes([data[0], data[1]])),
        other => panic!("{other:?}"),
    }
}

/// Records as text: name, type, data.
pub(crate) fn lines(records: &[Record]) -> Vec<String> {
    let line = |record: &Record| format!("{} {} {}", record.name(), record.record_type(), record.data());
    let mut lines: Vec<_> = records.iter().filter(|record| !is_dnssec(record)).map(line).collect();
    lines.sort();
    lines
}

fn is_dnssec(record: &Record) -> bool {
    matches!(record.data(), RData::DNSSEC(_))
}

pub(crate) fn ipv4(last: u8) -> RData {
    RData::A(Ipv4Addr::new(192, 0, 2, last).into())
}

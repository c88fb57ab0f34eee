//! A port in memory, and another name server that asks it.

use base64ct::{Base64, Encoding};
use domain::base::iana::{Class, Rcode};
use domain::base::rdata::UnknownRecordData;
use domain::base::{Message, MessageBuilder, Name, Rtype, Serial, Ttl};
use domain::rdata::tsig::Time48;
use domain::rdata::{Soa, Txt};
use domain::tsig::{Algorithm, ClientSequence, Key};
use futures::executor::block_on;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vwp_core::Environment;
use vwp_core::environment::{Random, Settings};
use vwp_dns::authority::Authority;
use vwp_dns::edit::{self, Content, Edit};
use vwp_dns::name::{OrderedName, OwnName};
use vwp_dns::node::Set;
use vwp_dns::publish::Head;
use vwp_dns::transfer::{self, Reply, Request};
use vwp_dns::tsig::keys::NewKey;
use vwp_dns::zone::{Policy, Zone};
use vwp_dns::{DnsError, keys, trailer, tsig};
use vwp_storage::memory::Memory;

pub(crate) const START_S: u64 = 1_800_000_000;

/// A record as text compares it: owner, type, time to live, data.
pub(crate) type Record = (String, u16, u32, Vec<u8>);

/// Numbers that are the same in every run.
#[derive(Default)]
struct Seeded(AtomicU64);

impl Random for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            *byte = ((state ^ (state >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8;
        }
    }
}

/// A port with its store and its clock.
pub(crate) struct Port {
    pub(crate) store: Memory,
    pub(crate) authority: Authority,
    pub(crate) zone: Zone,
    pub(crate) key: Key,
    clock: Arc<AtomicU64>,
    settings: Settings,
    random: Seeded,
}

impl Port {
    /// A port with a key that may transfer zones.
    pub(crate) fn new(is_signed: bool) -> Self {
        let clock = Arc::new(AtomicU64::new(START_S * 1000));
        let store = Memory::new({
            let clock = Arc::clone(&clock);
            move || clock.load(Ordering::Relaxed)
        });
        let settings = Settings {
            zone: "vwp.test".into(),
            issuer: "https://port.example".into(),
            master_key: [7; 32],
            master_key_previous: None,
            admin_token: "admin".into(),
            options: std::collections::BTreeMap::new(),
        };
        let zone = Zone::new("vwp.test").expect("a zone");
        let mut policy = Policy::new(vec![name("ns.vwp.test")], name("hostmaster.vwp.test"));
        policy.is_signed = is_signed;
        let key = Key::new(Algorithm::Sha256, b"", key_name("none"), None, None).expect("a key");
        let authority = Authority::new(zone.clone(), policy);
        let mut port = Self { store, authority, zone, key, clock, settings, random: Seeded::default() };
        port.key = port.make_key("peer", Algorithm::Sha256, true, &[]);
        port
    }

    pub(crate) fn environment(&self) -> Environment<'_> {
        let now = self.clock.load(Ordering::Relaxed);
        Environment { now, random: &self.random, settings: &self.settings }
    }

    pub(crate) fn pass(&self, ms: u64) {
        self.clock.fetch_add(ms, Ordering::Relaxed);
    }

    /// Makes a key, and returns it as the other side has it.
    pub(crate) fn make_key(&self, name: &str, algorithm: Algorithm, transfer: bool, update: &[&str]) -> Key {
        let new = NewKey {
            name: name.into(),
            algorithm: Some(algorithm.to_string()),
            secret: None,
            transfer,
            update: update.iter().map(ToString::to_string).collect(),
        };
        let (_, secret) = block_on(tsig::keys::create(&self.store, &self.environment(), new)).expect("a key");
        let secret = Base64::decode_vec(&secret).expect("base64");
        Key::new(algorithm, &secret, key_name(name), None, None).expect("a key")
    }

    /// Edits names. Refusals are passed over: what the zone cannot hold, it does not.
    pub(crate) fn edit(&self, edit: &Edit) {
        let (environment, zone) = (self.environment(), &self.zone);
        let policy = self.authority.policy(zone);
        block_on(async {
            let signer = if policy.is_signed {
                Some(keys::signer(&self.store, zone, policy, &environment).await.expect("a signer"))
            } else {
                None
            };
            let now_s = environment.now_seconds();
            match edit::plan(&self.store, zone, policy, signer.as_ref(), edit, now_s).await {
                Ok(plan) => plan.commit(&self.store).await.map(|_| ()).expect("nobody else edits"),
                Err(DnsError::Refused(_)) => {}
                Err(error) => panic!("{error}"),
            }
        });
    }

    /// Publishes what changed.
    pub(crate) fn publish(&self) -> Head {
        self.pass(1000);
        block_on(self.authority.publish(&self.store, &self.zone, &self.environment())).expect("published")
    }

    /// Takes a signed message in, as the port does with everything that is signed.
    pub(crate) fn take(&self, bytes: &[u8], is_stream: bool) -> Result<Reply, Vec<u8>> {
        let environment = self.environment();
        let trailer = trailer::find(bytes).expect("well formed").expect("signed");
        let signature = tsig::Signature::read(trailer).expect("a signature");
        block_on(async {
            let key = tsig::keys::find(&self.store, &environment, signature.key_name()).await.expect("keys");
            let plain = key.as_ref().map(|key| key.key.clone());
            let verified = signature.verify(plain, environment.now_seconds()).map_err(|refusal| refusal.0)?;
            let message = Message::from_slice(&verified.request).expect("a message");
            let request = Request { message, key: key.expect("a key"), signer: verified.signer, is_stream };
            Ok(transfer::start(&self.store, &self.authority, &environment, request).await.expect("a reply"))
        })
    }

    pub(crate) fn resume(&self, more: &[u8]) -> Result<Reply, DnsError> {
        block_on(transfer::resume(&self.store, &self.authority, &self.environment(), more))
    }

    /// Transfers a zone, and does something between its pieces. Every message is verified.
    pub(crate) fn transfer(&self, apex: &str, serial: Option<u32>, mut between: impl FnMut()) -> Vec<Record> {
        let rtype = if serial.is_some() { Rtype::IXFR } else { Rtype::AXFR };
        let (bytes, mut sequence) = self.request(apex, rtype, serial, &self.key);
        let mut reply = self.take(&bytes, true).expect("a good signature");
        let mut records = Vec::new();
        loop {
            for bytes in reply.messages {
                let mut message = Message::from_octets(bytes).expect("a message");
                sequence.answer(&mut message, self.now48()).expect("a good signature");
                assert_eq!(message.header().rcode(), Rcode::NOERROR);
                records.extend(answers(&message));
            }
            let Some(more) = reply.more else {
                break;
            };
            between();
            reply = self.resume(&more).expect("more of it");
        }
        sequence.done().expect("signed to the end");
        records
    }

    /// A signed question.
    pub(crate) fn request(
        &self,
        apex: &str,
        rtype: Rtype,
        serial: Option<u32>,
        key: &Key,
    ) -> (Vec<u8>, ClientSequence<Key>) {
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_id(4711);
        let mut builder = builder.question();
        builder.push((name(apex), rtype)).expect("room");
        let mut builder = builder.authority();
        if let Some(serial) = serial {
            let soa =
                Soa::new(name("."), name("."), Serial(serial), Ttl::ZERO, Ttl::ZERO, Ttl::ZERO, Ttl::ZERO);
            builder.push((name(apex), Class::IN, Ttl::ZERO, soa)).expect("room");
        }
        let mut builder = builder.additional();
        let sequence = ClientSequence::request(key.clone(), &mut builder, self.now48()).expect("room");
        (builder.finish(), sequence)
    }

    pub(crate) fn now48(&self) -> Time48 {
        Time48::from_u64(self.environment().now_seconds())
    }
}

/// The records of an answer.
pub(crate) fn answers(message: &Message<Vec<u8>>) -> Vec<Record> {
    let record = |record: domain::base::record::ParsedRecord<'_, Vec<u8>>| {
        let data = record.to_record::<UnknownRecordData<&[u8]>>().expect("data").expect("data");
        (
            record.owner().to_string(),
            record.rtype().to_int(),
            record.ttl().as_secs(),
            data.data().data().to_vec(),
        )
    };
    message.answer().expect("a section").map(|one| record(one.expect("a record"))).collect()
}

/// The content of a whole zone as transferred: what is between the two starts of authority.
pub(crate) fn content(records: &[Record]) -> (Record, BTreeSet<Record>) {
    let (first, rest) = records.split_first().expect("records");
    let (last, rest) = rest.split_last().expect("records");
    assert_eq!((first.1, first), (Rtype::SOA.to_int(), last));
    let set: BTreeSet<Record> = rest.iter().cloned().collect();
    assert_eq!(set.len(), rest.len(), "no record comes twice");
    (first.clone(), set)
}

/// The serial number in a start of authority.
pub(crate) fn serial(soa: &Record) -> u32 {
    let at = soa.3.len() - 20;
    u32::from_be_bytes(soa.3[at..at + 4].try_into().expect("four bytes"))
}

pub(crate) fn name(text: &str) -> OwnName {
    Name::vec_from_str(text).expect("a name")
}

pub(crate) fn key_name(text: &str) -> domain::tsig::KeyName {
    domain::tsig::KeyName::from_octets(octets(&name(text))).expect("a name")
}

fn octets(name: &OwnName) -> domain::dep::octseq::Array<255> {
    let mut array = domain::dep::octseq::Array::new();
    domain::dep::octseq::OctetsBuilder::append_slice(&mut array, name.as_slice()).expect("short");
    array
}

/// A name in the zone, from its labels.
pub(crate) fn at(text: &str) -> OrderedName {
    OrderedName::of(&name(&format!("{text}.vwp.test")), &name("vwp.test")).expect("a name in the zone")
}

/// A TXT set.
pub(crate) fn txt(text: &str) -> Set {
    let data: Txt<Vec<u8>> = Txt::build_from_slice(text.as_bytes()).expect("short");
    Set::from_records(Rtype::TXT, Ttl::from_secs(60), [&data]).expect("a set")
}

/// Content of one name.
#[expect(clippy::unnecessary_wraps, reason = "it is what an edit says of a name")]
pub(crate) fn holding(sets: Vec<Set>) -> Option<Content> {
    Some(Content { sets, glue: Vec::new() })
}

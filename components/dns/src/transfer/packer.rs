//! The messages of a transfer: filled with records, and signed one by one.

use crate::name::{OrderedName, OwnName};
use crate::node::{Node, Set};
use crate::publish::Head;
use crate::tsig::{self, Signer};
use domain::base::iana::{Class, Rtype as Type};
use domain::base::message_builder::AnswerBuilder;
use domain::base::rdata::UnknownRecordData;
use domain::base::{HashCompressor, Message, MessageBuilder, Name, Rtype, Ttl};

/// How long messages become unless one record is longer: as far as names can be referred to
/// (RFC 1035, section 4.1.4).
const LENGTH: usize = 16 * 1024;
/// The longest message (RFC 1035, section 4.2.2).
const LENGTH_MAX: usize = u16::MAX as usize;

/// A record as it is transferred.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// The owner.
    pub owner: OwnName,
    /// The type.
    pub rtype: Rtype,
    /// The time to live, in seconds.
    pub ttl_s: u32,
    /// The data.
    pub data: Vec<u8>,
}

/// All records of a node: its sets with their signatures, and its glue.
pub fn records(name: &OrderedName, node: &Node, apex: &OwnName) -> Vec<Record> {
    let mut records = Vec::new();
    if let Some(owner) = name.to_name(apex) {
        node.sets.iter().for_each(|set| push_set(&mut records, &owner, set));
    }
    for glue in &node.glue {
        if let Ok(owner) = Name::from_octets(glue.name.clone()) {
            push_set(&mut records, &owner, &glue.set);
        }
    }
    records
}

/// The start of authority, and its signatures.
pub fn start_of_authority(head: &Head, apex: &OwnName) -> (Option<Record>, Vec<Record>) {
    let mut records = Vec::new();
    push_set(&mut records, apex, &head.soa);
    let (soa, signatures) = records.into_iter().partition(|record| record.rtype == Type::SOA);
    let mut soa: Vec<Record> = soa;
    (soa.pop(), signatures)
}

fn push_set(records: &mut Vec<Record>, owner: &OwnName, set: &Set) {
    let types = [(set.rtype, &set.data), (Type::RRSIG, &set.signatures)];
    for (rtype, data) in
        types.into_iter().flat_map(|(rtype, data)| data.iter().map(move |data| (rtype, data)))
    {
        records.push(Record { owner: owner.clone(), rtype, ttl_s: set.ttl_s, data: data.clone() });
    }
}

/// Fills messages with records.
pub struct Packer {
    id: u16,
    open: Option<AnswerBuilder<HashCompressor<Vec<u8>>>>,
    signer: Option<Signer>,
    now_s: u64,
    messages: Vec<Vec<u8>>,
}

impl Packer {
    /// The first message of an answer, with the question (RFC 5936, section 2.2.1).
    pub fn answer(request: &Message<[u8]>, signer: Option<Signer>, now_s: u64) -> Self {
        let mut packer = Self::go_on(request.header().id(), signer, now_s);
        let mut builder = packer.builder().question();
        for question in request.question().flatten() {
            // One question that fitted into a message fits into this one.
            let _ = builder.push(question);
        }
        packer.open = Some(builder.answer());
        packer
    }

    /// The messages after the first ones.
    pub fn go_on(id: u16, signer: Option<Signer>, now_s: u64) -> Self {
        Self { id, open: None, signer, now_s, messages: Vec::new() }
    }

    /// Adds a record.
    pub fn push(&mut self, record: &Record) {
        if self.open.as_ref().is_some_and(|open| open.as_slice().len() > LENGTH) {
            self.close();
        }
        if !self.try_push(record) {
            self.close();
            // A record that fits into no message is longer than a node may be.
            self.try_push(record);
        }
    }

    /// Adds records, in order.
    pub fn extend<'a>(&mut self, records: impl IntoIterator<Item = &'a Record>) {
        for record in records {
            self.push(record);
        }
    }

    /// The messages, and the signer as it is after them.
    pub fn finish(mut self) -> (Vec<Vec<u8>>, Option<Signer>) {
        self.close();
        (self.messages, self.signer)
    }

    fn try_push(&mut self, record: &Record) -> bool {
        let mut open = self.open.take().unwrap_or_else(|| self.builder().answer());
        let is_pushed = UnknownRecordData::from_octets(record.rtype, &record.data).is_ok_and(|data| {
            open.push((&record.owner, Class::IN, Ttl::from_secs(record.ttl_s), data)).is_ok()
        });
        self.open = Some(open);
        is_pushed
    }

    fn builder(&self) -> MessageBuilder<HashCompressor<Vec<u8>>> {
        let target = HashCompressor::new(Vec::with_capacity(LENGTH));
        // A message's header always fits.
        let mut builder = MessageBuilder::from_target(target)
            .unwrap_or_else(|_| unreachable!("appending to a vector does not fail"));
        let signature = self.signer.as_ref().map_or(0, |signer| tsig::length_max(signer.key()));
        builder.set_push_limit(LENGTH_MAX.saturating_sub(signature));
        let header = builder.header_mut();
        header.set_id(self.id);
        header.set_qr(true);
        header.set_aa(true);
        builder
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else {
            return;
        };
        let mut message = open.finish().into_target();
        if let Some(signer) = &mut self.signer {
            signer.sign(&mut message, self.now_s);
        }
        self.messages.push(message);
    }
}

//! What a zone holds at one name: record sets with their signatures, as one value of the
//! store. Record data is kept as it goes into messages, uncompressed and in DNSSEC's
//! canonical form, so that answering is copying.

use domain::base::Rtype;
use domain::base::iana::Rtype as Type;

/// The first byte of every encoded node: the version of this format.
const FORMAT: u8 = 1;

/// What is at one name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// The record sets, by type. Signatures are with the set that they cover, and the NSEC
    /// record is a set like the others.
    pub sets: Vec<Set>,
    /// At a delegation: the addresses below it that a referral carries (RFC 9471).
    pub glue: Vec<Glue>,
}

/// Records of one type at one name (RFC 2181, section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// The type of all of them.
    pub rtype: Rtype,
    /// How long they may be cached, in seconds.
    pub ttl_s: u32,
    /// The data of each, in DNSSEC's canonical form and order (RFC 4034, section 6), which
    /// is also free of duplicates.
    pub data: Vec<Vec<u8>>,
    /// The data of the RRSIG records that cover the set; empty where nothing is signed.
    pub signatures: Vec<Vec<u8>>,
}

/// An address of a name server below a delegation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glue {
    /// The name server's name, in wire format.
    pub name: Vec<u8>,
    /// Its addresses: an A or an AAAA set, without signatures.
    pub set: Set,
}

impl Set {
    /// A set without signatures, with its data in canonical order.
    pub fn new(rtype: Rtype, ttl_s: u32, mut data: Vec<Vec<u8>>) -> Self {
        data.sort();
        data.dedup();
        Self { rtype, ttl_s, data, signatures: Vec::new() }
    }
}

impl Node {
    /// The set of a type.
    pub fn set(&self, rtype: Rtype) -> Option<&Set> {
        self.sets.iter().find(|set| set.rtype == rtype)
    }

    /// Whether the zone ends here because a subtree is delegated. The apex, which has
    /// name servers too, is told apart by its start of authority, which is not kept in
    /// the node: the caller does not ask for the apex.
    pub fn is_delegation(&self) -> bool {
        self.set(Type::NS).is_some()
    }

    /// The node as one value of the store.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        put_length(&mut bytes, self.sets.len());
        for set in &self.sets {
            set.encode(&mut bytes);
        }
        put_length(&mut bytes, self.glue.len());
        for glue in &self.glue {
            put_bytes(&mut bytes, &glue.name);
            glue.set.encode(&mut bytes);
        }
        bytes
    }

    /// Whether what [`Node::encode`] wrote [is a delegation](Self::is_delegation), without
    /// reading all of it: every question passes the nodes above its name. None if it is
    /// something else.
    pub fn is_encoded_delegation(bytes: &[u8]) -> Option<bool> {
        let mut reader = Reader(bytes);
        if reader.byte()? != FORMAT {
            return None;
        }
        for _ in 0..reader.u16()? {
            if Set::skip(&mut reader)? == Type::NS {
                return Some(true);
            }
        }
        Some(false)
    }

    /// The set of a type in what [`Node::encode`] wrote, without reading the others, unless it
    /// [is a delegation](Self::is_delegation): most answers are one set. None if it is something else.
    pub fn encoded_set(bytes: &[u8], rtype: Rtype) -> Option<Option<Set>> {
        let mut reader = Reader(bytes);
        if reader.byte()? != FORMAT {
            return None;
        }
        let mut found = None;
        for _ in 0..reader.u16()? {
            let start = reader.0;
            match Set::skip(&mut reader)? {
                Type::NS => return Some(None),
                this if this == rtype => found = Some(Set::decode(&mut Reader(start))?),
                _ => {}
            }
        }
        Some(found)
    }

    /// Reads what [`Node::encode`] wrote; none if it is something else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.byte()? != FORMAT {
            return None;
        }
        let sets = reader.list(Set::decode)?;
        let glue = reader.list(|reader| {
            let name = reader.bytes()?.to_vec();
            Some(Glue { name, set: Set::decode(reader)? })
        })?;
        reader.0.is_empty().then_some(Self { sets, glue })
    }
}

impl Set {
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.rtype.to_int().to_be_bytes());
        bytes.extend(self.ttl_s.to_be_bytes());
        for records in [&self.data, &self.signatures] {
            put_length(bytes, records.len());
            for record in records {
                put_bytes(bytes, record);
            }
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let rtype = Rtype::from_int(reader.u16()?);
        let ttl_s = u32::from(reader.u16()?) << 16 | u32::from(reader.u16()?);
        let data = reader.list(|reader| reader.bytes().map(<[u8]>::to_vec))?;
        let signatures = reader.list(|reader| reader.bytes().map(<[u8]>::to_vec))?;
        Some(Self { rtype, ttl_s, data, signatures })
    }

    /// Passes over a set; says of which type it is.
    fn skip(reader: &mut Reader<'_>) -> Option<Rtype> {
        let rtype = Rtype::from_int(reader.u16()?);
        let _ttl_s = (reader.u16()?, reader.u16()?);
        for _ in 0..2 {
            for _ in 0..reader.u16()? {
                reader.bytes()?;
            }
        }
        Some(rtype)
    }
}

/// Every length fits: record data has at most 65,535 bytes, and a value of the store has
/// no more either.
fn put_length(bytes: &mut Vec<u8>, length: usize) {
    bytes.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
}

pub(crate) fn put_bytes(bytes: &mut Vec<u8>, part: &[u8]) {
    put_length(bytes, part.len());
    bytes.extend(part);
}

/// Takes stored bytes apart.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.u16()?);
        let (part, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(part)
    }

    pub(crate) fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.u16()?;
        (0..count).map(|_| read(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_comes_back_as_it_went_and_nothing_else_is_taken_for_one() {
        let mut signed =
            Set::new(Type::A, 60, vec![vec![127, 0, 0, 2], vec![127, 0, 0, 1], vec![127, 0, 0, 1]]);
        signed.signatures.push(vec![1; 100]);
        let glue = Glue { name: vec![1, b'n', 0], set: Set::new(Type::A, 3600, vec![vec![127, 0, 0, 3]]) };
        let node = Node { sets: vec![signed, Set::new(Type::TXT, 1, vec![vec![0]])], glue: vec![glue] };
        assert_eq!(node.sets[0].data, [[127, 0, 0, 1], [127, 0, 0, 2]]);
        let bytes = node.encode();
        assert_eq!(Node::is_encoded_delegation(&bytes), Some(false));
        let cut =
            Node { sets: [&node.sets[..], &[Set::new(Type::NS, 1, vec![vec![0]])]].concat(), ..node.clone() };
        assert_eq!(Node::is_encoded_delegation(&cut.encode()), Some(true));
        assert_eq!(Node::is_encoded_delegation(&bytes[..20]), None);
        assert_eq!(Node::encoded_set(&bytes, Type::A), Some(Some(node.sets[0].clone())));
        assert_eq!(Node::encoded_set(&bytes, Type::AAAA), Some(None));
        assert_eq!(Node::encoded_set(&cut.encode(), Type::A), Some(None));
        assert_eq!(Node::encoded_set(&bytes[..20], Type::A), None);
        assert_eq!(Node::decode(&bytes), Some(node));
        for length in 0..bytes.len() {
            assert_eq!(Node::decode(&bytes[..length]), None);
        }
        assert_eq!(Node::decode(&[&bytes[..], &[0]].concat()), None);
        assert_eq!(Node::decode(&[2, 0, 0, 0, 0]), None);
    }
}

//! Signatures over record sets (RFC 4034, section 3), made with ECDSA P-256 and SHA-256, which
//! is DNSSEC's algorithm 13 (RFC 6605), and the NSEC records that they make a proof of.
//!
//! A signature is a function of the set, the key and the time: nonces come from RFC 6979.

use crate::name::OwnName;
use crate::node::Set;
use crate::zone::Policy;
use domain::base::iana::{Class, Rtype as Type, SecurityAlgorithm};
use domain::base::name::ParsedName;
use domain::base::rdata::ComposeRecordData;
use domain::base::wire::Compose;
use domain::base::{Rtype, Ttl};
use domain::dep::octseq::Parser;
use domain::rdata::dnssec::{ProtoRrsig, RtypeBitmapBuilder, Timestamp};
use domain::rdata::{Nsec, Rrsig};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use sha2::{Digest, Sha256};

/// How long before now a signature begins, for resolvers whose clocks are slow.
const INCEPTION_S: u64 = 60 * 60;

/// A private key and the tag that its signatures name it by (RFC 4034, appendix B).
pub struct ZoneKey {
    /// The key's tag.
    pub tag: u16,
    /// The private key.
    pub key: SigningKey,
}

/// What a signature says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureInfo {
    /// The tag of the key that made it.
    pub tag: u16,
    /// When it ends, in seconds since the epoch modulo 2^32.
    pub expiration: u32,
}

impl SignatureInfo {
    /// Reads the data of an RRSIG record.
    pub fn read(data: &[u8]) -> Option<Self> {
        let mut parser = Parser::from_ref(data);
        let rrsig: Rrsig<&[u8], ParsedName<&[u8]>> = Rrsig::parse(&mut parser).ok()?;
        Some(Self { tag: rrsig.key_tag(), expiration: rrsig.expiration().into_int() })
    }

    /// How long it is still valid; 0 if it is not.
    pub fn seconds_left(&self, now_s: u64) -> u32 {
        // RFC 4034, section 3.1.5: times compare in the circle of RFC 1982.
        let left = self.expiration.wrapping_sub(modulo(now_s));
        if left < 1 << 31 { left } else { 0 }
    }
}

/// Signs a set with each of the keys: replaces its signatures.
pub fn sign(set: &mut Set, owner: &OwnName, apex: &OwnName, policy: &Policy, keys: &[&ZoneKey], now_s: u64) {
    let inception = modulo(now_s.saturating_sub(INCEPTION_S));
    let expiration = modulo(now_s.saturating_add(u64::from(lifetime_s(owner, policy))));
    // RFC 4034, section 3.1.3: without the root's label. No owner here is a wildcard.
    let labels = u8::try_from(owner.label_count().saturating_sub(1)).unwrap_or(u8::MAX);
    let (set_type, ttl) = (set.rtype, Ttl::from_secs(set.ttl_s));
    let signature = |key: &&ZoneKey| {
        let rrsig = ProtoRrsig::new(
            set_type,
            SecurityAlgorithm::ECDSAP256SHA256,
            labels,
            ttl,
            Timestamp::from(expiration),
            Timestamp::from(inception),
            key.tag,
            apex,
        );
        let signature: Signature = key.key.sign(&signed_data(&rrsig, owner, set));
        let mut data = Vec::with_capacity(18 + apex.len() + 64);
        // Neither the length nor appending to a vector can fail: a signature has 64 bytes.
        if let Ok(rrsig) = rrsig.into_rrsig(signature.to_bytes().to_vec()) {
            let _ = rrsig.compose_canonical_rdata(&mut data);
        }
        data
    };
    set.signatures = keys.iter().map(signature).collect();
}

/// What is signed: the RRSIG's own data, and the records in canonical form and order
/// (RFC 4034, section 3.1.8.1).
fn signed_data(rrsig: &ProtoRrsig<&OwnName>, owner: &OwnName, set: &Set) -> Vec<u8> {
    let mut head = Vec::with_capacity(owner.len() + 10);
    head.extend(owner.as_slice().to_ascii_lowercase());
    // Appending to a vector cannot fail.
    let _ = set.rtype.compose(&mut head);
    let _ = Class::IN.compose(&mut head);
    let _ = set.ttl_s.compose(&mut head);
    let mut signed = Vec::new();
    let _ = rrsig.compose_canonical(&mut signed);
    for data in &set.data {
        signed.extend(&head);
        signed.extend(u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
        signed.extend(data);
    }
    signed
}

/// How long a signature at a name is valid: up to an eighth less than the policy says, so that
/// what was signed together is not renewed together.
fn lifetime_s(owner: &OwnName, policy: &Policy) -> u32 {
    let hash = Sha256::digest(owner.as_slice());
    let hash = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    policy.signature_s - hash % (policy.signature_s / 8 + 1)
}

/// RFC 4034, section 3.1.5: a time is kept modulo 2^32.
fn modulo(time_s: u64) -> u32 {
    u32::try_from(time_s & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

/// The NSEC record of a name: the name after it, and the types that it has. NSEC and RRSIG
/// are added to them.
pub fn nsec(next: &OwnName, types: impl IntoIterator<Item = Rtype>, policy: &Policy) -> Set {
    let mut bitmap = RtypeBitmapBuilder::new_vec();
    for rtype in types.into_iter().chain([Type::NSEC, Type::RRSIG]) {
        // Appending to a vector cannot fail.
        let _ = bitmap.add(rtype);
    }
    let mut data = Vec::new();
    let _ = Nsec::new(next, bitmap.finalize()).compose_rdata(&mut data);
    Set::new(Type::NSEC, nsec_ttl_s(policy), vec![data])
}

/// RFC 9077, section 3: the smaller of the SOA's minimum and its own TTL.
pub fn nsec_ttl_s(policy: &Policy) -> u32 {
    policy.negative_ttl_s.min(policy.apex_ttl_s)
}

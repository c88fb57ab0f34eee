//! Requests signed with a private key (SIG(0), RFC 2931), algorithm 13 alone.

use crate::name::{OwnName, lowercase};
use crate::trailer::Trailer;
use domain::base::Rtype;
use domain::base::iana::{Class, SecurityAlgorithm};
use domain::dep::octseq::Parser;
use domain::rdata::Rrsig;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature as Ecdsa, VerifyingKey};

/// The longest time that a signature may be valid for, in seconds. It bounds how long a
/// request has to be remembered so that it is not carried out twice.
pub const VALIDITY_MAX_S: u32 = 3600;
/// The length of a SIG's data before the signer's name (RFC 2535, section 4.1).
const FIXED_LENGTH: usize = 18;
/// The flags that a key may have been published with: of a user, a zone, a host (RFC 2535,
/// section 3.1.2). They are part of what a key's tag is made of.
const FLAGS: [u16; 3] = [0x0000, 0x0100, 0x0200];
/// DNSSEC's protocol number (RFC 4034, section 2.1.2).
const PROTOCOL: u8 = 3;

/// The signature of a request, not verified yet.
#[derive(Debug, Clone)]
pub struct Signature {
    signer: OwnName,
    key_tag: u16,
    inception_s: u32,
    expiration_s: u32,
    ecdsa: Ecdsa,
    signed: Vec<u8>,
    covered: Vec<u8>,
}

impl Signature {
    /// Reads the signature of a request; none if it is malformed or of another algorithm.
    pub fn read(trailer: Trailer<'_>) -> Option<Self> {
        let mut parser = Parser::from_ref(trailer.data);
        let data = Rrsig::parse(&mut parser).ok()?;
        // RFC 2931, section 3: what is covered, the labels and the times to live are zero,
        // and the record has no owner.
        let is_sig0 = trailer.owner.is_root()
            && trailer.class == Class::ANY
            && trailer.ttl_s == 0
            && data.type_covered() == Rtype::from_int(0)
            && data.labels() == 0
            && data.algorithm() == SecurityAlgorithm::ECDSAP256SHA256;
        let ecdsa = Ecdsa::from_slice(data.signature()).ok().filter(|_| is_sig0)?;
        // RFC 2931, section 3.1: the record data without the signature, then the message.
        let fixed = trailer.data.get(..FIXED_LENGTH + usize::from(name_length(&data)))?;
        Some(Self {
            signer: lowercase(data.signer_name()),
            key_tag: data.key_tag(),
            inception_s: data.inception().into_int(),
            expiration_s: data.expiration().into_int(),
            ecdsa,
            signed: [fixed, &trailer.covered].concat(),
            covered: trailer.covered,
        })
    }

    /// The name of the key's owner, in lower case.
    pub fn signer(&self) -> &OwnName {
        &self.signer
    }

    /// The signed request without its signature.
    pub fn into_request(self) -> Vec<u8> {
        self.covered
    }

    /// The signature's own bytes, which no other request has.
    pub fn bytes(&self) -> Vec<u8> {
        self.ecdsa.to_bytes().to_vec()
    }

    /// Until when it is valid, in seconds.
    pub fn valid_until_s(&self, now_s: u64) -> u64 {
        now_s.saturating_add(u64::from(self.expiration_s.wrapping_sub(low(now_s))))
    }

    /// Whether it is valid now, and not for too long. Times are in the circle of RFC 1982
    /// (RFC 4034, section 3.1.5).
    pub fn is_current(&self, now_s: u64) -> bool {
        let now = low(now_s);
        let validity = self.expiration_s.wrapping_sub(self.inception_s);
        validity <= VALIDITY_MAX_S && now.wrapping_sub(self.inception_s) <= validity
    }

    /// Whether a key made it. The tag tells in advance for all but one in thousands of keys,
    /// so that no more than the right one is tried.
    pub fn verify(&self, key: &VerifyingKey) -> bool {
        FLAGS.iter().any(|&flags| key_tag(key, flags) == self.key_tag)
            && key.verify(&self.signed, &self.ecdsa).is_ok()
    }
}

fn name_length<O: AsRef<[u8]>, N: domain::base::name::ToName>(data: &Rrsig<O, N>) -> u16 {
    data.signer_name().compose_len()
}

/// The low half of the time, as signatures carry it.
fn low(now_s: u64) -> u32 {
    u32::try_from(now_s & u64::from(u32::MAX)).unwrap_or(0)
}

/// The tag of a key that is published with these flags (RFC 4034, appendix B).
pub fn key_tag(key: &VerifyingKey, flags: u16) -> u16 {
    let point = key.to_sec1_point(false);
    // RFC 6605, section 4: the two coordinates, without the byte that marks the form.
    let public = point.as_bytes().get(1..).unwrap_or_default().to_vec();
    domain::rdata::Dnskey::new(flags, PROTOCOL, SecurityAlgorithm::ECDSAP256SHA256, public)
        .map_or(0, |key| key.key_tag())
}

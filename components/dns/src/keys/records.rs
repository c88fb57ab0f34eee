//! The zone's keys as records of its apex: DNSKEY (RFC 4034, section 2), and CDS and CDNSKEY,
//! which ask the parent to name a key (RFC 7344, section 3).

use super::Role;
use super::ring::{Ring, StoredKey};
use crate::canonical;
use crate::error::DnsError;
use crate::name::{OwnName, lowercase};
use crate::node::Set;
use crate::zone::Policy;
use domain::base::iana::{DigestAlgorithm, Rtype as Type, SecurityAlgorithm};
use domain::base::rdata::ComposeRecordData;
use domain::rdata::{Cdnskey, Cds, Dnskey, Ds};
use sha2::{Digest, Sha256};
use vwp_core::jose;

/// RFC 4034, section 2.1.1: a key of the zone.
const ZONE: u16 = 0x0100;
/// RFC 4034, section 2.1.1: a secure entry point, which the parent names.
const ENTRY_POINT: u16 = 0x0001;
/// RFC 4034, section 2.1.2: the protocol is always DNSSEC.
const PROTOCOL: u8 = 3;
const ALGORITHM: SecurityAlgorithm = SecurityAlgorithm::ECDSAP256SHA256;

/// The DNSKEY record of a public key.
pub(super) fn dnskey(role: Role, public: Vec<u8>) -> Result<Dnskey<Vec<u8>>, DnsError> {
    let flags = if role.signs_keys() { ZONE | ENTRY_POINT } else { ZONE };
    Dnskey::new(flags, PROTOCOL, ALGORITHM, public).map_err(|_| DnsError::Corrupt("a public key"))
}

impl StoredKey {
    pub(super) fn dnskey(&self) -> Result<Dnskey<Vec<u8>>, DnsError> {
        let public = jose::decode(&self.public).map_err(|_| DnsError::Corrupt("a public key"))?;
        dnskey(self.role, public)
    }

    /// What the parent names it by (RFC 4034, section 5.1.4): a hash of name and key.
    pub(super) fn ds(&self, apex: &OwnName) -> Result<Ds<Vec<u8>>, DnsError> {
        let mut hashed = lowercase(apex).as_slice().to_vec();
        // Appending to a vector cannot fail.
        let _ = self.dnskey()?.compose_rdata(&mut hashed);
        let digest = Sha256::digest(&hashed).to_vec();
        Ds::new(self.tag, ALGORITHM, DigestAlgorithm::SHA256, digest)
            .map_err(|_| DnsError::Corrupt("a public key"))
    }
}

impl Ring {
    /// The sets of the apex that follow from the keys.
    pub(crate) fn sets(&self, apex: &OwnName, policy: &Policy) -> Result<Vec<Set>, DnsError> {
        let key = |key: &StoredKey| canonical::data(&key.dnskey()?);
        let keys = self.keys.iter().map(key).collect::<Result<_, DnsError>>()?;
        let mut sets = vec![Set::new(Type::DNSKEY, policy.apex_ttl_s, keys)];
        if let Some(announced) = self.announced() {
            let (key, ds) = (announced.dnskey()?, announced.ds(apex)?);
            let wrong = |_| DnsError::Corrupt("a public key");
            let cdnskey = Cdnskey::new(key.flags(), key.protocol(), ALGORITHM, key.public_key().clone());
            let cds = Cds::new(ds.key_tag(), ALGORITHM, ds.digest_type(), ds.digest().clone());
            let set = |rtype, data| Set::new(rtype, policy.apex_ttl_s, vec![data]);
            sets.push(set(Type::CDS, canonical::data(&cds.map_err(wrong)?)?));
            sets.push(set(Type::CDNSKEY, canonical::data(&cdnskey.map_err(wrong)?)?));
        }
        Ok(sets)
    }
}

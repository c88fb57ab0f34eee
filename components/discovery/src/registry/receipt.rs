//! Receipts: the port's signed proof that it accepted a record.

use crate::registry::World;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vwp_core::jose::{self, Header};
use vwp_core::{Environment, keyring};
use vwp_storage::kv::Version;

/// The type of a receipt.
pub const RECEIPT_TYPE: &str = "vwp-registration+jwt";

/// The claims of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptClaims {
    /// The port's URL.
    pub iss: String,
    /// The operator's id.
    pub sub: String,
    /// When the port accepted the record, in seconds.
    pub iat: u64,
    /// The world's name.
    pub name: String,
    /// The record's sequence number.
    pub seq: u64,
    /// The commit that made the record durable.
    pub version: Version,
    /// SHA-256 of the signed record's bytes, base64url.
    pub record_sha256: String,
}

pub(super) fn receipt(
    world: &World,
    version: Version,
    signer: &keyring::ActiveKey,
    environment: &Environment<'_>,
) -> String {
    let claims = ReceiptClaims {
        iss: environment.settings.issuer.clone(),
        sub: world.operator.clone(),
        iat: environment.now_seconds(),
        name: world.fields.name.clone(),
        seq: world.fields.seq,
        version,
        record_sha256: jose::encode(Sha256::digest(world.record.as_bytes())),
    };
    let header = Header::new(RECEIPT_TYPE).with_kid(signer.kid.clone());
    // Claims are texts and numbers, whose serialisation cannot fail.
    jose::sign(&header, &serde_json::to_vec(&claims).unwrap_or_default(), &signer.key)
}

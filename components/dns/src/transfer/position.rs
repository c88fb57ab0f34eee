//! Where a transfer goes on, as bytes that the host keeps while it sends messages.
//!
//! They are authenticated, because they stand for the permission that was checked when the
//! transfer began: whoever could make them up could read any zone.

use super::snapshot::Snapshot;
use crate::name::OwnName;
use crate::node::{Reader, put_bytes};
use domain::base::Name;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use vwp_core::Environment;

/// What is authenticated beside the bytes, so that nothing else that is authenticated under
/// the same key passes for a position.
const PURPOSE: &[u8] = b"vwp-dns transfer position 1\n";
/// The length of the authentication.
const MAC_LENGTH: usize = 32;

/// Where a transfer goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The request's id.
    pub id: u16,
    /// The zone's apex.
    pub apex: OwnName,
    /// The serial number that is transferred.
    pub serial: u32,
    /// The name of the key that signs.
    pub key: OwnName,
    /// The last signature.
    pub previous: Vec<u8>,
    /// What is left.
    pub rest: Rest,
}

/// What is left of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rest {
    /// The zone from a name on.
    Whole(Snapshot),
    /// The differences from a serial number on.
    Differences(u32),
}

impl Position {
    /// The position as bytes.
    pub fn encode(&self, environment: &Environment<'_>) -> Vec<u8> {
        let mut bytes = vec![0; MAC_LENGTH];
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(self.serial.to_be_bytes());
        put_bytes(&mut bytes, self.apex.as_slice());
        put_bytes(&mut bytes, self.key.as_slice());
        put_bytes(&mut bytes, &self.previous);
        match &self.rest {
            Rest::Whole(snapshot) => {
                bytes.push(0);
                snapshot.encode(&mut bytes);
            }
            Rest::Differences(serial) => {
                bytes.push(1);
                bytes.extend(serial.to_be_bytes());
            }
        }
        let (mac, rest) = bytes.split_at_mut(MAC_LENGTH);
        if let Some(made) = authentication(environment, rest) {
            mac.copy_from_slice(&made.finalize().into_bytes());
        }
        bytes
    }

    /// Reads what [`Position::encode`] wrote; none if it is something else.
    pub fn decode(bytes: &[u8], environment: &Environment<'_>) -> Option<Self> {
        let (mac, rest) = bytes.split_at_checked(MAC_LENGTH)?;
        authentication(environment, rest)?.verify_slice(mac).ok()?;
        let mut reader = Reader(rest);
        let id = reader.u16()?;
        let serial = serial(&mut reader)?;
        let apex = Name::from_octets(reader.bytes()?.to_vec()).ok()?;
        let key = Name::from_octets(reader.bytes()?.to_vec()).ok()?;
        let previous = reader.bytes()?.to_vec();
        let rest = match reader.byte()? {
            0 => Rest::Whole(Snapshot::decode(&mut reader)?),
            _ => Rest::Differences(self::serial(&mut reader)?),
        };
        Some(Self { id, apex, serial, key, previous, rest })
    }
}

fn serial(reader: &mut Reader<'_>) -> Option<u32> {
    Some(u32::from(reader.u16()?) << 16 | u32::from(reader.u16()?))
}

fn authentication(environment: &Environment<'_>, bytes: &[u8]) -> Option<Hmac<Sha256>> {
    let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&environment.settings.master_key).ok()?;
    Some(mac.chain_update(PURPOSE).chain_update(bytes))
}

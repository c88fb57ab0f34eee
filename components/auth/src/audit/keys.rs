//! Where the log is in the store.

use super::Chain;
use serde::Serialize;
use serde::de::DeserializeOwned;
use vwp_core::Problem;
use vwp_core::environment::Timestamp;
use vwp_storage::kv::Entry;

/// The log in the order of time; the chain and the number follow.
pub(super) const TIME: &str = "auth/audit/time/";
/// The chains whose heads have not been noted since they changed.
pub(super) const UNANCHORED: &str = "auth/audit/unanchored/";

pub(super) fn head(chain: &Chain) -> Vec<u8> {
    format!("auth/audit/head/{chain}").into_bytes()
}

pub(super) fn entries(chain: &Chain) -> String {
    format!("auth/audit/entry/{chain}/")
}

pub(super) fn entry(chain: &Chain, seq: u64) -> Vec<u8> {
    format!("{}{seq:016x}", entries(chain)).into_bytes()
}

pub(super) fn details(chain: &Chain) -> String {
    format!("auth/audit/detail/{chain}/")
}

pub(super) fn detail(chain: &Chain, seq: u64) -> Vec<u8> {
    format!("{}{seq:016x}", details(chain)).into_bytes()
}

pub(super) fn time(at: Timestamp, chain: &Chain, seq: u64) -> Vec<u8> {
    format!("{TIME}{at:016x}/{chain}/{seq:016x}").into_bytes()
}

/// The chain and the number in a key of [`time`].
pub(super) fn parts_of_time(key: &[u8]) -> Option<(Chain, u64)> {
    let rest = std::str::from_utf8(key).ok()?.strip_prefix(TIME)?;
    let (_, rest) = rest.split_once('/')?;
    let (chain, seq) = rest.rsplit_once('/')?;
    Some((chain.parse().ok()?, u64::from_str_radix(seq, 16).ok()?))
}

pub(super) fn unanchored(chain: &Chain) -> Vec<u8> {
    format!("{UNANCHORED}{chain}").into_bytes()
}

pub(super) fn anchor(seq: u64) -> Vec<u8> {
    format!("auth/audit/anchor/{seq:016x}").into_bytes()
}

/// Reads a record of the log; a value that is none is a fault.
pub(super) fn parse<T: DeserializeOwned>(entry: Option<&Entry>) -> Result<Option<T>, Problem> {
    entry.map(|entry| serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())).transpose()
}

pub(super) fn json(value: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value).map_err(|_| Problem::internal())
}

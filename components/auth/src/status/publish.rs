//! The signed list, as verifiers fetch it.
//!
//! It is made when somebody asks and kept in the store until a passport in it is revoked: a
//! request costs one read. It is compressed at most once in [`REBUILD_MIN_MS`], however many
//! passports are revoked, and signed anew, without compressing, before it is [`RESIGN_MS`] old.
//!
//! A revocation is seen by a verifier that fetches as the list's `ttl` says after at most
//! `REBUILD_MIN_MS`, [`CACHE_S`] in caches between, and [`TTL_S`]: 285 seconds.

use super::{ListId, bits};
use crate::error::AuthError;
use crate::keys;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Write};
use vwp_verifier::status::STATUS_LIST_TYPE;
use zlib_rs::{DeflateConfig, ReturnCode, Strategy, compress_bound, compress_slice};

/// How long a verifier may keep a list, in seconds (section 5.1).
pub const TTL_S: u64 = 240;
/// How long caches between may keep a list, in seconds.
pub const CACHE_S: u64 = 30;
/// How long a list is served although passports in it were revoked, in milliseconds.
const REBUILD_MIN_MS: u64 = 15_000;
/// How long a list is served that has not changed, in milliseconds. Short, so that what
/// verifiers fetch is not old already.
const RESIGN_MS: u64 = 30_000;
/// How long a signed list is valid, in seconds: for verifiers that rather serve on than close
/// their doors while the port is away, and say so.
const LIFETIME_S: u64 = 12 * 3600;

/// A signed list in the store.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: i64,
    made_at: Timestamp,
    token: String,
}

/// The signed list, if there is such a list.
pub async fn publish(
    kv: &impl Kv,
    list: &ListId,
    environment: &Environment<'_>,
) -> Result<Option<String>, AuthError> {
    let token_key = format!("auth/status/token/{list}").into_bytes();
    let entries = kv.get_many(&[list.version_key(), token_key.clone()]).await?;
    let [Some(version), kept_entry] = entries.as_slice() else {
        return Ok(None);
    };
    let version = version.value.as_slice().try_into().map(i64::from_le_bytes);
    let version = version.map_err(|_| Problem::internal())?;
    let kept: Option<Kept> = match kept_entry {
        Some(entry) => Some(serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?),
        None => None,
    };
    let mut known = None;
    if let Some(kept) = kept {
        let age_ms = environment.now.saturating_sub(kept.made_at);
        let is_same = kept.version == version;
        if age_ms < REBUILD_MIN_MS || (is_same && age_ms < RESIGN_MS) {
            return Ok(Some(kept.token));
        }
        known = Some(kept.token).filter(|_| is_same).and_then(|token| compressed_of(&token));
    }
    // The version was read before the bits, which may be newer: then the list is made again.
    let compressed = match known {
        Some(compressed) => compressed,
        None => jose::encode(compress(&bits::read(kv, list).await?)?),
    };
    let token = sign(kv, list, &compressed, environment).await?;
    let kept = Kept { version, made_at: environment.now, token: token.clone() };
    let value = serde_json::to_vec(&kept).map_err(|_| Problem::internal())?;
    let put = Write::Put { key: token_key.clone(), value, expires_at: Some(list.kept_until()) };
    // If another request kept its list first, that one is as good, and this one too.
    kv.commit(&[Check::unchanged(token_key, kept_entry.as_ref())], &[put]).await?;
    Ok(Some(token))
}

async fn sign(
    kv: &impl Kv,
    list: &ListId,
    compressed: &str,
    environment: &Environment<'_>,
) -> Result<String, AuthError> {
    let iat = environment.now_seconds();
    let claims = json!({
        "iss": environment.settings.issuer,
        "sub": list.uri(environment),
        "iat": iat,
        "exp": iat.saturating_add(LIFETIME_S),
        "ttl": TTL_S,
        "status_list": { "bits": 1, "lst": compressed },
    });
    let key = keys::active(kv, environment).await?;
    let header = jose::Header::new(STATUS_LIST_TYPE).with_kid(key.kid);
    Ok(jose::sign(&header, claims.to_string().as_bytes(), &key.key))
}

/// The compressed bits of a list that this port signed before.
fn compressed_of(token: &str) -> Option<String> {
    let payload = jose::decode(token.split('.').nth(1)?).ok()?;
    let mut claims: Value = serde_json::from_slice(&payload).ok()?;
    match claims.get_mut("status_list")?.get_mut("lst")?.take() {
        Value::String(compressed) => Some(compressed),
        _ => None,
    }
}

/// Bits in the ZLIB format (section 4.1), as the draft recommends at the highest level. Revoked
/// passports are spread at random, so there is little to find but runs of zeros; of the
/// strategies the one that leaves short repetitions alone makes the shortest lists.
pub fn compress(bytes: &[u8]) -> Result<Vec<u8>, Problem> {
    let config = DeflateConfig { level: 9, strategy: Strategy::Filtered, ..DeflateConfig::default() };
    let mut output = vec![0; compress_bound(bytes.len())];
    match compress_slice(&mut output, bytes, config) {
        (compressed, ReturnCode::Ok) => Ok(compressed.to_vec()),
        // The output has room for every input, so this is a defect.
        _ => Err(Problem::internal()),
    }
}

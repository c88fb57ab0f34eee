//! The bits of a list, kept in chunks: two revocations are in each other's way only if they
//! are in the same one of 32.

use super::{LIST_SIZE, ListId, Place};
use crate::error::AuthError;
use std::collections::{BTreeMap, BTreeSet};
use vwp_core::Problem;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, KeyRange, Outcome, Write};

/// How many places a chunk has.
const CHUNK_SIZE: u32 = 1 << 13;
/// How long a chunk is, in bytes.
const CHUNK_LENGTH: usize = (CHUNK_SIZE / 8) as usize;
/// How many chunks a list has.
const CHUNKS: u32 = LIST_SIZE / CHUNK_SIZE;
/// How often a change is tried when others change the same chunks at the same time.
const ATTEMPTS_MAX: usize = 32;

/// Marks places as revoked, for good and in one commit. At most 200 at once, so that the
/// commit keeps the store's bounds.
pub async fn revoke(kv: &impl Kv, places: &[Place]) -> Result<(), AuthError> {
    let mut by_chunk: BTreeMap<(ListId, u32), Vec<Place>> = BTreeMap::new();
    for place in places {
        by_chunk.entry((place.list, place.index / CHUNK_SIZE)).or_default().push(*place);
    }
    if by_chunk.is_empty() {
        return Ok(());
    }
    let keys: Vec<Vec<u8>> = by_chunk.keys().map(|(list, chunk)| chunk_key(list, *chunk)).collect();
    for _ in 0..ATTEMPTS_MAX {
        let seen = kv.get_many(&keys).await?;
        let (mut checks, mut writes, mut changed) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (((list, _), places), (key, entry)) in by_chunk.iter().zip(keys.iter().zip(&seen)) {
            let before = entry.as_ref().map_or_else(|| vec![0; CHUNK_LENGTH], |entry| entry.value.clone());
            let mut after = before.clone();
            for place in places {
                let offset = place.index % CHUNK_SIZE;
                let byte = after.get_mut((offset / 8) as usize).ok_or_else(Problem::internal)?;
                *byte |= 1 << (offset % 8);
            }
            if after == before {
                continue;
            }
            checks.push(Check::unchanged(key.clone(), entry.as_ref()));
            let expires_at = Some(list.kept_until());
            writes.push(Write::Put { key: key.clone(), value: after, expires_at });
            changed.insert(*list);
        }
        if writes.is_empty() {
            return Ok(());
        }
        for list in &changed {
            let key = list.version_key();
            writes.push(Write::Add { key, delta: 1, minimum: 0, maximum: i64::MAX });
        }
        match kv.commit(&checks, &writes).await? {
            Outcome::Committed(_) => return Ok(()),
            Outcome::Conflict(_) => {}
            _ => return Err(Problem::internal().into()),
        }
    }
    Err(Problem::unavailable("too many passports are being revoked at the same time").into())
}

/// Whether a place is marked as revoked.
pub async fn is_revoked(kv: &impl Kv, place: &Place) -> Result<bool, AuthError> {
    let chunk = kv.get(&chunk_key(&place.list, place.index / CHUNK_SIZE)).await?;
    let offset = place.index % CHUNK_SIZE;
    let byte = chunk.and_then(|chunk| chunk.value.get((offset / 8) as usize).copied());
    Ok(byte.is_some_and(|byte| byte >> (offset % 8) & 1 == 1))
}

/// All bits of a list.
pub(super) async fn read(kv: &impl Kv, list: &ListId) -> Result<Vec<u8>, AuthError> {
    let mut bytes = vec![0; (LIST_SIZE / 8) as usize];
    let range = KeyRange::prefix(format!("auth/status/bits/{list}/"));
    let page = kv.scan(&range, CHUNKS, Direction::Forward).await?;
    for item in page.items {
        let number = item.key.get(range.start.len()..).and_then(|digits| std::str::from_utf8(digits).ok());
        let number: usize = number.and_then(|digits| digits.parse().ok()).ok_or_else(Problem::internal)?;
        let begin = number * CHUNK_LENGTH;
        let chunk = bytes.get_mut(begin..begin + CHUNK_LENGTH).ok_or_else(Problem::internal)?;
        if item.entry.value.len() != CHUNK_LENGTH {
            return Err(Problem::internal().into());
        }
        chunk.copy_from_slice(&item.entry.value);
    }
    Ok(bytes)
}

fn chunk_key(list: &ListId, chunk: u32) -> Vec<u8> {
    format!("auth/status/bits/{list}/{chunk:02}").into_bytes()
}

//! All worlds, by name: the registry itself, without the index.
//!
//! A cursor is the key where the last page ended. It stays good when worlds come and go:
//! those that stay are neither skipped nor repeated.

use super::Page;
use crate::error::DiscoveryError;
use crate::keys;
use crate::registry::read_world;
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, KeyRange};

/// How many worlds one page looks at. A page may so be short, even empty, and still
/// have a cursor.
const CANDIDATES_MAX: usize = 1024;
/// How many worlds are read at once; bounds memory.
const AT_ONCE: u32 = 64;
/// The longest cursor that this module gives out: a key.
const CURSOR_LENGTH_MAX: usize = 512;

/// A page of all worlds.
pub(super) async fn page<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Page, Problem> {
    let mut range = resume(keys::worlds(), cursor)?;
    let mut found = Page::default();
    let mut last = None;
    for _ in 0..CANDIDATES_MAX / AT_ONCE as usize {
        let page = store.scan(&range, AT_ONCE, Direction::Forward).await?;
        for item in page.items {
            if let Some(world) = read_world(&item.entry, environment)? {
                if found.worlds.len() == limit {
                    found.next = last;
                    return Ok(found);
                }
                found.worlds.push(world);
            }
            last = Some(jose::encode(&item.key));
        }
        match page.next {
            Some(next) => range = next,
            None => return Ok(found),
        }
    }
    found.next = last;
    Ok(found)
}

/// The part of a range that comes after a cursor.
fn resume(mut range: KeyRange, cursor: Option<&str>) -> Result<KeyRange, DiscoveryError> {
    let Some(cursor) = cursor else {
        return Ok(range);
    };
    if cursor.len() > CURSOR_LENGTH_MAX {
        return Err(DiscoveryError::BadCursor);
    }
    let mut key = jose::decode(cursor).map_err(|_| DiscoveryError::BadCursor)?;
    if key < range.start || key >= range.end {
        return Err(DiscoveryError::BadCursor);
    }
    // The smallest key that is larger.
    key.push(0);
    range.start = key;
    Ok(range)
}

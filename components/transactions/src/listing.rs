//! Lists of what is kept by ids, newest first and a page at a time.
//!
//! Something is listed by a key that ends in its *place*: the time it was made, counted down so that the newest is
//! the first, and its id. A cursor is the place of the last one that a page has, so that what is added meanwhile
//! moves nothing.

use crate::Error;
use crate::reference::{id_text, parse_id};
use serde::{Deserialize, Serialize};
use vwp_core::Problem;
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, KeyRange};

/// How many items a page has unless it is told, and at most.
const PAGE: (u32, u32) = (20, 100);
/// How many digits of a place are its time.
const TIME_DIGITS: usize = 16;
/// How long a place is.
const PLACE_LENGTH: usize = TIME_DIGITS + 32;

/// Which page.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paged {
    /// What the page before says that comes next.
    pub(crate) cursor: Option<String>,
    /// The most items.
    pub(crate) limit: Option<u32>,
}

/// A page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Listing<T> {
    pub(crate) items: Vec<T>,
    /// Where to go on, if there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// The end of a key that lists something.
pub(crate) fn place(created_at: u64, id: u128) -> String {
    format!("{:016x}{}", u64::MAX - created_at, id_text(id))
}

/// The ids of a page, and where the next page starts, if there is one.
pub(crate) async fn ids(
    store: &impl Kv,
    prefix: &str,
    page: &Paged,
) -> Result<(Vec<u128>, Option<String>), Error> {
    let limit = page.limit.unwrap_or(PAGE.0);
    let is_cursor =
        |cursor: &str| cursor.len() <= PLACE_LENGTH && cursor.bytes().all(|byte| byte.is_ascii_hexdigit());
    let cursor = page.cursor.as_deref();
    if !(1..=PAGE.1).contains(&limit) || cursor.is_some_and(|cursor| !is_cursor(cursor)) {
        return Err(Error::Invalid(format!("limit is 1 to {}, and cursor what a page says", PAGE.1)));
    }
    let mut range = KeyRange::prefix(prefix.to_owned());
    if let Some(cursor) = cursor {
        // The first key after the one that the cursor names.
        range.start = format!("{prefix}{cursor}\0").into_bytes();
    }
    let found = store.scan(&range, limit, Direction::Forward).await?;
    let mut ids = Vec::with_capacity(found.items.len());
    let mut last = None;
    for item in &found.items {
        let place = item.key.get(prefix.len()..).and_then(|place| std::str::from_utf8(place).ok());
        let place = place.ok_or_else(Problem::internal)?;
        let id = place.get(TIME_DIGITS..).unwrap_or_default();
        ids.push(parse_id(id).map_err(|_| Problem::internal())?);
        last = Some(place.to_owned());
    }
    Ok((ids, last.filter(|_| found.next.is_some())))
}

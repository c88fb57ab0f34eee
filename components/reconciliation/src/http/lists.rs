//! Lists, page by page. A cursor is the id after which a page starts.

use super::Answer;
use crate::Error;
use crate::breaks::{Break, Kind, Status};
use crate::import::Record;
use crate::matches::Match;
use crate::source::Source;
use crate::store::{self, ID_LENGTH_MAX, Keys, Side};
use ::http::StatusCode;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use vwp_core::{Problem, reply};
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, KeyRange};

/// How many items a page has unless it is told.
const LIMIT_DEFAULT: u32 = 50;
/// The most items on a page.
const LIMIT_MAX: u32 = 200;

/// Which page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    pub(super) cursor: Option<String>,
    pub(super) limit: Option<u32>,
}

/// Which items.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    cursor: Option<String>,
    limit: Option<u32>,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    state: Option<State>,
    status: Option<Status>,
    kind: Option<Kind>,
}

/// Whether something has a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Open,
    Matched,
}

/// Something with its id and its match.
#[derive(Serialize)]
struct Shown {
    id: String,
    #[serde(flatten)]
    what: Map<String, Value>,
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pair: Option<String>,
}

#[derive(Serialize)]
struct List<T> {
    items: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Reads how many items are wanted.
pub(super) fn limit(given: Option<u32>) -> Result<u32, Error> {
    let number = Some(given.unwrap_or(LIMIT_DEFAULT)).filter(|number| (1..=LIMIT_MAX).contains(number));
    number.ok_or_else(|| Error::Invalid(format!("limit is 1 to {LIMIT_MAX}")))
}

/// Answers with a page of a list.
pub(super) async fn answer(kv: &impl Kv, source: &Source, list: &str, wanted: Wanted) -> Answer {
    let keys = Keys::new(&source.name);
    match list {
        "lines" => sided(kv, keys, Side::Line, wanted).await,
        "entries" => sided(kv, keys, Side::Entry, wanted).await,
        "statements" => plain::<Record>(kv, keys.statements(), wanted, |_, _| true).await,
        "matches" => plain::<Match>(kv, keys.pairs(), wanted, |found, _| found.undone_by.is_none()).await,
        "breaks" => {
            let is_wanted = |found: &Break, wanted: &Wanted| {
                wanted.status.is_none_or(|status| found.status == status)
                    && wanted.kind.is_none_or(|kind| found.kind == kind)
            };
            plain::<Break>(kv, keys.differences(), wanted, is_wanted).await
        }
        _ => Err(Problem::not_found("no resource has this path").into()),
    }
}

/// The part of a range that a page starts in.
fn range(all: &KeyRange, wanted: &Wanted) -> Result<KeyRange, Error> {
    let mut range = store::between(all, wanted.from, wanted.to);
    if let Some(cursor) = &wanted.cursor {
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if cursor.len() > ID_LENGTH_MAX || !cursor.bytes().all(is_id) {
            return Err(Error::Invalid("the cursor is none of this list".to_owned()));
        }
        range.start = range.start.max([&all.start, cursor.as_bytes(), b"\0"].concat());
    }
    range.end = range.end.max(range.start.clone());
    Ok(range)
}

async fn plain<T: Serialize + serde::de::DeserializeOwned>(
    kv: &impl Kv,
    all: KeyRange,
    wanted: Wanted,
    is_wanted: impl Fn(&T, &Wanted) -> bool,
) -> Answer {
    let page = kv.scan(&range(&all, &wanted)?, limit(wanted.limit)?, Direction::Forward).await?;
    let next = page.items.last().filter(|_| page.next.is_some()).map(|item| store::id_of(&item.key));
    let mut items: Vec<T> = Vec::with_capacity(page.items.len());
    for item in page.items {
        let record: T = store::decode(&item.entry.value)?;
        if is_wanted(&record, &wanted) {
            items.push(record);
        }
    }
    Ok(reply::json(StatusCode::OK, &List { items, next }))
}

async fn sided(kv: &impl Kv, keys: Keys<'_>, side: Side, wanted: Wanted) -> Answer {
    let all = if wanted.state == Some(State::Open) { keys.opens(side) } else { keys.records(side) };
    let page = kv.scan(&range(&all, &wanted)?, limit(wanted.limit)?, Direction::Forward).await?;
    let ids: Vec<String> = page.items.iter().map(|item| store::id_of(&item.key)).collect();
    let next = ids.last().filter(|_| page.next.is_some()).cloned();
    let records: Vec<Vec<u8>> = ids.iter().map(|id| keys.record(side, id)).collect();
    let matched: Vec<Vec<u8>> = ids.iter().map(|id| keys.matched(side, id)).collect();
    let (records, matched) = (kv.get_many(&records).await?, kv.get_many(&matched).await?);
    let mut items: Vec<Shown> = Vec::with_capacity(ids.len());
    for ((id, record), pair) in ids.into_iter().zip(records).zip(matched) {
        let Some(record) = record else { continue };
        let pair = pair.map(|entry| String::from_utf8_lossy(&entry.value).into_owned());
        if pair.is_some() || wanted.state != Some(State::Matched) {
            let mut what: Map<String, Value> = store::decode(&record.value)?;
            // An entry has its id in itself, too.
            what.remove("id");
            items.push(Shown { id, what, pair });
        }
    }
    Ok(reply::json(StatusCode::OK, &List { items, next }))
}

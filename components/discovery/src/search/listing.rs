//! Finding worlds: all of them by name, or those that have certain words.
//!
//! A word matches every word that it is the start of. The index keeps words in order,
//! so one range of it, that of the longest word asked for, yields every candidate. A
//! candidate is then checked against the record itself, which makes the answer right
//! even where the index says too much, and is returned at the first of its words
//! that match, so that nothing is returned twice.
//!
//! A cursor is the place in the range where the last page ended. It stays good when
//! worlds come and go: those that stay are neither skipped nor repeated.

use crate::error::DiscoveryError;
use crate::keys;
use crate::registry::{World, read_world};
use crate::terms;
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, Item, Key, KeyRange};

/// The longest question, in bytes.
pub const QUESTION_LENGTH_MAX: usize = 256;
/// The most words in a question.
pub const QUESTION_WORDS_MAX: usize = 8;
/// The most worlds in a page.
pub const LIMIT_MAX: u32 = 100;
/// The worlds in a page unless told otherwise.
pub const LIMIT_DEFAULT: u32 = 20;
/// How many candidates one page looks at. A page may so be short, even empty, and
/// still have a cursor.
const CANDIDATES_MAX: usize = 1024;
/// How many candidates are read at once; bounds memory.
const BATCH: u32 = 64;
/// The longest cursor that this module gives out: a key of the index.
const CURSOR_LENGTH_MAX: usize = 256;

/// What to find.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// Words that every world must have, or start with; none: all worlds, by name.
    pub text: Option<String>,
    /// The most worlds to return, 1 to 100; none: 20.
    pub limit: Option<u32>,
    /// Where the last page ended.
    pub cursor: Option<String>,
}

/// A part of what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The worlds.
    pub worlds: Vec<World>,
    /// Where the next page starts, if there may be more.
    pub next: Option<String>,
}

/// Finds worlds.
pub async fn search<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    question: &Question,
) -> Result<Page, Problem> {
    let limit = question.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::bad_request("limit is 1 to 100"));
    }
    let asked = words(question)?;
    let range = match &asked {
        None => keys::worlds(),
        Some(asked) => match longest(asked) {
            Some(word) => keys::terms(word),
            // A question without a letter or digit asks for nothing that exists.
            None => return Ok(Page { worlds: Vec::new(), next: None }),
        },
    };
    let mut range = resume(range, question.cursor.as_deref())?;
    let mut worlds = Vec::new();
    let mut last = None;
    for _ in 0..CANDIDATES_MAX / BATCH as usize {
        let page = store.scan(&range, BATCH, Direction::Forward).await?;
        let count = page.items.len();
        let candidates = candidates(store, environment, &page.items, asked.is_some()).await?;
        for (index, (item, world)) in page.items.iter().zip(candidates).enumerate() {
            worlds.extend(world.filter(|world| matches(item, world, asked.as_deref())));
            if worlds.len() == limit as usize {
                let is_last = index + 1 == count && page.next.is_none();
                return Ok(Page { worlds, next: (!is_last).then(|| cursor(&item.key)) });
            }
        }
        last = page.items.into_iter().next_back().map(|item| item.key).or(last);
        match page.next {
            Some(next) => range = next,
            None => return Ok(Page { worlds, next: None }),
        }
    }
    Ok(Page { worlds, next: last.map(|key| cursor(&key)) })
}

/// The worlds of a page of a range, in its order; none where one has ended.
async fn candidates<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    items: &[Item],
    is_index: bool,
) -> Result<Vec<Option<World>>, Problem> {
    if !is_index {
        return items.iter().map(|item| read_world(&item.entry, environment)).collect();
    }
    let key = |item: &Item| keys::parts_of_term(&item.key).map(|(_, name)| keys::world_text(name));
    let wanted: Vec<Key> = items.iter().filter_map(key).collect();
    if wanted.len() != items.len() {
        return Err(Problem::internal());
    }
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let entries = store.get_many(&wanted).await?;
    let world = |entry: Option<_>| entry.map_or(Ok(None), |entry| read_world(&entry, environment));
    entries.into_iter().map(world).collect()
}

/// Whether a candidate has all the words, and is at its first place in the range.
fn matches(item: &Item, world: &World, words: Option<&[String]>) -> bool {
    let Some(words) = words else {
        return true;
    };
    let Some((at, _)) = keys::parts_of_term(&item.key) else {
        return false;
    };
    let has = terms::of_record(&world.fields);
    let is_first = longest(words).and_then(|word| terms::first_with_prefix(&has, word)) == Some(at);
    is_first && words.iter().all(|word| terms::first_with_prefix(&has, word).is_some())
}

fn words(question: &Question) -> Result<Option<Vec<String>>, Problem> {
    let Some(text) = question.text.as_deref().filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if text.len() > QUESTION_LENGTH_MAX {
        return Err(Problem::bad_request("q is at most 256 bytes"));
    }
    let words: Vec<String> = terms::of_text(text).collect();
    if words.len() > QUESTION_WORDS_MAX {
        return Err(Problem::bad_request("q has at most 8 words"));
    }
    Ok(Some(words))
}

/// The longest word has the fewest candidates, more or less. The first of several, so
/// that the same question always takes the same range, which its cursors need.
fn longest(words: &[String]) -> Option<&str> {
    words.iter().rev().max_by_key(|word| word.len()).map(String::as_str)
}

fn cursor(key: &[u8]) -> String {
    jose::encode(key)
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

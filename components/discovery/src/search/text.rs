//! The worlds that have the words of a question, best matches first.

use crate::index::view::View;
use crate::index::vocabulary;
use crate::terms::{START, START_LENGTH, TITLE, WORD};
use roaring::RoaringBitmap;
use vwp_core::Problem;
use vwp_storage::Kv;

/// With fewer results than these, words may be mistyped.
const TOO_LITTLE: u64 = 20;

/// The worlds among those of a filter that have every word, in classes that do not
/// overlap: in their names and tags; anywhere; as the start of a longer word; with typos.
pub(super) async fn classes<S: Kv>(
    view: &View<'_, S>,
    words: &[String],
    filter: &RoaringBitmap,
) -> Result<Vec<RoaringBitmap>, Problem> {
    let families = [TITLE, WORD, START];
    let wanted: Vec<String> =
        words.iter().flat_map(|word| families.map(|family| format!("{family}{word}"))).collect();
    let mut found = view.terms(&wanted).await?.into_iter();
    let (mut named, mut exact, mut started) = (filter.clone(), filter.clone(), filter.clone());
    let mut starts = Vec::with_capacity(words.len());
    for word in words {
        let mut next = || found.next().unwrap_or_default();
        let (title, anywhere, start) = (next(), next(), next());
        named &= &*title;
        exact &= &*anywhere;
        let start = if word.chars().count() < START_LENGTH {
            start
        } else {
            view.prefix(&format!("{WORD}{word}")).await?
        };
        let start = &*start | &*anywhere;
        started &= &start;
        starts.push(start);
    }
    let mut classes = vec![named, exact, started];
    let mut before = RoaringBitmap::new();
    for class in &mut classes {
        *class -= &before;
        before |= &*class;
    }
    if before.len() < TOO_LITTLE && words.iter().any(|word| vocabulary::typos_max(word) > 0) {
        let mut mistyped = filter.clone();
        for (word, start) in words.iter().zip(starts) {
            mistyped &= start | like(view, word).await?;
        }
        classes.push(mistyped - before);
    }
    Ok(classes)
}

/// The worlds that have a word which is like this one.
async fn like<S: Kv>(view: &View<'_, S>, word: &str) -> Result<RoaringBitmap, Problem> {
    let meant: Vec<String> = vocabulary::near(view.store(), view.new_words(), word).await?;
    let meant: Vec<String> = meant.into_iter().map(|word| format!("{WORD}{word}")).collect();
    let found = view.terms(&meant).await?;
    Ok(found.iter().fold(RoaringBitmap::new(), |all, one| all | &**one))
}

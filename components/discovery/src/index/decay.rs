//! Letting silent worlds sink: averages that nobody adds to are worked out anew now and then,
//! because the degree of a world's popularity is kept as a term and does not change by itself.

use super::facts::Facts;
use super::stored::Document;
use super::{Found, keys, popularity, stored};
use crate::registry::World;
use crate::terms;
use serde::{Deserialize, Serialize};
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem};
use vwp_dns::edit::Plan;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, Key, Write};

/// How many documents one call looks at.
const DOCUMENTS_AT_ONCE: u32 = 200;
/// How often all documents are looked at, in milliseconds.
const EVERY_MS: u64 = 60 * 60 * 1000;

/// How far the look at all documents has come.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Position {
    /// When it began, in milliseconds.
    began_at: Timestamp,
    /// The number to go on from; none when it is done.
    next: Option<u32>,
}

/// Looks at some documents, if it is time; whether there are more.
pub async fn run<S: Kv>(store: &S, environment: &Environment<'_>) -> Result<bool, Problem> {
    let entry = store.get(keys::DECAY.as_bytes()).await?;
    let position: Position =
        entry.as_ref().map_or(Ok(Position::default()), |entry| stored::read(&entry.value))?;
    let (began_at, from) = match position.next {
        Some(next) => (position.began_at, next),
        None if position.began_at.saturating_add(EVERY_MS) <= environment.now => (environment.now, 0),
        None => return Ok(false),
    };
    let page = store.scan(&keys::documents_from(from), DOCUMENTS_AT_ONCE, Direction::Forward).await?;
    let last = page.items.last().and_then(|item| keys::number_of_document(&item.key));
    for item in &page.items {
        let number = keys::number_of_document(&item.key).ok_or_else(Problem::internal)?;
        let document: Document = stored::read(&item.entry.value)?;
        let now = popularity::decayed(document.score, document.observed_at, environment.now);
        if popularity::degree(now) != popularity::degree(document.score) {
            sink(store, environment, number, document, now).await?;
        }
    }
    let next = last.filter(|_| page.next.is_some()).and_then(|last| last.checked_add(1));
    let position = stored::json(&Position { began_at, next })?;
    // Where another one is at it too, one of both is enough.
    let check = Check::unchanged(keys::DECAY, entry.as_ref());
    store.commit(&[check], &[Write::put(keys::DECAY, position)]).await?;
    Ok(next.is_some())
}

/// Lowers the degree of one document. If it has just changed, the next round will see to it.
async fn sink<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    number: u32,
    document: Document,
    average: f64,
) -> Result<(), Problem> {
    let world = crate::keys::world_text(&document.name);
    let wanted: [Key; 4] = [world.clone(), keys::document(number), keys::delta(number), keys::base(number)];
    let entries: [_; 4] = store.get_many(&wanted).await?.try_into().map_err(|_| Problem::internal())?;
    let [Some(entry), Some(now), delta, base] = entries else {
        return Ok(());
    };
    if stored::read::<Document>(&now.value)? != document {
        return Ok(());
    }
    let facts = Facts::of(&stored::read::<World>(&entry.value)?);
    let mut plan = Plan {
        checks: vec![
            Check::unchanged(world, Some(&entry)),
            Check::unchanged(keys::document(number), Some(&now)),
        ],
        writes: Vec::new(),
    };
    let before = popularity::degree(document.score);
    let sunk = Document { score: average, observed_at: Some(environment.now), ..document };
    plan.writes.push(Write::put(keys::document(number), stored::json(&sunk)?));
    let found = Found { number, document: sunk, delta, has_base: base.is_some() };
    let terms = terms::of_facts(&facts, popularity::degree(average));
    found.change(&terms, || terms::of_facts(&facts, before), &mut plan);
    store.commit(&plan.checks, &plan.writes).await?;
    Ok(())
}

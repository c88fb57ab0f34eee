//! The search index: an inverted index in the same store, kept by the same commits.
//!
//! **Documents and terms.** Every world has a *document*: a number of 32 bits, which it keeps
//! for as long as it is registered. What can be asked for is a *term* ([`crate::terms`]); a
//! *posting* is the set of the numbers that have a term, as compressed bitmaps (Roaring) in
//! chunks of 262,144 documents. With a million worlds a posting is four short values, so a
//! question of several words and filters is one read of some dozen keys, and bitmaps
//! do the rest. One key for each word of each world, which is the plainest index, would be
//! as many reads as there are candidates.
//!
//! **Writes never meet.** A commit that changes a world does not touch postings, which all
//! worlds share. It writes a *delta*: all terms that the document has now, under its own number.
//! Questions read all deltas first, and take from the postings only documents without one
//! ([`view`]), so a change is found as soon as it is committed. A new world picks its number at
//! random within a *window* of numbers, and checks that it is free: two that are registered at
//! once almost never pick the same.
//!
//! **Compaction** ([`compact`]) folds deltas into postings in the background, in bounded
//! commits. Until the last of them the deltas stay and win, so nobody sees half of a
//! fold. What a fold takes out of the postings is the document's *base*: every term under which
//! they may know it. It is written before a posting changes, so that a fold which was
//! cut off, or overtaken by another change of the world, leaves nothing behind.
//!
//! **Rank without records.** The degree of popularity and the cell on the globe are terms too,
//! so results are put in order by intersecting bitmaps, and only the worlds of the page that
//! is shown are read.
//!
//! **What was read** is remembered for other questions until the next compaction ([`recent`]).
//!
//! **Typos** are looked up in a vocabulary: all words, in pages by first letter and length
//! ([`vocabulary`]).

pub mod bulk;
pub mod compact;
pub mod decay;
pub mod facts;
pub(crate) mod keys;
pub mod popularity;
pub(crate) mod recent;
pub(crate) mod stored;
pub(crate) mod view;
pub(crate) mod vocabulary;

use crate::registry::World;
use crate::terms;
use facts::Facts;
use std::collections::BTreeSet;
use stored::{CHUNK, CHUNKS_MAX, Document, State};
use vwp_core::{Environment, Problem};
pub use vwp_dns::edit::Plan;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Key, Write};

/// How many numbers a new document looks at before it goes to the next window.
const PICKS: usize = 8;

/// Plans the part of a commit that keeps the index: at most five writes. `before` is the world
/// as the index has it, if it has; `after` is what it becomes, or none if it is withdrawn.
///
/// Where the index has a world and `before` does not say how, its document is buried: it is
/// never found again, and the world gets another one.
pub async fn plan<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    name: &str,
    before: Option<&World>,
    after: Option<&World>,
) -> Result<Plan, Problem> {
    let seen = Seen::read(store, name).await?;
    let mut plan = Plan { checks: vec![seen.check(name)], writes: Vec::new() };
    let kept = match (&seen.document, before) {
        (Some(found), Some(before)) => Some((found, before)),
        (Some(found), None) => {
            bury(found, after.is_none().then_some(name), &mut plan)?;
            None
        }
        (None, _) => None,
    };
    match (kept, after) {
        (Some((found, before)), Some(after)) => {
            let degree = popularity::degree(found.document.score);
            let facts = Facts::of(after);
            let terms = terms::of_facts(&facts, degree);
            let document = Document {
                score: found.document.score,
                observed_at: found.document.observed_at,
                ..Document::new(&facts, &terms)
            };
            plan.writes.push(Write::put(keys::document(found.number), stored::json(&document)?));
            found.change(&terms, || terms::of_facts(&Facts::of(before), degree), &mut plan);
        }
        (Some((found, before)), None) => {
            let degree = popularity::degree(found.document.score);
            plan.writes.push(Write::delete(keys::number(name)));
            plan.writes.push(Write::delete(keys::document(found.number)));
            found.change(&BTreeSet::new(), || terms::of_facts(&Facts::of(before), degree), &mut plan);
        }
        (None, Some(after)) => add(store, environment, seen.state, &Facts::of(after), &mut plan).await?,
        (None, None) => {}
    }
    Ok(plan)
}

/// Plans the part of a commit that takes note of how many users a world has now: one write,
/// and two more if that changes the degree of its popularity.
pub async fn observe<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    world: &World,
    users: u64,
) -> Result<Plan, Problem> {
    let name = &world.fields.name;
    let seen = Seen::read(store, name).await?;
    let mut plan = Plan { checks: vec![seen.check(name)], writes: Vec::new() };
    let Some(found) = &seen.document else {
        return Ok(plan);
    };
    let Document { score, observed_at, .. } = found.document;
    let observed = popularity::observe(score, observed_at, users, environment.now);
    let document = Document { score: observed, observed_at: Some(environment.now), ..found.document.clone() };
    plan.writes.push(Write::put(keys::document(found.number), stored::json(&document)?));
    let (before, after) = (popularity::degree(score), popularity::degree(observed));
    if before != after {
        let facts = Facts::of(world);
        found.change(&terms::of_facts(&facts, after), || terms::of_facts(&facts, before), &mut plan);
    }
    Ok(plan)
}

/// What the index has of a world.
struct Seen {
    state: State,
    number: Option<Entry>,
    document: Option<Found>,
}

/// A document that the index has.
struct Found {
    number: u32,
    document: Document,
    delta: Option<Entry>,
    has_base: bool,
}

impl Seen {
    async fn read<S: Kv>(store: &S, name: &str) -> Result<Self, Problem> {
        let mut entries =
            store.get_many(&[keys::STATE.as_bytes().to_vec(), keys::number(name)]).await?.into_iter();
        let state =
            entries.next().flatten().map_or(Ok(State::default()), |entry| stored::read(&entry.value))?;
        let Some(entry) = entries.next().flatten() else {
            return Ok(Self { state, number: None, document: None });
        };
        let number: [u8; 4] = entry.value.as_slice().try_into().map_err(|_| Problem::internal())?;
        let number = u32::from_be_bytes(number);
        let wanted = [keys::document(number), keys::delta(number), keys::base(number)];
        let mut entries = store.get_many(&wanted).await?.into_iter();
        let document = entries.next().flatten();
        let delta = entries.next().flatten();
        let has_base = entries.next().flatten().is_some();
        // None if another commit has just removed it, which the check of the number will find.
        let document = document.map(|entry| stored::read(&entry.value)).transpose()?;
        let document = document.map(|document| Found { number, document, delta, has_base });
        Ok(Self { state, number: Some(entry), document })
    }

    /// Every commit that gives a world a document, or takes it away, changes this key.
    fn check(&self, name: &str) -> Check {
        Check::unchanged(keys::number(name), self.number.as_ref())
    }
}

impl Found {
    /// Writes the delta, and the base if there is none: what the postings know of a
    /// document without a delta is what it was before.
    fn change(&self, terms: &BTreeSet<String>, before: impl FnOnce() -> BTreeSet<String>, plan: &mut Plan) {
        // A fold that ends meanwhile takes delta and base away.
        plan.checks.push(Check::unchanged(keys::delta(self.number), self.delta.as_ref()));
        if self.delta.is_none() && !self.has_base {
            plan.writes.push(Write::put(keys::base(self.number), stored::lines(&before())));
        }
        plan.writes.push(Write::put(keys::delta(self.number), stored::lines(terms)));
    }
}

/// Takes a document out of all that is found, whatever terms the postings know it under. `name`
/// is given if the world shall have no other document.
fn bury(found: &Found, name: Option<&str>, plan: &mut Plan) -> Result<(), Problem> {
    plan.writes.push(Write::put(keys::document(found.number), stored::json(&Document::grave())?));
    // Every question starts from one of these two.
    let found_by = || [terms::ALL, terms::PLACED].map(str::to_owned).into();
    found.change(&BTreeSet::new(), found_by, plan);
    plan.writes.extend(name.map(|name| Write::delete(keys::number(name))));
    Ok(())
}

/// Gives a world a document.
async fn add<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    state: State,
    facts: &Facts,
    plan: &mut Plan,
) -> Result<(), Problem> {
    let number = pick(store, environment, state).await?;
    let terms = terms::of_facts(facts, 0);
    let document = Document::new(facts, &terms);
    plan.checks.extend(places(number).map(Check::absent));
    plan.writes.push(Write::put(keys::number(&facts.name), number.to_be_bytes()));
    plan.writes.push(Write::put(keys::document(number), stored::json(&document)?));
    plan.writes.push(Write::put(keys::delta(number), stored::lines(&terms)));
    Ok(())
}

/// What must be absent for a number to be free.
fn places(number: u32) -> [Key; 3] {
    [keys::document(number), keys::delta(number), keys::base(number)]
}

/// A free number in the window or, when that is nearly full, in one behind it.
async fn pick<S: Kv>(store: &S, environment: &Environment<'_>, state: State) -> Result<u32, Problem> {
    for window in state.window..state.window.saturating_add(2).min(CHUNKS_MAX) {
        let random: [u8; PICKS * 4] = environment.random_bytes();
        let number = |bytes: &[u8; 4]| (u32::from(window) * CHUNK) | (u32::from_be_bytes(*bytes) % CHUNK);
        let (chunks, _) = random.as_chunks::<4>();
        let numbers: Vec<u32> = chunks.iter().map(number).collect();
        let wanted: Vec<Key> = numbers.iter().flat_map(|number| places(*number)).collect();
        let entries = store.get_many(&wanted).await?;
        let is_free = |found: &[Option<Entry>; 3]| found.iter().all(Option::is_none);
        let (places, _) = entries.as_chunks::<3>();
        if let Some(free) = places.iter().position(is_free).and_then(|at| numbers.get(at)) {
            return Ok(*free);
        }
    }
    Err(Problem::unavailable("the search index has no room just now"))
}

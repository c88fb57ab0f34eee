//! Finding worlds: by words, filters and place, in the order of relevance, popularity
//! or distance; or all of them, by name.
//!
//! A question becomes sets of documents ([`crate::index`]), which are intersected; the result
//! is put in order in groups, best first, and only the worlds of the page are read. A world
//! whose record has just ended is left out there, where the index may not know it yet.

mod candidates;
mod cursor;
mod facets;
mod listing;
pub mod near;
mod order;
mod question;
mod text;

pub use facets::{Count, Facets};
pub use near::Place;
pub use question::{LIMIT_DEFAULT, LIMIT_MAX, Question, Sort, TEXT_LENGTH_MAX, VALUES_MAX, WORDS_MAX};

use crate::index::view::View;
use crate::lease;
use crate::registry::World;
use crate::terms;
use candidates::Candidates;
use h3o::CellIndex;
use near::{Near, Nearest};
use order::{Classes, Group, Order};
use question::Asked;
use roaring::RoaringBitmap;
use std::rc::Rc;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;

/// With no more results than these, the distance of each is looked up by itself; with more, the
/// nearest cells are likely to have some.
const FEW: u64 = 500;

/// A part of what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The worlds.
    pub worlds: Vec<World>,
    /// Where the next page starts, if there may be more.
    pub next: Option<String>,
    /// How many worlds were found in all; not known where live state decides.
    pub matches: Option<u64>,
    /// What they have in common, if that was asked.
    pub facets: Option<Facets>,
}

/// Finds worlds.
pub async fn search<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    question: &Question,
) -> Result<Page, Problem> {
    if question.is_listing() {
        return listing::page(store, environment, question.limit()?, question.cursor.as_deref()).await;
    }
    let asked = question.look_at()?;
    let after = question.cursor.as_deref().map(|text| cursor::read(asked.fingerprint, text)).transpose()?;
    let view = View::open(store).await?;
    let filter = filter(&view, question, &asked).await?;
    let mut classes = if asked.words.is_empty() {
        vec![filter]
    } else {
        text::classes(&view, &asked.words, &filter).await?
    };
    let mut near = question.near.map(Near::new).transpose()?;
    if let (Some(near), Some(km)) = (&mut near, question.within_km) {
        within(&view, near, km, &mut classes).await?;
    }
    let found = classes.iter().fold(RoaringBitmap::new(), |all, class| all | class);
    let order = match (asked.sort, near) {
        (Sort::Distance, Some(near)) => by_distance(&view, near, &found).await?,
        (Sort::Relevance, _) => Order::Classes(Classes::new(classes)),
        _ => Order::Classes(Classes::new([found.clone()])),
    };
    let mut candidates = Candidates::new(&view, order, after);
    let is_wanted = async |worlds: &[World]| {
        if question.accepting {
            return lease::accepting(store, environment, worlds).await;
        }
        Ok(vec![true; worlds.len()])
    };
    let (worlds, last) = candidates.page(environment, asked.limit, is_wanted).await?;
    Ok(Page {
        worlds,
        next: last.map(|place| cursor::write(asked.fingerprint, place)),
        matches: (!question.accepting).then_some(found.len()),
        facets: if question.facets { Some(facets::count(&view, &found).await?) } else { None },
    })
}

/// The worlds that pass every filter.
async fn filter<S: Kv>(
    view: &View<'_, S>,
    question: &Question,
    asked: &Asked,
) -> Result<RoaringBitmap, Problem> {
    // Who has to be within a distance is found by cells, in which are only worlds with a place.
    let is_placed = question.near.is_some() && question.within_km.is_none();
    let mut wanted = vec![if is_placed { terms::PLACED } else { terms::ALL }.to_owned()];
    wanted.extend(asked.filters.iter().flatten().cloned());
    let mut found = view.terms(&wanted).await?.into_iter();
    let mut passing = Rc::unwrap_or_clone(found.next().unwrap_or_default());
    for any in &asked.filters {
        passing &= found.by_ref().take(any.len()).fold(RoaringBitmap::new(), |all, one| all | &*one);
    }
    if let Some(level) = question.rating_max {
        passing &= &*view.between(&terms::rating(0), &terms::rating(level)).await?;
    }
    Ok(passing)
}

/// Leaves only those worlds in the classes that are within a distance.
async fn within<S: Kv>(
    view: &View<'_, S>,
    near: &mut Near,
    km: f64,
    classes: &mut [RoaringBitmap],
) -> Result<(), Problem> {
    // Bounded when the question was looked at.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 20,100,000")]
    let metres = (km * 1000.0) as u64;
    let all = classes.iter().fold(RoaringBitmap::new(), |all, class| all | class);
    let (mut within, doubtful) =
        if all.len() <= FEW { (RoaringBitmap::new(), all) } else { near.within(view, &all, metres).await? };
    let cells = cells(view, &doubtful).await?;
    let is_within = |(cell, _): &(CellIndex, u32)| near.distance_m(*cell) <= metres;
    within.extend(cells.into_iter().filter(is_within).map(|(_, number)| number));
    for class in classes {
        *class &= &within;
    }
    Ok(())
}

async fn by_distance<S: Kv>(view: &View<'_, S>, near: Near, found: &RoaringBitmap) -> Result<Order, Problem> {
    if found.len() > FEW {
        return Ok(Order::Nearest(Box::new(Nearest::new(near, found.clone()))));
    }
    let cells = cells(view, found).await?;
    let mut ranked: Vec<(u128, u32)> =
        cells.into_iter().map(|(cell, number)| (near.rank(cell), number)).collect();
    ranked.sort_unstable_by(|one, other| other.cmp(one));
    let group = |(rank, number)| Group { rank, members: RoaringBitmap::from_iter([number]) };
    Ok(Order::Known(ranked.into_iter().map(group).collect()))
}

/// The cells of a few worlds.
async fn cells<S: Kv>(view: &View<'_, S>, found: &RoaringBitmap) -> Result<Vec<(CellIndex, u32)>, Problem> {
    let numbers: Vec<u32> = found.iter().collect();
    let leaves = view.leaves(&numbers).await?;
    Ok(leaves.into_iter().zip(numbers).filter_map(|(leaf, number)| Some((leaf?, number))).collect())
}

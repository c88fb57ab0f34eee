//! Counting what the worlds that were found have in common, for people to narrow a search by.
//!
//! Every count is exact. Up to 1,000 worlds are looked at one by one, so that no value is
//! missing; of more, 1,000 that are spread evenly tell which values to count, and a
//! value that few worlds have may not be among them. `is_complete` tells which it was.

use crate::index::view::View;
use crate::terms;
use roaring::RoaringBitmap;
use serde::Serialize;
use std::collections::BTreeMap;
use vwp_core::Problem;
use vwp_storage::Kv;

/// How many worlds are looked at one by one.
const DOCUMENTS_MAX: u32 = 1000;
/// How many values are counted in each family, the most frequent ones.
const VALUES_MAX: usize = 32;

/// The families by the names of their filters.
const NAMES: [(char, &str); 6] = [
    (terms::TAG, "tag"),
    (terms::LANGUAGE, "language"),
    (terms::REGION, "region"),
    (terms::SOFTWARE, "software"),
    (terms::PROTOCOL, "protocol"),
    (terms::RATING, "rating"),
];

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Facets {
    /// Whether every value was considered.
    pub is_complete: bool,
    /// For each filter its most frequent values.
    pub counts: BTreeMap<&'static str, Vec<Count>>,
}

/// How many of the worlds have a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The value, as the filter takes it.
    pub value: String,
    /// How many worlds have it.
    pub worlds: u64,
}

/// Counts the values of some worlds.
pub(super) async fn count<S: Kv>(view: &View<'_, S>, found: &RoaringBitmap) -> Result<Facets, Problem> {
    let total = u32::try_from(found.len()).unwrap_or(u32::MAX);
    let is_complete = total <= DOCUMENTS_MAX;
    let sample: Vec<u32> = if is_complete {
        found.iter().collect()
    } else {
        let place = |n: u32| u64::from(n) * u64::from(total) / u64::from(DOCUMENTS_MAX);
        let places = (0..DOCUMENTS_MAX).filter_map(|n| u32::try_from(place(n)).ok());
        places.filter_map(|place| found.select(place)).collect()
    };
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for document in view.documents(&sample).await?.into_iter().flatten() {
        for term in document.facets {
            *seen.entry(term).or_default() += 1;
        }
    }
    let mut counts = BTreeMap::new();
    for (family, name) in NAMES {
        let mut values: Vec<(String, u64)> =
            seen.iter().filter(|(term, _)| term.starts_with(family)).map(|(t, n)| (t.clone(), *n)).collect();
        most_frequent(&mut values);
        if !is_complete {
            let wanted: Vec<String> = values.iter().map(|(term, _)| term.clone()).collect();
            for ((_, count), having) in values.iter_mut().zip(view.terms(&wanted).await?) {
                *count = having.intersection_len(found);
            }
            most_frequent(&mut values);
        }
        let count = |(term, worlds): (String, u64)| Count { value: value(family, &term), worlds };
        counts.insert(name, values.into_iter().map(count).collect());
    }
    Ok(Facets { is_complete, counts })
}

fn most_frequent(values: &mut Vec<(String, u64)>) {
    values.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    values.truncate(VALUES_MAX);
}

/// The value in a term, as people write it.
fn value(family: char, term: &str) -> String {
    let value = term.strip_prefix(family).unwrap_or(term);
    if family == terms::RATING {
        return value.parse::<u8>().map(|level| level.to_string()).unwrap_or_default();
    }
    value.to_owned()
}

//! What is being matched: both sides in order, and what is taken.

use super::{Fault, Finding, Outcome, Proposal, Rule};
use crate::item::Item;
use crate::money::Money;
use crate::store::Side;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The most candidates that a finding names.
const CANDIDATES_MAX: usize = 8;
/// The most ids of one candidate that it names.
const CANDIDATE_IDS_MAX: usize = 12;

/// One side, in the order of days and ids.
#[derive(Debug, Default)]
pub(super) struct Half {
    pub(super) items: Vec<Item>,
    is_taken: Vec<bool>,
    /// The most days that an item's other day is from the one that the order goes by.
    spread: i64,
}

/// Both sides, and what was found.
#[derive(Debug, Default)]
pub(super) struct Board {
    pub(super) lines: Half,
    pub(super) entries: Half,
    matches: Vec<Proposal>,
    /// The first thing that was found of each item; the order is that of sides and ids.
    findings: BTreeMap<(Side, String), Finding>,
}

/// A match by places.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Choice {
    pub(super) lines: Vec<usize>,
    pub(super) entries: Vec<usize>,
}

impl Choice {
    pub(super) fn pair(line: usize, entry: usize) -> Self {
        Self { lines: vec![line], entries: vec![entry] }
    }
}

impl Half {
    fn new(mut items: Vec<Item>) -> Self {
        items.sort_by(|one, other| (one.date, &one.id).cmp(&(other.date, &other.id)));
        items.dedup_by(|one, other| one.id == other.id);
        let spread = items.iter().map(|item| {
            let (start, end) = item.span();
            (end - start).num_days()
        });
        Self { is_taken: vec![false; items.len()], spread: spread.max().unwrap_or(0), items }
    }

    pub(super) fn is_free(&self, place: usize) -> bool {
        self.is_taken.get(place) == Some(&false)
    }

    /// The places that are not taken.
    pub(super) fn free(&self) -> impl Iterator<Item = (usize, &Item)> {
        self.items.iter().enumerate().filter(|(place, _)| self.is_free(*place))
    }

    /// The places among which all are whose days are at most so far from another item's.
    pub(super) fn window(&self, of: &Item, days: u16) -> Range<usize> {
        let (days, (first, last)) = (i64::from(days) + self.spread, of.span());
        let start = self.items.partition_point(|item| (item.date - first).num_days() < -days);
        let end = self.items.partition_point(|item| (item.date - last).num_days() <= days);
        start..end.max(start)
    }

    /// The free places of a window.
    pub(super) fn near<'a>(
        &'a self,
        of: &Item,
        days: u16,
    ) -> impl Iterator<Item = (usize, &'a Item)> + use<'a> {
        let window = self.window(of, days);
        let items = self.items.get(window.clone()).unwrap_or_default();
        let span = of.span();
        let is_near = move |item: &Item| item.days_from_span(span) <= u64::from(days);
        window.zip(items).filter(move |(place, item)| self.is_free(*place) && is_near(item))
    }

    fn sum(&self, places: &[usize]) -> Money {
        places.iter().filter_map(|place| self.items.get(*place)).map(|item| item.amount).sum()
    }

    fn ids(&self, places: &[usize]) -> Vec<String> {
        places.iter().filter_map(|place| self.items.get(*place)).map(|item| item.id.clone()).collect()
    }

    fn take(&mut self, places: &[usize]) {
        for place in places {
            if let Some(is_taken) = self.is_taken.get_mut(*place) {
                *is_taken = true;
            }
        }
    }
}

impl Board {
    pub(super) fn new(lines: Vec<Item>, entries: Vec<Item>) -> Self {
        Self { lines: Half::new(lines), entries: Half::new(entries), ..Self::default() }
    }

    pub(super) fn half(&self, side: Side) -> &Half {
        match side {
            Side::Line => &self.lines,
            Side::Entry => &self.entries,
        }
    }

    /// How many matches there are.
    pub(super) fn count(&self) -> usize {
        self.matches.len()
    }

    /// Begins anew with what is left: how many matches there are. A duplicate stays one.
    pub(super) fn begin(&mut self) -> usize {
        self.findings.retain(|_, found| found.fault == Fault::Duplicate);
        self.count()
    }

    /// Takes a match, if all of it is free.
    pub(super) fn take(&mut self, rule: Rule, choice: &Choice, why: String) -> bool {
        let Choice { lines, entries } = choice;
        let are_free = lines.iter().all(|place| self.lines.is_free(*place))
            && entries.iter().all(|place| self.entries.is_free(*place));
        if !are_free {
            return false;
        }
        self.matches.push(Proposal {
            rule,
            why,
            lines: self.lines.ids(lines),
            entries: self.entries.ids(entries),
            difference: self.lines.sum(lines).minus(self.entries.sum(entries)),
        });
        self.lines.take(lines);
        self.entries.take(entries);
        true
    }

    /// Says what is wrong with something. What was said first stays: passes go from the surest to
    /// the least sure.
    pub(super) fn find(&mut self, fault: Fault, side: Side, place: usize, candidates: &[(Side, Vec<usize>)]) {
        let Some(item) = self.half(side).items.get(place) else { return };
        let id = item.id.clone();
        let candidates: Vec<Vec<String>> = candidates
            .iter()
            .take(CANDIDATES_MAX)
            .map(|(side, places)| self.half(*side).ids(places.get(..CANDIDATE_IDS_MAX).unwrap_or(places)))
            .collect();
        if let Entry::Vacant(vacant) = self.findings.entry((side, id.clone())) {
            vacant.insert(Finding { fault, side, id, candidates });
        }
    }

    /// The matches, and what is left to be decided.
    pub(super) fn outcome(self) -> Outcome {
        let free = |side: Side| self.half(side).free().map(move |(_, item)| (side, item.id.clone()));
        let free: BTreeSet<(Side, String)> = free(Side::Line).chain(free(Side::Entry)).collect();
        let mut findings = Vec::new();
        for (place, mut found) in self.findings {
            if !free.contains(&place) {
                continue;
            }
            // What a later pass took is no candidate any more; of a duplicate it is the original.
            if found.fault != Fault::Duplicate {
                let other = place.0.other();
                found.candidates.retain(|ids| ids.iter().all(|id| free.contains(&(other, id.clone()))));
            }
            if !found.candidates.is_empty() {
                findings.push(found);
            }
        }
        Outcome { matches: self.matches, findings }
    }
}

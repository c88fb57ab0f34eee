//! Passes that match one item of a side with several of the other, whose amounts add up to its.

use super::board::{Board, Choice, Half};
use super::{Fault, Rule};
use crate::item::Item;
use crate::money::Money;
use crate::source::{MEMBERS_MAX, Rules};
use crate::store::Side;
use crate::text;
use std::collections::BTreeMap;

/// The most lines of a batch: what one commit takes.
const BATCH_MAX: usize = 60;
/// How often the pass is repeated while it finds more.
const ROUNDS_MAX: usize = 8;
/// How many ways of adding up a person is shown.
const WAYS_MAX: usize = 8;

/// Pass 4: the lines of a batch booking, which the ledger may have as one entry.
pub(super) fn by_batch(board: &mut Board, rules: &Rules) {
    let mut batches: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, line) in board.lines.free().filter(|(_, line)| !line.batch.is_empty()) {
        batches.entry(&line.batch).or_default().push(place);
    }
    let mut choices: Vec<Choice> = Vec::new();
    for places in batches.into_values().filter(|places| (2..=BATCH_MAX).contains(&places.len())) {
        let lines = places.iter().filter_map(|place| board.lines.items.get(*place));
        let sum: Money = lines.map(|line| line.amount).sum();
        let Some(first) = places.first().and_then(|place| board.lines.items.get(*place)) else { continue };
        let entries = board.entries.near(first, rules.window_days).filter(|(_, entry)| entry.amount == sum);
        let entries: Vec<usize> = entries.map(|(place, _)| place).collect();
        if let &[entry] = entries.as_slice() {
            choices.push(Choice { lines: places, entries: vec![entry] });
        }
    }
    // One entry is not two batches.
    let mut claims: BTreeMap<&[usize], usize> = BTreeMap::new();
    for choice in &choices {
        *claims.entry(&choice.entries).or_default() += 1;
    }
    for choice in &choices {
        if claims.get(choice.entries.as_slice()) == Some(&1) {
            let why = format!("the {} lines of the batch are the amount", choice.lines.len());
            board.take(Rule::Batch, choice, why);
        }
    }
}

/// Passes 5 and 7: what adds up in one way only, and of which no part adds up to something else.
pub(super) fn by_sum(board: &mut Board, rules: &Rules, tolerance: u64) {
    if rules.members_max < 2 {
        return;
    }
    for round in 1..=ROUNDS_MAX {
        let (choices, undecided) = ways(board, rules, tolerance);
        let mut claims: BTreeMap<(Side, usize), usize> = BTreeMap::new();
        let all = choices.iter().chain(undecided.iter().flat_map(|(.., ways)| ways));
        for choice in all {
            for place in members(choice) {
                *claims.entry(place).or_default() += 1;
            }
        }
        let mut is_done = true;
        for choice in &choices {
            if members(choice).all(|place| claims.get(&place) == Some(&1)) {
                let rule = if choice.lines.len() == 1 { Rule::OneToMany } else { Rule::ManyToOne };
                let count = choice.lines.len().max(choice.entries.len());
                let near = if tolerance > 0 { "nearly " } else { "" };
                let why =
                    format!("{count} of the one side add up to {near}one of the other, in one way only");
                is_done &= !board.take(rule, choice, why);
            }
        }
        if is_done || round == ROUNDS_MAX {
            for (side, place, ways) in undecided {
                find(board, side, place, &ways);
            }
            for choice in &choices {
                let target = if choice.lines.len() == 1 {
                    (Side::Line, &choice.lines)
                } else {
                    (Side::Entry, &choice.entries)
                };
                if let Some(place) = target.1.first() {
                    find(board, target.0, *place, std::slice::from_ref(choice));
                }
            }
            return;
        }
    }
}

fn members(choice: &Choice) -> impl Iterator<Item = (Side, usize)> {
    let lines = choice.lines.iter().map(|place| (Side::Line, *place));
    lines.chain(choice.entries.iter().map(|place| (Side::Entry, *place)))
}

fn find(board: &mut Board, side: Side, place: usize, ways: &[Choice]) {
    let candidates: Vec<(Side, Vec<usize>)> = ways
        .iter()
        .map(|way| match side {
            Side::Line => (Side::Entry, way.entries.clone()),
            Side::Entry => (Side::Line, way.lines.clone()),
        })
        .collect();
    board.find(Fault::Ambiguous, side, place, &candidates);
}

/// What cannot be decided: an item, and the ways in which it adds up.
type Undecided = (Side, usize, Vec<Choice>);

/// The items that add up in one way, and those that do in several.
fn ways(board: &Board, rules: &Rules, tolerance: u64) -> (Vec<Choice>, Vec<Undecided>) {
    let (mut choices, mut undecided) = (Vec::new(), Vec::new());
    for side in [Side::Line, Side::Entry] {
        let (targets, others) = match side {
            Side::Line => (&board.lines, &board.entries),
            Side::Entry => (&board.entries, &board.lines),
        };
        for (place, target) in targets.free() {
            let Some(candidates) = candidates(others, target, rules, tolerance) else { continue };
            let ways: Vec<Choice> = subsets(&candidates, target, rules, tolerance)
                .into_iter()
                .map(|places| match side {
                    Side::Line => Choice { lines: vec![place], entries: places },
                    Side::Entry => Choice { lines: places, entries: vec![place] },
                })
                .collect();
            match ways.len() {
                0 => {}
                1 => choices.extend(ways),
                _ => undecided.push((side, place, ways)),
            }
        }
    }
    (choices, undecided)
}

/// What may be a part of an item: what is near, of the same sign, and not larger. If these are too
/// many, those that have a reference or a word in common; if these are too many as well, nothing.
fn candidates<'a>(
    others: &'a Half,
    target: &Item,
    rules: &Rules,
    tolerance: u64,
) -> Option<Vec<(usize, &'a Item)>> {
    let most = usize::from(rules.members_max.min(MEMBERS_MAX));
    let is_part = |item: &Item| {
        item.amount.0.signum() == target.amount.0.signum()
            && item.amount.0 != 0
            && item.amount.size() <= target.amount.size().saturating_add(u128::from(tolerance))
    };
    let near = || others.near(target, rules.window_days).filter(|(_, item)| is_part(item));
    let first: Vec<(usize, &Item)> = near().take(most + 1).collect();
    if first.len() <= most {
        return (first.len() >= 2).then_some(first);
    }
    let related: Vec<(usize, &Item)> =
        near().filter(|(_, item)| is_related(item, target)).take(most + 1).collect();
    (2..=most).contains(&related.len()).then_some(related)
}

fn is_related(one: &Item, other: &Item) -> bool {
    shares_reference(one, other) || text::similarity(&one.words, &other.words) > 0
}

fn shares_reference(one: &Item, other: &Item) -> bool {
    one.references.intersection(&other.references).next().is_some()
}

/// The ways to add candidates up to an item: all of them, or those in which each has a reference in
/// common with it, if there is one of these.
fn subsets(candidates: &[(usize, &Item)], target: &Item, rules: &Rules, tolerance: u64) -> Vec<Vec<usize>> {
    let count = u32::try_from(candidates.len()).unwrap_or(0).min(u32::from(MEMBERS_MAX));
    let most = u32::from(rules.members_max);
    let (mut ways, mut referenced) = (Vec::new(), Vec::new());
    for mask in 1_u32..(1 << count) {
        if mask.count_ones() < 2 || mask.count_ones() > most {
            continue;
        }
        let chosen = candidates.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0);
        let chosen: Vec<&(usize, &Item)> = chosen.map(|(_, candidate)| candidate).collect();
        let sum: Money = chosen.iter().map(|(_, item)| item.amount).sum();
        if sum.minus(target.amount).size() > u128::from(tolerance) {
            continue;
        }
        let places: Vec<usize> = chosen.iter().map(|(place, _)| *place).collect();
        if chosen.iter().all(|(_, item)| shares_reference(item, target)) {
            referenced.push(places.clone());
        }
        ways.push(places);
    }
    ways.truncate(WAYS_MAX);
    if referenced.len() == 1 { referenced } else { ways }
}

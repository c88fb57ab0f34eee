//! Passes that match one line and one entry.

use super::board::{Board, Choice};
use super::{Fault, Rule};
use crate::item::Item;
use crate::money::Money;
use crate::source::Rules;
use crate::store::Side;
use crate::text;
use std::collections::BTreeMap;

/// The most candidates that one item is compared with; with more, amount and day say too little.
const NEAR_MAX: usize = 64;
/// How often a pass is repeated while it finds more.
const ROUNDS_MAX: usize = 16;

/// Places of lines and of entries.
type Group = (Vec<usize>, Vec<usize>);

/// A possible pair, and how good it is.
struct Pair {
    line: usize,
    entry: usize,
    score: u32,
}

/// Pass 1. Of as many lines as entries with the same reference and amount the first belongs to the
/// first and so on; one more of a kind that has its match is a duplicate.
pub(super) fn by_reference(board: &mut Board, rules: &Rules) {
    let mut groups: BTreeMap<(&str, Money), Group> = BTreeMap::new();
    for (place, line) in board.lines.free() {
        for reference in &line.references {
            groups.entry((reference, line.amount)).or_default().0.push(place);
        }
    }
    for (place, entry) in board.entries.free() {
        for reference in &entry.references {
            if let Some(group) = groups.get_mut(&(reference.as_str(), entry.amount)) {
                group.1.push(place);
            }
        }
    }
    let mut groups: Vec<(String, Group)> = groups
        .into_iter()
        .filter(|(_, (_, entries))| !entries.is_empty())
        .map(|((reference, _), group)| (reference.to_owned(), group))
        .collect();
    // What few have in common says more than what many have: a customer's number less than an
    // invoice's. The sort keeps the order of references where the numbers are the same.
    groups.sort_by_key(|(_, (lines, entries))| lines.len() + entries.len());
    for (reference, (mut lines, mut entries)) in groups {
        lines.retain(|place| board.lines.is_free(*place));
        entries.retain(|place| board.entries.is_free(*place));
        in_order(board, rules, &reference, &lines, &entries);
    }
}

fn in_order(board: &mut Board, rules: &Rules, reference: &str, lines: &[usize], entries: &[usize]) {
    let (&[first_line, ..], &[first_entry, ..]) = (lines, entries) else { return };
    if lines.len() != entries.len() && lines.len().min(entries.len()) > 1 {
        // Which of them are one too many, nobody can tell.
        let all = [(Side::Line, lines.to_vec()), (Side::Entry, entries.to_vec())];
        for (side, places) in &all {
            for place in places {
                let candidates: Vec<_> = all.iter().filter(|(other, _)| other != side).cloned().collect();
                board.find(Fault::Ambiguous, *side, *place, &candidates);
            }
        }
        return;
    }
    for (line, entry) in lines.iter().zip(entries) {
        let is_near = match (board.lines.items.get(*line), board.entries.items.get(*entry)) {
            (Some(line), Some(entry)) => line.days_from(entry) <= u64::from(rules.reference_window_days),
            _ => false,
        };
        if is_near {
            let why = format!("the reference {reference} and the amount are the same");
            board.take(Rule::Reference, &Choice::pair(*line, *entry), why);
        }
    }
    for (side, places, first) in [(Side::Line, lines, first_line), (Side::Entry, entries, first_entry)] {
        if board.half(side).is_free(first) {
            continue;
        }
        for place in places.iter().skip(1).filter(|_| lines.len() != entries.len()) {
            board.find(Fault::Duplicate, side, *place, &[(side, vec![first])]);
        }
    }
}

/// Pass 2.
pub(super) fn by_similarity(board: &mut Board, rules: &Rules) {
    let score = |line: &Item, entry: &Item| {
        let is_same = line.amount == entry.amount;
        if is_same { text::similarity(&line.words, &entry.words) } else { 0 }
    };
    mutual(board, rules, Rule::Similarity, &score, rules.similarity_min);
}

/// Pass 3.
pub(super) fn by_amount(board: &mut Board, rules: &Rules) {
    let score = |line: &Item, entry: &Item| u32::from(line.amount == entry.amount);
    mutual(board, rules, Rule::AmountAndDay, &score, 1);
}

/// Pass 6.
pub(super) fn within_tolerance(board: &mut Board, rules: &Rules) {
    let score = |line: &Item, entry: &Item| {
        let is_near = line.amount.minus(entry.amount).size() <= u128::from(rules.tolerance);
        let same_sign = line.amount.0.signum() == entry.amount.0.signum();
        if !is_near || !same_sign {
            return 0;
        }
        // A reference in common says more than any text.
        let common = line.references.intersection(&entry.references).next();
        common.map_or_else(|| text::similarity(&line.words, &entry.words), |_| 2000)
    };
    mutual(board, rules, Rule::Tolerance, &score, rules.similarity_min);
}

/// Takes the pairs that are the best for both, and better than every other one of both.
fn mutual(board: &mut Board, rules: &Rules, rule: Rule, score: &dyn Fn(&Item, &Item) -> u32, minimum: u32) {
    for round in 1..=ROUNDS_MAX {
        let pairs = pairs(board, rules, score, minimum);
        let (of_lines, of_entries) = (best(&pairs, |pair| pair.line), best(&pairs, |pair| pair.entry));
        let mut is_done = true;
        for pair in &pairs {
            let only = [of_lines.get(&pair.line), of_entries.get(&pair.entry)];
            if only.iter().all(|best| best.is_some_and(|best| best.is_only(pair))) {
                let choice = Choice::pair(pair.line, pair.entry);
                is_done &= !board.take(rule, &choice, why(rule, pair));
            }
        }
        if is_done || round == ROUNDS_MAX {
            undecided(board, &pairs, &of_lines, &of_entries);
            return;
        }
    }
}

fn why(rule: Rule, pair: &Pair) -> String {
    match rule {
        Rule::Similarity => {
            format!("the amount is the same, the day near, and {} of 1000 words in common", pair.score)
        }
        Rule::Tolerance if pair.score > 1000 => "a reference is the same, and the amount near".to_owned(),
        Rule::Tolerance => {
            format!("the amount and the day are near, and {} of 1000 words in common", pair.score)
        }
        _ => "the amount is the same, the day near, and no other has both".to_owned(),
    }
}

/// All pairs of which a minimum is reached. An item with too many candidates has none.
fn pairs(board: &Board, rules: &Rules, score: &dyn Fn(&Item, &Item) -> u32, minimum: u32) -> Vec<Pair> {
    // Within a window of days amounts tell which few are to be compared.
    let mut by_amount: BTreeMap<Money, Vec<usize>> = BTreeMap::new();
    board.entries.free().for_each(|(place, entry)| by_amount.entry(entry.amount).or_default().push(place));
    let tolerance = i128::from(rules.tolerance);
    let mut pairs = Vec::new();
    for (line_place, line) in board.lines.free() {
        let window = board.entries.window(line, rules.window_days);
        let (low, high) = (line.amount.minus(Money(tolerance)), line.amount.plus(Money(tolerance)));
        let mut near: Vec<usize> = Vec::new();
        for places in by_amount.range(low..=high).map(|(_, places)| places) {
            let start = places.partition_point(|place| *place < window.start);
            let found = places.iter().skip(start).take_while(|place| window.contains(place));
            near.extend(found.take(NEAR_MAX + 1));
        }
        if near.len() > NEAR_MAX {
            continue;
        }
        for entry_place in near {
            let Some(entry) = board.entries.items.get(entry_place) else { continue };
            let score = score(line, entry);
            if score >= minimum.max(1) && line.days_from(entry) <= u64::from(rules.window_days) {
                pairs.push(Pair { line: line_place, entry: entry_place, score });
            }
        }
    }
    pairs
}

/// The best score of an item, and how many pairs have it.
struct Best {
    score: u32,
    count: usize,
}

impl Best {
    fn is_only(&self, pair: &Pair) -> bool {
        self.count == 1 && self.score == pair.score
    }
}

fn best(pairs: &[Pair], key: impl Fn(&Pair) -> usize) -> BTreeMap<usize, Best> {
    let mut all: BTreeMap<usize, Best> = BTreeMap::new();
    for pair in pairs {
        let best = all.entry(key(pair)).or_insert(Best { score: 0, count: 0 });
        if pair.score > best.score {
            *best = Best { score: pair.score, count: 1 };
        } else if pair.score == best.score {
            best.count += 1;
        }
    }
    all
}

/// What has several equally good candidates and none that it alone is best for.
fn undecided(
    board: &mut Board,
    pairs: &[Pair],
    lines: &BTreeMap<usize, Best>,
    entries: &BTreeMap<usize, Best>,
) {
    for (places, side) in [(lines, Side::Line), (entries, Side::Entry)] {
        for (place, best) in places.iter().filter(|(_, best)| best.count > 1) {
            let of = |pair: &&Pair| match side {
                Side::Line => pair.line == *place,
                Side::Entry => pair.entry == *place,
            };
            let tied = pairs.iter().filter(of).filter(|pair| pair.score == best.score);
            let candidates: Vec<(Side, Vec<usize>)> = tied
                .map(|pair| match side {
                    Side::Line => (Side::Entry, vec![pair.entry]),
                    Side::Entry => (Side::Line, vec![pair.line]),
                })
                .filter(|(side, places)| places.iter().all(|place| board.half(*side).is_free(*place)))
                .collect();
            if candidates.len() > 1 {
                board.find(Fault::Ambiguous, side, *place, &candidates);
            }
        }
    }
}

/// What is left with a reference in common and another amount.
pub(super) fn amount_differs(board: &mut Board, rules: &Rules) {
    let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
    for (place, line) in board.lines.free() {
        line.references.iter().for_each(|reference| groups.entry(reference).or_default().0.push(place));
    }
    for (place, entry) in board.entries.free() {
        for reference in &entry.references {
            if let Some(group) = groups.get_mut(reference.as_str()) {
                group.1.push(place);
            }
        }
    }
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (lines, entries) in groups.values() {
        let (&[line], &[entry]) = (lines.as_slice(), entries.as_slice()) else { continue };
        let pair = board.lines.items.get(line).zip(board.entries.items.get(entry));
        if pair.is_some_and(|(line, entry)| {
            line.days_from(entry) <= u64::from(rules.reference_window_days)
                && line.amount != entry.amount
                && line.amount.0.signum() == entry.amount.0.signum()
        }) {
            found.push((line, entry));
        }
    }
    for (line, entry) in found {
        board.find(Fault::AmountDiffers, Side::Line, line, &[(Side::Entry, vec![entry])]);
        board.find(Fault::AmountDiffers, Side::Entry, entry, &[(Side::Line, vec![line])]);
    }
}

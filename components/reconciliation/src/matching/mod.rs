//! Finding what belongs together. Pure and deterministic: the same lines, entries and rules have
//! the same outcome, in whatever order they come.
//!
//! The passes run in order, from the surest to the least sure, and what one has matched no later
//! one sees:
//!
//! 1. [`pairs::by_reference`]: a reference in common, and the same amount.
//! 2. [`pairs::by_similarity`]: the same amount, a day within the window, and similar texts.
//! 3. [`pairs::by_amount`]: the same amount and a day within the window, if the rules allow it.
//! 4. [`sums::by_batch`]: all lines of a batch, and one entry.
//! 5. [`sums::by_sum`]: one line and several entries, or the reverse.
//! 6. [`pairs::within_tolerance`]: as 1 and 2, with a difference.
//! 7. [`sums::by_sum`] again, with a difference.
//!
//! Each takes a match only if there is no other one that it could have taken instead. Where there
//! is, the finding says between what a person has to decide.

mod board;
mod pairs;
mod sums;

use crate::item::Item;
use crate::money::Money;
use crate::source::Rules;
use crate::store::Side;
use board::Board;
use serde::{Deserialize, Serialize};

/// The most lines and entries, each, that are compared at once.
pub const ITEMS_MAX: usize = 20_000;

/// Why things belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A reference in common, and the same amount.
    Reference,
    /// The same amount, days within the window, and similar texts.
    Similarity,
    /// The same amount and days within the window, and nothing else like them.
    AmountAndDay,
    /// The lines of a batch, and one entry.
    Batch,
    /// One line, and several entries.
    OneToMany,
    /// Several lines, and one entry.
    ManyToOne,
    /// A reference in common or similar texts, and amounts within the tolerance.
    Tolerance,
    /// A person said so.
    Manual,
}

/// A match that a pass found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Which pass.
    pub rule: Rule,
    /// What it saw, for people.
    pub why: String,
    /// The lines, by id, in order.
    pub lines: Vec<String>,
    /// The entries, by id, in order.
    pub entries: Vec<String>,
    /// By how much the lines are more than the entries.
    pub difference: Money,
}

/// What is wrong with something that has no match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Several matches are equally good.
    Ambiguous,
    /// Something with the same reference and amount is matched already.
    Duplicate,
    /// The other side has the same reference and another amount.
    AmountDiffers,
}

/// What a person has to decide about something that has no match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub fault: Fault,
    /// What it is wrong with.
    pub side: Side,
    /// Its id.
    pub id: String,
    /// What it may belong to: each is a list of ids of the other side; of a duplicate, of the same
    /// side.
    pub candidates: Vec<Vec<String>>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// The matches, each line and entry in at most one.
    pub matches: Vec<Proposal>,
    /// What has to be decided; of each line and entry at most one, and of none that is matched.
    pub findings: Vec<Finding>,
}

/// Finds what belongs together. The passes are repeated until they find nothing more, because what
/// is matched may have stood between others; so what is left has no match in it.
pub fn find(rules: &Rules, lines: Vec<Item>, entries: Vec<Item>) -> Outcome {
    let mut board = Board::new(lines, entries);
    loop {
        let before = board.begin();
        pass(&mut board, rules);
        if board.count() == before {
            return board.outcome();
        }
    }
}

fn pass(board: &mut Board, rules: &Rules) {
    pairs::by_reference(board, rules);
    pairs::by_similarity(board, rules);
    if rules.unreferenced {
        pairs::by_amount(board, rules);
    }
    sums::by_batch(board, rules);
    sums::by_sum(board, rules, 0);
    if rules.tolerance > 0 {
        pairs::within_tolerance(board, rules);
        sums::by_sum(board, rules, rules.tolerance);
    }
    pairs::amount_differs(board, rules);
}

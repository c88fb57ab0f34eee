//! What belongs together, pass by pass, and what is true of every outcome.

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use vwp_reconciliation::item::Item;
use vwp_reconciliation::matching::{self, Fault, Outcome, Rule};
use vwp_reconciliation::money::Money;
use vwp_reconciliation::source::Rules;
use vwp_reconciliation::store::Side;
use vwp_reconciliation::text;

/// An item of a day in November: its id, its amount, and a text with its references.
fn item(id: &str, day: u32, amount: i128, said: &str) -> Item {
    Item {
        id: id.to_owned(),
        date: chrono::NaiveDate::from_ymd_opt(2026, 11, day).unwrap(),
        value: None,
        amount: Money(amount),
        references: text::references_in(said).collect(),
        words: text::words(said),
        batch: String::new(),
    }
}

fn find(rules: &Rules, lines: &[Item], entries: &[Item]) -> Outcome {
    matching::find(rules, lines.to_vec(), entries.to_vec())
}

/// The matches as a rule, lines and entries.
fn pairs(outcome: &Outcome) -> Vec<(Rule, String, String)> {
    outcome.matches.iter().map(|found| (found.rule, found.lines.join("+"), found.entries.join("+"))).collect()
}

fn found(rule: Rule, lines: &str, entries: &str) -> (Rule, String, String) {
    (rule, lines.to_owned(), entries.to_owned())
}

fn faults(outcome: &Outcome) -> Vec<(Fault, Side, &str)> {
    outcome.findings.iter().map(|found| (found.fault, found.side, found.id.as_str())).collect()
}

#[test]
fn the_same_reference_and_amount_belong_together_whatever_else_is_alike() {
    let lines = [item("l1", 3, 500, "Order ORD-0001"), item("l2", 3, 500, "Order ORD-0002")];
    let entries = [item("e2", 3, 500, "ORD-0002"), item("e1", 20, 500, "ORD-0001")];
    let outcome = find(&Rules::default(), &lines, &entries);
    assert_eq!(pairs(&outcome), [found(Rule::Reference, "l1", "e1"), found(Rule::Reference, "l2", "e2")]);
    assert!(outcome.matches[0].why.contains("ORD0001"));
    assert!(outcome.findings.is_empty());
}

#[test]
fn one_more_of_a_kind_is_a_duplicate_of_the_first() {
    let lines = [item("l1", 3, 500, "ORD-0001"), item("l2", 4, 500, "ORD-0001")];
    let outcome = find(&Rules::default(), &lines, &[item("e1", 3, 500, "ORD-0001")]);
    assert_eq!(pairs(&outcome), [found(Rule::Reference, "l1", "e1")]);
    assert_eq!(faults(&outcome), [(Fault::Duplicate, Side::Line, "l2")]);
    assert_eq!(outcome.findings[0].candidates, [["l1"]]);
}

#[test]
fn a_reference_that_many_have_says_less_than_one_that_few_have() {
    let lines = [item("l1", 1, 999, "CUST-4711 INV-0002"), item("l2", 2, 999, "CUST-4711 INV-0001")];
    let entries = [item("e1", 1, 999, "CUST-4711 INV-0001"), item("e2", 2, 999, "CUST-4711 INV-0002")];
    let outcome = find(&Rules::default(), &lines, &entries);
    assert_eq!(pairs(&outcome), [found(Rule::Reference, "l2", "e1"), found(Rule::Reference, "l1", "e2")]);
}

#[test]
fn similar_texts_decide_between_equal_amounts_within_the_window() {
    let lines =
        [item("l1", 5, 1000, "Monthly fee Jörg Müßig"), item("l2", 5, 1000, "Monthly fee Ada Lovelace")];
    let entries = [
        item("e1", 4, 1000, "ada lovelace monthly"),
        item("e2", 6, 1000, "Jorg Müßig monthly"),
        item("e3", 12, 1000, "Jörg Müßig monthly fee"),
    ];
    let outcome = find(&Rules::default(), &lines, &entries);
    assert_eq!(pairs(&outcome), [found(Rule::Similarity, "l1", "e2"), found(Rule::Similarity, "l2", "e1")]);
}

#[test]
fn equally_good_candidates_are_for_a_person_to_decide() {
    let lines = [item("l1", 5, 1000, "Monthly fee"), item("l2", 5, 1000, "Monthly fee")];
    let entries = [item("e1", 5, 1000, "monthly fee"), item("e2", 5, 1000, "monthly fee")];
    let outcome = find(&Rules::default(), &lines, &entries);
    assert!(outcome.matches.is_empty());
    assert!(outcome.findings.iter().all(|found| found.fault == Fault::Ambiguous));
    assert_eq!(outcome.findings.len(), 4);
    assert_eq!(outcome.findings[0].candidates, [["e1"], ["e2"]]);
}

#[test]
fn amount_and_day_alone_suffice_only_if_the_rules_say_so() {
    let (lines, entries) = ([item("l1", 5, 1000, "abc")], [item("e1", 6, 1000, "xyz")]);
    assert!(find(&Rules::default(), &lines, &entries).matches.is_empty());
    let rules = Rules { unreferenced: true, ..Rules::default() };
    assert_eq!(pairs(&find(&rules, &lines, &entries)), [found(Rule::AmountAndDay, "l1", "e1")]);
    let two = [item("l1", 5, 1000, "abc"), item("l2", 5, 1000, "def")];
    assert!(find(&rules, &two, &entries).matches.is_empty());
}

#[test]
fn one_line_is_several_entries_and_the_reverse_if_they_add_up_in_one_way() {
    let lines = [item("l1", 5, 1000, "payout"), item("l2", 5, -300, "fees")];
    let entries = [
        item("e1", 4, 250, "one"),
        item("e2", 5, 750, "two"),
        item("e3", 5, 40, "three"),
        item("e4", 5, -1000, "the other way"),
    ];
    let outcome = find(&Rules::default(), &lines, &entries);
    assert_eq!(pairs(&outcome), [found(Rule::OneToMany, "l1", "e1+e2")]);
    let reverse = find(&Rules::default(), &entries, &lines);
    assert_eq!(pairs(&reverse), [found(Rule::ManyToOne, "e1+e2", "l1")]);
}

#[test]
fn what_adds_up_in_two_ways_is_ambiguous_unless_references_decide() {
    let line = [item("l1", 5, 1000, "payout PO-0001")];
    let parts = |said: [&str; 4]| {
        let amounts = [400, 600, 300, 700];
        let ids = ["e1", "e2", "e3", "e4"];
        std::array::from_fn::<Item, 4, _>(|index| item(ids[index], 5, amounts[index], said[index]))
    };
    let outcome = find(&Rules::default(), &line, &parts(["a", "b", "c", "d"]));
    assert!(outcome.matches.is_empty());
    assert_eq!(faults(&outcome), [(Fault::Ambiguous, Side::Line, "l1")]);
    assert_eq!(outcome.findings[0].candidates, [["e1", "e2"], ["e3", "e4"]]);
    let outcome = find(&Rules::default(), &line, &parts(["x", "y", "PO-0001 c", "PO-0001 d"]));
    assert_eq!(pairs(&outcome), [found(Rule::OneToMany, "l1", "e3+e4")]);
}

#[test]
fn two_that_want_the_same_parts_get_none_of_them() {
    let lines = [item("l1", 5, 1000, ""), item("l2", 6, 1000, "")];
    let entries = [item("e1", 5, 400, ""), item("e2", 5, 600, "")];
    let outcome = find(&Rules::default(), &lines, &entries);
    assert!(outcome.matches.is_empty());
    assert_eq!(
        faults(&outcome),
        [(Fault::Ambiguous, Side::Line, "l1"), (Fault::Ambiguous, Side::Line, "l2")]
    );
}

#[test]
fn with_more_candidates_than_can_be_added_up_those_that_are_related_are() {
    let mut entries: Vec<Item> =
        (0..40).map(|index| item(&format!("e{index:02}"), 5, 100 + 7 * index, "noise")).collect();
    entries.push(item("p1", 5, 123_456, "PO-0009 part"));
    entries.push(item("p2", 5, 654_321, "PO-0009 part"));
    let line = [item("l1", 5, 777_777, "payout PO-0009")];
    assert_eq!(pairs(&find(&Rules::default(), &line, &entries)), [found(Rule::OneToMany, "l1", "p1+p2")]);
}

#[test]
fn the_lines_of_a_batch_are_one_entry_even_if_they_are_many() {
    let lines: Vec<Item> = (1..=40)
        .map(|index| Item { batch: "B1".into(), ..item(&format!("l{index:02}"), 5, index, "debit") })
        .collect();
    let outcome = find(&Rules::default(), &lines, &[item("e1", 5, 820, "run of 5 November")]);
    assert_eq!(outcome.matches.len(), 1);
    assert_eq!((outcome.matches[0].rule, outcome.matches[0].lines.len()), (Rule::Batch, 40));
}

#[test]
fn within_the_tolerance_a_match_has_a_difference() {
    let (lines, entries) = ([item("l1", 5, 998, "ORD-0001")], [item("e1", 5, 1000, "ORD-0001")]);
    let strict = find(&Rules::default(), &lines, &entries);
    assert!(strict.matches.is_empty());
    let expected = [(Fault::AmountDiffers, Side::Line, "l1"), (Fault::AmountDiffers, Side::Entry, "e1")];
    assert_eq!(faults(&strict), expected);
    let rules = Rules { tolerance: 2, ..Rules::default() };
    let outcome = find(&rules, &lines, &entries);
    assert_eq!(pairs(&outcome), [found(Rule::Tolerance, "l1", "e1")]);
    assert_eq!(outcome.matches[0].difference, Money(-2));
    let parts = [item("e1", 5, 400, ""), item("e2", 5, 599, "")];
    let outcome = find(&rules, &lines, &parts);
    assert_eq!((outcome.matches[0].rule, outcome.matches[0].difference), (Rule::OneToMany, Money(-1)));
}

#[test]
fn what_is_outside_of_the_window_or_has_another_sign_is_left_alone() {
    let rules = Rules { unreferenced: true, tolerance: 5, ..Rules::default() };
    let lines = [item("l1", 1, 1000, "same words here"), item("l2", 1, -2000, "other words")];
    let entries = [item("e1", 5, 1000, "same words here"), item("e2", 1, 2000, "other words")];
    let outcome = find(&rules, &lines, &entries);
    assert_eq!(outcome, Outcome::default());
}

#[test]
fn the_value_day_counts_as_well_as_the_day_of_booking() {
    let value = |day| chrono::NaiveDate::from_ymd_opt(2026, 11, day);
    let line = [Item { value: value(9), ..item("l1", 3, 1000, "salary November") }];
    for (day, is_found) in [(1, true), (6, true), (12, true), (13, false), (25, false)] {
        let outcome = find(&Rules::default(), &line, &[item("e1", day, 1000, "November salary")]);
        assert_eq!(outcome.matches.len(), usize::from(is_found), "{day}");
        let turned = find(&Rules::default(), &[item("e1", day, 1000, "November salary")], &line);
        assert_eq!(turned.matches.len(), usize::from(is_found), "{day}, the other way round");
    }
}

#[test]
fn thousands_of_equal_amounts_are_compared_in_a_moment() {
    let many = |side: &str| -> Vec<Item> {
        (0..8000)
            .map(|index| item(&format!("{side}{index:05}"), 1 + index % 28, 999, &format!("SUB-{index:06}")))
            .collect()
    };
    let outcome = find(&Rules::default(), &many("l"), &many("e"));
    assert_eq!(outcome.matches.len(), 8000);
    let nameless = |side: &str| -> Vec<Item> {
        (0..4000).map(|index| item(&format!("{side}{index:05}"), 1 + index % 28, 999, "")).collect()
    };
    let rules = Rules { unreferenced: true, tolerance: 3, ..Rules::default() };
    assert!(find(&rules, &nameless("l"), &nameless("e")).matches.is_empty());
}

/// Items of a side: few days, few amounts and few words, so that much is alike.
fn side(letter: &'static str) -> impl Strategy<Value = Vec<Item>> {
    let words = ["", "", "fee", "fee paid", "INV-00001", "INV-00002", "INV-00003 fee", "INV-00001 INV-00002"];
    let one = (1..9_u32, -12..40_i128, 0..words.len(), 0..6_usize);
    proptest::collection::vec(one, 0..14).prop_map(move |rows| {
        let rows = rows.into_iter().enumerate();
        rows.map(|(index, (day, amount, word, batch))| Item {
            batch: if batch < 2 && letter == "l" { format!("B{batch}") } else { String::new() },
            ..item(&format!("{letter}{index}"), day, amount * 10 + i128::from(day % 2), words[word])
        })
        .collect()
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    (0..3_u64, 0..5_u16, any::<bool>(), 0..13_u8).prop_map(
        |(tolerance, window_days, unreferenced, members_max)| Rules {
            tolerance,
            window_days,
            unreferenced,
            members_max,
            ..Rules::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_in_two_matches_and_every_match_is_worth_what_it_says(
        rules in rules(), lines in side("l"), entries in side("e"),
    ) {
        let outcome = find(&rules, &lines, &entries);
        let amounts: BTreeMap<&str, Money> =
            lines.iter().chain(&entries).map(|item| (item.id.as_str(), item.amount)).collect();
        let mut seen = BTreeSet::new();
        for found in &outcome.matches {
            prop_assert!(!found.lines.is_empty() && !found.entries.is_empty());
            for id in found.lines.iter().chain(&found.entries) {
                prop_assert!(seen.insert(id.clone()), "{} is in two matches", id);
            }
            let sum = |ids: &[String]| ids.iter().map(|id| amounts[id.as_str()]).sum::<Money>();
            let difference = sum(&found.lines).minus(sum(&found.entries));
            prop_assert_eq!(difference, found.difference);
            prop_assert!(difference.size() <= u128::from(rules.tolerance));
            prop_assert!(!found.why.is_empty());
        }
        for finding in &outcome.findings {
            prop_assert!(!seen.contains(&finding.id), "{} is matched and broken", finding.id);
        }
    }

    #[test]
    fn the_order_in_which_things_come_does_not_matter(
        rules in rules(), lines in side("l"), entries in side("e"), seed in any::<u64>(),
    ) {
        let shuffled = |items: &[Item]| {
            let mut keyed: Vec<(u64, Item)> = items.iter().cloned().enumerate()
                .map(|(index, item)| ((index as u64 + 1).wrapping_mul(seed | 1).rotate_left(17), item)).collect();
            keyed.sort_by_key(|(key, _)| *key);
            keyed.into_iter().map(|(_, item)| item).collect::<Vec<_>>()
        };
        prop_assert_eq!(find(&rules, &lines, &entries), find(&rules, &shuffled(&lines), &shuffled(&entries)));
    }

    #[test]
    fn what_is_left_has_no_match_in_it(
        rules in rules(), lines in side("l"), entries in side("e"),
    ) {
        let outcome = find(&rules, &lines, &entries);
        let taken: BTreeSet<&String> =
            outcome.matches.iter().flat_map(|found| found.lines.iter().chain(&found.entries)).collect();
        let left = |items: &[Item]| items.iter().filter(|item| !taken.contains(&item.id)).cloned().collect::<Vec<_>>();
        prop_assert_eq!(find(&rules, &left(&lines), &left(&entries)).matches, vec![]);
    }
}

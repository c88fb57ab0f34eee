//! From statements and a ledger to a report, with people in between.

use crate::support::{BY, World, day, definition};
use futures::executor::block_on;
use serde_json::json;
use vwp_reconciliation::breaks::{Break, Kind, Status};
use vwp_reconciliation::import::Format;
use vwp_reconciliation::matching::Rule;
use vwp_reconciliation::money::Money;
use vwp_reconciliation::{Error, actions, matches};

const CAMT: &[u8] = include_bytes!("../fixtures/statement.camt053.xml");
const MT940: &[u8] = include_bytes!("../fixtures/statement-windows1252.sta");

/// A world where everything of November agrees.
fn agreeing() -> World {
    let world = World::new();
    world.rows(&["2026-11-02,100.00,ORDER-0001,,100.00", "2026-11-03,-5.00,FEE-000001,,95.00"]).unwrap();
    world.enter("2026-11-02", 10_000, "ORDER-0001");
    world.enter("2026-11-04", -500, "FEE-000001");
    world
}

/// The only break.
#[track_caller]
fn only_break(world: &World) -> Break {
    let mut breaks = world.breaks();
    assert_eq!(breaks.len(), 1, "{breaks:?}");
    breaks.remove(0)
}

#[test]
fn what_agrees_is_clean_with_both_balances() {
    let world = agreeing();
    let run = world.run();
    assert_eq!((run.entries, run.matches, run.breaks, run.complete), (2, 2, 0, true));
    let report = world.report();
    assert!(report.clean, "{report:?}");
    let total = &report.total;
    assert_eq!((total.lines.matched.count, total.lines.matched.sum), (2, Money(9500)));
    assert_eq!((total.lines.opening, total.lines.closing), (Some(Money(0)), Some(Money(9500))));
    assert_eq!((total.entries.opening, total.entries.closing), (Some(Money(0)), Some(Money(9500))));
    assert_eq!(report.days.len(), 3);
    let csv = String::from_utf8(report.to_csv().unwrap()).unwrap();
    let rows: Vec<&str> = csv.lines().collect();
    assert!(rows[0].starts_with("date,source,currency,lines_matched,"));
    assert_eq!(rows[1], "2026-11-02,bank,EUR,1,10000,0,0,0,10000,1,10000,0,0,0,10000,0,0,0,0,0,0");
}

#[test]
fn a_run_repeated_changes_nothing_and_reads_only_what_is_new() {
    let world = agreeing();
    world.rows(&["2026-11-03,1.00,UNKNOWN-01,,96.00"]).unwrap();
    world.run();
    let kinds = ["match", "break", "open-line", "open-entry", "line", "entry", "entry-day", "cursor"];
    let before = kinds.map(|kind| world.records(kind));
    world.ledger.asked.borrow_mut().clear();
    let again = world.run();
    assert_eq!((again.entries, again.matches, again.breaks), (0, 0, 0));
    assert_eq!(kinds.map(|kind| world.records(kind)), before);
    assert_eq!(*world.ledger.asked.borrow(), [3], "what was read is not read again");
}

#[test]
fn importing_again_or_an_overlapping_statement_adds_only_what_is_new() {
    let world = World::new();
    let first = ["2026-11-02,5.00,,Coffee,105.00", "2026-11-02,5.00,,Coffee,110.00"];
    let imported = world.rows(&first).unwrap();
    assert_eq!((imported[0].new, imported[0].repeated), (2, false));
    let again = world.rows(&first).unwrap();
    assert_eq!((again[0].new, again[0].repeated), (0, true));
    // The same second coffee, and a third one.
    let next = world.rows(&["2026-11-02,5.00,,Coffee,110.00", "2026-11-02,5.00,,Coffee,115.00"]).unwrap();
    assert_eq!((next[0].new, next[0].repeated), (1, false));
    assert_eq!(world.records("line").len(), 3);
    assert_eq!(world.report().total.lines.closing, Some(Money(11_500)));
}

#[test]
fn an_import_that_was_broken_off_anywhere_is_finished_by_the_next_one() {
    let rows: Vec<String> =
        (1..=150).map(|index| format!("2026-11-02,1.00,ROW-{index:06},,{index}.00")).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let whole = World::new();
    whole.rows(&rows).unwrap();
    let commits = whole.store.commits.get() - 1;
    assert!(commits >= 5, "{commits}");
    for cut in 0..commits {
        let world = World::new();
        world.store.commits_left.set(cut);
        assert!(world.rows(&rows).is_err());
        world.store.commits_left.set(usize::MAX);
        let warned = world.report().warnings.iter().any(|warning| warning.contains("import it again"));
        assert_eq!(warned, cut > 0, "cut after {cut}");
        world.rows(&rows).unwrap();
        for kind in ["line", "open-line", "line-day", "statement"] {
            assert_eq!(world.records(kind), whole.records(kind), "{kind}, cut after {cut}");
        }
    }
}

#[test]
fn a_run_that_was_broken_off_anywhere_is_finished_by_the_next_one() {
    let make = || {
        let world = World::new();
        let rows: Vec<String> =
            (1..=90).map(|index| format!("2026-11-02,1.00,ROW-{index:06},,{index}.00")).collect();
        world.rows(&rows.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        for index in 1..=50 {
            world.enter("2026-11-02", 100, &format!("ROW-{index:06}"));
        }
        world
    };
    let whole = make();
    let before = whole.store.commits.get();
    whole.run();
    let commits = whole.store.commits.get() - before;
    assert!(commits >= 8, "{commits}");
    for cut in 0..commits {
        let world = make();
        world.store.commits_left.set(cut);
        assert!(world.try_run().is_err());
        world.store.commits_left.set(usize::MAX);
        assert!(world.run().complete);
        for kind in ["match", "matched", "break", "open-line", "open-entry", "entry-day", "cursor"] {
            assert_eq!(world.records(kind), whole.records(kind), "{kind}, cut after {cut}");
        }
    }
}

#[test]
fn the_order_of_imports_does_not_matter() {
    let statements: [&[&str]; 3] = [
        &["2026-11-02,10.00,ORDER-0001,,10.00"],
        &["2026-11-03,10.00,ORDER-0001,,20.00", "2026-11-03,7.00,,fee for Ada,27.00"],
        &["2026-11-04,30.00,,payout,57.00"],
    ];
    let outcome = |order: [usize; 3]| {
        let world = World::new();
        for index in order {
            world.rows(statements[index]).unwrap();
        }
        world.enter("2026-11-03", 1000, "ORDER-0001");
        world.enter("2026-11-03", 700, "Ada fee");
        world.enter("2026-11-04", 1200, "one");
        world.enter("2026-11-05", 1800, "two");
        world.run();
        ["match", "break", "open-line", "open-entry", "line", "line-day"].map(|kind| world.records(kind))
    };
    let first = outcome([0, 1, 2]);
    assert_eq!(first[0].len(), 3);
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        assert_eq!(outcome(order), first, "{order:?}");
    }
}

#[test]
fn what_has_no_other_side_is_missing_once_it_is_older_than_the_window() {
    let world = World::new();
    world.rows(&["2026-11-02,5.00,ORDER-0009,,5.00", "2026-11-08,6.00,ORDER-0010,,11.00"]).unwrap();
    world.enter("2026-11-03", 700, "nowhere");
    world.enter("2026-11-09", 800, "not yet");
    let run = world.run();
    assert_eq!((run.open_lines, run.open_entries, run.breaks), (2, 2, 2));
    let kinds: Vec<(Kind, i128)> = world.breaks().iter().map(|found| (found.kind, found.amount.0)).collect();
    assert_eq!(kinds, [(Kind::MissingInLedger, 500), (Kind::MissingInStatement, 700)]);
    let report = world.report();
    assert_eq!((report.clean, report.overdue, report.unsettled), (false, 2, 2));
}

#[test]
fn a_payment_that_comes_again_is_a_duplicate_even_in_a_later_run() {
    let world = agreeing();
    world.run();
    world.rows(&["2026-11-04,100.00,ORDER-0001,,195.00"]).unwrap();
    world.run();
    let broken = only_break(&world);
    assert_eq!(broken.kind, Kind::Duplicate);
    let original = &world
        .records("match")
        .into_values()
        .find(|found| found["why"].as_str().unwrap().contains("ORDER"))
        .unwrap();
    assert_eq!(broken.candidates[0][0], original["lines"][0].as_str().unwrap());
}

#[test]
fn a_break_goes_from_open_to_resolved_and_takes_no_step_out_of_turn() {
    let world = World::new();
    world.rows(&["2026-11-02,5.00,ORDER-0009,,5.00"]).unwrap();
    world.run();
    let open = only_break(&world);
    let refused = |result: Result<Break, Error>, status: Status, step: &str| match result {
        Err(Error::IllegalStep { status: found, step: asked }) => assert_eq!((found, asked), (status, step)),
        other => panic!("{other:?}"),
    };
    refused(world.step(&open, json!({"step": "explain", "explanation": "x"})), Status::Open, "explain");
    refused(world.step(&open, json!({"step": "resolve", "transfer": "1"})), Status::Open, "resolve");
    refused(world.step(&open, json!({"step": "reopen", "explanation": "x"})), Status::Open, "reopen");
    let assigned = world.step(&open, json!({"step": "assign", "to": "ada"})).unwrap();
    refused(world.step(&assigned, json!({"step": "resolve", "transfer": "1"})), Status::Assigned, "resolve");
    assert!(matches!(
        world.step(&assigned, json!({"step": "explain", "explanation": " "})),
        Err(Error::Invalid(_))
    ));
    let explained =
        world.step(&assigned, json!({"step": "explain", "explanation": "was not booked"})).unwrap();
    let unknown = world.step(&explained, json!({"step": "resolve", "transfer": "f".repeat(32)}));
    assert_eq!(unknown, Err(Error::Unknown("entry")));
    let wrong = world.enter("2026-11-10", 499, "late, and wrong");
    let wrong = world.step(&explained, json!({"step": "resolve", "transfer": wrong}));
    assert!(
        matches!(wrong, Err(Error::SumsDiffer { lines: Money(500), entries: Money(499), .. })),
        "{wrong:?}"
    );
    let late = world.enter("2026-11-10", 500, "late");
    let resolved = world.step(&explained, json!({"step": "resolve", "transfer": late})).unwrap();
    assert_eq!(resolved.status, Status::Resolved);
    let made = &world.records("match")[resolved.resolved_by.as_deref().unwrap()];
    assert_eq!((&made["rule"], &made["why"]), (&json!("manual"), &json!("was not booked")));
    let steps: Vec<&str> = resolved.steps.iter().map(|step| step.step.as_str()).collect();
    assert_eq!(steps, ["open", "assign", "explain", "resolve"]);
    assert!(resolved.steps.iter().all(|step| step.by == "administrator" && step.at == crate::support::NOW));
    refused(world.step(&resolved, json!({"step": "assign", "to": "eve"})), Status::Resolved, "assign");
}

#[test]
fn of_two_who_saw_the_same_version_one_takes_the_step() {
    let world = World::new();
    world.rows(&["2026-11-02,5.00,ORDER-0009,,5.00"]).unwrap();
    world.run();
    let open = only_break(&world);
    world.step(&open, json!({"step": "assign", "to": "ada"})).unwrap();
    let late = world.step(&open, json!({"step": "assign", "to": "eve"}));
    assert_eq!(late, Err(Error::Replaced { current: 2 }));
    assert_eq!(only_break(&world).assignee.as_deref(), Some("ada"));
}

#[test]
fn a_break_is_open_again_when_its_match_is_undone_and_a_run_does_not_make_that_match() {
    let world = World::new();
    world.rows(&["2026-11-02,5.00,ORDER-0009,,5.00"]).unwrap();
    world.run();
    world.enter("2026-11-03", 500, "ORDER-0009");
    world.run();
    let resolved = only_break(&world);
    assert_eq!(resolved.status, Status::Resolved, "a run resolves what it matches");
    let id = resolved.resolved_by.clone().unwrap();
    let undone = block_on(matches::undo(&world.store, &world.source(), BY, &id)).unwrap();
    assert_eq!(undone.undone_by.as_deref(), Some("administrator"));
    assert_eq!(world.records("open-line").len() + world.records("open-entry").len(), 2);
    let reopened = only_break(&world);
    assert_eq!((reopened.status, reopened.resolved_by), (Status::Open, None));
    let run = world.run();
    assert_eq!(run.matches, 0);
    assert!(world.breaks().iter().all(|found| found.kind == Kind::Ambiguous && found.status == Status::Open));
    assert_eq!(world.breaks().len(), 2);
    // A person may still say that they belong together.
    let explained = world.explained(&world.breaks()[0]);
    let entry = world.records("entry").into_keys().next().unwrap();
    world.step(&explained, json!({"step": "resolve", "entries": [entry]})).unwrap();
    assert!(world.breaks().iter().all(|found| found.status == Status::Resolved));
    assert!(world.report().clean);
}

#[test]
fn a_difference_is_in_order_once_it_is_explained_or_made_up_for() {
    let mut definition = definition();
    definition.rules.tolerance = 30;
    let world = World::with(definition);
    world.rows(&["2026-11-02,99.75,ORDER-0001,,99.75"]).unwrap();
    world.enter("2026-11-02", 10_000, "ORDER-0001");
    world.run();
    let open = only_break(&world);
    assert_eq!((open.kind, open.amount), (Kind::AmountDiffers, Money(-25)));
    let report = world.report();
    assert_eq!(
        (report.clean, report.total.differences.count, report.total.differences.sum),
        (false, 1, Money(-25))
    );
    let explained = world.explained(&open);
    assert!(world.report().clean, "an explained difference is in order");
    let wrong = world.enter("2026-11-03", -24, "bank fee");
    let wrong = world.step(&explained, json!({"step": "resolve", "transfer": wrong}));
    assert!(matches!(wrong, Err(Error::SumsDiffer { tolerance: 0, .. })), "{wrong:?}");
    let fee = world.enter("2026-11-03", -25, "bank fee");
    let resolved = world.step(&explained, json!({"step": "resolve", "transfer": fee})).unwrap();
    assert_eq!(resolved.status, Status::Resolved);
    let made = world.records("match").into_values().next().unwrap();
    assert_eq!((made["difference"].as_str(), made["entries"].as_array().unwrap().len()), (Some("0"), 2));
    assert_eq!(world.report().total.differences.count, 0);
    block_on(matches::undo(&world.store, &world.source(), BY, made["id"].as_str().unwrap())).unwrap();
    assert_eq!(world.records("open-entry").len(), 3);
}

#[test]
fn entries_that_take_each_other_back_are_matched_by_hand_without_a_line() {
    let world = World::new();
    world.enter("2026-11-02", 700, "by mistake");
    world.run();
    world.enter("2026-11-09", -700, "taken back");
    world.run();
    let entries: Vec<String> = world.records("entry").into_keys().collect();
    let by_hand = |entries: &[String], explanation: &str| {
        let wanted = serde_json::from_value(json!({"entries": entries, "explanation": explanation})).unwrap();
        block_on(actions::match_by_hand(&world.store, &world.source(), BY, wanted))
    };
    assert!(matches!(by_hand(&entries, ""), Err(Error::Invalid(_))));
    assert!(matches!(by_hand(&entries[..1], "x"), Err(Error::Invalid(_))));
    let made = by_hand(&entries, "reversed").unwrap();
    assert_eq!((made.rule, made.difference), (Rule::Manual, Money(0)));
    assert_eq!(only_break(&world).status, Status::Resolved);
    assert!(matches!(by_hand(&entries, "again"), Err(Error::Matched(_))));
}

#[test]
fn a_statement_that_is_missing_between_others_is_a_warning() {
    let world = World::new();
    world.rows(&["2026-11-02,5.00,,a,5.00"]).unwrap();
    world.rows(&["2026-11-04,5.00,,c,15.00"]).unwrap();
    world.run();
    let warnings = world.report().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("a statement is missing before")), "{warnings:?}");
    assert!(warnings.iter().any(|warning| warning.contains("all lines make 1000")), "{warnings:?}");
    world.rows(&["2026-11-03,5.00,,b,10.00"]).unwrap();
    assert_eq!(world.report().warnings, [""; 0]);
}

#[test]
fn without_a_run_nothing_is_clean() {
    let world = World::new();
    assert!(!world.report().clean);
    world.run();
    assert!(world.report().clean);
}

#[test]
fn a_source_keeps_what_makes_amounts_comparable() {
    let world = World::new();
    let changed = |change: &dyn Fn(&mut vwp_reconciliation::source::Definition)| {
        let mut definition = definition();
        change(&mut definition);
        world.put("bank", definition, None)
    };
    assert!(changed(&|definition| definition.inverted = true).is_ok());
    assert!(changed(&|definition| definition.inverted = false).is_ok());
    world.enter("2026-11-02", 700, "x");
    world.run();
    assert_eq!(changed(&|definition| definition.inverted = true), Err(Error::SourceInUse));
    assert_eq!(
        changed(&|definition| definition.account.owner = "world:bazaar".into()),
        Err(Error::SourceInUse)
    );
    assert!(changed(&|definition| definition.rules.tolerance = 5).is_ok());
    let current = world.source().version;
    assert_eq!(world.put("bank", definition(), Some(1)), Err(Error::Replaced { current }));
    for (currency, scale) in [("eur", 2), ("EU", 2), ("KWD", 2)] {
        let mut definition = definition();
        definition.currency = currency.into();
        assert!(definition.check(scale).is_err(), "{currency}");
    }
    assert!(matches!(world.put("Bank!", definition(), None), Err(Error::Invalid(_))));
}

#[test]
fn an_account_whose_sign_is_the_other_one_is_compared_inverted() {
    let mut definition = definition();
    definition.inverted = true;
    let world = World::with(definition);
    world.rows(&["2026-11-02,100.00,ORDER-0001,,100.00"]).unwrap();
    world.enter("2026-11-02", -10_000, "ORDER-0001");
    assert_eq!(world.run().matches, 1);
    assert_eq!(world.report().total.entries.closing, Some(Money(10_000)));
}

#[test]
fn a_camt_053_and_a_ledger_agree_but_for_what_only_one_of_them_has() {
    let world = World::new();
    let imported = world.import(Format::Camt053, CAMT).unwrap();
    assert_eq!((imported[0].new, imported[0].record.pending), (6, 1));
    world.enter("2026-11-03", 25_000, "TOPUP-ADA-0001");
    world.enter("2026-11-03", 6000, "Direct debits DD-2026-44");
    world.enter("2026-11-04", -999, "returned SUB-1001");
    world.enter("2026-11-05", -1060, "Hosting, Cloud Inc");
    let run = world.run();
    assert_eq!(
        (run.matches, run.open_lines, run.open_entries),
        (4, 0, 0),
        "{:?}",
        world.records("open-line")
    );
    let report = world.report();
    assert!(report.clean, "{report:?}");
    assert_eq!(report.total.lines.opening, Some(Money(100_000)));
    assert_eq!(report.total.lines.closing, Some(Money(128_941)));
    let mut rules: Vec<String> =
        world.records("match").values().map(|found| found["rule"].as_str().unwrap().to_owned()).collect();
    rules.sort();
    assert_eq!(rules, ["batch", "reference", "reference", "similarity"]);
    assert!(report.days.iter().any(|dated| dated.date == day("2026-11-05")));
}

#[test]
fn statements_of_an_mt940_continue_each_other() {
    let mut definition = definition();
    definition.mt940_charset = vwp_reconciliation::text::Charset::Windows1252;
    let world = World::with(definition);
    let imported = world.import(Format::Mt940, MT940).unwrap();
    assert_eq!(imported.iter().map(|found| found.new).collect::<Vec<_>>(), [4, 2]);
    world.run();
    assert!(world.report().warnings.is_empty());
    let again = world.import(Format::Mt940, MT940).unwrap();
    assert!(again.iter().all(|found| found.repeated && found.new == 0));
}

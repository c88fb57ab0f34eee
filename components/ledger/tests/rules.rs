//! What a user of the ledger can rely on, rule by rule, and the exact bytes.
#![allow(missing_docs, dead_code, clippy::unwrap_used, unreachable_pub)]

mod common;

use common::*;
use vwp_ledger::Ledger;
use vwp_ledger::codec::{self, Asset, Malformed, Outcome, Query, Reply, encode_asset, encode_batch};

const GOLD: u128 = 100;
const ISSUANCE: u128 = 101;

/// A ledger with one asset, of which account 1 holds 50.
fn ledger(cap: Option<u128>) -> Ledger {
    let mut ledger = Ledger::default();
    let created = apply(&mut ledger, 1, encode_asset(&asset(GOLD, cap)));
    assert_eq!(outcomes(created), [Outcome::Created]);
    let command = encode_batch(&[opening(1, GOLD)], &[transfer(1, ISSUANCE, 1, GOLD, 50)]).unwrap();
    assert_eq!(outcomes(apply(&mut ledger, 2, command)), [Outcome::Created]);
    ledger
}

fn outcomes(reply: Reply) -> Vec<Outcome> {
    answers(reply).into_iter().map(|answer| answer.outcome).collect()
}

fn outcome(ledger: &mut Ledger, position: u64, transfer: codec::Transfer) -> Outcome {
    outcomes(apply(ledger, position, encode_batch(&[], &[transfer]).unwrap()))[0]
}

fn balance(ledger: &Ledger, account: u128) -> u128 {
    query_account(ledger, account).map_or(0, |account| account.balance())
}

#[test]
fn a_transfer_moves_the_amount_and_its_receipt_names_the_position_and_the_owners() {
    let mut ledger = ledger(None);
    let command = encode_batch(&[opening(2, GOLD)], &[transfer(7, 1, 2, GOLD, 20)]).unwrap();
    let answer = answers(apply(&mut ledger, 9, command))[0];
    assert_eq!((answer.outcome, answer.repeated), (Outcome::Created, false));
    assert_eq!((answer.position, answer.time), (9, 90));
    assert_eq!((balance(&ledger, 1), balance(&ledger, 2)), (30, 20));
    let view = query_transfer(&ledger, 7).unwrap();
    assert_eq!((view.answer, view.transfer), (answer, transfer(7, 1, 2, GOLD, 20)));
    assert_eq!((view.debit_owner.as_str(), view.credit_owner.as_str()), ("traveller:1", "traveller:2"));
    assert_eq!(view.asset_name.as_str(), "gold@arena");
    assert_eq!(query_account(&ledger, ISSUANCE).unwrap().owner.as_str(), "issuance:gold@arena");
}

#[test]
fn the_same_transfer_again_gets_the_first_answer_and_moves_nothing() {
    let mut ledger = ledger(None);
    assert_eq!(outcome(&mut ledger, 3, transfer(7, 1, 2, GOLD, 20)), Outcome::Created);
    let again = answers(apply(&mut ledger, 4, encode_batch(&[], &[transfer(7, 1, 2, GOLD, 20)]).unwrap()))[0];
    assert_eq!((again.outcome, again.repeated, again.position), (Outcome::Created, true, 3));
    assert_eq!(balance(&ledger, 1), 30);
    assert_eq!(outcome(&mut ledger, 5, transfer(7, 1, 2, GOLD, 21)), Outcome::IdReused);
    assert_eq!(balance(&ledger, 1), 30);
}

#[test]
fn a_refusal_stays_the_answer_even_when_the_balance_would_now_suffice() {
    let mut ledger = ledger(None);
    assert_eq!(outcome(&mut ledger, 3, transfer(7, 1, 2, GOLD, 51)), Outcome::ExceedsBalance);
    assert_eq!(outcome(&mut ledger, 4, transfer(8, ISSUANCE, 1, GOLD, 100)), Outcome::Created);
    assert_eq!(outcome(&mut ledger, 5, transfer(7, 1, 2, GOLD, 51)), Outcome::ExceedsBalance);
    assert_eq!(outcome(&mut ledger, 6, transfer(9, 1, 2, GOLD, 51)), Outcome::Created);
}

#[test]
fn each_refusal_has_its_reason() {
    let mut ledger = ledger(Some(60));
    assert_eq!(outcome(&mut ledger, 3, transfer(10, 1, 2, GOLD, 0)), Outcome::ZeroAmount);
    assert_eq!(outcome(&mut ledger, 3, transfer(11, 1, 1, GOLD, 1)), Outcome::SameAccount);
    assert_eq!(outcome(&mut ledger, 3, transfer(12, 1, 2, GOLD + 50, 1)), Outcome::WrongAsset);
    assert_eq!(outcome(&mut ledger, 3, transfer(13, 8, 9, GOLD + 50, 1)), Outcome::UnknownAsset);
    assert_eq!(outcome(&mut ledger, 3, transfer(14, 8, 9, GOLD, 1)), Outcome::ExceedsBalance);
    assert_eq!(outcome(&mut ledger, 3, transfer(15, ISSUANCE, 1, GOLD, 11)), Outcome::ExceedsCap);
    assert_eq!(outcome(&mut ledger, 3, transfer(16, ISSUANCE, 1, GOLD, 10)), Outcome::Created);
    let reused = Asset { scale: 3, ..asset(GOLD, Some(60)) };
    assert_eq!(outcomes(apply(&mut ledger, 4, encode_asset(&reused))), [Outcome::IdReused]);
    let batch = codec::encode_batch(&[opening(5, GOLD + 50), opening(1, GOLD + 50)], &[]).unwrap();
    let Reply::Answers { openings, .. } = apply(&mut ledger, 5, batch) else { panic!() };
    assert_eq!(openings[0].outcome, Outcome::UnknownAsset);
    assert_eq!(openings[1].outcome, Outcome::WrongAsset);
}

#[test]
fn sums_that_would_not_fit_in_128_bits_are_refused() {
    let mut ledger = Ledger::default();
    apply(&mut ledger, 1, encode_asset(&asset(GOLD, None)));
    assert_eq!(outcome(&mut ledger, 2, transfer(1, ISSUANCE, 1, GOLD, u128::MAX)), Outcome::Created);
    assert_eq!(outcome(&mut ledger, 3, transfer(2, ISSUANCE, 2, GOLD, 1)), Outcome::Overflow);
    assert_eq!(outcome(&mut ledger, 4, transfer(3, 1, ISSUANCE, GOLD, u128::MAX)), Outcome::Created);
    assert_eq!(outcome(&mut ledger, 5, transfer(4, ISSUANCE, 1, GOLD, 1)), Outcome::Overflow);
    assert_eq!(query_asset(&ledger, GOLD).unwrap().supply, 0);
}

#[test]
fn giving_back_to_the_issuer_makes_room_under_the_cap() {
    let mut ledger = ledger(Some(50));
    assert_eq!(outcome(&mut ledger, 3, transfer(2, ISSUANCE, 1, GOLD, 1)), Outcome::ExceedsCap);
    assert_eq!(outcome(&mut ledger, 4, transfer(3, 1, ISSUANCE, GOLD, 30)), Outcome::Created);
    assert_eq!(query_asset(&ledger, GOLD).unwrap().supply, 20);
    assert_eq!(outcome(&mut ledger, 5, transfer(4, ISSUANCE, 1, GOLD, 30)), Outcome::Created);
}

#[test]
fn an_account_that_a_credit_opened_takes_its_owners_name_once() {
    let mut ledger = ledger(None);
    assert_eq!(outcome(&mut ledger, 3, transfer(7, 1, 2, GOLD, 20)), Outcome::Created);
    assert!(query_account(&ledger, 2).unwrap().owner.is_empty());
    let mut other = opening(2, GOLD);
    other.owner = codec::Text::new("world:arena").unwrap();
    let command = encode_batch(&[opening(2, GOLD), opening(2, GOLD), other], &[]).unwrap();
    let Reply::Answers { openings, .. } = apply(&mut ledger, 4, command) else { panic!() };
    let got: Vec<_> = openings.iter().map(|answer| (answer.outcome, answer.repeated)).collect();
    let wanted = [(Outcome::Created, false), (Outcome::Created, true), (Outcome::IdReused, false)];
    assert_eq!(got, wanted);
    assert_eq!(query_account(&ledger, 2).unwrap().owner.as_str(), "traveller:2");
}

#[test]
fn a_batch_of_8190_transfers_is_one_command() {
    let mut ledger = ledger(None);
    let batch: Vec<_> = (0..8190).map(|n| transfer(1000 + n, 1, 2 + n % 3, GOLD, 1)).collect();
    let command = encode_batch(&[], &batch).unwrap();
    assert!(command.len() <= 1_048_576);
    let outcomes = outcomes(apply(&mut ledger, 3, command));
    assert!(outcomes[..50].iter().all(|&outcome| outcome == Outcome::Created));
    assert!(outcomes[50..].iter().all(|&outcome| outcome == Outcome::ExceedsBalance));
    assert_eq!(query_totals(&ledger).transfers, 8191);
    let too_many: Vec<_> = (0..8191).map(|n| transfer(n, 1, 2, GOLD, 1)).collect();
    assert_eq!(encode_batch(&[], &too_many), Err(Malformed::TooMany));
}

#[test]
fn the_bytes_of_commands_queries_and_answers_never_change() {
    let mut batch = vec![2, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    let number = |value: u8| [&[value][..], &[0; 15]].concat();
    batch.extend([number(1), number(100)].concat());
    batch.extend([b"traveller:1".as_slice(), &[0; 85]].concat());
    batch.extend([number(7), number(101), number(1), number(100), number(50)].concat());
    batch.extend([0; 48]);
    let openings = [opening(1, GOLD)];
    assert_eq!(encode_batch(&openings, &[transfer(7, ISSUANCE, 1, GOLD, 50)]).unwrap(), batch);

    let mut create = vec![1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    create.extend([number(100), number(101), number(60)].concat());
    create.extend([2, 1, 0, 0, 0, 0, 0, 0]);
    create.extend([b"gold@arena".as_slice(), &[0; 70], b"operator", &[0; 40], b"Gold", &[0; 68]].concat());
    assert_eq!(encode_asset(&asset(GOLD, Some(60))), create);

    let mut ledger = Ledger::default();
    let created = ledger.apply(3, 258, &[create]).remove(0);
    let header = [1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    let item = [0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0];
    assert_eq!(created, [header.as_slice(), &item].concat());

    let mut query = vec![3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    query.extend(number(7));
    assert_eq!(codec::encode_query(Query::Transfer(7)), query);
    let nothing = [3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(ledger.query(&query), nothing);
}

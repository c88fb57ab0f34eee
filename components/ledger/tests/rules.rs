//! What a user of the ledger can rely on, rule by rule, and the exact bytes.
#![allow(missing_docs, dead_code, clippy::unwrap_used, unreachable_pub)]

mod common;

use common::generate::{DAY_MS, START_MS};
use common::*;
use sha2::{Digest, Sha256};
use vwp_ledger::Ledger;
use vwp_ledger::codec::{
    self, AccountFlags, Answer, Asset, Flags, HistoryQuery, HoldState, Kind, Malformed, Memo, Moment,
    Opening, Outcome, Query, Reply, Rule, RuleSet, Setting, Transfer, encode_asset, encode_batch,
    encode_rules, encode_setting, encode_tick,
};

const GOLD: u128 = 100;
const ISSUANCE: u128 = 101;

/// A ledger, and the place and time of the next command.
struct Book {
    ledger: Ledger,
    position: u64,
    time: u64,
}

impl Book {
    /// A book with one asset, of which account 1 holds 50.
    fn new(cap: Option<u128>) -> Self {
        let mut book = Self { ledger: Ledger::default(), position: 0, time: START_MS };
        assert_eq!(book.send(encode_asset(&asset(GOLD, cap)))[0].outcome, Outcome::Created);
        let openings: Vec<_> = (1..=3).map(|account| opening(account, GOLD)).collect();
        book.send(encode_batch(&openings, &[transfer(1, ISSUANCE, 1, 50)]).unwrap());
        book
    }

    fn send(&mut self, command: Vec<u8>) -> Vec<Answer> {
        self.position += 1;
        answers(apply_at(&mut self.ledger, self.position, self.time, command))
    }

    fn try_all(&mut self, transfers: &[Transfer]) -> Vec<Answer> {
        self.send(encode_batch(&[], transfers).unwrap())
    }

    fn outcomes(&mut self, transfers: &[Transfer]) -> Vec<Outcome> {
        self.try_all(transfers).into_iter().map(|answer| answer.outcome).collect()
    }

    fn outcome(&mut self, transfer: Transfer) -> Outcome {
        self.outcomes(&[transfer])[0]
    }

    #[track_caller]
    fn created(&mut self, transfer: Transfer) -> u128 {
        let answer = self.try_all(&[transfer])[0];
        assert_eq!((answer.outcome, answer.repeated), (Outcome::Created, false), "{transfer:?}");
        answer.amount
    }

    fn set(&mut self, setting: Setting) -> Outcome {
        self.send(encode_setting(&setting))[0].outcome
    }

    fn wait(&mut self, seconds: u64) {
        self.time += seconds * 1000;
    }

    /// What an account holds, and what is held of it and for it.
    fn holds(&self, account: u128) -> (u128, u128, u128) {
        let view = query_account(&self.ledger, account).unwrap();
        (view.balance(), view.debits_pending, view.credits_pending)
    }

    fn balance(&self, account: u128) -> u128 {
        self.holds(account).0
    }
}

fn pending(id: u128, debit: u128, credit: u128, amount: u128, timeout_s: u32) -> Transfer {
    Transfer { kind: Kind::Pending, timeout_s, ..transfer(id, debit, credit, amount) }
}

fn post(id: u128, hold: u128, amount: u128) -> Transfer {
    Transfer::following(Kind::Post, id, hold, amount)
}

fn void(id: u128, hold: u128) -> Transfer {
    Transfer::following(Kind::Void, id, hold, 0)
}

fn linked(transfer: Transfer) -> Transfer {
    Transfer { flags: transfer.flags.with(Flags::LINKED), ..transfer }
}

#[test]
fn a_transfer_moves_the_amount_and_names_its_place_in_the_log() {
    let mut book = Book::new(None);
    let answer = book.try_all(&[transfer(6, 1, 2, 1), transfer(7, 1, 2, 20)])[1];
    let expected =
        Answer { outcome: Outcome::Created, repeated: false, position: 3, time: START_MS, amount: 20 };
    assert_eq!(answer, expected);
    assert_eq!((book.balance(1), book.balance(2)), (29, 21));
    let view = query_transfer(&book.ledger, 7).unwrap();
    assert_eq!((view.answer, view.item, view.debit, view.credit), (answer, 1, 1, 2));
    assert_eq!((view.asset, view.fingerprint), (GOLD, transfer(7, 1, 2, 20).fingerprint()));
    let place = |id| query_place(&book.ledger, id).map(|place| (place.position, place.item));
    assert_eq!(
        [place(7), place(2), place(GOLD), place(99)],
        [Some((3, 1)), Some((2, 1)), Some((1, 0)), None]
    );
}

#[test]
fn an_item_again_gets_the_first_answer_and_another_under_its_id_none() {
    let mut book = Book::new(None);
    let refused = transfer(8, 1, 2, 51);
    assert_eq!(book.outcomes(&[transfer(7, 1, 2, 20), refused]), [Outcome::Created, Outcome::ExceedsBalance]);
    book.created(transfer(9, ISSUANCE, 1, 100));
    book.wait(100);
    let again = book.try_all(&[transfer(7, 1, 2, 20), refused]);
    let got: Vec<_> = again.iter().map(|answer| (answer.outcome, answer.repeated, answer.position)).collect();
    assert_eq!(got, [(Outcome::Created, true, 3), (Outcome::ExceedsBalance, true, 3)]);
    assert_eq!((again[0].time, again[0].amount, again[1].amount), (START_MS, 20, 0));
    for other in [
        transfer(7, 1, 2, 21),
        transfer(7, 1, 3, 20),
        Transfer { code: 1, ..transfer(7, 1, 2, 20) },
        Transfer { memo: Memo([1; 48]), ..transfer(7, 1, 2, 20) },
    ] {
        assert_eq!(book.outcome(other), Outcome::IdReused);
    }
    assert_eq!(book.balance(1), 130);
}

#[test]
fn each_refusal_of_a_plain_transfer_has_its_reason() {
    let mut book = Book::new(Some(60));
    book.send(encode_asset(&Asset { issuance: 201, ..asset(200, None) }));
    book.created(transfer(2, 201, 9, 5));
    assert_eq!(book.outcome(transfer(10, 1, 2, 0)), Outcome::ZeroAmount);
    assert_eq!(book.outcome(transfer(11, 1, 1, 1)), Outcome::SameAccount);
    assert_eq!(book.outcome(transfer(12, 1, 9, 1)), Outcome::WrongAsset);
    assert_eq!(book.outcome(transfer(13, 70, 71, 1)), Outcome::UnknownAccount);
    assert_eq!(book.outcome(transfer(14, 70, 1, 1)), Outcome::ExceedsBalance);
    assert_eq!(book.outcome(transfer(15, ISSUANCE, 1, 11)), Outcome::ExceedsCap);
    assert_eq!(book.outcome(transfer(16, ISSUANCE, 1, 10)), Outcome::Created);
    assert_eq!(book.outcome(transfer(17, 1, ISSUANCE, 61)), Outcome::ExceedsBalance);
    let reused = Asset { scale: 3, ..asset(GOLD, Some(60)) };
    assert_eq!(book.send(encode_asset(&reused))[0].outcome, Outcome::IdReused);
    assert!(book.send(encode_asset(&asset(GOLD, Some(60))))[0].repeated);
    let batch = [opening(5, 300), opening(1, 200), opening(ISSUANCE, GOLD)];
    let reply = apply_at(&mut book.ledger, 50, START_MS, encode_batch(&batch, &[]).unwrap());
    let Reply::Answers { openings, .. } = reply else { panic!() };
    let outcomes: Vec<_> = openings.iter().map(|answer| answer.outcome).collect();
    assert_eq!(outcomes, [Outcome::UnknownAsset, Outcome::WrongAsset, Outcome::IdReused]);
}

#[test]
fn sums_and_amounts_up_to_128_bits_are_exact_and_more_is_refused() {
    let mut book = Book::new(None);
    assert_eq!(book.outcome(transfer(2, ISSUANCE, 2, u128::MAX)), Outcome::Overflow);
    book.created(transfer(3, ISSUANCE, 2, u128::MAX - 50));
    assert_eq!(book.outcome(transfer(4, ISSUANCE, 2, 1)), Outcome::Overflow);
    assert_eq!(book.created(transfer(5, 2, 3, 1 << 100)), 1 << 100);
    assert_eq!(query_transfer(&book.ledger, 5).unwrap().answer.amount, 1 << 100);
    assert_eq!(book.balance(2), u128::MAX - 50 - (1 << 100));
    book.created(transfer(6, 3, ISSUANCE, 1 << 100));
    assert_eq!(query_asset(&book.ledger, GOLD).unwrap().supply, u128::MAX - (1 << 100));
    assert_conserved(&book.ledger, GOLD);
}

#[test]
fn what_is_given_back_makes_room_under_the_cap_and_a_held_issue_takes_it() {
    let mut book = Book::new(Some(50));
    book.created(transfer(3, 1, ISSUANCE, 30));
    assert_eq!(query_asset(&book.ledger, GOLD).unwrap().supply, 20);
    book.created(pending(4, ISSUANCE, 1, 25, 0));
    assert_eq!(book.outcome(transfer(5, ISSUANCE, 1, 6)), Outcome::ExceedsCap);
    book.created(transfer(6, ISSUANCE, 1, 5));
    book.created(void(7, 4));
    book.created(transfer(8, ISSUANCE, 1, 25));
}

#[test]
fn what_comes_in_from_elsewhere_is_in_circulation_like_what_was_issued() {
    let mut book = Book::new(Some(50));
    let debit_normal = Opening { flags: AccountFlags::DEBIT_NORMAL, ..opening(5, GOLD) };
    let supply = |book: &Book| query_asset(&book.ledger, GOLD).unwrap().supply;
    assert_eq!(supply(&book), 50);
    // The cap bounds what is issued.
    book.send(encode_batch(&[debit_normal], &[transfer(3, 5, 1, 1000)]).unwrap());
    assert_eq!((supply(&book), book.balance(1)), (1050, 1050));
    book.created(transfer(4, 1, 5, 300));
    assert_eq!(supply(&book), 750);
    book.created(transfer(6, 1, ISSUANCE, 50));
    assert_eq!((supply(&book), book.balance(1)), (700, 700));
    // An account that a dry run opened owes nothing, and neither does the next one in its place.
    let tried = Opening { flags: AccountFlags::DEBIT_NORMAL, ..opening(7, GOLD) };
    dry_run(&book.ledger, &[tried], &[transfer(8, 7, 1, 9)]);
    assert_eq!(supply(&book), 700);
    book.send(encode_batch(&[opening(8, GOLD)], &[transfer(9, 1, 8, 10)]).unwrap());
    assert_eq!(supply(&book), 700);
    assert_conserved(&book.ledger, GOLD);
    book.ledger = restore(&checkpoint(&book.ledger, 1000), &[1000]).unwrap();
    assert_eq!(supply(&book), 700);
}

#[test]
fn an_account_that_a_credit_opened_takes_its_owners_name_once() {
    let mut book = Book::new(None);
    book.created(transfer(7, 1, 5, 20));
    let flags = |book: &Book| query_account(&book.ledger, 5).unwrap().flags;
    assert!(!flags(&book).contains(AccountFlags::NAMED));
    let other = Opening { owner: codec::Text::new("world:arena").unwrap(), ..opening(5, GOLD) };
    let debit_normal = Opening { flags: AccountFlags::DEBIT_NORMAL, ..opening(5, GOLD) };
    let batch = [debit_normal, opening(5, GOLD), opening(5, GOLD), other];
    let reply = apply_at(&mut book.ledger, 9, START_MS, encode_batch(&batch, &[]).unwrap());
    let Reply::Answers { openings, .. } = reply else { panic!() };
    let got: Vec<_> = openings.iter().map(|answer| (answer.outcome, answer.repeated)).collect();
    let reused = (Outcome::IdReused, false);
    assert_eq!(got, [reused, (Outcome::Created, false), (Outcome::Created, true), reused]);
    assert!(flags(&book).contains(AccountFlags::NAMED));
    let place = query_place(&book.ledger, 5).unwrap();
    assert_eq!((place.position, place.item), (9, 1));
}

#[test]
fn what_is_held_counts_on_both_accounts_until_it_is_posted_or_voided() {
    let mut book = Book::new(None);
    book.created(pending(7, 1, 2, 30, 0));
    assert_eq!((book.holds(1), book.holds(2)), ((50, 30, 0), (0, 0, 30)));
    assert_eq!(book.outcome(transfer(8, 1, 3, 21)), Outcome::ExceedsBalance);
    assert_eq!(book.outcome(transfer(9, 2, 3, 1)), Outcome::ExceedsBalance);
    book.created(transfer(10, 1, 3, 20));
    assert_eq!(book.outcome(post(11, 7, 31)), Outcome::ExceedsPending);
    assert_eq!(book.created(post(12, 7, 10)), 10);
    assert_eq!((book.holds(1), book.holds(2)), ((20, 0, 0), (10, 0, 0)));
    assert_eq!(book.outcome(post(13, 7, 0)), Outcome::AlreadyPosted);
    assert_eq!(book.outcome(void(14, 7)), Outcome::AlreadyPosted);
    book.created(pending(15, 1, 2, 20, 0));
    assert_eq!(book.created(void(16, 15)), 20);
    assert_eq!(book.outcome(post(17, 15, 0)), Outcome::AlreadyVoided);
    assert_eq!(book.outcome(post(18, 99, 0)), Outcome::UnknownTransfer);
    assert_eq!(book.outcome(post(19, 10, 0)), Outcome::NotPending);
    assert_eq!(book.outcome(void(20, 9)), Outcome::NotPending);
    book.created(pending(21, 1, 2, 20, 0));
    assert_eq!(book.created(post(22, 21, 0)), 20);
    assert_eq!((book.holds(1), book.holds(2)), ((0, 0, 0), (30, 0, 0)));
    let view = query_transfer(&book.ledger, 21).unwrap();
    assert_eq!((view.hold, view.settled_by), (Some(HoldState::Posted), 22));
}

#[test]
fn a_hold_expires_by_the_logs_time_and_then_cannot_be_posted() {
    let mut book = Book::new(None);
    book.created(pending(7, 1, 2, 30, 10));
    book.created(pending(8, 1, 2, 5, 20));
    book.wait(9);
    book.created(pending(9, 1, 2, 1, 0));
    book.wait(1);
    assert_eq!(book.outcome(post(10, 7, 0)), Outcome::Expired);
    assert_eq!(book.outcome(void(11, 7)), Outcome::Expired);
    assert_eq!(book.holds(1), (50, 6, 0));
    assert_eq!(query_transfer(&book.ledger, 7).unwrap().hold, Some(HoldState::Expired));
    assert_eq!(query_totals(&book.ledger).holds, 1);
    book.wait(10_000_000);
    assert!(book.send(encode_tick()).is_empty());
    assert_eq!(book.holds(1), (50, 1, 0));
    assert_eq!(book.created(post(12, 9, 0)), 1);
}

#[test]
fn a_locked_hold_is_posted_by_its_preimage_only() {
    let mut book = Book::new(None);
    let memo = |start: [u8; 32]| {
        let mut memo = [0; 48];
        memo[..32].copy_from_slice(&start);
        Memo(memo)
    };
    let locked = |transfer: Transfer, start| Transfer {
        flags: transfer.flags.with(Flags::LOCKED),
        memo: memo(start),
        ..transfer
    };
    // The vector of FIPS 180-4 for "abc" shows that the hash is the one that others compute.
    let abc = [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea];
    assert_eq!(Sha256::digest("abc")[..8], abc);
    let condition: [u8; 32] = Sha256::digest([9; 32]).into();
    book.created(locked(pending(7, 1, 2, 30, 60), condition));
    assert_eq!(book.outcome(post(8, 7, 0)), Outcome::WrongPreimage);
    assert_eq!(book.outcome(locked(post(9, 7, 0), [8; 32])), Outcome::WrongPreimage);
    assert_eq!(book.outcome(locked(post(10, 7, 0), condition)), Outcome::WrongPreimage);
    assert_eq!(book.created(locked(post(11, 7, 12), [9; 32])), 12);
    book.created(pending(12, 1, 2, 3, 60));
    assert_eq!(book.outcome(locked(post(13, 12, 0), [9; 32])), Outcome::WrongPreimage);
    book.created(locked(pending(14, 1, 2, 30, 60), condition));
    book.wait(60);
    assert_eq!(book.outcome(locked(post(15, 14, 0), [9; 32])), Outcome::Expired);
    assert_eq!(book.holds(1), (38, 0, 0));
}

#[test]
fn a_chain_succeeds_as_one_or_leaves_nothing_but_its_answers() {
    let mut book = Book::new(None);
    let good = [linked(transfer(10, 1, 2, 50)), linked(transfer(11, 2, 3, 50)), transfer(12, 3, 1, 25)];
    assert_eq!(book.outcomes(&good), [Outcome::Created; 3]);
    assert_eq!((book.balance(1), book.balance(2), book.balance(3)), (25, 0, 25));
    let before = (query_account(&book.ledger, 1), query_account(&book.ledger, 3));
    let bad = [
        linked(transfer(20, 1, 40, 20)),
        linked(pending(21, 3, 40, 20, 5)),
        linked(Transfer::following(Kind::Refund, 22, 12, 5)),
        linked(transfer(23, 1, 2, 99)),
        transfer(24, 3, 2, 1),
    ];
    let expected = [
        Outcome::LinkedFailed,
        Outcome::LinkedFailed,
        Outcome::LinkedFailed,
        Outcome::ExceedsBalance,
        Outcome::LinkedFailed,
    ];
    assert_eq!(book.outcomes(&bad), expected);
    assert_eq!((query_account(&book.ledger, 1), query_account(&book.ledger, 3)), before);
    assert_eq!(query_account(&book.ledger, 40), None);
    assert_eq!(
        (query_totals(&book.ledger).holds, query_transfer(&book.ledger, 12).unwrap().returned),
        (0, 0)
    );
    book.created(transfer(30, ISSUANCE, 1, 1000));
    let again = book.try_all(&bad);
    assert_eq!(again.iter().map(|answer| answer.outcome).collect::<Vec<_>>(), expected);
    assert!(again.iter().all(|answer| answer.repeated && answer.position == 4));
    assert!(book.try_all(&good).iter().all(|answer| answer.repeated && answer.outcome == Outcome::Created));
    // The last link by itself is the same item, and so has its answer.
    assert_eq!(book.outcome(transfer(24, 3, 2, 1)), Outcome::LinkedFailed);
}

#[test]
fn a_chain_that_is_not_well_formed_is_refused_and_recorded_nowhere() {
    let mut book = Book::new(None);
    let open = [transfer(10, 1, 2, 1), linked(transfer(11, 1, 2, 1)), linked(transfer(12, 1, 2, 1))];
    assert_eq!(book.outcomes(&open), [Outcome::Created, Outcome::BadChain, Outcome::BadChain]);
    assert_eq!(book.outcomes(&[linked(transfer(13, 1, 2, 1))]), [Outcome::BadChain]);
    let chain = |length: u128| -> Vec<_> {
        (0..length)
            .map(|at| {
                let one = transfer(1000 + at, 1, 2, 1);
                if at + 1 == length { one } else { linked(one) }
            })
            .collect()
    };
    assert_eq!(book.outcomes(&chain(255)), [Outcome::BadChain; 255]);
    let twins = [linked(transfer(14, 1, 2, 1)), transfer(14, 1, 2, 1)];
    assert_eq!(book.outcomes(&twins), [Outcome::BadChain; 2]);
    let empty = [linked(transfer(15, 1, 2, 1)), transfer(16, 1, 2, 0)];
    assert_eq!(book.outcomes(&empty), [Outcome::LinkedFailed, Outcome::ZeroAmount]);
    for id in [11, 12, 13, 14, 15, 16, 1000] {
        assert_eq!(query_transfer(&book.ledger, id), None, "{id}");
    }
    book.created(transfer(17, ISSUANCE, 1, 1000));
    assert_eq!(book.outcomes(&chain(254)), [Outcome::Created; 254]);
    // A chain around something that was decided before cannot succeed any more.
    let mixed = [linked(transfer(18, 1, 2, 1)), transfer(17, ISSUANCE, 1, 1000)];
    let answers = book.try_all(&mixed);
    assert_eq!((answers[0].outcome, answers[1].outcome), (Outcome::LinkedFailed, Outcome::Created));
    assert!(answers[1].repeated);
}

#[test]
fn a_balancing_transfer_moves_what_is_there() {
    let mut book = Book::new(None);
    let balancing = |transfer: Transfer, flags| Transfer { flags, ..transfer };
    book.created(pending(2, 1, 3, 8, 0));
    assert_eq!(book.created(balancing(transfer(3, 1, 2, 100), Flags::BALANCING_DEBIT)), 42);
    let refused = balancing(transfer(4, 1, 2, 100), Flags::BALANCING_DEBIT);
    assert_eq!(book.outcome(refused), Outcome::ExceedsBalance);
    book.set(Setting { maximum: 20, ..Setting::new(5, 3) });
    // Eight are held for it already.
    assert_eq!(book.created(balancing(transfer(6, 2, 3, 100), Flags::BALANCING_CREDIT)), 12);
    let both = Flags::BALANCING_CREDIT.with(Flags::BALANCING_DEBIT);
    assert_eq!(book.outcome(balancing(transfer(7, 2, 3, 100), both)), Outcome::ExceedsMaximum);
    assert_eq!(book.created(balancing(transfer(8, 2, 1, 7), both)), 7);
    let again = book.try_all(&[balancing(transfer(3, 1, 2, 100), Flags::BALANCING_DEBIT)])[0];
    assert_eq!((again.repeated, again.amount), (true, 42));
}

#[test]
fn what_was_moved_is_moved_back_once_and_never_more_of_it() {
    let mut book = Book::new(None);
    let back = |kind, id, origin, amount| Transfer::following(kind, id, origin, amount);
    book.created(transfer(7, 1, 2, 30));
    assert_eq!(book.created(back(Kind::Reverse, 8, 7, 0)), 30);
    assert_eq!(book.outcome(back(Kind::Reverse, 9, 7, 0)), Outcome::AlreadyReversed);
    assert_eq!(book.outcome(back(Kind::Refund, 10, 7, 1)), Outcome::AlreadyReversed);
    assert_eq!(book.outcome(back(Kind::Reverse, 11, 8, 0)), Outcome::NotReturnable);
    book.created(pending(12, 1, 2, 30, 0));
    assert_eq!(book.outcome(back(Kind::Refund, 13, 12, 1)), Outcome::NotReturnable);
    book.created(post(14, 12, 20));
    book.created(back(Kind::Refund, 15, 14, 15));
    assert_eq!(book.outcome(back(Kind::Reverse, 16, 14, 0)), Outcome::ExceedsOrigin);
    assert_eq!(book.outcome(back(Kind::Chargeback, 17, 14, 6)), Outcome::ExceedsOrigin);
    book.created(back(Kind::Chargeback, 18, 14, 5));
    assert_eq!(book.outcome(back(Kind::Refund, 19, 14, 1)), Outcome::ExceedsOrigin);
    assert_eq!(book.outcome(back(Kind::Refund, 20, 14, 0)), Outcome::ZeroAmount);
    assert_eq!(book.outcome(back(Kind::Refund, 21, 99, 1)), Outcome::UnknownTransfer);
    assert_eq!((book.balance(1), book.balance(2)), (50, 0));
    let view = query_transfer(&book.ledger, 18).unwrap();
    assert_eq!((view.origin, view.debit, view.credit), (14, 2, 1));
    assert_eq!(query_transfer(&book.ledger, 14).unwrap().returned, 20);
}

#[test]
fn a_chargeback_overdraws_a_merchant_as_far_as_its_line_reaches() {
    let mut book = Book::new(None);
    book.created(transfer(7, 1, 2, 30));
    book.created(transfer(8, 2, 3, 30));
    let charge = |id, amount| Transfer::following(Kind::Chargeback, id, 7, amount);
    assert_eq!(book.outcome(charge(9, 30)), Outcome::ExceedsBalance);
    assert_eq!(book.set(Setting { overdraft: 20, ..Setting::new(10, 2) }), Outcome::Created);
    assert_eq!(book.outcome(charge(11, 30)), Outcome::ExceedsOverdraft);
    book.created(charge(12, 20));
    let view = query_account(&book.ledger, 2).unwrap();
    assert_eq!((view.balance(), view.overdrawn(), view.overdraft), (0, 20, 20));
    assert_eq!(book.outcome(charge(13, 1)), Outcome::ExceedsOverdraft);
    assert_conserved(&book.ledger, GOLD);
}

#[test]
fn limits_are_those_of_the_last_setting_and_a_late_copy_of_one_before_changes_nothing() {
    let mut book = Book::new(None);
    let low = Setting { minimum: 10, maximum: 60, ..Setting::new(20, 1) };
    assert_eq!(book.set(low), Outcome::Created);
    assert_eq!(book.outcome(transfer(2, 1, 2, 41)), Outcome::BelowMinimum);
    book.created(pending(3, 1, 2, 30, 0));
    assert_eq!(book.outcome(transfer(4, 1, 2, 11)), Outcome::BelowMinimum);
    assert_eq!(book.outcome(transfer(5, ISSUANCE, 1, 11)), Outcome::ExceedsMaximum);
    assert_eq!(book.set(Setting { frozen: true, ..Setting::new(21, 1) }), Outcome::Created);
    assert_eq!(book.outcome(transfer(6, 1, 2, 1)), Outcome::AccountFrozen);
    assert_eq!(book.outcome(post(7, 3, 0)), Outcome::AccountFrozen);
    book.created(transfer(8, ISSUANCE, 1, 100));
    assert_eq!(book.set(Setting::new(22, 1)), Outcome::Created);
    let late = book.send(encode_setting(&low))[0];
    assert_eq!((late.outcome, late.repeated), (Outcome::Created, true));
    assert_eq!(book.set(Setting { minimum: 1, ..Setting::new(20, 1) }), Outcome::IdReused);
    book.created(transfer(9, 1, 2, 119));
    assert_eq!(book.set(Setting::new(23, 77)), Outcome::UnknownAccount);
    assert_eq!(book.set(Setting { maximum: 5, ..Setting::new(24, ISSUANCE) }), Outcome::LimitsFixed);
    assert_eq!(book.set(Setting { frozen: true, ..Setting::new(25, ISSUANCE) }), Outcome::Created);
    assert_eq!(book.outcome(transfer(10, ISSUANCE, 1, 1)), Outcome::AccountFrozen);
}

#[test]
fn an_account_is_closed_when_it_is_empty_and_stays_closed() {
    let mut book = Book::new(None);
    let close = |id| Setting { closed: true, ..Setting::new(id, 2) };
    book.created(pending(2, 1, 2, 5, 0));
    assert_eq!(book.set(close(20)), Outcome::NotEmpty);
    book.created(post(3, 2, 0));
    assert_eq!(book.set(close(21)), Outcome::NotEmpty);
    book.created(transfer(4, 2, 1, 5));
    assert_eq!(book.set(close(22)), Outcome::Created);
    assert_eq!(book.outcome(transfer(5, 1, 2, 5)), Outcome::AccountClosed);
    assert_eq!(book.outcome(Transfer::following(Kind::Refund, 6, 4, 1)), Outcome::AccountClosed);
    assert_eq!(book.set(Setting::new(23, 2)), Outcome::AccountClosed);
}

#[test]
fn an_account_whose_balance_is_a_debit_is_bounded_the_other_way() {
    let mut book = Book::new(None);
    let opening = Opening { flags: AccountFlags::DEBIT_NORMAL, ..opening(5, GOLD) };
    book.send(encode_batch(&[opening], &[]).unwrap());
    assert_eq!(book.outcome(transfer(2, 1, 5, 1)), Outcome::ExceedsBalance);
    book.created(transfer(3, 5, 2, 40));
    book.created(transfer(4, 1, 5, 15));
    assert_eq!(book.balance(5), 25);
    assert_eq!(book.outcome(transfer(5, 1, 5, 26)), Outcome::ExceedsBalance);
    assert_conserved(&book.ledger, GOLD);
}

#[test]
fn no_more_than_a_rule_allows_leaves_an_account_in_any_window() {
    let mut book = Book::new(None);
    book.created(transfer(2, ISSUANCE, 1, 100_000));
    let rule = Rule { asset: 0, amount_max: 100, window_s: 70, count_max: 4, class: 0 };
    let rules = RuleSet { id: 900, rules: vec![rule] };
    assert_eq!(book.send(encode_rules(&rules).unwrap())[0].outcome, Outcome::Created);
    assert_eq!(query_rules(&book.ledger).digest, codec::rules_digest(&rules.rules));
    book.created(transfer(3, 1, 2, 60));
    assert_eq!(book.outcome(transfer(4, 1, 2, 41)), Outcome::VelocityExceeded);
    book.created(pending(5, 1, 2, 40, 1));
    book.wait(69);
    // Neither the hold's end nor almost the whole window makes room.
    assert_eq!(book.outcome(transfer(6, 1, 2, 1)), Outcome::VelocityExceeded);
    let used = query_velocity(&book.ledger, 1).unwrap().uses[0];
    assert_eq!((used.rule, used.amount, used.count), (rule, 100, 2));
    book.wait(11);
    book.created(transfer(7, 1, 2, 100));
    // Every window of 70 s, over a long stream of attempts at odd times.
    let mut left = vec![(book.time, 100)];
    for attempt in 0..400_u128 {
        book.time += 1 + (u64::try_from(attempt).unwrap() * 7919) % 9000;
        if book.outcome(transfer(1000 + attempt, 1, 2, 1 + attempt % 50)) == Outcome::Created {
            left.push((book.time, 1 + attempt % 50));
        }
    }
    assert!(left.len() > 60);
    for (end, _) in &left {
        let inside = || left.iter().filter(|(time, _)| time <= end && time + 70_000 > *end);
        assert!(inside().map(|(_, amount)| amount).sum::<u128>() <= 100);
        assert!(inside().count() <= 4);
    }
    // Other classes are free, and so is everyone without rules.
    book.created(transfer(2000, ISSUANCE, 3, 1));
    book.set(Setting { class: 1, ..Setting::new(901, 1) });
    book.created(transfer(2001, 1, 2, 5000));
}

#[test]
fn balances_are_known_at_any_position_time_and_effective_day() {
    let mut book = Book::new(None);
    for at in 0..1500_u128 {
        book.time += DAY_MS / 500;
        let (from, to) = if at % 2 == 0 { (1, 2) } else { (2, 1) };
        book.created(transfer(1000 + at, from, to, if at % 2 == 0 { 2 } else { 1 }));
        if at > 90 {
            book.created(transfer(5000 + at, ISSUANCE, 1, 2));
        }
    }
    let last = query_account(&book.ledger, 2).unwrap();
    assert_eq!((last.entries, last.balance()), (1500, 750));
    let at = |moment| query_balance(&book.ledger, 2, moment).unwrap();
    let entries = query_history(&book.ledger, HistoryQuery::newest(2, 1000)).unwrap();
    assert_eq!((entries.entries.len(), entries.next), (1000, Some(500)));
    for entry in entries.entries.iter().step_by(37) {
        let expected = (entry.debits, entry.credits);
        let by_position = at(Moment::Position(entry.position));
        let by_time = at(Moment::Time(entry.time));
        assert_eq!((by_position.debits, by_position.credits), expected);
        assert_eq!((by_time.debits, by_time.credits), expected);
    }
    let today = u32::try_from(book.time / DAY_MS).unwrap();
    let days = || (today - 2..=today).map(|day| at(Moment::EffectiveDay(day)).credits);
    let before: Vec<_> = days().collect();
    let dated = |id, effective_day| Transfer { effective_day, ..transfer(id, 1, 2, 1) };
    book.created(dated(9000, today - 1));
    assert_eq!(book.outcome(dated(9001, today + 1)), Outcome::EffectiveDate);
    assert_eq!(book.outcome(dated(9002, today - 93)), Outcome::EffectiveDate);
    book.created(dated(9003, today - 92));
    let at = |moment| query_balance(&book.ledger, 2, moment).unwrap();
    let after: Vec<_> = (today - 2..=today).map(|day| at(Moment::EffectiveDay(day)).credits).collect();
    assert_eq!(after, [before[0] + 1, before[1] + 2, before[2] + 2]);
}

#[test]
fn what_was_taken_back_leaves_no_trace_in_what_an_account_held_before() {
    // More entries than an account's sums are noted after, and both are taken back across that.
    let chain = |first: u128| -> Vec<Transfer> {
        let linked = |n| Transfer { flags: Flags::LINKED, ..transfer(first + n, ISSUANCE, 1, 1) };
        (0..20).map(linked).collect()
    };
    let story = |dry: bool| {
        let mut book = Book::new(None);
        for at in 0..250 {
            book.created(transfer(1000 + at, ISSUANCE, 1, 2));
        }
        let refused = [chain(2000), vec![transfer(2020, 3, 1, 1)]].concat();
        assert_eq!(book.outcomes(&refused).last(), Some(&Outcome::ExceedsBalance));
        if dry {
            let good = [chain(2100), vec![transfer(2120, ISSUANCE, 1, 1)]].concat();
            let answered = answers(dry_run(&book.ledger, &[], &good));
            assert!(answered.iter().all(|answer| answer.outcome == Outcome::Created));
        }
        for at in 0..600 {
            book.created(transfer(3000 + at, ISSUANCE, 1, 3));
        }
        book
    };
    let (book, other) = (story(true), story(false));
    let restored = restore(&checkpoint(&book.ledger, 4096), &[1000]).unwrap();
    for ledger in [&book.ledger, &other.ledger, &restored] {
        assert_eq!(query_totals(ledger), query_totals(&book.ledger));
        for position in 2..=book.position {
            let (first, second) = (position.min(252) - 2, position.saturating_sub(253));
            let held = query_balance(ledger, 1, Moment::Position(position)).unwrap();
            assert_eq!(held.credits, u128::from(50 + 2 * first + 3 * second), "after {position}");
        }
        let entries = query_history(ledger, HistoryQuery::newest(1, 1000)).unwrap().entries;
        assert_eq!(entries, query_history(&book.ledger, HistoryQuery::newest(1, 1000)).unwrap().entries);
        assert_eq!(entries.len(), 851);
    }
}

#[test]
fn no_id_is_zero() {
    let mut book = Book::new(None);
    let nobody = [transfer(0, 1, 2, 1), transfer(7, 0, 2, 1), transfer(7, 1, 0, 1)];
    for nobody in nobody {
        assert_eq!(book.outcome(nobody), Outcome::Malformed);
    }
    assert_eq!(book.outcome(Transfer::following(Kind::Void, 7, 0, 0)), Outcome::Malformed);
}

#[test]
fn a_name_does_not_take_an_account_out_of_the_class_that_it_was_put_into() {
    let mut book = Book::new(None);
    book.created(transfer(10, 1, 9, 5));
    assert_eq!(book.set(Setting { class: 4, ..Setting::new(11, 9) }), Outcome::Created);
    book.send(encode_batch(&[opening(9, GOLD)], &[]).unwrap());
    assert_eq!(query_account(&book.ledger, 9).unwrap().class, 4);
}

#[test]
fn a_ledger_without_room_creates_nothing_and_says_so() {
    let mut ledger = Ledger::with_memory_max(20_000);
    let mut outcomes = Vec::new();
    apply(&mut ledger, 1, encode_asset(&asset(GOLD, None)));
    for id in 0..400 {
        let batch = encode_batch(&[], &[transfer(id + 1, ISSUANCE, 7, 1)]).unwrap();
        outcomes.push(answers(apply(&mut ledger, 2, batch))[0].outcome);
    }
    let made = outcomes.iter().take_while(|&&outcome| outcome == Outcome::Created).count();
    assert!((50..300).contains(&made), "{made}");
    assert!(outcomes[made..].iter().all(|&outcome| outcome == Outcome::Full));
    assert_eq!(query_account(&ledger, 7).unwrap().credits, made as u128);
    let again = answers(apply(&mut ledger, 3, encode_batch(&[], &[transfer(1, ISSUANCE, 7, 1)]).unwrap()))[0];
    assert_eq!((again.outcome, again.repeated), (Outcome::Created, true));
}

#[test]
fn a_batch_of_8190_transfers_is_one_command() {
    let mut book = Book::new(None);
    let batch: Vec<_> = (0..8190).map(|n| transfer(1000 + n, 1, 2 + n % 3, 1)).collect();
    let command = encode_batch(&[], &batch).unwrap();
    assert!(command.len() <= 1_048_576);
    let outcomes: Vec<_> = book.send(command).into_iter().map(|answer| answer.outcome).collect();
    assert!(outcomes[..50].iter().all(|&outcome| outcome == Outcome::Created));
    assert!(outcomes[50..].iter().all(|&outcome| outcome == Outcome::ExceedsBalance));
    assert_eq!(query_totals(&book.ledger).transfers, 8191);
    assert_eq!(query_transfer(&book.ledger, 1000 + 8189).unwrap().item, 8189);
    let too_many: Vec<_> = (0..8191).map(|n| transfer(n, 1, 2, 1)).collect();
    assert_eq!(encode_batch(&[], &too_many), Err(Malformed::TooMany));
}

#[test]
fn items_with_fields_that_their_kind_has_not_are_malformed() {
    let plain = transfer(7, 1, 2, 1);
    let odd = [
        Transfer { timeout_s: 1, ..plain },
        Transfer { kind: Kind::Setting, ..plain },
        Transfer { flags: Flags::LOCKED, ..plain },
        Transfer { kind: Kind::Pending, effective_day: 20_000, ..plain },
        Transfer { kind: Kind::Post, ..plain },
        Transfer { flags: Flags::BALANCING_DEBIT, ..post(7, 1, 1) },
        Transfer { amount: 1, ..void(7, 1) },
        Transfer { effective_day: 20_000, ..void(7, 1) },
        Transfer::following(Kind::Reverse, 7, 1, 1),
    ];
    let mut book = Book::new(None);
    for item in odd {
        assert_eq!(book.outcome(item), Outcome::Malformed, "{item:?}");
    }
    let mut bytes = encode_batch(&[], &[plain]).unwrap();
    *bytes.last_mut().unwrap() = 1;
    assert_eq!(book.send(bytes)[0].outcome, Outcome::Malformed);
}

#[test]
fn a_message_and_a_checkpoint_of_another_version_are_refused_as_such() {
    let mut old = encode_tick();
    old[1] = 1;
    assert_eq!(codec::decode_command(&old), Err(Malformed::Version));
    assert_eq!(codec::decode_query(&old), Err(Malformed::Version));
    let book = Book::new(None);
    let mut bytes = checkpoint(&book.ledger, 1000);
    bytes[8] = 1;
    let refused = restore(&bytes, &[1000]).unwrap_err();
    assert_eq!(refused.to_string(), "the checkpoint has another version");
}

#[test]
fn the_bytes_of_commands_queries_and_answers_never_change() {
    let mut batch = vec![2, 2, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    let number = |value: u8| [&[value][..], &[0; 15]].concat();
    batch.extend([number(1), number(100)].concat());
    batch.extend([b"traveller:1".as_slice(), &[0; 77], &[3, 0, 0, 0, 0, 0, 0, 0]].concat());
    batch.extend([number(7), number(101), number(1), number(50)].concat());
    batch.extend([[9; 48].as_slice(), &[60, 0, 0, 0], &[0; 4], &[1, 1, 5, 0], &[0; 4]].concat());
    let openings = [Opening { class: 3, ..opening(1, GOLD) }];
    let held = Transfer { memo: Memo([9; 48]), code: 5, ..linked(pending(7, ISSUANCE, 1, 50, 60)) };
    assert_eq!(encode_batch(&openings, &[held]).unwrap(), batch);
    assert_eq!(Transfer::decode(&held.encode()), Ok(held));

    let mut create = vec![1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    create.extend([number(100), number(101), number(60)].concat());
    create.extend([2, 1, 0, 0, 0, 0, 0, 0]);
    create.extend([b"gold@arena".as_slice(), &[0; 150], b"operator", &[0; 40], b"Gold", &[0; 68]].concat());
    assert_eq!(encode_asset(&asset(GOLD, Some(60))), create);

    let mut ledger = Ledger::default();
    let created = ledger.apply(3, 258, &[create]).remove(0);
    let header = [1, 2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    let item = [[0, 0, 2, 1, 0, 0, 0, 0], [3, 0, 0, 0, 0, 0, 0, 0], [0; 8], [0; 8]].concat();
    assert_eq!(created, [header.as_slice(), &item].concat());

    let mut query = vec![3, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    query.extend([number(7), vec![0; 32]].concat());
    assert_eq!(codec::encode_query(Query::Transfer(7)), query);
    let nothing = [3, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(ledger.query(&query), nothing);
}

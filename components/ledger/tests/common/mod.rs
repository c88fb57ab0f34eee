//! Values that the suites share.

pub mod generate;

use vwp_ledger::Ledger;
use vwp_ledger::checkpoint::RestoreError;
use vwp_ledger::codec::{
    self, AccountView, Answer, Asset, AssetKind, AssetTotals, AssetView, BalanceView, HistoryQuery,
    HistoryView, Moment, Opening, PlaceView, Query, Reply, RulesView, Text, Totals, Transfer, TransferView,
    VelocityView,
};

/// An asset whose issuance account is its id plus one.
pub fn asset(id: u128, cap: Option<u128>) -> Asset {
    Asset {
        id,
        issuance: id + 1,
        cap,
        scale: 2,
        kind: AssetKind::Custom,
        name: Text::new("gold@arena").unwrap(),
        issuer: Text::new("operator").unwrap(),
        title: Text::new("Gold").unwrap(),
    }
}

/// An opening under a name that is made from the account's id.
pub fn opening(account: u128, asset: u128) -> Opening {
    Opening::new(account, asset, Text::new(&format!("traveller:{account}")).unwrap())
}

/// The same with its words in the order of the sentence.
pub fn transfer(id: u128, debit: u128, credit: u128, amount: u128) -> Transfer {
    Transfer::plain(id, debit, credit, amount)
}

/// Applies one command at a position; the time is ten times the position.
pub fn apply(ledger: &mut Ledger, position: u64, command: Vec<u8>) -> Reply {
    apply_at(ledger, position, position * 10, command)
}

/// Applies one command at a position and time.
pub fn apply_at(ledger: &mut Ledger, position: u64, time: u64, command: Vec<u8>) -> Reply {
    let mut answers = ledger.apply(position, time, &[command]);
    assert_eq!(answers.len(), 1);
    codec::decode_reply(&answers.remove(0)).unwrap()
}

/// The answers of a batch's transfers, or of an asset.
pub fn answers(reply: Reply) -> Vec<Answer> {
    match reply {
        Reply::Answers { transfers, .. } => transfers,
        Reply::Malformed(reason) => panic!("malformed: {reason}"),
    }
}

/// The whole checkpoint, read in parts of one size.
pub fn checkpoint(ledger: &Ledger, part: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let part = ledger.checkpoint(bytes.len() as u64, part);
        if part.is_empty() {
            return bytes;
        }
        bytes.extend(part);
    }
}

/// A ledger from a checkpoint that comes in parts of these sizes.
pub fn restore(bytes: &[u8], sizes: &[usize]) -> Result<Ledger, RestoreError> {
    let mut ledger = Ledger::default();
    let mut rest = bytes;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let (part, later) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
        ledger.restore(part)?;
        rest = later;
    }
    ledger.restore(&[])?;
    Ok(ledger)
}

fn ask(ledger: &Ledger, query: Query<'_>) -> Vec<u8> {
    ledger.query(&codec::encode_query(query))
}

pub fn query_asset(ledger: &Ledger, id: u128) -> Option<AssetView> {
    codec::decode_asset(&ask(ledger, Query::Asset(id))).unwrap()
}

pub fn query_account(ledger: &Ledger, id: u128) -> Option<AccountView> {
    codec::decode_account(&ask(ledger, Query::Account(id))).unwrap()
}

pub fn query_transfer(ledger: &Ledger, id: u128) -> Option<TransferView> {
    codec::decode_transfer(&ask(ledger, Query::Transfer(id))).unwrap()
}

pub fn query_totals(ledger: &Ledger) -> Totals {
    codec::decode_totals(&ask(ledger, Query::Totals)).unwrap()
}

/// The first page of it, which is all of it here.
pub fn query_asset_totals(ledger: &Ledger, asset: u128) -> Option<AssetTotals> {
    let query = Query::AssetTotals { asset, start: 0 };
    let totals = codec::decode_asset_totals(&ask(ledger, query)).unwrap();
    assert!(totals.is_none_or(|totals| totals.next.is_none()));
    totals
}

pub fn query_balance(ledger: &Ledger, id: u128, moment: Moment) -> Option<BalanceView> {
    codec::decode_balance(&ask(ledger, Query::Balance(id, moment))).unwrap()
}

pub fn query_history(ledger: &Ledger, query: HistoryQuery) -> Option<HistoryView> {
    codec::decode_history(&ask(ledger, Query::History(query))).unwrap()
}

pub fn query_velocity(ledger: &Ledger, id: u128) -> Option<VelocityView> {
    codec::decode_velocity(&ask(ledger, Query::Velocity(id))).unwrap()
}

pub fn query_rules(ledger: &Ledger) -> RulesView {
    codec::decode_rules(&ask(ledger, Query::Rules)).unwrap()
}

pub fn query_place(ledger: &Ledger, id: u128) -> Option<PlaceView> {
    codec::decode_place(&ask(ledger, Query::Place(id))).unwrap()
}

/// What a batch would be answered.
pub fn dry_run(ledger: &Ledger, openings: &[Opening], transfers: &[Transfer]) -> Reply {
    codec::decode_reply(&ledger.query(&codec::encode_dry_run(openings, transfers).unwrap())).unwrap()
}

/// What an asset's accounts add up to is what it has to be.
pub fn assert_conserved(ledger: &Ledger, asset: u128) {
    let Some(totals) = query_asset_totals(ledger, asset) else { return };
    assert_eq!(totals.debits, totals.credits, "every debit has its credit");
    assert_eq!(totals.debits_pending, totals.credits_pending, "every hold has two sides");
    let mut given = totals.held_debits;
    given.add(totals.supply);
    // A supply is a number of 128 bits, whatever could not be one.
    let is_clamped = match totals.supply {
        u128::MAX => given < totals.held_credits,
        0 => given > totals.held_credits,
        _ => false,
    };
    assert!(is_clamped || given == totals.held_credits, "the others hold the supply: {totals:?}");
    assert_eq!(query_asset(ledger, asset).unwrap().supply, totals.supply, "there is one supply");
}

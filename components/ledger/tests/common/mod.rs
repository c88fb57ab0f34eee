//! Values that the suites share.

use vwp_ledger::Ledger;
use vwp_ledger::codec::{
    self, AccountView, Answer, Asset, AssetView, Opening, Query, Reply, Text, Totals, Transfer, TransferView,
};

/// An asset whose issuance account is its id plus one.
pub fn asset(id: u128, cap: Option<u128>) -> Asset {
    Asset {
        id,
        issuance: id + 1,
        cap,
        scale: 2,
        name: Text::new("gold@arena").unwrap(),
        issuer: Text::new("operator").unwrap(),
        title: Text::new("Gold").unwrap(),
    }
}

/// An opening under a name that is made from the account's id.
pub fn opening(account: u128, asset: u128) -> Opening {
    Opening { account, asset, owner: Text::new(&format!("traveller:{account}")).unwrap() }
}

/// A transfer without user data.
pub fn transfer(id: u128, debit: u128, credit: u128, asset: u128, amount: u128) -> Transfer {
    Transfer { id, debit, credit, asset, amount, user_data: [0; 48] }
}

/// Applies one command at a position; the time is ten times the position.
pub fn apply(ledger: &mut Ledger, position: u64, command: Vec<u8>) -> Reply {
    let mut answers = ledger.apply(position, position * 10, &[command]);
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

pub fn query_asset(ledger: &Ledger, id: u128) -> Option<AssetView> {
    codec::decode_asset(&ledger.query(&codec::encode_query(Query::Asset(id)))).unwrap()
}

pub fn query_account(ledger: &Ledger, id: u128) -> Option<AccountView> {
    codec::decode_account(&ledger.query(&codec::encode_query(Query::Account(id)))).unwrap()
}

pub fn query_transfer(ledger: &Ledger, id: u128) -> Option<TransferView> {
    codec::decode_transfer(&ledger.query(&codec::encode_query(Query::Transfer(id)))).unwrap()
}

pub fn query_totals(ledger: &Ledger) -> Totals {
    codec::decode_totals(&ledger.query(&codec::encode_query(Query::Totals))).unwrap()
}

//! What an auditor asks the ledger, and how two answers differ: the part of an audit that knows the
//! ledger's own format. Everything else about an audit is the same for any machine.

use crate::amount::Amount;
use crate::reference::id_text;
use vwp_ledger::codec::{self, AccountView, Command, Opening, Query, Transfer};

/// A question about the ledger's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What it is about.
    pub about: String,
    /// The query, as the ledger takes it.
    pub query: Vec<u8>,
}

/// The questions whose answers a command may have changed: about the accounts and the asset that it
/// names. One of a format that is not known here gives none.
pub fn questions(command: &[u8]) -> Vec<Question> {
    match codec::decode_command(command) {
        Ok(Command::CreateAsset(asset)) => vec![
            Question {
                about: format!("asset {}", asset.name.as_str()),
                query: query(Query::Asset(asset.id)),
            },
            account(asset.issuance, &format!("issuance:{}", asset.name.as_str())),
        ],
        Ok(Command::CreateTransfers { openings, transfers }) => {
            let openings = openings.iter().filter_map(|bytes| Opening::decode(bytes).ok());
            let opened = openings.map(|opening| account(opening.account, opening.owner.as_str()));
            let moved = transfers
                .iter()
                .filter_map(|bytes| Transfer::decode(bytes).ok())
                // What follows another transfer names that one in place of accounts.
                .filter(|transfer| transfer.credit != 0)
                .flat_map(|transfer| [transfer.debit, transfer.credit].map(|id| account(id, "")));
            opened.chain(moved).collect()
        }
        Ok(Command::SetAccount(setting)) => vec![account(setting.account, "")],
        Ok(Command::SetRules(_)) => {
            vec![Question { about: "the velocity rules".to_owned(), query: query(Query::Rules) }]
        }
        Ok(Command::Tick) | Err(_) => Vec::new(),
    }
}

fn account(id: u128, owner: &str) -> Question {
    let about = if owner.is_empty() { String::new() } else { format!(" of {owner}") };
    Question { about: format!("account {}{about}", id_text(id)), query: query(Query::Account(id)) }
}

fn query(query: Query<'_>) -> Vec<u8> {
    codec::encode_query(query)
}

/// In which fields two answers to a question differ, and how; in no field that is known here if
/// they are not answers of this format.
pub fn differences(expected: &[u8], found: &[u8]) -> Vec<String> {
    if let (Ok(Some(expected)), Ok(Some(found))) =
        (codec::decode_account(expected), codec::decode_account(found))
    {
        let amount = |amount| Amount(amount).to_string();
        let fields = |view: &AccountView| {
            [
                ("balance", amount(view.balance())),
                ("debits", amount(view.debits)),
                ("credits", amount(view.credits)),
                ("debits_pending", amount(view.debits_pending)),
                ("credits_pending", amount(view.credits_pending)),
                ("minimum", amount(view.minimum)),
                ("maximum", amount(view.maximum)),
                ("overdraft", amount(view.overdraft)),
                ("flags", format!("{:?}", view.flags)),
                ("entries", view.entries.to_string()),
                ("asset", id_text(view.asset)),
            ]
        };
        return changed(fields(&expected), fields(&found));
    }
    if let (Ok(Some(expected)), Ok(Some(found))) = (codec::decode_asset(expected), codec::decode_asset(found))
    {
        let fields = |view: &codec::AssetView| {
            [("supply", Amount(view.supply).to_string()), ("position", view.position.to_string())]
        };
        return changed(fields(&expected), fields(&found));
    }
    Vec::new()
}

fn changed<const N: usize>(expected: [(&str, String); N], found: [(&str, String); N]) -> Vec<String> {
    let pairs = expected.into_iter().zip(found);
    let differ = pairs.filter(|(expected, found)| expected != found);
    differ
        .map(|((field, expected), (_, found))| format!("{field} is {found}, and has to be {expected}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vwp_ledger::Ledger;
    use vwp_ledger::codec::{Asset, Text};
    use vwp_storage::machine::StateMachine;

    #[test]
    fn what_a_command_changed_is_asked_for_and_a_difference_is_named() {
        let asset = Asset {
            id: 1,
            issuance: 2,
            cap: None,
            scale: 0,
            kind: codec::AssetKind::Custom,
            name: Text::new("gold@arena").unwrap(),
            issuer: Text::new("operator").unwrap(),
            title: Text::EMPTY,
        };
        let opening = Opening::new(3, 1, Text::new("traveller:ada").unwrap());
        let transfer = |id, amount| Transfer { id, debit: 2, credit: 3, amount, ..Transfer::default() };
        let commands = [
            codec::encode_asset(&asset),
            codec::encode_batch(&[opening], &[transfer(9, 5)]).unwrap(),
            codec::encode_batch(&[], &[transfer(10, 2)]).unwrap(),
        ];
        let mut ledger = Ledger::default();
        StateMachine::apply(&mut ledger, 1, 1, &commands[..2]);
        let asked: Vec<Question> = commands.iter().flat_map(|command| questions(command)).collect();
        let before: Vec<_> = asked.iter().map(|asked| StateMachine::query(&ledger, &asked.query)).collect();
        StateMachine::apply(&mut ledger, 3, 1, &commands[2..]);
        let mut named = Vec::new();
        for (asked, before) in asked.iter().zip(before) {
            let now = StateMachine::query(&ledger, &asked.query);
            named.extend(
                differences(&before, &now).into_iter().map(|what| format!("{}: {what}", asked.about)),
            );
        }
        for expected in [
            "asset gold@arena: supply is 7, and has to be 5",
            "account 00000000000000000000000000000003 of traveller:ada: balance is 7, and has to be 5",
            "account 00000000000000000000000000000002 of issuance:gold@arena: debits is 7, and has to be 5",
        ] {
            assert!(named.iter().any(|named| named == expected), "{expected}: {named:?}");
        }
        assert!(questions(b"rubbish").is_empty());
    }
}

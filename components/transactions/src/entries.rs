//! The ledger's log, for whoever runs the port and audits it.

use crate::amount::Amount;
use crate::ledger::MACHINE;
use crate::reference::id_text;
use crate::{Error, assets::AssetInfo};
use serde::Serialize;
use vwp_core::Problem;
use vwp_core::caller::Caller;
use vwp_ledger::codec::{self, AssetView, Command, Opening, Transfer};
use vwp_storage::Machines;

/// The most entries in one answer.
pub const ENTRIES_MAX: u32 = 1000;
/// After this many openings and transfers an answer ends with the entry they are in.
const ITEMS_MAX: usize = 10_000;

/// Part of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entries {
    /// The entries, in order.
    pub entries: Vec<EntryInfo>,
    /// Where to go on, if there may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// A command in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntryInfo {
    /// Its position.
    pub position: u64,
    /// The time that it was applied with, in milliseconds since the Unix epoch.
    pub time: u64,
    /// What it asked for; what became of it, the ledger knows.
    pub command: CommandInfo,
}

/// What a command asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CommandInfo {
    /// To create an asset.
    CreateAsset {
        /// The asset, as it would be right after.
        asset: Box<AssetInfo>,
    },
    /// To open accounts and make transfers.
    CreateTransfers {
        /// The accounts.
        openings: Vec<OpeningInfo>,
        /// The transfers.
        transfers: Vec<TransferInfo>,
    },
    /// To set the limits of an account.
    SetAccount {
        /// The account's id.
        account: String,
    },
    /// To set the velocity rules.
    SetRules {
        /// The SHA-256 of the rules, in hexadecimal digits.
        digest: String,
        /// How many there are.
        rules: usize,
    },
    /// To let time pass.
    Tick,
    /// Nothing that the ledger understands; it refused it.
    Malformed,
}

/// An account that was asked for. Ids have 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpeningInfo {
    /// The account's id.
    pub account: String,
    /// The asset's id.
    pub asset: String,
    /// Whose account it is.
    pub owner: String,
}

/// A transfer that was asked for. Ids have 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransferInfo {
    /// The transfer's id.
    pub transfer_id: String,
    /// The id of the account to debit.
    pub debit: String,
    /// The id of the account to credit.
    pub credit: String,
    /// How much, in minor units.
    pub amount: Amount,
}

/// Reads the log from a position on, at most `limit` (1 to 1,000) entries. Only the
/// administrator may.
pub async fn entries(
    store: &impl Machines,
    caller: &Caller,
    from: u64,
    limit: u32,
) -> Result<Entries, Error> {
    match caller {
        Caller::Administrator => {}
        Caller::Nobody => return Err(Problem::unauthorised("send the administrator's token").into()),
        _ => return Err(Error::Forbidden("only the administrator reads the log".to_owned())),
    }
    if from == 0 || !(1..=ENTRIES_MAX).contains(&limit) {
        return Err(Error::Invalid(format!("from is at least 1, and limit 1 to {ENTRIES_MAX}")));
    }
    let log = store.entries(MACHINE, from, limit).await?;
    let full = log.len() >= limit as usize;
    let mut answer = Entries { entries: Vec::new(), next: None };
    let mut items = 0_usize;
    let mut cut = full;
    for entry in log {
        if items >= ITEMS_MAX {
            cut = true;
            break;
        }
        let command = describe(entry.position, entry.time, &entry.command);
        if let CommandInfo::CreateTransfers { openings, transfers } = &command {
            items = items.saturating_add(openings.len()).saturating_add(transfers.len());
        }
        answer.entries.push(EntryInfo { position: entry.position, time: entry.time, command });
    }
    let last = answer.entries.last().filter(|_| cut);
    answer.next = last.map(|entry| entry.position.saturating_add(1));
    Ok(answer)
}

fn describe(position: u64, time: u64, command: &[u8]) -> CommandInfo {
    match codec::decode_command(command) {
        Ok(Command::CreateAsset(asset)) => {
            let view = AssetView { asset: *asset, supply: 0, position, time };
            CommandInfo::CreateAsset { asset: Box::new(AssetInfo::from(&view)) }
        }
        Ok(Command::CreateTransfers { openings, transfers }) => CommandInfo::CreateTransfers {
            openings: openings.iter().filter_map(|bytes| Opening::decode(bytes).ok()).map(opening).collect(),
            transfers: transfers
                .iter()
                .filter_map(|bytes| Transfer::decode(bytes).ok())
                .map(transfer)
                .collect(),
        },
        Ok(Command::SetAccount(setting)) => CommandInfo::SetAccount { account: id_text(setting.account) },
        Ok(Command::SetRules(set)) => CommandInfo::SetRules {
            digest: codec::rules_digest(&set.rules).map(|byte| format!("{byte:02x}")).concat(),
            rules: set.rules.len(),
        },
        Ok(Command::Tick) => CommandInfo::Tick,
        Err(_) => CommandInfo::Malformed,
    }
}

fn opening(opening: Opening) -> OpeningInfo {
    OpeningInfo {
        account: id_text(opening.account),
        asset: id_text(opening.asset),
        owner: opening.owner.as_str().to_owned(),
    }
}

fn transfer(transfer: Transfer) -> TransferInfo {
    TransferInfo {
        transfer_id: id_text(transfer.id),
        debit: id_text(transfer.debit),
        credit: id_text(transfer.credit),
        amount: Amount(transfer.amount),
    }
}

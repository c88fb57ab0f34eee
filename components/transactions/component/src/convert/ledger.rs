//! What the interface `ledger` has, and what it becomes in the domain.

use super::{amount, novelty};
use crate::api;
use vwp_transactions::bulk::{self, Settled};
use vwp_transactions::history::{self, Direction, Side};
use vwp_transactions::orders::{Balancing, Kind, Order};
use vwp_transactions::reference::id_text;
use vwp_transactions::transfers::{Hold, Receipt};
use vwp_transactions::{Error, accounts, assets};

impl From<assets::AssetInfo> for api::Asset {
    fn from(info: assets::AssetInfo) -> Self {
        Self {
            name: info.asset,
            scale: info.scale,
            cap: info.cap.map(|cap| cap.to_string()),
            title: info.title,
            issuer: info.issuer,
            supply: info.supply.to_string(),
            position: info.position,
            time: info.time,
        }
    }
}

impl From<accounts::AccountInfo> for api::Account {
    fn from(account: accounts::AccountInfo) -> Self {
        Self {
            owner: account.owner,
            asset: account.asset,
            balance: account.balance.to_string(),
            debits: account.debits.to_string(),
            credits: account.credits.to_string(),
            debits_pending: account.debits_pending.to_string(),
            credits_pending: account.credits_pending.to_string(),
            overdrawn: account.overdrawn.map(|amount| amount.to_string()),
            frozen: account.frozen,
            closed: account.closed,
        }
    }
}

impl TryFrom<api::Order> for Order {
    type Error = Error;

    fn try_from(order: api::Order) -> Result<Self, Error> {
        Ok(Self {
            idempotency_key: None,
            kind: order.kind.into(),
            from: order.from,
            to: order.to,
            asset: order.asset,
            origin: order.origin,
            amount: order.amount.as_deref().map(amount).transpose()?,
            memo: order.memo,
            code: order.code,
            effective_date: order.effective_date,
            balancing: order.balancing.map(|balancing| match balancing {
                api::Balancing::Debit => Balancing::Debit,
                api::Balancing::Credit => Balancing::Credit,
                api::Balancing::Both => Balancing::Both,
            }),
            timeout_s: order.timeout_s,
            condition: order.condition,
            preimage: order.preimage,
            linked: false,
        })
    }
}

impl From<Receipt> for api::Receipt {
    fn from(receipt: Receipt) -> Self {
        Self {
            transfer_id: receipt.transfer_id,
            position: receipt.position,
            time: receipt.time,
            kind: receipt.kind.into(),
            origin: receipt.origin,
            from: receipt.from,
            to: receipt.to,
            asset: receipt.asset,
            amount: receipt.amount.to_string(),
            memo: receipt.memo,
            code: receipt.code,
            effective_date: receipt.effective_date,
            condition: receipt.condition,
            expires_at: receipt.expires_at,
            hold: receipt.hold.map(|hold| match hold {
                Hold::Open => api::Hold::Open,
                Hold::Posted { settled_by } => api::Hold::Posted(settled_by),
                Hold::Voided { settled_by } => api::Hold::Voided(settled_by),
                Hold::Expired => api::Hold::Expired,
            }),
            returned: receipt.returned.map(|amount| amount.to_string()),
        }
    }
}

impl From<api::Kind> for Kind {
    fn from(kind: api::Kind) -> Self {
        match kind {
            api::Kind::Plain => Self::Plain,
            api::Kind::Pending => Self::Pending,
            api::Kind::Post => Self::Post,
            api::Kind::Void => Self::Void,
            api::Kind::Reverse => Self::Reverse,
            api::Kind::Refund => Self::Refund,
            api::Kind::Chargeback => Self::Chargeback,
        }
    }
}

impl From<Kind> for api::Kind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Plain => Self::Plain,
            Kind::Pending => Self::Pending,
            Kind::Post => Self::Post,
            Kind::Void => Self::Void,
            Kind::Reverse => Self::Reverse,
            Kind::Refund => Self::Refund,
            Kind::Chargeback => Self::Chargeback,
        }
    }
}

/// The orders of a bulk. What is wrong with one names it.
pub(crate) fn bulk_orders(orders: Vec<api::BulkOrder>) -> Result<Vec<Order>, Error> {
    let read = |(number, wanted): (usize, api::BulkOrder)| {
        let order = Order::try_from(wanted.order).map_err(|error| bulk::at(number, error))?;
        Ok(Order { idempotency_key: Some(wanted.idempotency_key), linked: wanted.linked, ..order })
    };
    orders.into_iter().enumerate().map(read).collect()
}

impl From<Settled> for api::Outcome {
    fn from(settled: Settled) -> Self {
        let transfer_id = id_text(settled.id);
        match settled.result {
            Ok(amount) => Self::Created(api::CreatedTransfer {
                transfer_id,
                position: settled.answer.position,
                time: settled.answer.time,
                amount: amount.to_string(),
                novelty: novelty(settled.answer.repeated),
            }),
            Err(error) => Self::Refused(api::RefusedTransfer { transfer_id, error: error.into() }),
        }
    }
}

impl From<api::Page> for history::Page {
    fn from(page: api::Page) -> Self {
        Self {
            start: page.start,
            order: match page.order {
                api::Direction::NewestFirst => Direction::NewestFirst,
                api::Direction::OldestFirst => Direction::OldestFirst,
            },
            limit: page.limit,
            kind: page.kind.map(Into::into),
            code: page.code,
        }
    }
}

impl From<history::History> for api::History {
    fn from(history: history::History) -> Self {
        Self { transfers: history.transfers.into_iter().map(Into::into).collect(), next: history.next }
    }
}

impl From<history::Entry> for api::Entry {
    fn from(entry: history::Entry) -> Self {
        Self {
            number: entry.number,
            transfer_id: entry.transfer_id,
            kind: entry.kind.into(),
            side: match entry.side {
                Side::Debit => api::Side::Debit,
                Side::Credit => api::Side::Credit,
            },
            counterparty: entry.counterparty,
            amount: entry.amount.to_string(),
            balance: entry.balance.to_string(),
            position: entry.position,
            time: entry.time,
            effective_date: entry.effective_date,
            code: entry.code,
        }
    }
}

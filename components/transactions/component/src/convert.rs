//! The component's types as the interfaces have them, and back.

use crate::api;
use crate::types;
use vwp_core::Problem;
use vwp_transactions::amount::{Amount, AmountError};
use vwp_transactions::orders::{Balancing, Kind, Order};
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

impl From<Error> for types::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(text) => Self::Invalid(text),
            Error::IdempotencyKeyMissing => Self::IdempotencyKeyMissing,
            Error::ClockSkew => Self::ClockSkew,
            Error::WrongAudience => Self::WrongAudience,
            Error::Forbidden(text) => Self::Forbidden(text),
            Error::UnknownWorld(world) => Self::UnknownWorld(world),
            Error::UnknownTraveller(id) => Self::UnknownTraveller(id),
            Error::UnknownAsset(asset) => Self::UnknownAsset(asset),
            Error::UnknownTransfer
            | Error::UnknownEscrow
            | Error::UnknownQuote
            | Error::UnknownSchedule
            | Error::UnknownPayment => Self::UnknownTransfer,
            Error::AssetExists => Self::AssetExists,
            Error::IdempotencyKeyReused => Self::IdempotencyKeyReused,
            Error::InsufficientFunds => Self::InsufficientFunds,
            Error::ExceedsCap => Self::ExceedsCap,
            Error::Overflow => Self::Overflow,
            Error::ZeroAmount => Self::ZeroAmount,
            Error::SameAccount => Self::SameAccount,
            // Nothing of these interfaces is about escrows, quotes, schedules and payments.
            Error::NotPending(text) | Error::EscrowSettled(text) | Error::QuoteBounds(text) => {
                Self::NotPending(text.to_owned())
            }
            error @ (Error::NotPayable | Error::PaymentRefused(_)) => Self::Invalid(error.to_string()),
            Error::QuoteExpired
            | Error::QuoteFilled
            | Error::QuoteWithdrawn
            | Error::TooManySchedules
            | Error::LiquidityExhausted => Self::NotPending(error.to_string()),
            Error::NotReturnable(text) => Self::NotReturnable(text.to_owned()),
            Error::ExceedsOrigin => Self::ExceedsOrigin,
            Error::WrongPreimage => Self::WrongPreimage,
            Error::EffectiveDate => Self::EffectiveDate,
            Error::LinkedFailed => Self::LinkedFailed,
            Error::NotProvable => Self::NotProvable,
            Error::LedgerFull => Self::LedgerFull,
            Error::OutcomeUnknown => Self::OutcomeUnknown,
            Error::Shared(problem) => shared(problem),
        }
    }
}

fn shared(problem: Problem) -> types::Error {
    match problem.status.as_u16() {
        401 => types::Error::Unauthorised(problem.detail),
        403 => types::Error::Forbidden(problem.detail),
        503 if problem.slug == "outcome-unknown" => types::Error::OutcomeUnknown,
        503 => types::Error::Unavailable(problem.detail),
        500.. => types::Error::Internal,
        _ => types::Error::Invalid(problem.detail),
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
        let read = |amount: String| {
            amount.parse::<Amount>().map_err(|error: AmountError| Error::Invalid(error.to_string()))
        };
        Ok(Self {
            idempotency_key: None,
            kind: order.kind.into(),
            from: order.from,
            to: order.to,
            asset: order.asset,
            origin: order.origin,
            amount: order.amount.map(read).transpose()?,
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

//! The component's types as the interfaces have them, and back.

mod escrows;
mod ledger;

use crate::types;
use vwp_core::Problem;
use vwp_transactions::Error;
use vwp_transactions::amount::{Amount, AmountError};

pub(crate) use ledger::bulk_orders;

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
            Error::UnknownTransfer | Error::UnknownQuote | Error::UnknownSchedule | Error::UnknownPayment => {
                Self::UnknownTransfer
            }
            Error::UnknownEscrow => Self::UnknownEscrow,
            Error::EscrowSettled(text) => Self::EscrowSettled(text.to_owned()),
            Error::AssetExists => Self::AssetExists,
            Error::IdempotencyKeyReused => Self::IdempotencyKeyReused,
            Error::InsufficientFunds => Self::InsufficientFunds,
            Error::ExceedsCap => Self::ExceedsCap,
            Error::Overflow => Self::Overflow,
            Error::ZeroAmount => Self::ZeroAmount,
            Error::SameAccount => Self::SameAccount,
            // Nothing of these interfaces is about quotes, schedules and payments.
            Error::NotPending(text) | Error::QuoteBounds(text) => Self::NotPending(text.to_owned()),
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

/// The token that a credential shows.
pub(crate) fn token(credential: &types::Credential) -> Option<&str> {
    match credential {
        types::Credential::None => None,
        types::Credential::Token(token) => Some(token),
    }
}

/// Whether something was done now, or had been done before.
pub(crate) fn novelty(repeated: bool) -> types::Novelty {
    if repeated { types::Novelty::Repeated } else { types::Novelty::Created }
}

fn amount(text: &str) -> Result<Amount, Error> {
    text.parse().map_err(|error: AmountError| Error::Invalid(error.to_string()))
}

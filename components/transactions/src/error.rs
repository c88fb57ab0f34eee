//! Every refusal of this component, and the problem that it becomes.
//!
//! Policy: the modules return [`Error`]; the only place that turns one into a
//! [`Problem`] is here. The cases are those of `vwp:transactions/types.error`.

use ::http::StatusCode;
use vwp_core::Problem;
use vwp_storage::StorageError;

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The request breaks a rule that is written down; the text says which one.
    #[error("{0}")]
    Invalid(String),
    /// A transfer came without an idempotency key.
    #[error("send Idempotency-Key: 1 to 128 visible ASCII characters, new for every transfer")]
    IdempotencyKeyMissing,
    /// A signed body was made too long ago, or in the future.
    #[error("iat is more than five minutes away from this port's clock")]
    ClockSkew,
    /// A signed body was made for another port.
    #[error("aud is not this port")]
    WrongAudience,
    /// The caller is known and may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// No world of this name is registered.
    #[error("no world is registered as {0}")]
    UnknownWorld(String),
    /// No traveller has this id.
    #[error("no traveller has the id {0}")]
    UnknownTraveller(String),
    /// No asset has this name.
    #[error("no asset is called {0}")]
    UnknownAsset(String),
    /// No transfer has this id.
    #[error("no transfer has this id")]
    UnknownTransfer,
    /// No escrow has this id.
    #[error("no escrow has this id")]
    UnknownEscrow,
    /// Something else was decided about what an escrow holds; the text says what.
    #[error("{0}")]
    EscrowSettled(&'static str),
    /// No quote has this id.
    #[error("no quote has this id")]
    UnknownQuote,
    /// The quote has ended.
    #[error("the quote has ended")]
    QuoteExpired,
    /// The quote was accepted otherwise.
    #[error("the quote was accepted by somebody else, or for another amount")]
    QuoteFilled,
    /// The provider took the quote back.
    #[error("the quote was withdrawn, or its provider is another one by now")]
    QuoteWithdrawn,
    /// The amount is not one that the quote is for; the text says why.
    #[error("{0}")]
    QuoteBounds(&'static str),
    /// The provider has less than it would give.
    #[error("the provider has less of what it gives than the amount buys")]
    LiquidityExhausted,
    /// No schedule has this id.
    #[error("no schedule has this id")]
    UnknownSchedule,
    /// The caller has as many active schedules as it may.
    #[error("the caller has as many active schedules as it may; cancel one")]
    TooManySchedules,
    /// No payment or payout has this id.
    #[error("no payment or payout has this id")]
    UnknownPayment,
    /// The port takes no payments in this asset.
    #[error("the port takes no payments in this asset, and makes no payouts")]
    NotPayable,
    /// The processor refused; the text is its word for why.
    #[error("the processor refused: {0}")]
    PaymentRefused(String),
    /// The asset exists with another definition.
    #[error("the asset exists with another scale, cap, title or issuer; these never change")]
    AssetExists,
    /// The idempotency key was used for a transfer with other fields.
    #[error("this idempotency key belongs to a transfer with other fields")]
    IdempotencyKeyReused,
    /// The debited account holds less than the amount.
    #[error("the debited account holds less than the amount")]
    InsufficientFunds,
    /// More would exist than the asset's cap allows.
    #[error("more would exist than the asset's cap allows")]
    ExceedsCap,
    /// A total would no longer fit in 128 bits.
    #[error("a total would no longer fit in 128 bits")]
    Overflow,
    /// The transfer would move nothing.
    #[error("the amount is zero")]
    ZeroAmount,
    /// The transfer would go from an account to itself.
    #[error("from and to are the same account")]
    SameAccount,
    /// What would be posted or voided is not a hold, or not an open one; the text says which.
    #[error("{0}")]
    NotPending(&'static str),
    /// More would be posted than a hold holds, or moved back than its origin moved.
    #[error("the amount is more than the transfer that it follows has left")]
    ExceedsOrigin,
    /// A hold asks for a preimage and this is not it, or it asks for none.
    #[error("the preimage is not the one that the hold's condition asks for")]
    WrongPreimage,
    /// What would be moved back did not move, or was moved back; the text says which.
    #[error("{0}")]
    NotReturnable(&'static str),
    /// The effective date lies in the future, or too far back.
    #[error("effective_date lies in the future, or more than 92 days back")]
    EffectiveDate,
    /// Another transfer of its chain was refused.
    #[error("another transfer that this one is linked with was refused")]
    LinkedFailed,
    /// The receipt of such a transfer cannot be proved.
    #[error("only a transfer that names its accounts and moves or holds what it says has a proof")]
    NotProvable,
    /// The ledger has no room for another row.
    #[error("the ledger has no room for more")]
    LedgerFull,
    /// It is not known whether the change was made.
    #[error("it is not known whether the change was made; send the same request again to find out")]
    OutcomeUnknown,
    /// A refusal that all components share: who is calling, or what the store answered.
    #[error("{}", .0.detail)]
    Shared(Problem),
}

impl Error {
    /// The last part of the problem's `type`: what a caller can tell cases apart by.
    pub fn slug(&self) -> &'static str {
        self.parts().1
    }

    fn parts(&self) -> (StatusCode, &'static str, &'static str) {
        let refused = StatusCode::UNPROCESSABLE_ENTITY;
        match self {
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "bad-request", "The request is malformed"),
            // draft-ietf-httpapi-idempotency-key-header, section 2.7: a missing key is a
            // 400, one that was used for another request a 422.
            Self::IdempotencyKeyMissing => {
                (StatusCode::BAD_REQUEST, "idempotency-key-missing", "The idempotency key is missing")
            }
            Self::IdempotencyKeyReused => {
                (refused, "idempotency-key-reused", "The idempotency key was used already")
            }
            Self::ClockSkew => (StatusCode::BAD_REQUEST, "clock-skew", "The signed body is not current"),
            Self::WrongAudience => {
                (StatusCode::BAD_REQUEST, "wrong-audience", "The signed body is for another port")
            }
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden", "The caller may not do this"),
            Self::UnknownWorld(_) => (StatusCode::NOT_FOUND, "unknown-world", "There is no such world"),
            Self::UnknownTraveller(_) => {
                (StatusCode::NOT_FOUND, "unknown-traveller", "There is no such traveller")
            }
            Self::UnknownAsset(_) => (StatusCode::NOT_FOUND, "unknown-asset", "There is no such asset"),
            Self::UnknownTransfer
            | Self::UnknownEscrow
            | Self::UnknownQuote
            | Self::UnknownSchedule
            | Self::UnknownPayment => (StatusCode::NOT_FOUND, "not-found", "There is no such thing"),
            Self::EscrowSettled(_) => {
                (StatusCode::CONFLICT, "escrow-settled", "The escrow is settled otherwise")
            }
            Self::QuoteExpired => (StatusCode::CONFLICT, "quote-expired", "The quote has ended"),
            Self::QuoteFilled => (StatusCode::CONFLICT, "quote-filled", "The quote was accepted otherwise"),
            Self::QuoteWithdrawn => (StatusCode::CONFLICT, "quote-withdrawn", "The quote was withdrawn"),
            Self::QuoteBounds(_) => (refused, "quote-bounds", "The quote is not for this amount"),
            Self::LiquidityExhausted => {
                (StatusCode::CONFLICT, "liquidity-exhausted", "The provider has too little")
            }
            Self::TooManySchedules => (refused, "too-many-schedules", "There are too many schedules"),
            Self::NotPayable => (refused, "not-payable", "The asset is not paid for here"),
            Self::PaymentRefused(_) => (refused, "payment-refused", "The processor refused"),
            Self::AssetExists => (StatusCode::CONFLICT, "asset-exists", "The asset exists already"),
            Self::InsufficientFunds => (refused, "insufficient-funds", "The funds do not suffice"),
            Self::ExceedsCap => (refused, "exceeds-cap", "The asset's cap would be exceeded"),
            Self::Overflow => (refused, "overflow", "A total would be too large"),
            Self::ZeroAmount => (refused, "zero-amount", "The transfer moves nothing"),
            Self::SameAccount => (refused, "same-account", "The transfer has one account only"),
            Self::NotPending(_) => (StatusCode::CONFLICT, "not-pending", "There is no open hold"),
            Self::NotReturnable(_) => {
                (StatusCode::CONFLICT, "not-returnable", "The transfer cannot be moved back")
            }
            Self::ExceedsOrigin => (refused, "exceeds-origin", "The transfer that it follows has less left"),
            Self::WrongPreimage => (refused, "wrong-preimage", "The preimage does not fit"),
            Self::EffectiveDate => (refused, "effective-date", "The effective date is out of bounds"),
            // RFC 4918, section 11.4.
            Self::LinkedFailed => {
                (StatusCode::FAILED_DEPENDENCY, "linked-failed", "A linked transfer was refused")
            }
            Self::NotProvable => (StatusCode::CONFLICT, "not-provable", "The transfer has no proof"),
            Self::LedgerFull => (StatusCode::INSUFFICIENT_STORAGE, "ledger-full", "The ledger is full"),
            Self::OutcomeUnknown => (
                StatusCode::SERVICE_UNAVAILABLE,
                "outcome-unknown",
                "It is not known whether the change was made",
            ),
            Self::Shared(problem) => (problem.status, problem.slug, problem.title),
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Shared(problem)
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Unknown(_) => Self::OutcomeUnknown,
            other => Self::Shared(other.into()),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, slug, title) = error.parts();
        match error {
            Error::Shared(problem) => problem,
            Error::OutcomeUnknown => {
                let mut problem = Self::new(status, slug, title, error.to_string());
                problem.retry_after_s = Some(1);
                problem
            }
            other => Self::new(status, slug, title, other.to_string()),
        }
    }
}

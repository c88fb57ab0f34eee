//! The codes of transfers that the port makes by itself, all in one place, because no two may mean the same:
//! histories and exports tell by them what a transfer was for.

/// A payer's money goes into an escrow.
pub(crate) const ESCROW_FUND: u16 = 65_001;
/// An escrow pays the payee.
pub(crate) const ESCROW_RELEASE: u16 = 65_002;
/// An escrow gives back to the payer.
pub(crate) const ESCROW_REFUND: u16 = 65_003;
/// What is in an escrow waits for who decides.
pub(crate) const ESCROW_DISPUTE: u16 = 65_004;
/// An escrow gives back to the payer, because nobody decided in time.
pub(crate) const ESCROW_EXPIRE: u16 = 65_005;

/// A payer pays into a provider's liquidity.
pub(crate) const EXCHANGE_PAY: u16 = 65_011;
/// A part of the fee is passed on.
pub(crate) const EXCHANGE_FEE: u16 = 65_012;
/// The payer gets what it bought.
pub(crate) const EXCHANGE_GIVE: u16 = 65_013;
/// The unit of which the payer got a fraction less goes to the rounding account.
pub(crate) const EXCHANGE_ROUND: u16 = 65_014;

/// What a processor took is credited to the payee.
pub(crate) const PAYMENT_TAKE: u16 = 65_021;
/// What is to leave is held, before a processor is asked.
pub(crate) const PAYMENT_HOLD: u16 = 65_022;
/// What was held has left.
pub(crate) const PAYMENT_PAY: u16 = 65_023;
/// What was held has not left.
pub(crate) const PAYMENT_RELEASE: u16 = 65_024;
/// What had left came back.
pub(crate) const PAYMENT_RETURN: u16 = 65_025;
/// What was taken went back to the payer, by its bank's will.
pub(crate) const PAYMENT_CHARGE_BACK: u16 = 65_026;
/// What had gone back by a bank's will came again.
pub(crate) const PAYMENT_REINSTATE: u16 = 65_027;

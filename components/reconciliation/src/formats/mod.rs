//! The formats that statements come in, and what is wanted of a file.
//!
//! - [`camt053`]: ISO 20022 BankToCustomerStatement.
//! - [`mt940`]: SWIFT MT940, Customer Statement Message.
//! - [`table`]: tables with columns that the user maps.

pub mod camt053;
pub mod mt940;
mod narrative;
pub mod table;

use crate::Error;
use crate::money::{Money, MoneyError};
use crate::statement::{self, Statement};

/// What is wanted of a file.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The account whose statements are read; none: the file has those of one account only.
    pub account: Option<&'a str>,
    /// The account's currency.
    pub currency: &'a str,
    /// How many decimal places a minor unit stands for.
    pub scale: u8,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The statements of the account, in the file's order.
    pub statements: Vec<Statement>,
    /// How many statements of other accounts were left out.
    pub left_out: u32,
}

impl Wanted<'_> {
    /// Whether a statement of this account and currency is read. One in a wrong currency is left
    /// out if it is of another account, and otherwise refused.
    fn takes(&self, account: &str, currency: &str) -> Result<bool, Error> {
        if self.account.is_some_and(|wanted| !same_account(wanted, account)) {
            return Ok(false);
        }
        if currency != self.currency {
            let (found, expected) = (currency.to_owned(), self.currency.to_owned());
            return Err(Error::WrongCurrency { found, expected });
        }
        Ok(true)
    }

    /// Reads an unsigned amount; `place` says where it stands.
    fn amount(&self, text: &str, separator: char, place: &str) -> Result<Money, Error> {
        Money::parse(text, separator, self.scale).map_err(|error| bad_amount(place, text, error))
    }
}

impl File {
    /// A file within its bounds, whose statements do not contradict themselves.
    fn checked(self) -> Result<Self, Error> {
        if self.left_out == 0 || !self.statements.is_empty() {
            statement::require_bounded(&self.statements)?;
        }
        self.statements.iter().try_for_each(Statement::require_balanced)?;
        Ok(self)
    }
}

/// Whether two ways to write an account mean the same one.
fn same_account(one: &str, other: &str) -> bool {
    let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    plain(one).eq_ignore_ascii_case(&plain(other))
}

fn bad_amount(place: &str, text: &str, error: MoneyError) -> Error {
    let shown: String = text.chars().take(40).collect();
    Error::Unreadable(format!("{place}: {shown:?} is no amount: {error}"))
}

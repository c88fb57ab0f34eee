//! Amounts with a sign, in minor units: what reaches an account is positive, what leaves it
//! negative. They are read from decimals without ever being floating-point numbers.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::iter::Sum;

/// The most digits that are read before the decimal separator, and after it. ISO 20022 allows 18
/// in all; the bound leaves sums of millions of lines far below 2^127.
const DIGITS_MAX: usize = 18;

/// An amount in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(pub i128);

/// Why a text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// It is not a decimal.
    #[error("it is not a decimal number")]
    Malformed,
    /// It has more digits than any amount.
    #[error("it has more than {DIGITS_MAX} digits on one side of its decimal separator")]
    TooLong,
    /// It has parts of a minor unit.
    #[error("it has more decimal places than the account's currency")]
    TooPrecise,
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Reads an unsigned decimal, such as `1234.50`, in units of 10^-`scale`.
    pub fn parse(text: &str, separator: char, scale: u8) -> Result<Self, MoneyError> {
        let (whole, fraction) = text.split_once(separator).unwrap_or((text, ""));
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) || (whole.is_empty() && fraction.is_empty()) {
            return Err(MoneyError::Malformed);
        }
        if whole.len() > DIGITS_MAX || fraction.len() > DIGITS_MAX {
            return Err(MoneyError::TooLong);
        }
        let scale = usize::from(scale);
        let (kept, rest) = fraction.split_at_checked(scale).unwrap_or((fraction, ""));
        if rest.bytes().any(|digit| digit != b'0') {
            return Err(MoneyError::TooPrecise);
        }
        let digits = format!("{whole}{kept:0<scale$}");
        digits.parse().map(Self).map_err(|_| MoneyError::TooLong)
    }

    /// The amount without its sign.
    pub fn size(self) -> u128 {
        self.0.unsigned_abs()
    }

    /// The amount with the other sign.
    #[must_use]
    pub fn negated(self) -> Self {
        Self(self.0.saturating_neg())
    }

    /// The sum, which stops at the ends of what fits: no sum of bounded amounts gets there.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::plus)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_read_to_the_minor_unit() {
        let cases =
            [("0", 2, 0), ("12", 2, 1200), ("12.3", 2, 1230), ("12.34", 2, 1234), ("12.3400", 2, 1234)];
        for (text, scale, expected) in cases {
            assert_eq!(Money::parse(text, '.', scale), Ok(Money(expected)), "{text}");
        }
        assert_eq!(Money::parse("1500,", ',', 0), Ok(Money(1500)));
        assert_eq!(Money::parse(",5", ',', 3), Ok(Money(500)));
        assert_eq!(Money::parse("999999999999999999.99", '.', 2), Ok(Money(99_999_999_999_999_999_999)));
    }

    #[test]
    fn what_is_no_amount_is_refused_for_its_reason() {
        for text in ["", ".", "-1", "+1", "1e3", "1,5", "1.2.3", "0x1", "١", "NaN", " 1"] {
            assert_eq!(Money::parse(text, '.', 2), Err(MoneyError::Malformed), "{text:?}");
        }
        assert_eq!(Money::parse("0.001", '.', 2), Err(MoneyError::TooPrecise));
        let huge = format!("1{}", "0".repeat(30));
        assert_eq!(Money::parse(&huge, '.', 2), Err(MoneyError::TooLong));
    }

    #[test]
    fn in_json_an_amount_is_a_string_with_its_sign() {
        assert_eq!(serde_json::to_string(&Money(-5)).ok().as_deref(), Some("\"-5\""));
        assert_eq!(serde_json::from_str::<Money>("\"-5\"").ok(), Some(Money(-5)));
        assert!(serde_json::from_str::<Money>("-5").is_err());
    }
}

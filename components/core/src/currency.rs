//! The currencies of ISO 4217, and how many decimal places their minor units stand for.

use iso_currency::Currency as Listed;
use std::fmt;
use std::str::FromStr;

/// A currency that ISO 4217 lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Currency(Listed);

/// No currency has this code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a currency is a code of ISO 4217: three capital letters, such as EUR")]
pub struct UnknownCurrency;

impl Currency {
    /// The alphabetic code.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many decimal places the minor unit stands for; none for what has no minor unit, such
    /// as gold (XAU).
    pub fn scale(self) -> Option<u8> {
        self.0.exponent().and_then(|exponent| u8::try_from(exponent).ok())
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(text: &str) -> Result<Self, UnknownCurrency> {
        Listed::from_code(text).map(Self).ok_or(UnknownCurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_those_of_the_table() {
        let table = [("EUR", Some(2)), ("JPY", Some(0)), ("KWD", Some(3)), ("CLF", Some(4)), ("XAU", None)];
        for (code, scale) in table {
            let currency: Currency = code.parse().expect(code);
            assert_eq!((currency.scale(), currency.to_string().as_str()), (scale, code));
        }
    }

    #[test]
    fn only_listed_codes_are_currencies() {
        for text in ["", "eur", "EURO", "ZZZ", "E R", "€"] {
            assert_eq!(text.parse::<Currency>(), Err(UnknownCurrency), "{text:?}");
        }
    }
}

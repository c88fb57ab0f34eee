//! `NUMERIC`: decimal numbers of any length, as text.
//!
//! PostgreSQL sends groups of four decimal digits, the weight of the first, a sign and how
//! many digits follow the point (`numeric_send` in its `numeric.c`). There is no limit
//! of 28 digits here as there is in Spin, where longer numbers are an error.

use bytes::{Buf, BufMut, BytesMut};
use std::error::Error;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;

/// How many digits PostgreSQL stores before the point.
const DIGITS_BEFORE_MAX: usize = 131_072;
/// How many it stores after it.
const DIGITS_AFTER_MAX: usize = 16_383;

/// A decimal number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Numeric {
    sign: u16,
    /// The power of 10,000 of the first group.
    weight: i16,
    /// Digits after the point.
    scale: u16,
    groups: Vec<u16>,
}

impl Numeric {
    fn special(sign: u16) -> Self {
        Self { sign, weight: 0, scale: 0, groups: Vec::new() }
    }

    /// Reads digits with an optional sign and point, or what PostgreSQL calls special values.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "nan" => return Some(Self::special(NAN)),
            "infinity" | "inf" => return Some(Self::special(INFINITY)),
            "-infinity" | "-inf" => return Some(Self::special(NEGATIVE_INFINITY)),
            _ => {}
        }
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (NEGATIVE, digits),
            None => (POSITIVE, text.strip_prefix('+').unwrap_or(text)),
        };
        let (before, after) = digits.split_once('.').unwrap_or((digits, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(before) || !is_digits(after) || (before.is_empty() && after.is_empty()) {
            return None;
        }
        let before = before.trim_start_matches('0');
        if before.len() > DIGITS_BEFORE_MAX || after.len() > DIGITS_AFTER_MAX {
            return None;
        }
        // Groups are counted from the point, so both sides are filled up with zeros.
        let padding = (4 - before.len() % 4) % 4;
        let padded: Vec<u8> = std::iter::repeat_n(b'0', padding)
            .chain(before.bytes())
            .chain(after.bytes())
            .chain(std::iter::repeat_n(b'0', (4 - after.len() % 4) % 4))
            .collect();
        let group = |digits: &[u8]| digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        let mut groups: Vec<u16> = padded.chunks(4).map(group).collect();
        let mut weight = i16::try_from((before.len() + padding) / 4).ok()? - 1;
        let leading = groups.iter().take_while(|group| **group == 0).count();
        groups.drain(..leading);
        weight -= i16::try_from(leading).ok()?;
        groups.truncate(groups.iter().rposition(|group| *group != 0).map_or(0, |at| at + 1));
        if groups.is_empty() {
            weight = 0;
        }
        Some(Self { sign, weight, scale: u16::try_from(after.len()).ok()?, groups })
    }

    fn group(&self, power: i32) -> u16 {
        let at = i32::from(self.weight) - power;
        usize::try_from(at).ok().and_then(|at| self.groups.get(at)).copied().unwrap_or(0)
    }

    /// As PostgreSQL prints it.
    pub(super) fn text(&self) -> String {
        match self.sign {
            NAN => return "NaN".to_owned(),
            INFINITY => return "Infinity".to_owned(),
            NEGATIVE_INFINITY => return "-Infinity".to_owned(),
            _ => {}
        }
        let mut text = String::new();
        for power in (0..=i32::from(self.weight).max(0)).rev() {
            text.push_str(&format!("{:04}", self.group(power)));
        }
        let before = text.trim_start_matches('0');
        let mut text = if before.is_empty() { "0".to_owned() } else { before.to_owned() };
        if self.scale > 0 {
            text.push('.');
            let end = text.len() + usize::from(self.scale);
            let mut power = -1;
            while text.len() < end {
                text.push_str(&format!("{:04}", self.group(power)));
                power -= 1;
            }
            text.truncate(end);
        }
        if self.sign == NEGATIVE && !self.groups.is_empty() {
            text.insert(0, '-');
        }
        text
    }
}

impl ToSql for Numeric {
    to_sql_checked!();

    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i16(i16::try_from(self.groups.len())?);
        out.put_i16(self.weight);
        out.put_u16(if self.groups.is_empty() && self.sign == NEGATIVE { POSITIVE } else { self.sign });
        out.put_u16(self.scale);
        for group in &self.groups {
            out.put_u16(*group);
        }
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::NUMERIC
    }
}

impl FromSql<'_> for Numeric {
    fn from_sql(_: &Type, mut raw: &[u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        if raw.len() < 8 {
            return Err("a NUMERIC is too short".into());
        }
        let count = usize::from(raw.get_u16());
        let (weight, sign, scale) = (raw.get_i16(), raw.get_u16(), raw.get_u16());
        if raw.len() != count * 2 {
            return Err("a NUMERIC has another length than it says".into());
        }
        let groups: Vec<u16> = (0..count).map(|_| raw.get_u16()).collect();
        if groups.iter().any(|group| *group > 9999) {
            return Err("a NUMERIC has a group of more than four digits".into());
        }
        Ok(Self { sign, weight, scale, groups })
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::NUMERIC
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(text: &str) -> String {
        let numeric = Numeric::parse(text).expect(text);
        let mut bytes = BytesMut::new();
        let _ = numeric.to_sql(&Type::NUMERIC, &mut bytes).expect(text);
        let read = Numeric::from_sql(&Type::NUMERIC, &bytes).expect(text);
        assert_eq!(read.text(), numeric.text());
        read.text()
    }

    #[test]
    fn a_number_is_the_same_after_the_way_through_its_binary_form() {
        for text in [
            "0",
            "1",
            "-1",
            "10000",
            "9999",
            "0.1",
            "-0.0001",
            "0.00001",
            "12345.6789",
            "1.50",
            "0.000000000001",
            "123456789012345678901234567890.123456789012345678901234567890",
            "100000000",
            "NaN",
            "Infinity",
            "-Infinity",
            "0.00",
            "10000.00001",
        ] {
            assert_eq!(round_trip(text), text);
        }
        assert_eq!(round_trip("+007.5"), "7.5");
        assert_eq!(round_trip(".5"), "0.5");
        assert_eq!(round_trip("5."), "5");
        assert_eq!(round_trip("-0"), "0");
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        for text in ["", ".", "-", "1e5", "1_000", "0x1", "1.2.3", "one", "--1", " 1", "١"] {
            assert_eq!(Numeric::parse(text), None, "{text}");
        }
        assert_eq!(Numeric::parse(&"1".repeat(DIGITS_BEFORE_MAX + 1)), None);
    }
}

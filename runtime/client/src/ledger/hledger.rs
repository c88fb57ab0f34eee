//! A journal for hledger (<https://hledger.org/1.25/hledger.html#journal-format>).
//!
//! An account is `assets:` and its owner, or `liabilities:issuance:` and the asset; a commodity is the
//! asset's name in quotes. What came from outside stands in tags of a transaction's comment, of which a
//! line is one: a tag ends at a comma or at the line's end, so both are escaped, and nothing in it is read
//! as anything else.

use super::book::{Asset, Book, balance, decimal};
use super::export::{Form, date, timestamp};
use super::walk::{Movement, Visitor};
use std::fmt::Write as _;
use std::io::Write;
use vwp_transactions::reference::id_text;

/// Writes such a journal.
pub(super) struct Hledger<W>(pub(super) W);

impl<W: Write> Form for Hledger<W> {
    fn begin(&mut self) -> anyhow::Result<()> {
        writeln!(self.0, "; Written by vwp ledger export.")?;
        Ok(writeln!(self.0, "decimal-mark .\n")?)
    }
}

impl<W: Write> Visitor for Hledger<W> {
    fn asset(&mut self, asset: &Asset, _: u32) -> anyhow::Result<()> {
        // The mark is there whatever the scale is: without it hledger cannot tell it from another one.
        let mark = if asset.scale == 0 { "." } else { "" };
        writeln!(self.0, "commodity {}{mark} {}", decimal(1_000, asset.scale), commodity(asset))?;
        Ok(writeln!(self.0)?)
    }

    fn movement(&mut self, movement: &Movement, book: &Book) -> anyhow::Result<()> {
        let Movement { id, origin, kind, position, time, day, from, to, amount, code, memo } = movement;
        let out = &mut self.0;
        writeln!(out, "{} * {}", date(*day), kind.name())?;
        writeln!(out, "    ; id: {}", id_text(*id))?;
        writeln!(out, "    ; position: {position}")?;
        writeln!(out, "    ; time: {}", timestamp(*time))?;
        if let Some(origin) = origin {
            writeln!(out, "    ; origin: {}", id_text(*origin))?;
        }
        if *code != 0 {
            writeln!(out, "    ; code: {code}")?;
        }
        if let Some(memo) = memo {
            writeln!(out, "    ; memo: {}", escaped(memo))?;
        }
        for (account, sign) in [(to, ""), (from, "-")] {
            let (account, asset) = book.account(*account)?;
            let number = decimal(*amount, asset.scale);
            writeln!(out, "    {}  {sign}{number} {}", name(&account.owner), commodity(asset))?;
        }
        Ok(writeln!(out)?)
    }

    fn balance(&mut self, account: u128, sums: (u128, u128), day: u32, book: &Book) -> anyhow::Result<()> {
        let (account, asset) = book.account(account)?;
        let (name, commodity) = (name(&account.owner), commodity(asset));
        writeln!(self.0, "account {name}")?;
        writeln!(self.0, "{} * balance", date(day))?;
        let held = balance(sums, asset.scale);
        Ok(writeln!(self.0, "    {name}  0 {commodity} = {held} {commodity}\n")?)
    }
}

/// The account's name there.
fn name(owner: &str) -> String {
    let (kind, rest) = owner.split_once(':').unwrap_or(("other", owner));
    let side = if kind == "issuance" { "liabilities" } else { "assets" };
    format!("{side}:{}:{}", plain(kind), plain(rest))
}

/// Names have few characters of ASCII. Others, which only the log of another program has, are escaped.
fn plain(text: &str) -> String {
    escaped_where(text, |character| !(character.is_ascii_alphanumeric() || "-_.@".contains(character)))
}

fn commodity(asset: &Asset) -> String {
    let is_special = |character| matches!(character, '"' | ';' | ',' | '%') || is_hidden(character);
    format!("\"{}\"", escaped_where(&asset.name, is_special))
}

/// A text as the value of a tag, with `%` and two hexadecimal digits for each byte that is not itself
/// (RFC 3986, section 2.1). Blanks at the ends would be lost.
fn escaped(text: &str) -> String {
    let inner = text.trim_matches(' ');
    let lead = text.len() - text.trim_start_matches(' ').len();
    let trail = (text.len() - inner.len()).saturating_sub(lead);
    let middle = escaped_where(inner, |character| matches!(character, ',' | '%') || is_hidden(character));
    format!("{}{middle}{}", "%20".repeat(lead), "%20".repeat(trail))
}

/// Whether a character ends a line, moves the cursor, or turns the direction of what follows.
pub(super) fn is_hidden(character: char) -> bool {
    let mut buffer = [0; 4];
    let text: &str = character.encode_utf8(&mut buffer);
    crate::output::plain(text) != text || matches!(character, '\u{2028}' | '\u{2029}')
}

fn escaped_where(text: &str, is_special: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_special(character) {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a text does not fail.
                let _ = write!(escaped, "%{byte:02X}");
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_wrote_stays_in_its_tag() {
        assert_eq!(escaped("two beers; [2020-01-01] a:b"), "two beers; [2020-01-01] a:b");
        assert_eq!(escaped("x, id: 7\n2020-01-01 y"), "x%2C id: 7%0A2020-01-01 y");
        assert_eq!(escaped("  50% "), "%20%2050%25%20");
        assert_eq!(escaped(" "), "%20");
        assert_eq!(escaped("\u{202e}\u{2028}ä"), "%E2%80%AE%E2%80%A8ä");
    }

    #[test]
    fn accounts_and_commodities_are_named_after_owners_and_assets() {
        assert_eq!(name("traveller:Js-Sc_v"), "assets:traveller:Js-Sc_v");
        assert_eq!(name("issuance:gold@arena"), "liabilities:issuance:gold@arena");
        assert_eq!(name("other:a  b;c"), "assets:other:a%20%20b%3Bc");
        let asset = |name: &str| Asset { id: 1, name: name.to_owned(), title: String::new(), scale: 2 };
        assert_eq!(commodity(&asset("gold@arena")), "\"gold@arena\"");
        assert_eq!(commodity(&asset("a\"b")), "\"a%22b\"");
    }
}

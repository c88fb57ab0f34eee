//! A journal for Beancount 2 and 3 (<https://beancount.github.io/docs/beancount_language_syntax.html>).
//!
//! Accounts and currencies have few characters there, so names are written so that no two become one. What
//! came from outside stands in strings, whose quotes and backslashes are escaped.

use super::book::{Asset, Book, balance, decimal};
use super::export::{Form, date, timestamp};
use super::hledger::is_hidden;
use super::walk::{Movement, Visitor};
use anyhow::ensure;
use std::fmt::Write as _;
use std::io::Write;
use vwp_transactions::reference::id_text;

/// Beancount counts with as many digits, and rounds what has more.
const DIGITS_MAX: u32 = 28;
/// The longest name of a currency.
const CURRENCY_LENGTH_MAX: usize = 24;
/// How many digits of an asset's id name its currency, if its own name cannot.
const ID_DIGITS: usize = 20;

/// Writes such a journal.
pub(super) struct Beancount<W>(pub(super) W);

impl<W: Write> Form for Beancount<W> {
    fn begin(&mut self) -> anyhow::Result<()> {
        writeln!(self.0, "; Written by vwp ledger export.")?;
        Ok(writeln!(self.0, "option \"title\" \"The ledger of a VirtualWorldPort\"\n")?)
    }
}

impl<W: Write> Visitor for Beancount<W> {
    fn asset(&mut self, asset: &Asset, day: u32) -> anyhow::Result<()> {
        writeln!(self.0, "{} commodity {}", date(day), currency(asset))?;
        writeln!(self.0, "  asset: {}", string(&asset.name))?;
        writeln!(self.0, "  scale: {}", asset.scale)?;
        if !asset.title.is_empty() {
            writeln!(self.0, "  name: {}", string(&asset.title))?;
        }
        Ok(writeln!(self.0)?)
    }

    fn movement(&mut self, movement: &Movement, book: &Book) -> anyhow::Result<()> {
        let Movement { id, origin, kind, position, time, day, from, to, amount, code, memo } = movement;
        let out = &mut self.0;
        let narration = string(memo.as_deref().unwrap_or_default());
        write!(out, "{} * \"{}\" {narration} ^{}", date(*day), kind.name(), id_text(*id))?;
        // Who looks for a link finds what it is on: a transfer, and all that followed it.
        if let Some(origin) = origin {
            write!(out, " ^{}", id_text(*origin))?;
        }
        writeln!(out, "\n  id: \"{}\"", id_text(*id))?;
        writeln!(out, "  position: {position}")?;
        writeln!(out, "  time: \"{}\"", timestamp(*time))?;
        if let Some(origin) = origin {
            writeln!(out, "  origin: \"{}\"", id_text(*origin))?;
        }
        if *code != 0 {
            writeln!(out, "  code: {code}")?;
        }
        if let Some(memo) = memo {
            writeln!(out, "  memo: {}", string(memo))?;
        }
        for (account, sign) in [(to, ""), (from, "-")] {
            let (account, asset) = book.account(*account)?;
            let number = decimal(*amount, asset.scale);
            writeln!(out, "  {}  {sign}{number} {}", name(&account.owner, asset), currency(asset))?;
        }
        Ok(writeln!(out)?)
    }

    fn balance(&mut self, account: u128, sums: (u128, u128), day: u32, book: &Book) -> anyhow::Result<()> {
        let (account, asset) = book.account(account)?;
        ensure!(
            sums.0.max(sums.1) < 10_u128.pow(DIGITS_MAX),
            "more of {} has moved on {} than Beancount counts exactly, which is {DIGITS_MAX} digits",
            asset.name,
            account.owner
        );
        let (name, currency) = (name(&account.owner, asset), currency(asset));
        writeln!(self.0, "{} open {name}  {currency}", date(account.first_day.unwrap_or(day)))?;
        // A balance is that of the day's beginning.
        let (day, held) = (date(day.saturating_add(1)), balance(sums, asset.scale));
        // Without a tolerance a minor unit more or less would do.
        Ok(writeln!(self.0, "{day} balance {name}  {held} ~ 0 {currency}\n")?)
    }
}

/// The account's name there: what its owner is, the owner, and the asset.
fn name(owner: &str, asset: &Asset) -> String {
    match owner.split_once(':') {
        Some(("issuance", asset)) => format!("Liabilities:Issuance:{}", component(asset)),
        Some((kind, rest)) => {
            format!("Assets:{}:{}:{}", component(kind), component(rest), component(&asset.name))
        }
        None => format!("Assets:Other:{}:{}", component(owner), component(&asset.name)),
    }
}

/// A part of an account's name: a capital letter or a digit, and then letters, digits and hyphens. What
/// is none of these begins with a hyphen, and so does what stands for a hyphen. A text that begins with
/// anything but a digit or a lower-case letter before `x` has an `X` before it.
fn component(text: &str) -> String {
    let mut component = String::with_capacity(text.len() + 1);
    if !text.starts_with(|first: char| matches!(first, '0'..='9' | 'a'..='w')) {
        component.push('X');
    }
    for character in text.chars() {
        match character {
            _ if component.is_empty() => component.push(character.to_ascii_uppercase()),
            '-' => component.push_str("--"),
            '_' => component.push_str("-u"),
            _ if character.is_ascii_alphanumeric() => component.push(character),
            _ => {
                // Writing to a text does not fail.
                let _ = write!(component, "-x{:x}-", u32::from(character));
            }
        }
    }
    component
}

/// The currency's name there: `GOLD.ARENA` for `gold@arena`. A name that is not of this form, or too long, is
/// the beginning of the asset's id, which has no dot.
fn currency(asset: &Asset) -> String {
    let is_plain = |character: char| matches!(character, 'a'..='z' | '0'..='9' | '-' | '.');
    let named = asset.name.split_once('@').filter(|(code, world)| {
        let fits = asset.name.len() <= CURRENCY_LENGTH_MAX && world.chars().all(is_plain);
        // One character alone, and a mark at the end, are no currency.
        let ends = world.ends_with(|last: char| last.is_ascii_alphanumeric());
        let begins = code.starts_with(|first: char| first.is_ascii_lowercase());
        fits && ends && begins && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    match named {
        Some((code, world)) => format!("{code}.{world}").to_ascii_uppercase(),
        None => format!("X{}", id_text(asset.id)[..ID_DIGITS].to_ascii_uppercase()),
    }
}

/// A text as a string. What a terminal would obey is replaced: there is no way to write it.
fn string(text: &str) -> String {
    let mut string = String::with_capacity(text.len() + 2);
    string.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => string.extend(['\\', character]),
            _ if is_hidden(character) => string.push('\u{fffd}'),
            _ => string.push(character),
        }
    }
    string.push('"');
    string
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset(name: &str) -> Asset {
        Asset { id: 0xabc << 100, name: name.to_owned(), title: String::new(), scale: 2 }
    }

    #[test]
    fn what_a_stranger_wrote_stays_in_its_string() {
        assert_eq!(string("two beers"), "\"two beers\"");
        assert_eq!(
            string("\"\n2020-01-01 close Assets:X \\"),
            "\"\\\"\u{fffd}2020-01-01 close Assets:X \\\\\""
        );
    }

    #[test]
    fn two_accounts_never_get_one_name() {
        let gold = asset("gold@arena");
        assert_eq!(name("world:my-inn", &gold), "Assets:World:My--inn:Gold-x40-arena");
        assert_eq!(name("issuance:gold@arena", &gold), "Liabilities:Issuance:Gold-x40-arena");
        let owners = [
            "a", "A", "-", "_", "--", "-u", "u", "Xa", "xa", "X", "x", "xA", "a-b", "a_b", "a--b", "a-ub",
            "a.b",
        ];
        let names: std::collections::BTreeSet<String> =
            owners.iter().map(|id| name(&format!("traveller:{id}"), &gold)).collect();
        assert_eq!(names.len(), owners.len(), "{names:?}");
        assert!(names.iter().all(|name| name.starts_with("Assets:Traveller:")));
    }

    #[test]
    fn two_assets_never_get_one_currency() {
        assert_eq!(currency(&asset("gold@arena")), "GOLD.ARENA");
        assert_eq!(currency(&asset("gold@my-inn.example")), "GOLD.MY-INN.EXAMPLE");
        for other in ["1gold@arena", "gold@a-world-of-a-long-name", "EUR", "gold"] {
            assert_eq!(currency(&asset(other)), "X0000ABC0000000000000", "{other}");
        }
    }
}

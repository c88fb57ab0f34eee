//! A table for spreadsheets (CSV, RFC 4180), and records for programs (JSON, one object a line).

use super::book::{Asset, Book, balance, decimal};
use super::export::{Form, date, timestamp};
use super::walk::{Movement, Visitor};
use serde_json::json;
use std::io::Write;
use vwp_transactions::reference::id_text;

/// The columns of the table.
const COLUMNS: [&str; 13] = [
    "date",
    "time",
    "position",
    "transfer_id",
    "kind",
    "origin",
    "from",
    "to",
    "asset",
    "amount",
    "minor_units",
    "code",
    "memo",
];

/// Writes a row for each transfer.
pub(super) struct Csv<W: Write>(csv::Writer<W>);

impl<W: Write> Csv<W> {
    pub(super) fn new(out: W) -> Self {
        Self(csv::Writer::from_writer(out))
    }
}

impl<W: Write> Form for Csv<W> {
    fn begin(&mut self) -> anyhow::Result<()> {
        Ok(self.0.write_record(COLUMNS)?)
    }

    fn end(&mut self) -> anyhow::Result<()> {
        Ok(self.0.flush()?)
    }
}

impl<W: Write> Visitor for Csv<W> {
    fn asset(&mut self, _: &Asset, _: u32) -> anyhow::Result<()> {
        Ok(())
    }

    fn movement(&mut self, movement: &Movement, book: &Book) -> anyhow::Result<()> {
        let ((from, asset), (to, _)) = (book.account(movement.from)?, book.account(movement.to)?);
        Ok(self.0.write_record([
            date(movement.day),
            timestamp(movement.time),
            movement.position.to_string(),
            id_text(movement.id),
            movement.kind.name().to_owned(),
            movement.origin.map(id_text).unwrap_or_default(),
            from.owner.clone(),
            to.owner.clone(),
            asset.name.clone(),
            decimal(movement.amount, asset.scale),
            movement.amount.to_string(),
            if movement.code == 0 { String::new() } else { movement.code.to_string() },
            cell(movement.memo.as_deref().unwrap_or_default()),
        ])?)
    }

    fn balance(&mut self, _: u128, _: (u128, u128), _: u32, _: &Book) -> anyhow::Result<()> {
        Ok(())
    }
}

/// A text from outside as a cell. Spreadsheets calculate what begins with one of these, so an apostrophe
/// comes before it.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    if is_formula { format!("'{text}") } else { text.to_owned() }
}

/// Writes an object a line: assets, transfers, and at the end a balance for each account.
pub(super) struct Json<W>(pub(super) W);

impl<W: Write> Form for Json<W> {}

impl<W: Write> Visitor for Json<W> {
    fn asset(&mut self, asset: &Asset, day: u32) -> anyhow::Result<()> {
        let record = json!({
            "record": "asset", "asset": asset.name, "title": asset.title, "scale": asset.scale,
            "date": date(day),
        });
        Ok(writeln!(self.0, "{record}")?)
    }

    fn movement(&mut self, movement: &Movement, book: &Book) -> anyhow::Result<()> {
        let ((from, asset), (to, _)) = (book.account(movement.from)?, book.account(movement.to)?);
        let mut record = json!({
            "record": "transfer",
            "date": date(movement.day),
            "time": movement.time,
            "position": movement.position,
            "transfer_id": id_text(movement.id),
            "kind": movement.kind,
            "from": from.owner,
            "to": to.owner,
            "asset": asset.name,
            "amount": movement.amount.to_string(),
            "decimal": decimal(movement.amount, asset.scale),
        });
        if let Some(origin) = movement.origin {
            record["origin"] = json!(id_text(origin));
        }
        if movement.code != 0 {
            record["code"] = json!(movement.code);
        }
        if let Some(memo) = &movement.memo {
            record["memo"] = json!(memo);
        }
        Ok(writeln!(self.0, "{record}")?)
    }

    fn balance(&mut self, account: u128, sums: (u128, u128), day: u32, book: &Book) -> anyhow::Result<()> {
        let (account, asset) = book.account(account)?;
        let record = json!({
            "record": "balance", "owner": account.owner, "asset": asset.name, "date": date(day),
            "debits": sums.0.to_string(), "credits": sums.1.to_string(),
            "decimal": balance(sums, asset.scale),
        });
        Ok(writeln!(self.0, "{record}")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_calculated() {
        for memo in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"] {
            assert!(cell(memo).starts_with('\''));
        }
        assert_eq!(cell("a=1"), "a=1");
    }
}

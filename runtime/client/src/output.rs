//! What a command prints: tables for people, or the port's own JSON for programs, one
//! object per line.

use anyhow::Context;
use clap::Args;
use comfy_table::{Table, presets};
use serde_json::Value;
use std::io::{ErrorKind, Write};

/// What stands in a table where there is nothing.
const NOTHING: &str = "-";
/// The longest cell of a table, in characters.
const CELL_LENGTH_MAX: usize = 120;

/// In which form a command prints.
#[derive(Debug, Clone, Copy, Args)]
pub struct OutputArguments {
    /// Print the port's JSON, one object per line, instead of a table
    #[arg(long)]
    pub json: bool,
}

/// A column of a table: its heading, and what it shows of a row.
pub type Column<'a> = (&'a str, fn(&Value) -> String);

impl OutputArguments {
    /// Prints rows: as they are, or in columns.
    pub fn rows(self, rows: &[Value], columns: &[Column<'_>]) -> anyhow::Result<()> {
        if self.json {
            return rows.iter().try_for_each(|row| line(&row.to_string()));
        }
        if rows.is_empty() {
            return Ok(());
        }
        let mut table = plain_table();
        table.set_header(columns.iter().map(|(heading, _)| *heading));
        for row in rows {
            table.add_row(columns.iter().map(|(_, shown)| cell(&shown(row))));
        }
        line(&trimmed(&table))
    }

    /// Prints one thing: as it is, or a line for each of its members. `left_out` are
    /// members that are of no use to a person.
    pub fn thing(self, thing: &Value, left_out: &[&str]) -> anyhow::Result<()> {
        if self.json {
            return line(&thing.to_string());
        }
        let mut table = plain_table();
        for (name, value) in thing.as_object().into_iter().flatten() {
            if !left_out.contains(&name.as_str()) {
                table.add_row([cell(name), lines(value)]);
            }
        }
        line(&trimmed(&table))
    }
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table
}

/// The table without the blanks that pad it.
fn trimmed(table: &Table) -> String {
    // The preset leaves one blank before the first column and many after the last.
    let lines = table.lines().map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// Prints a line. Who stops reading, as `head` does, has seen enough.
pub fn line(text: &str) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    match writeln!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        written => written.context("standard output"),
    }
}

/// The member of a value at a path such as `/live/users`, as a cell.
pub fn at(value: &Value, path: &str) -> String {
    value.pointer(path).map_or_else(|| NOTHING.to_owned(), short)
}

/// A value in one line.
pub fn short(value: &Value) -> String {
    match value {
        Value::Null => NOTHING.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => NOTHING.to_owned(),
        Value::Array(items) => items.iter().map(short).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            let shown = members.iter().map(|(name, value)| match value {
                Value::Object(_) | Value::Array(_) => format!("{name}=({})", short(value)),
                _ => format!("{name}={}", short(value)),
            });
            shown.collect::<Vec<_>>().join(" ")
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A value in as many lines as it has parts.
fn lines(value: &Value) -> String {
    match value {
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().map(|item| plain(&short(item))).collect::<Vec<_>>().join("\n")
        }
        _ => plain(&short(value)),
    }
}

fn cell(text: &str) -> String {
    let text = plain(text);
    if text.chars().count() <= CELL_LENGTH_MAX {
        return text;
    }
    let kept: String = text.chars().take(CELL_LENGTH_MAX - 1).collect();
    format!("{kept}…")
}

/// A text as a terminal may show it. What strangers wrote must not move the cursor, colour
/// the screen or turn the direction of what follows.
pub fn plain(text: &str) -> String {
    let is_shown = |character: char| {
        let turns =
            matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        !character.is_control() && !turns
    };
    text.chars().map(|character| if is_shown(character) { character } else { '\u{fffd}' }).collect()
}

/// A span of time in its largest unit.
pub fn span(seconds: u64) -> String {
    let (number, unit) = match seconds {
        0..60 => (seconds, "s"),
        60..3600 => (seconds / 60, "min"),
        3600..86400 => (seconds / 3600, "h"),
        _ => (seconds / 86400, "d"),
    };
    format!("{number} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_strangers_wrote_does_not_reach_the_terminals_controls() {
        assert_eq!(plain("a\u{1b}[31mb\u{9b}c\nd\u{202e}e"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d\u{fffd}e");
        assert_eq!(plain("Grüße, 世界"), "Grüße, 世界");
    }

    #[test]
    fn a_value_is_shown_in_one_line() {
        let value = json!({"host": "a.example", "none": null, "port": 7, "tags": ["x", "y"]});
        assert_eq!(short(&value), "host=a.example none=- port=7 tags=(x, y)");
        assert_eq!(at(&value, "/tags/1"), "y");
        assert_eq!(at(&value, "/tags/2"), "-");
    }

    #[test]
    fn a_long_cell_is_cut_short() {
        assert_eq!(cell(&"x".repeat(500)).chars().count(), CELL_LENGTH_MAX);
    }

    #[test]
    fn columns_line_up_whatever_script_they_are_in() {
        let mut table = plain_table();
        table.set_header(["NAME", "TITLE"]);
        table.add_row(["a", "世界"]);
        table.add_row(["longer", "b"]);
        assert_eq!(trimmed(&table), "NAME    TITLE\na       世界\nlonger  b");
    }

    #[test]
    fn a_span_is_shown_in_its_largest_unit() {
        for (seconds, shown) in [(59, "59 s"), (60, "1 min"), (7200, "2 h"), (86400, "1 d")] {
            assert_eq!(span(seconds), shown);
        }
    }
}

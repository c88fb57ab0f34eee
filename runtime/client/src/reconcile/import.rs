//! `vwp reconcile import`: statements from files.

use super::SourceArguments;
use crate::input;
use crate::output::{Column, at};
use crate::port::Body;
use clap::{Args, ValueEnum};
use miniz_oxide::deflate::compress_to_vec_zlib;
use serde_json::Value;
use std::path::PathBuf;
use ureq::http::Method;

/// The longest file, in bytes: what a port takes.
const FILE_LENGTH_MAX: usize = 4 * 1024 * 1024;
/// A longer file is sent compressed.
const PLAIN_LENGTH_MAX: usize = 256 * 1024;
/// How hard it is compressed, of 10.
const COMPRESSION: u8 = 6;
/// Within how many bytes a file shows what it is.
const HEAD_LENGTH: usize = 4096;

const COLUMNS: &[Column<'_>] = &[
    ("FILE", |imported| at(imported, "/file")),
    ("STATEMENT", |imported| at(imported, "/statement")),
    ("FROM", |imported| at(imported, "/from")),
    ("TO", |imported| at(imported, "/to")),
    ("LINES", |imported| at(imported, "/lines")),
    ("NEW", |imported| at(imported, "/new")),
    ("PENDING", |imported| at(imported, "/pending")),
];

/// What `vwp reconcile import` is given.
#[derive(Debug, Args)]
pub struct ImportArguments {
    #[command(flatten)]
    source: SourceArguments,
    /// The files, or - for the standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// What the files are, if that is not to be found out from what they begin with
    #[arg(long)]
    format: Option<Format>,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// ISO 20022 camt.053
    Camt053,
    /// SWIFT MT940
    Mt940,
    /// A table, as the source maps it
    Csv,
}

impl Format {
    fn media_type(self) -> &'static str {
        match self {
            Self::Camt053 => "application/xml",
            Self::Mt940 => "application/vnd.swift.mt940",
            Self::Csv => "text/csv",
        }
    }

    /// What a file is by what it begins with.
    fn of(bytes: &[u8]) -> Self {
        let head = String::from_utf8_lossy(bytes.get(..HEAD_LENGTH.min(bytes.len())).unwrap_or_default());
        // UTF-16 has zeros among the letters.
        let head: String = head.chars().filter(|character| !matches!(character, '\0' | '\u{feff}')).collect();
        let is_mt940 = head.lines().any(|line| line.starts_with(":20:") || line.contains("{4::20:"))
            && head.contains(":25:");
        if head.trim_start_matches('\u{fffd}').trim_start().starts_with('<') {
            Self::Camt053
        } else if is_mt940 {
            Self::Mt940
        } else {
            Self::Csv
        }
    }
}

pub(super) fn run(arguments: &ImportArguments) -> anyhow::Result<()> {
    let port = arguments.source.caller.port()?;
    let path = arguments.source.path("/statements");
    let mut rows = Vec::new();
    let mut left_out = 0;
    for file in &arguments.files {
        let bytes = input::read(file, FILE_LENGTH_MAX)?;
        let format = arguments.format.unwrap_or_else(|| Format::of(&bytes));
        let compressed = (bytes.len() > PLAIN_LENGTH_MAX).then(|| compress_to_vec_zlib(&bytes, COMPRESSION));
        let body = Body {
            media_type: format.media_type(),
            bytes: compressed.as_deref().unwrap_or(&bytes),
            // RFC 9110, section 8.4.1.2: what is called deflate is the zlib format.
            coding: compressed.is_some().then_some("deflate"),
        };
        let mut imported: Value = port.json(&Method::POST, &path, Some(body))?;
        left_out += imported.get("left_out").and_then(Value::as_u64).unwrap_or(0);
        if let Some(Value::Array(statements)) = imported.get_mut("statements").map(Value::take) {
            rows.extend(statements.into_iter().map(|mut statement| {
                if let Some(members) = statement.as_object_mut() {
                    members.insert("file".to_owned(), file.display().to_string().into());
                }
                statement
            }));
        }
    }
    if left_out > 0 {
        eprintln!("Statements of other accounts were left out: {left_out}");
    }
    arguments.source.output.rows(&rows, COLUMNS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_what_it_begins_with() {
        assert_eq!(Format::of(b"\xef\xbb\xbf<?xml version"), Format::Camt053);
        assert_eq!(Format::of(b"\xff\xfe<\0?\0x\0"), Format::Camt053);
        assert_eq!(Format::of(b"\r\n:20:STARTUMS\r\n:25:1/2\r\n"), Format::Mt940);
        assert_eq!(Format::of(b"{1:F01X}{4:\r\n:20:X\r\n:25:1/2\r\n"), Format::Mt940);
        assert_eq!(Format::of(b"day;amount\n"), Format::Csv);
        assert_eq!(Format::of(b""), Format::Csv);
    }
}

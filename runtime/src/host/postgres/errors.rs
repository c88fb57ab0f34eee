//! What a guest is told of an error.
//!
//! The texts are those of the driver and of the server. Neither repeats the address: the
//! driver names the user at the most, and the server what the guest itself has sent.

use super::wit::{DbError, Error, QueryError};
use std::error::Error as _;
use std::fmt::Write;

pub(super) fn connection(text: impl Into<String>) -> Error {
    Error::ConnectionFailed(text.into())
}

/// The server answered with an error, or could not be asked.
pub(super) fn query(error: &tokio_postgres::Error) -> Error {
    let as_text = chain(error);
    let Some(db) = error.as_db_error() else { return text(as_text) };
    let line = db.line().map(|line| line.to_string());
    let extras = [
        ("column", db.column()),
        ("constraint", db.constraint()),
        ("routine", db.routine()),
        ("hint", db.hint()),
        ("table", db.table()),
        ("datatype", db.datatype()),
        ("schema", db.schema()),
        ("file", db.file()),
        ("line", line.as_deref()),
        ("where_", db.where_()),
    ];
    Error::QueryFailed(QueryError::DbError(DbError {
        as_text,
        severity: db.severity().to_owned(),
        code: db.code().code().to_owned(),
        message: db.message().to_owned(),
        detail: db.detail().map(str::to_owned),
        extras: extras
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect(),
    }))
}

/// A query failed for a reason of the host's.
pub(super) fn text(text: impl Into<String>) -> Error {
    Error::QueryFailed(QueryError::Text(text.into()))
}

/// An error with what caused it.
pub(super) fn chain(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

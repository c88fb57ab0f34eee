//! What an error of a database says about the statement: by SQLite's texts, which are
//! all that Spin passes on, and by PostgreSQL's SQLSTATE. What is not understood is
//! [`DatabaseError::Unknown`], which costs a look into the database and is always right.

use crate::DatabaseError;

/// Texts of SQLite (`sqlite3ErrStr` and the constraint messages) after which the
/// statement was undone, and may apply when it is run again.
const SQLITE_NOT_APPLIED: [&str; 6] = [
    "database is locked",
    "database table is locked",
    "database schema is locked",
    "database schema has changed",
    "UNIQUE constraint failed",
    "too many connections opened",
];

/// Texts of SQLite after which running the same again is of no use.
const SQLITE_REFUSED: [&str; 10] = [
    "no such table",
    "no such column",
    "no such function",
    "syntax error",
    "not authorized",
    "readonly database",
    "unable to open database file",
    "file is not a database",
    "database or disk is full",
    "string or blob too big",
];

/// An error that SQLite describes by this text.
pub fn sqlite(text: &str) -> DatabaseError {
    let says = |known: &&str| text.contains(*known);
    if SQLITE_NOT_APPLIED.iter().any(says) {
        DatabaseError::NotApplied(text.to_owned())
    } else if SQLITE_REFUSED.iter().any(says) {
        DatabaseError::Refused(text.to_owned())
    } else {
        DatabaseError::Unknown(text.to_owned())
    }
}

/// An error that PostgreSQL reports with this SQLSTATE.
/// See <https://www.postgresql.org/docs/15/errcodes-appendix.html>.
///
/// The server undoes a statement that it reports an ERROR for. The exceptions are the
/// codes that say so themselves, and those of a server that ends the connection, which
/// may come after the statement was committed.
pub fn postgres(code: &str, message: &str) -> DatabaseError {
    let text = format!("{code}: {message}");
    match code {
        // statement_completion_unknown; CockroachDB's ambiguous result.
        "40003" => DatabaseError::Unknown(text),
        // unique_violation, and what racing creators of one table run into.
        "23505" | "42P07" | "42710" | "55P03" => DatabaseError::NotApplied(text),
        // internal_error: in the catalogue, "tuple concurrently updated".
        "XX000" if message.contains("concurrently") => DatabaseError::NotApplied(text),
        _ => match code.get(..2) {
            // transaction_rollback: serialization failure, deadlock.
            Some("40") => DatabaseError::NotApplied(text),
            // Of the statement, the data, the access, the feature.
            Some("22" | "23" | "28" | "3D" | "3F" | "42" | "0A") => DatabaseError::Refused(text),
            _ => DatabaseError::Unknown(text),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_or_raced_database_did_not_apply() {
        for text in ["database is locked", "UNIQUE constraint failed: vwp_kv.key, vwp_kv.version"] {
            assert!(matches!(sqlite(text), DatabaseError::NotApplied(_)), "{text}");
        }
        for code in ["23505", "40001", "40P01", "42P07"] {
            assert!(matches!(postgres(code, ""), DatabaseError::NotApplied(_)), "{code}");
        }
    }

    #[test]
    fn what_will_never_apply_is_refused() {
        for text in ["no such table: vwp_kv", "attempt to write a readonly database"] {
            assert!(matches!(sqlite(text), DatabaseError::Refused(_)), "{text}");
        }
        for code in ["42P01", "42601", "28P01"] {
            assert!(matches!(postgres(code, ""), DatabaseError::Refused(_)), "{code}");
        }
    }

    #[test]
    fn what_is_not_understood_is_unknown() {
        for text in ["disk I/O error", "internal runtime error", ""] {
            assert!(matches!(sqlite(text), DatabaseError::Unknown(_)), "{text}");
        }
        for code in ["40003", "57P01", "08006", "XX000", "", "é"] {
            assert!(matches!(postgres(code, ""), DatabaseError::Unknown(_)), "{code}");
        }
    }
}

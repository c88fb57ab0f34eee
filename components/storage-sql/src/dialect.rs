//! The few expressions in which the databases differ, and statements built of them.

use crate::Value;

/// Which SQL a database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite, from 3.41 on.
    Sqlite,
    /// PostgreSQL, and what speaks its protocol.
    Postgres,
}

impl Dialect {
    fn pick(self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite => sqlite,
            Self::Postgres => postgres,
        }
    }

    /// The type of bytes.
    pub(crate) fn bytes_type(self) -> &'static str {
        self.pick("BLOB", "BYTEA")
    }

    /// What ends the definition of a table that is read by its primary key: SQLite then
    /// keeps one tree instead of two.
    pub(crate) fn keyed_table(self) -> &'static str {
        self.pick(" WITHOUT ROWID", "")
    }

    /// No bytes: the key of head rows.
    pub(crate) fn no_bytes(self) -> &'static str {
        self.pick("x''", "''::bytea")
    }

    /// The larger of two values.
    pub(crate) fn greatest(self) -> &'static str {
        self.pick("max", "greatest")
    }

    /// `prefix`, an integer as eight big-endian bytes, and `suffix`. SQLite joins blobs
    /// byte by byte, but calls the result text.
    pub(crate) fn joined(self, prefix: &str, integer: &str, suffix: &str) -> String {
        match self {
            Self::Sqlite => {
                format!("CAST({prefix} || unhex(printf('%016X', {integer})) || {suffix} AS BLOB)")
            }
            Self::Postgres => format!("{prefix} || int8send({integer}) || {suffix}"),
        }
    }

    /// Joins each row of `table` with the newest row of its `key`, as `v`, in the order of
    /// `table` and only as far as rows are asked for. PostgreSQL might otherwise read all
    /// keys to join them, and SQLite might begin at the other end.
    pub(crate) fn with_newest(self, table: &str) -> String {
        match self {
            Self::Sqlite => format!(
                "{table} CROSS JOIN vwp_kv v ON v.key = {table}.key AND v.version = \
                 (SELECT max(n.version) FROM vwp_kv n WHERE n.key = {table}.key)"
            ),
            Self::Postgres => format!(
                "{table} CROSS JOIN LATERAL (SELECT n.key, n.version, n.value, n.expires_at \
                 FROM vwp_kv n WHERE n.key = {table}.key ORDER BY n.version DESC LIMIT 1) v"
            ),
        }
    }

    /// Ensures that the rows of an insertion come in this order: head row first, so that
    /// two commits wait for each other at one place and never in a circle. SQLite has one
    /// writer, which waits for nobody.
    pub(crate) fn insertion_order(self, column: &str) -> String {
        match self {
            Self::Sqlite => String::new(),
            Self::Postgres => format!(" ORDER BY {column}"),
        }
    }
}

/// One SQL statement and its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    dialect: Dialect,
    /// The text, with numbered places for the parameters.
    pub text: String,
    /// The parameters, in the order of their numbers.
    pub parameters: Vec<Value>,
}

impl Statement {
    /// A statement that starts with this text.
    pub fn new(dialect: Dialect, text: impl Into<String>) -> Self {
        Self { dialect, text: text.into(), parameters: Vec::new() }
    }

    /// The SQL that it is written in.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Adds text.
    pub(crate) fn sql(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// Adds the place of a parameter of bytes.
    pub(crate) fn bytes(self, value: &[u8]) -> Self {
        self.place(Value::Bytes(value.to_vec()), "bytea")
    }

    /// Adds the place of a parameter of bytes that may be absent.
    pub(crate) fn bytes_or_null(self, value: Option<&[u8]>) -> Self {
        self.place(value.map_or(Value::Null, |value| Value::Bytes(value.to_vec())), "bytea")
    }

    /// Adds the place of an integer. What does not fit in 63 bits becomes the largest
    /// that does: no version or time in the database is as large.
    pub(crate) fn integer(self, value: u64) -> Self {
        self.signed(i64::try_from(value).unwrap_or(i64::MAX))
    }

    /// Adds the place of an integer that may be absent.
    pub(crate) fn integer_or_null(self, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.integer(value),
            None => self.place(Value::Null, "bigint"),
        }
    }

    /// Adds the place of a signed integer.
    pub(crate) fn signed(self, value: i64) -> Self {
        self.place(Value::Integer(value), "bigint")
    }

    /// Adds the place of a text.
    pub(crate) fn text(self, value: &str) -> Self {
        self.place(Value::Text(value.to_owned()), "text")
    }

    /// PostgreSQL is told each parameter's type, because it cannot infer it in a list of
    /// values; SQLite has types for values only.
    fn place(mut self, value: Value, kind: &str) -> Self {
        self.parameters.push(value);
        let number = self.parameters.len().to_string();
        match self.dialect {
            Dialect::Sqlite => self.text.extend(["?", &number]),
            Dialect::Postgres => self.text.extend(["$", &number, "::", kind]),
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_and_typed_as_the_dialect_needs() {
        let build = |dialect| {
            let statement = Statement::new(dialect, "SELECT ").bytes(b"k").sql(", ").integer_or_null(None);
            statement.sql(", ").text("t").sql(", ").integer(u64::MAX)
        };
        let sqlite = build(Dialect::Sqlite);
        assert_eq!(sqlite.text, "SELECT ?1, ?2, ?3, ?4");
        assert_eq!(build(Dialect::Postgres).text, "SELECT $1::bytea, $2::bigint, $3::text, $4::bigint");
        let expected =
            [Value::Bytes(b"k".to_vec()), Value::Null, Value::Text("t".into()), Value::Integer(i64::MAX)];
        assert_eq!(sqlite.parameters, expected);
    }
}

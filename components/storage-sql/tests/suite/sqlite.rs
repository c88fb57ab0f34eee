//! SQLite as Spin offers it: a connection with a mutex around it, a wait of five seconds
//! for a lock, errors as texts.

use rusqlite::types::{ToSqlOutput, ValueRef};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use vwp_storage_sql::{DatabaseError, Row, Statement, Value, classify};

/// A connection to a file.
#[derive(Clone)]
pub(crate) struct Sqlite(Arc<Mutex<rusqlite::Connection>>);

struct Parameter<'a>(&'a Value);

impl rusqlite::ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(value) => ValueRef::Integer(*value),
            Value::Bytes(value) => ValueRef::Blob(value),
            Value::Text(value) => ValueRef::Text(value.as_bytes()),
        }))
    }
}

impl Sqlite {
    /// Opens a file, and makes it if it is not there. What is tested is the algorithm and
    /// not the disk, so nothing is synced.
    pub(crate) fn open(path: &Path) -> Self {
        let sqlite = Self::durable(path);
        let connection = sqlite.0.lock().unwrap_or_else(PoisonError::into_inner);
        connection.pragma_update(None, "synchronous", "OFF").expect("a setting of the connection");
        drop(connection);
        sqlite
    }

    /// Opens a file as Spin does.
    pub(crate) fn durable(path: &Path) -> Self {
        let connection = rusqlite::Connection::open(path).expect("the file can be opened");
        Self(Arc::new(Mutex::new(connection)))
    }

    pub(crate) fn run(&self, statement: &Statement) -> Result<Vec<Row>, DatabaseError> {
        self.query(statement).map_err(|error| classify::sqlite(&error.to_string()))
    }

    fn query(&self, statement: &Statement) -> rusqlite::Result<Vec<Row>> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut prepared = connection.prepare_cached(&statement.text)?;
        let columns = prepared.column_count();
        let mut rows =
            prepared.query(rusqlite::params_from_iter(statement.parameters.iter().map(Parameter)))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let values = (0..columns).map(|column| {
                Ok(match row.get_ref(column)? {
                    ValueRef::Integer(value) => Value::Integer(value),
                    ValueRef::Blob(value) => Value::Bytes(value.to_vec()),
                    ValueRef::Text(value) => Value::Text(String::from_utf8_lossy(value).into_owned()),
                    ValueRef::Null | ValueRef::Real(_) => Value::Null,
                })
            });
            found.push(Row(values.collect::<rusqlite::Result<_>>()?));
        }
        Ok(found)
    }
}

//! A guest's connection: runs its statements one after the other.

use super::super::Deadline;
use super::super::rows::{Pressure, Refused, Writer};
use super::pool::{Database, Lease};
use super::session::{GiveUp, Until};
use super::{Failure, LOCKED};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Row, Statement, ToSql};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// How large the answer to a statement may be that is not read as a stream, in bytes; and
/// any one row.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What a value takes beside its text or blob, in bytes.
const VALUE_BYTES: usize = 32;

/// A value, as SQLite stores it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
    Null,
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Real(value) => ValueRef::Real(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Blob(value) => ValueRef::Blob(value),
            Self::Null => ValueRef::Null,
        }))
    }
}

/// The whole answer to a statement.
pub(super) struct Answer {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Value>>,
}

/// A connection that a guest has open. Clones are the same connection.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    /// None only while it is given back.
    lease: Mutex<Option<Lease>>,
    database: Arc<Database>,
    pressure: Arc<Pressure>,
    changes: AtomicU64,
    last_insert_rowid: AtomicI64,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            lease.give_back();
        }
    }
}

/// Takes what a statement gives.
trait Sink {
    /// Takes the columns' names; only the first time counts.
    fn columns(&mut self, statement: &Statement<'_>);
    fn row(&mut self, row: Vec<Value>, bytes: usize) -> Result<(), Failure>;
}

impl Connection {
    /// Opens a connection, once the database has one to give.
    pub(super) async fn open(database: &Arc<Database>) -> Result<Self, Failure> {
        let lease = database.lease().await?;
        let inner = Inner {
            lease: Mutex::new(Some(lease)),
            database: database.clone(),
            pressure: Arc::default(),
            changes: AtomicU64::new(0),
            last_insert_rowid: AtomicI64::new(0),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(super) fn pressure(&self) -> &Arc<Pressure> {
        &self.inner.pressure
    }

    /// How many rows the last INSERT, UPDATE or DELETE changed.
    pub(super) fn changes(&self) -> u64 {
        self.inner.changes.load(Ordering::Relaxed)
    }

    /// The row that was inserted last through this connection; 0 if none was.
    pub(super) fn last_insert_rowid(&self) -> i64 {
        self.inner.last_insert_rowid.load(Ordering::Relaxed)
    }

    /// Runs a statement and collects its rows.
    pub(super) async fn execute(
        &self,
        sql: String,
        parameters: Vec<Value>,
        deadline: Deadline,
    ) -> Result<Answer, Failure> {
        // If this future is dropped, so is the answer's reader, and the statement ends.
        let (_give_up, until) = until(deadline);
        let inner = self.inner.clone();
        let work = move || {
            let mut collect = Collect::default();
            inner.run(&sql, &parameters, until, &mut collect)?;
            Ok(Answer { columns: collect.columns.unwrap_or_default(), rows: collect.rows })
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Runs a statement and writes its rows to a stream. Gives out the columns' names when
    /// the first row is known, or that there is none; and what ends the statement when it
    /// is dropped. As in Spin, errors are the stream's end.
    pub(super) async fn execute_as_stream<T, E>(
        &self,
        sql: String,
        parameters: Vec<Value>,
        deadline: Deadline,
        rows: Writer<T, E>,
    ) -> (Vec<String>, GiveUp)
    where
        T: From<Vec<Value>> + Send + 'static,
        E: From<Failure> + Send + 'static,
    {
        let (give_up, until) = until(deadline);
        let (columns, named) = oneshot::channel();
        let inner = self.inner.clone();
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || {
            let mut stream = Stream { columns: Some(columns), rows: &rows, runtime };
            let result = inner.run(&sql, &parameters, until, &mut stream);
            rows.end(result.map_err(E::from));
        });
        // Without columns the statement failed, which the stream says.
        (named.await.unwrap_or_default(), give_up)
    }
}

fn until(deadline: Deadline) -> (GiveUp, Until) {
    let given_up = Arc::new(AtomicBool::new(false));
    (GiveUp(given_up.clone()), Until { deadline, given_up })
}

fn stopped() -> Failure {
    Failure::Other("the host stops".to_owned())
}

impl Inner {
    /// Runs a statement on a thread that may block.
    fn run(
        &self,
        sql: &str,
        parameters: &[Value],
        until: Until,
        sink: &mut impl Sink,
    ) -> Result<(), Failure> {
        let wanted = self.pressure.want();
        let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        drop(wanted);
        let lease = lease.as_mut().ok_or(Failure::InvalidConnection)?;
        let result = self.run_on(lease, sql, parameters, until, sink);
        if lease.session.sqlite.is_autocommit() {
            lease.writing = None;
        }
        result
    }

    fn run_on(
        &self,
        lease: &mut Lease,
        sql: &str,
        parameters: &[Value],
        until: Until,
        sink: &mut impl Sink,
    ) -> Result<(), Failure> {
        let Lease { session, writing, .. } = lease;
        let left = until.left().min(LOCKED);
        if left.is_zero() || until.given_up.load(Ordering::Relaxed) {
            return Err(Failure::Other("the request's time has passed".to_owned()));
        }
        session.watch.begin(until);
        session.sqlite.busy_timeout(left)?;
        let mut statement = session.sqlite.prepare_cached(sql)?;
        let writes = !statement.readonly();
        if writes && writing.is_none() {
            let turn = self.database.writer().acquire_owned();
            let turn = Handle::current().block_on(async { tokio::time::timeout(left, turn).await });
            // SQLite's own words, which guests know as a reason to try again.
            let Ok(Ok(turn)) = turn else { return Err(Failure::Other("database is locked".to_owned())) };
            *writing = Some(turn);
        }
        let mut rows = statement.query(rusqlite::params_from_iter(parameters))?;
        while let Some(row) = rows.next()? {
            // A statement that was compiled before the schema changed is compiled again by
            // its first step, so only now are the columns certain.
            sink.columns(row.as_ref());
            let (values, bytes) = values(row)?;
            sink.row(values, bytes)?;
        }
        drop(rows);
        sink.columns(&statement);
        if writes && changes_rows(sql) {
            self.changes.store(session.sqlite.changes(), Ordering::Relaxed);
            if session.watch.inserted.load(Ordering::Relaxed) {
                self.last_insert_rowid.store(session.sqlite.last_insert_rowid(), Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

/// Collects the whole answer.
#[derive(Default)]
struct Collect {
    columns: Option<Vec<String>>,
    rows: Vec<Vec<Value>>,
    bytes: usize,
}

impl Sink for Collect {
    fn columns(&mut self, statement: &Statement<'_>) {
        self.columns.get_or_insert_with(|| names(statement));
    }

    fn row(&mut self, row: Vec<Value>, bytes: usize) -> Result<(), Failure> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > ANSWER_BYTES_MAX {
            return Err(too_large());
        }
        self.rows.push(row);
        Ok(())
    }
}

/// Passes rows on to a guest that reads them as a stream.
struct Stream<'a, T, E> {
    columns: Option<oneshot::Sender<Vec<String>>>,
    rows: &'a Writer<T, E>,
    runtime: Handle,
}

impl<T: From<Vec<Value>>, E> Sink for Stream<'_, T, E> {
    fn columns(&mut self, statement: &Statement<'_>) {
        if let Some(columns) = self.columns.take() {
            // Who does not wait for them does not read the rows either.
            let _ = columns.send(names(statement));
        }
    }

    fn row(&mut self, row: Vec<Value>, bytes: usize) -> Result<(), Failure> {
        self.runtime.block_on(self.rows.push(T::from(row), bytes)).map_err(|refused| match refused {
            Refused::Gone => Failure::Other("nobody reads the rows".to_owned()),
            Refused::Backlog => Failure::Other(
                "the connection was used again while more rows than can be buffered were unread".to_owned(),
            ),
        })
    }
}

fn names(statement: &Statement<'_>) -> Vec<String> {
    statement.column_names().map(str::to_owned).collect()
}

fn too_large() -> Failure {
    Failure::Other(format!("the answer has more than {ANSWER_BYTES_MAX} bytes"))
}

/// A row's values, and how much memory they take, in bytes.
fn values(row: &Row<'_>) -> Result<(Vec<Value>, usize), Failure> {
    let count = row.as_ref().column_count();
    let mut values = Vec::with_capacity(count);
    let mut bytes = count * VALUE_BYTES;
    for at in 0..count {
        let value = row.get_ref(at)?;
        if let ValueRef::Text(value) | ValueRef::Blob(value) = value {
            bytes = bytes.saturating_add(value.len());
        }
        if bytes > ANSWER_BYTES_MAX {
            return Err(too_large());
        }
        values.push(match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(value) => Value::Integer(value),
            ValueRef::Real(value) => Value::Real(value),
            ValueRef::Text(value) => match std::str::from_utf8(value) {
                Ok(value) => Value::Text(value.to_owned()),
                // SQLite stores any bytes as text if it is told to.
                Err(_) => return Err(Failure::Other(format!("the text in column {at} is not UTF-8"))),
            },
            ValueRef::Blob(value) => Value::Blob(value.to_owned()),
        });
    }
    Ok((values, bytes))
}

/// Whether a statement that writes is one that SQLite counts changed rows for: one that
/// changes the schema leaves the count as it was, perhaps by another guest.
fn changes_rows(sql: &str) -> bool {
    let keyword: String = skip_comments(sql).chars().take_while(char::is_ascii_alphabetic).collect();
    ["DELETE", "INSERT", "REPLACE", "UPDATE", "WITH"].iter().any(|known| keyword.eq_ignore_ascii_case(known))
}

/// What follows white space and comments (<https://www.sqlite.org/lang_comment.html>).
fn skip_comments(sql: &str) -> &str {
    let mut rest = sql.trim_start();
    loop {
        let end = if rest.starts_with("--") {
            rest.find('\n').map(|at| at + 1)
        } else if rest.starts_with("/*") {
            rest.find("*/").map(|at| at + 2)
        } else {
            return rest;
        };
        let Some(end) = end else { return "" };
        rest = rest[end..].trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_change_rows_are_told_from_others() {
        for sql in ["insert into t values (1)", " -- a\n/* b */WITH a AS (SELECT 1) DELETE FROM t", "Replace"]
        {
            assert!(changes_rows(sql), "{sql}");
        }
        for sql in ["CREATE TABLE t (a)", "", "-- insert", "/* insert", "INSERTS"] {
            assert!(!changes_rows(sql), "{sql}");
        }
    }
}

//! What is asked of a database, and of the host that it is reached through.

use crate::{Dialect, Statement};
use std::future::Future;
use vwp_storage::StorageError;
use vwp_storage::kv::Timestamp;

/// A parameter of a statement, or a column of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// No value.
    Null,
    /// A signed integer of 64 bits.
    Integer(i64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Text.
    Text(String),
}

/// A row of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(pub Vec<Value>);

/// Why a statement gave no rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseError {
    /// It did not apply, and may apply if it is run again: the database was busy, or
    /// another statement got in between.
    NotApplied(String),
    /// It did not apply, and will not: the statement or the access was refused.
    Refused(String),
    /// It may or may not have applied, now or later.
    Unknown(String),
}

/// A SQL database that runs single statements.
pub trait Database {
    /// Which SQL it speaks.
    fn dialect(&self) -> Dialect;

    /// Runs one statement in a transaction of its own and returns its rows. On success
    /// what it changed is durable. A future that is dropped leaves the statement in the
    /// same doubt as [`DatabaseError::Unknown`].
    fn run(&self, statement: Statement) -> impl Future<Output = Result<Vec<Row>, DatabaseError>>;
}

/// What the algorithm needs of its surroundings.
pub trait Host {
    /// The time.
    fn now(&self) -> Timestamp;

    /// Random bytes that nobody has seen before.
    fn random(&self) -> [u8; 16];

    /// Lets this many milliseconds pass, while other tasks run.
    fn sleep(&self, milliseconds: u32) -> impl Future<Output = ()>;
}

impl Row {
    /// Takes a column that must be there and of the kind that the statement asked for.
    fn take(&mut self, column: usize) -> Value {
        self.0.get_mut(column).map_or(Value::Null, |value| std::mem::replace(value, Value::Null))
    }

    /// Takes an integer.
    pub(crate) fn integer(&mut self, column: usize) -> Result<i64, StorageError> {
        self.integer_or_null(column)?.ok_or_else(unexpected)
    }

    /// Takes an integer that may be absent.
    pub(crate) fn integer_or_null(&mut self, column: usize) -> Result<Option<i64>, StorageError> {
        match self.take(column) {
            Value::Integer(value) => Ok(Some(value)),
            Value::Null => Ok(None),
            _ => Err(unexpected()),
        }
    }

    /// Takes a version, a position or a time: an integer that is not negative.
    pub(crate) fn unsigned(&mut self, column: usize) -> Result<u64, StorageError> {
        u64::try_from(self.integer(column)?).map_err(|_| unexpected())
    }

    /// Takes bytes.
    pub(crate) fn bytes(&mut self, column: usize) -> Result<Vec<u8>, StorageError> {
        self.bytes_or_null(column)?.ok_or_else(unexpected)
    }

    /// Takes bytes that may be absent.
    pub(crate) fn bytes_or_null(&mut self, column: usize) -> Result<Option<Vec<u8>>, StorageError> {
        match self.take(column) {
            Value::Bytes(value) => Ok(Some(value)),
            Value::Null => Ok(None),
            _ => Err(unexpected()),
        }
    }
}

/// Only another program that writes to these tables can bring this about.
fn unexpected() -> StorageError {
    StorageError::Unavailable("the database answered with something other than was asked for".to_owned())
}

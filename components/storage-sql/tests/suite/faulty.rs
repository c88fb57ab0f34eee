//! A database that fails as networks and disks do. A seed decides where.

use crate::support::Either;
use std::cell::{Cell, RefCell};
use vwp_storage_sql::{Database, DatabaseError, Dialect, Row, Statement};

/// A database with faults in between.
pub(crate) struct Faulty {
    inner: Either,
    /// One of this many statements goes wrong; zero: none does.
    rate: u32,
    random: Cell<u64>,
    /// Statements that were reported as lost and are still on their way.
    late: RefCell<Vec<Statement>>,
}

impl Faulty {
    /// Fails one of `rate` statements, where `seed` says.
    pub(crate) fn new(inner: Either, rate: u32, seed: u64) -> Self {
        Self { inner, rate, random: Cell::new(seed | 1), late: RefCell::default() }
    }

    /// A number below a bound, by xorshift (Marsaglia 2003).
    fn below(&self, bound: u32) -> u32 {
        let mut number = self.random.get();
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        self.random.set(number);
        u32::try_from(number >> 33).unwrap_or(0) % bound.max(1)
    }
}

impl Database for Faulty {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    async fn run(&self, statement: Statement) -> Result<Vec<Row>, DatabaseError> {
        // Here a test can drop the call: before the statement, and after it.
        tokio::task::yield_now().await;
        if !self.late.borrow().is_empty() && self.below(3) == 0 {
            for statement in self.late.take() {
                let _ = self.inner.run(statement).await;
            }
        }
        if self.rate == 0 || self.below(self.rate) != 0 {
            let result = self.inner.run(statement).await;
            tokio::task::yield_now().await;
            return result;
        }
        let lost = Err(DatabaseError::Unknown("the reply was lost".to_owned()));
        match self.below(4) {
            0 => Err(DatabaseError::NotApplied("database is locked".to_owned())),
            1 => lost,
            2 => {
                let _ = self.inner.run(statement).await;
                lost
            }
            _ => {
                self.late.borrow_mut().push(statement);
                lost
            }
        }
    }
}

//! SQLite databases: `spin:sqlite@3.1.0` and `fermyon:spin/sqlite@2.0.0`.
//!
//! Each connection that a guest opens is a connection of SQLite of its own, so that a
//! transaction on one is a transaction and does not mix with what others do; Spin has
//! one for each, too. One that is closed in the middle of a transaction is rolled back.
//! SQLite blocks, so it runs on threads of its own and never on one that serves requests.

mod connection;
mod guard;
mod pool;
mod session;
mod v2;
mod v3;

pub use connection::Connection;
pub use pool::{Database, Location};

use super::{Deadline, Grants, State};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable, ResourceTableError};

/// How many connections one instance may hold at a time.
const OPEN_MAX: usize = 64;
/// How long a call waits for a lock or a connection that others have.
const LOCKED: Duration = Duration::from_secs(5);

/// The databases that a component was granted, by label.
pub type Databases = BTreeMap<String, Arc<Database>>;

/// Why a database did not do what was asked. Each interface has its own spelling of these.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Failure {
    AccessDenied,
    InvalidConnection,
    Full,
    Other(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            Some(rusqlite::ErrorCode::OperationInterrupted) => {
                Self::Other("interrupted: the statement took longer than the request may".to_owned())
            }
            _ => Self::Other(error.to_string()),
        }
    }
}

impl From<ResourceTableError> for Failure {
    fn from(error: ResourceTableError) -> Self {
        match error {
            ResourceTableError::Full => Self::Other("too many connections are open".to_owned()),
            _ => Self::InvalidConnection,
        }
    }
}

/// Offers the interfaces to guests.
pub fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    v3::add_to_linker(linker)?;
    v2::add_to_linker(linker)
}

/// Names what the bindings borrow from the state.
pub struct Sqlite;

impl HasData for Sqlite {
    type Data<'a> = &'a mut Connections;
}

/// The connections that an instance has open, and what it may open.
pub struct Connections {
    grants: Arc<Grants>,
    /// When the time of the request that runs has passed; the host sets it for each.
    pub(super) deadline: Deadline,
    table: ResourceTable,
}

impl Connections {
    /// Begins a request: what is opened from now on is given up at its deadline.
    pub(super) fn begin(&mut self, deadline: Deadline) {
        self.deadline = deadline;
    }

    pub(super) fn new(grants: Arc<Grants>, deadline: Deadline) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(OPEN_MAX);
        Self { grants, deadline, table }
    }

    /// The database behind a label. One that is granted is configured, or the host had not
    /// started, so there is no case of one that does not exist.
    fn database(&self, label: &str) -> Result<Arc<Database>, Failure> {
        self.grants.sqlite_databases.get(label).cloned().ok_or(Failure::AccessDenied)
    }

    fn push(&mut self, connection: Connection) -> Result<Resource<Connection>, Failure> {
        Ok(self.table.push(connection)?)
    }

    /// A clone, so that the table is not borrowed while SQLite works.
    fn connection(&self, connection: &Resource<Connection>) -> Result<Connection, ResourceTableError> {
        self.table.get(connection).cloned()
    }

    async fn open(&mut self, label: &str) -> Result<Resource<Connection>, Failure> {
        let database = self.database(label)?;
        let connection = Connection::open(&database).await?;
        self.push(connection)
    }

    fn close(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

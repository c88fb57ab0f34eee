//! `vwp:storage` over Spin's SQLite (`spin:sqlite@3.1.0`), for one host: what `spin up`
//! embeds by default. Durable as SQLite is: a commit is synced before it is answered.
//!
//! The build composes the ledger into it. A component depends on it by the package:
//!
//! ```toml
//! [component.transactions]
//! sqlite_databases = ["default"]
//! [component.transactions.dependencies]
//! "vwp:storage@0.1.0" = { path = "target/spin/storage-sqlite.wasm", inherit_configuration = ["sqlite_databases"] }
//! ```
//!
//! All components that shall share state name the same database, `default`; each sees all
//! of it, because SQL knows no spaces. It uses the asynchronous functions of the
//! interface: Spin runs several requests in one instance, and a synchronous call would
//! hold up all of them for as long as another process has the database locked.
//!
//! Empty for other targets than WebAssembly: there is no host to bind to.
#![cfg(target_family = "wasm")]

mod bindings {
    #![allow(missing_docs, unsafe_code, clippy::pedantic, reason = "generated")]
    wit_bindgen::generate!({
        inline: "
            package vwp:storage-sqlite@0.1.0;
            world database {
                import spin:sqlite/sqlite@3.1.0;
            }
        ",
        path: "../../wit/deps/spin-sqlite@3.1.0",
        world: "vwp:storage-sqlite/database",
        generate_all,
    });
}

use bindings::spin::sqlite::sqlite;
use std::cell::RefCell;
use std::rc::Rc;
use vwp_storage_adapter::{Adapter, Component, Imported, Store, WasiHost};
use vwp_storage_sql::{Database, DatabaseError, Dialect, Row, Statement, Value, classify};

/// The database's name in the manifest.
const NAME: &str = "default";

/// The database, through one connection per instance.
#[derive(Default)]
pub struct Sqlite {
    connection: RefCell<Option<Rc<sqlite::Connection>>>,
}

impl Sqlite {
    async fn connection(&self) -> Result<Rc<sqlite::Connection>, DatabaseError> {
        if let Some(connection) = self.connection.borrow().clone() {
            return Ok(connection);
        }
        // Calls that run interleaved may each open one; the last one stays.
        let opened = sqlite::Connection::open_async(NAME.to_owned()).await.map_err(not_opened)?;
        Ok(self.connection.borrow_mut().insert(Rc::new(opened)).clone())
    }
}

impl Database for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn run(&self, statement: Statement) -> Result<Vec<Row>, DatabaseError> {
        let connection = self.connection().await?;
        let parameters = statement.parameters.into_iter().map(parameter).collect();
        let (_, rows, end) = connection.execute_async(statement.text, parameters).await.map_err(error)?;
        // Read to the end before the result: only then is the statement over.
        let rows = rows.collect().await;
        end.await.map_err(error)?;
        Ok(rows.into_iter().map(|row| Row(row.values.into_iter().map(column).collect())).collect())
    }
}

fn parameter(value: Value) -> sqlite::Value {
    match value {
        Value::Null => sqlite::Value::Null,
        Value::Integer(value) => sqlite::Value::Integer(value),
        Value::Bytes(value) => sqlite::Value::Blob(value),
        Value::Text(value) => sqlite::Value::Text(value),
    }
}

fn column(value: sqlite::Value) -> Value {
    match value {
        sqlite::Value::Integer(value) => Value::Integer(value),
        sqlite::Value::Blob(value) => Value::Bytes(value),
        sqlite::Value::Text(value) => Value::Text(value),
        // No statement of ours yields a fraction.
        sqlite::Value::Real(_) | sqlite::Value::Null => Value::Null,
    }
}

/// Nothing was asked of the database yet, so nothing can have changed.
fn not_opened(error: sqlite::Error) -> DatabaseError {
    match self::error(error) {
        DatabaseError::Unknown(text) => DatabaseError::NotApplied(text),
        other => other,
    }
}

fn error(error: sqlite::Error) -> DatabaseError {
    let refused = |why: &str| DatabaseError::Refused(format!("SQLite database \"{NAME}\": {why}"));
    match error {
        sqlite::Error::NoSuchDatabase => refused("the host has no such database"),
        sqlite::Error::AccessDenied => {
            refused("access denied; name it in the component's sqlite_databases, and inherit them")
        }
        sqlite::Error::DatabaseFull => refused("it is full"),
        sqlite::Error::InvalidConnection => DatabaseError::Unknown("the connection is gone".to_owned()),
        sqlite::Error::Io(text) => classify::sqlite(&text),
    }
}

/// The adapter's choice of a database.
pub struct OverSqlite;

impl Adapter for OverSqlite {
    type Database = Sqlite;

    fn store() -> Rc<Store<Sqlite>> {
        thread_local! {
            static STORE: Rc<Store<Sqlite>> =
                Rc::new(Store::new(Sqlite::default(), WasiHost, Imported::default()));
        }
        STORE.with(Rc::clone)
    }
}

type Exported = Component<OverSqlite>;
vwp_storage_adapter::export!(Exported);

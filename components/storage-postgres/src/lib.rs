//! `vwp:storage` over PostgreSQL (`spin:postgres@4.2.0`), for several hosts that share one
//! database. Durable as the database is: `synchronous_commit` has to stay on. CockroachDB
//! and YugabyteDB speak the same protocol.
//!
//! The variable `postgres_url` says where it is, and `allowed_outbound_hosts` has to allow
//! it. The build composes the ledger into it. A component depends on it by the package:
//!
//! ```toml
//! [component.transactions]
//! allowed_outbound_hosts = ["postgres://db.internal:5432"]
//! variables = { postgres_url = "{{ postgres_url }}" }
//! [component.transactions.dependencies]
//! "vwp:storage@0.1.0" = { path = "target/spin/storage-postgres.wasm", inherit_configuration = ["allowed_outbound_hosts", "variables"] }
//! ```
//!
//! All components that name the same database share state, and each sees all of it. It
//! uses the asynchronous functions of the interface: Spin runs several requests in one
//! instance, and a synchronous call would hold up all of them for a round trip.
//!
//! Empty for other targets than WebAssembly: there is no host to bind to.
#![cfg(target_family = "wasm")]

mod bindings {
    #![allow(missing_docs, unsafe_code, clippy::pedantic, reason = "generated")]
    wit_bindgen::generate!({
        inline: "
            package vwp:storage-postgres@0.1.0;
            world database {
                import spin:postgres/postgres@4.2.0;
                import spin:variables/variables@3.0.0;
            }
        ",
        path: ["../../wit/deps/spin-postgres@4.2.0", "../../wit/deps/spin-variables@3.0.0"],
        world: "vwp:storage-postgres/database",
        generate_all,
    });
}

use bindings::spin::postgres::postgres;
use bindings::spin::variables::variables;
use std::cell::RefCell;
use std::rc::Rc;
use vwp_storage_adapter::{Adapter, Component, Imported, Store, WasiHost};
use vwp_storage_sql::{Database, DatabaseError, Dialect, Row, Statement, Value, classify};

/// The variable that holds the address of the database.
const VARIABLE: &str = "postgres_url";

/// The database, through one connection per instance.
#[derive(Default)]
pub struct Postgres {
    connection: RefCell<Option<Rc<postgres::Connection>>>,
}

impl Postgres {
    async fn connection(&self) -> Result<Rc<postgres::Connection>, DatabaseError> {
        if let Some(connection) = self.connection.borrow().clone() {
            return Ok(connection);
        }
        let refused = |_| DatabaseError::Refused(format!("the variable {VARIABLE} is not set"));
        let address = variables::get(VARIABLE.to_owned()).await.map_err(refused)?;
        // The cause may hold the address, and that the password: it stays untold.
        let failed = |_| DatabaseError::NotApplied("the database cannot be reached".to_owned());
        let opened = postgres::Connection::open_async(address).await.map_err(failed)?;
        // Calls that run interleaved may each open one; the last one stays.
        Ok(self.connection.borrow_mut().insert(Rc::new(opened)).clone())
    }

    /// Lets the next statement open another connection, unless that has happened already.
    fn give_up(&self, broken: &Rc<postgres::Connection>) {
        let mut known = self.connection.borrow_mut();
        if known.as_ref().is_some_and(|known| Rc::ptr_eq(known, broken)) {
            *known = None;
        }
    }
}

impl Database for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn run(&self, statement: Statement) -> Result<Vec<Row>, DatabaseError> {
        let connection = self.connection().await?;
        let parameters = statement.parameters.into_iter().map(parameter).collect();
        let result = async {
            let (_, rows, end) = connection.query_async(statement.text, parameters).await?;
            // Read to the end before the result: only then is the statement over.
            let rows = rows.collect().await;
            end.await?;
            Ok(rows)
        };
        let rows = result.await.map_err(|error| {
            let error = self::error(error);
            if matches!(error, DatabaseError::Unknown(_)) {
                self.give_up(&connection);
            }
            error
        })?;
        Ok(rows.into_iter().map(|row| Row(row.into_iter().map(column).collect())).collect())
    }
}

fn parameter(value: Value) -> postgres::ParameterValue {
    match value {
        Value::Null => postgres::ParameterValue::DbNull,
        Value::Integer(value) => postgres::ParameterValue::Int64(value),
        Value::Bytes(value) => postgres::ParameterValue::Binary(value),
        Value::Text(value) => postgres::ParameterValue::Str(value),
    }
}

fn column(value: postgres::DbValue) -> Value {
    match value {
        postgres::DbValue::Int64(value) => Value::Integer(value),
        postgres::DbValue::Binary(value) => Value::Bytes(value),
        postgres::DbValue::Str(value) => Value::Text(value),
        // No statement of ours yields another type.
        _ => Value::Null,
    }
}

fn error(error: postgres::Error) -> DatabaseError {
    match error {
        postgres::Error::QueryFailed(postgres::QueryError::DbError(error)) => {
            classify::postgres(&error.code, &error.message)
        }
        postgres::Error::QueryFailed(postgres::QueryError::Text(_)) => {
            DatabaseError::Unknown("the connection broke".to_owned())
        }
        postgres::Error::ConnectionFailed(_) => {
            DatabaseError::Unknown("the database cannot be reached".to_owned())
        }
        postgres::Error::BadParameter(text) => DatabaseError::Refused(text),
        // The statement ran before its values were read.
        postgres::Error::ValueConversionFailed(text) => DatabaseError::Unknown(text),
        postgres::Error::Other(_) => DatabaseError::Unknown("the database failed".to_owned()),
    }
}

/// The adapter's choice of a database.
pub struct OverPostgres;

impl Adapter for OverPostgres {
    type Database = Postgres;

    fn store() -> Rc<Store<Postgres>> {
        thread_local! {
            static STORE: Rc<Store<Postgres>> =
                Rc::new(Store::new(Postgres::default(), WasiHost, Imported::default()));
        }
        STORE.with(Rc::clone)
    }
}

type Exported = Component<OverPostgres>;
vwp_storage_adapter::export!(Exported);

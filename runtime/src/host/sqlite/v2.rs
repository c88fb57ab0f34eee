//! `fermyon:spin/sqlite@2.0.0`: the same databases for components of WASI 0.2.

use super::connection::Value;
use super::{Connection, Connections, Failure, Sqlite, State};
use bindings::fermyon::spin::sqlite::{self, Error, QueryResult, RowResult};
use wasmtime::component::{Linker, Resource};

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    wasmtime::component::bindgen!({
        inline: "package vwp:host; world sqlite { import fermyon:spin/sqlite@2.0.0; }",
        path: "../wit/deps/fermyon-spin@2.0.0",
        imports: {
            "fermyon:spin/sqlite.[static]connection.open": async,
            "fermyon:spin/sqlite.[method]connection.execute": async,
        },
        with: { "fermyon:spin/sqlite.connection": crate::host::sqlite::Connection },
    });
}

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    sqlite::add_to_linker::<_, Sqlite>(linker, |state| &mut state.sqlite)
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::AccessDenied => Self::AccessDenied,
            Failure::InvalidConnection => Self::InvalidConnection,
            Failure::Full => Self::DatabaseFull,
            Failure::Other(text) => Self::Io(text),
        }
    }
}

impl From<sqlite::Value> for Value {
    fn from(value: sqlite::Value) -> Self {
        match value {
            sqlite::Value::Integer(value) => Self::Integer(value),
            sqlite::Value::Real(value) => Self::Real(value),
            sqlite::Value::Text(value) => Self::Text(value),
            sqlite::Value::Blob(value) => Self::Blob(value),
            sqlite::Value::Null => Self::Null,
        }
    }
}

impl From<Value> for sqlite::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Integer(value) => Self::Integer(value),
            Value::Real(value) => Self::Real(value),
            Value::Text(value) => Self::Text(value),
            Value::Blob(value) => Self::Blob(value),
            Value::Null => Self::Null,
        }
    }
}

impl sqlite::Host for Connections {}

impl sqlite::HostConnection for Connections {
    async fn open(&mut self, database: String) -> Result<Resource<Connection>, Error> {
        Ok(Connections::open(self, &database).await?)
    }

    async fn execute(
        &mut self,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<sqlite::Value>,
    ) -> Result<QueryResult, Error> {
        let connection = self.connection(&connection).map_err(Failure::from)?;
        let parameters = parameters.into_iter().map(Into::into).collect();
        let answer = connection.execute(statement, parameters, self.deadline.clone()).await?;
        let row = |values: Vec<Value>| RowResult { values: values.into_iter().map(Into::into).collect() };
        Ok(QueryResult { columns: answer.columns, rows: answer.rows.into_iter().map(row).collect() })
    }

    fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.close(connection)
    }
}

//! `spin:sqlite@3.1.0`: each function waits or is asynchronous; rows come as a stream.

use super::super::rows;
use super::connection::Value;
use super::{Connection, Connections, Failure, Sqlite, State};
use bindings::spin::sqlite::sqlite::{self, Error, QueryResult, RowResult};
use wasmtime::component::{Accessor, FutureReader, Linker, Resource, StreamReader};

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    wasmtime::component::bindgen!({
        inline: "package vwp:host; world sqlite { import spin:sqlite/sqlite@3.1.0; }",
        path: "../wit/deps/spin-sqlite@3.1.0",
        imports: {
            "spin:sqlite/sqlite.[static]connection.open": async,
            "spin:sqlite/sqlite.[method]connection.execute": async,
            "spin:sqlite/sqlite.[method]connection.last-insert-rowid": trappable,
            "spin:sqlite/sqlite.[method]connection.changes": trappable,
            "spin:sqlite/sqlite.[method]connection.execute-async": trappable | async | store,
            "spin:sqlite/sqlite.[method]connection.last-insert-rowid-async": trappable | async | store,
            "spin:sqlite/sqlite.[method]connection.changes-async": trappable | async | store,
        },
        with: { "spin:sqlite/sqlite.connection": crate::host::sqlite::Connection },
    });
}

/// What `execute-async` gives: the columns, the rows, and how they end.
type Answer = (Vec<String>, StreamReader<RowResult>, FutureReader<Result<(), Error>>);

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

impl From<Vec<Value>> for RowResult {
    fn from(values: Vec<Value>) -> Self {
        Self { values: values.into_iter().map(Into::into).collect() }
    }
}

fn parameters(parameters: Vec<sqlite::Value>) -> Vec<Value> {
    parameters.into_iter().map(Into::into).collect()
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
        values: Vec<sqlite::Value>,
    ) -> Result<QueryResult, Error> {
        let connection = self.connection(&connection).map_err(Failure::from)?;
        let answer = connection.execute(statement, parameters(values), self.deadline.clone()).await?;
        Ok(QueryResult { columns: answer.columns, rows: answer.rows.into_iter().map(Into::into).collect() })
    }

    fn last_insert_rowid(&mut self, connection: Resource<Connection>) -> wasmtime::Result<i64> {
        Ok(self.connection(&connection)?.last_insert_rowid())
    }

    fn changes(&mut self, connection: Resource<Connection>) -> wasmtime::Result<u64> {
        Ok(self.connection(&connection)?.changes())
    }

    fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.close(connection)
    }
}

impl<T: Send> sqlite::HostConnectionWithStore<T> for Sqlite {
    async fn open_async(accessor: &Accessor<T, Self>, label: String) -> Result<Resource<Connection>, Error> {
        let database = accessor.with(|mut access| access.get().database(&label))?;
        let connection = Connection::open(&database).await?;
        Ok(accessor.with(|mut access| access.get().push(connection))?)
    }

    async fn execute_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        statement: String,
        values: Vec<sqlite::Value>,
    ) -> wasmtime::Result<Result<Answer, Error>> {
        let (connection, deadline) = accessor.with(|mut access| {
            let connections = access.get();
            Ok::<_, wasmtime::Error>((connections.connection(&connection)?, connections.deadline.clone()))
        })?;
        let (writer, rows, ended) = rows::channel(connection.pressure());
        let running = connection.execute_as_stream(statement, parameters(values), deadline, writer);
        let (columns, give_up) = running.await;
        accessor.with(|mut access| {
            // A guest that drops the stream early is told that nothing failed.
            let ended = async { Ok::<_, wasmtime::Error>(ended.await.unwrap_or(Ok(()))) };
            let rows = StreamReader::new(&mut access, rows.keep(give_up))?;
            Ok(Ok((columns, rows, FutureReader::new(&mut access, ended)?)))
        })
    }

    async fn last_insert_rowid_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<i64> {
        Ok(accessor.with(|mut access| access.get().connection(&connection))?.last_insert_rowid())
    }

    async fn changes_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<u64> {
        Ok(accessor.with(|mut access| access.get().connection(&connection))?.changes())
    }
}

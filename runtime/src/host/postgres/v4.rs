//! The functions of the interface.

use super::super::rows::{self, Refused, Writer};
use super::pool::InFlight;
use super::tls::Authority;
use super::values::{columns, row};
use super::wit::{self, Column, DbValue, Error, ParameterValue, RowSet};
use super::{Client, Connections, Postgres, errors, parameters};
use futures::{StreamExt, TryStreamExt};
use std::mem::size_of;
use std::pin::pin;
use tokio_postgres::{RowStream, Statement};
use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

/// The longest statement, in bytes.
const STATEMENT_BYTES_MAX: usize = 1024 * 1024;
/// How large an answer may be that is not read as a stream, in bytes; and any one row.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

type Row = Vec<DbValue>;
/// What `query-async` gives: the columns, the rows, and how they end.
type Answer = (Vec<Column>, StreamReader<Row>, FutureReader<Result<(), Error>>);

/// What a guest says of a connection before it is made.
pub struct Builder {
    address: String,
    authority: Option<Authority>,
}

impl Client {
    async fn prepare(&self, statement: &str) -> Result<Statement, Error> {
        if statement.len() > STATEMENT_BYTES_MAX {
            return Err(errors::text(format!("a statement has at most {STATEMENT_BYTES_MAX} bytes")));
        }
        self.get()?.prepare(statement).await.map_err(|error| errors::query(&error))
    }

    async fn execute(&self, statement: &str, values: Vec<ParameterValue>) -> Result<u64, Error> {
        let parameters = parameters::convert(values)?;
        let _wanted = self.pressure().want();
        let in_flight = self.begin();
        let result = async {
            let statement = self.prepare(statement).await?;
            let executing = self.get()?.execute_raw(&statement, parameters);
            executing.await.map_err(|error| errors::query(&error))
        };
        let result = result.await;
        in_flight.end();
        result
    }

    /// Sends a query; the rows are still to come.
    async fn start(
        &self,
        statement: &str,
        values: Vec<ParameterValue>,
    ) -> Result<(Vec<Column>, RowStream, InFlight), Error> {
        let parameters = parameters::convert(values)?;
        let _wanted = self.pressure().want();
        let in_flight = self.begin();
        let result = async {
            let statement = self.prepare(statement).await?;
            let sending = self.get()?.query_raw(&statement, parameters);
            Ok((columns(&statement), sending.await.map_err(|error| errors::query(&error))?))
        };
        match result.await {
            Ok((columns, rows)) => Ok((columns, rows, in_flight)),
            Err(error) => {
                in_flight.end();
                Err(error)
            }
        }
    }

    async fn query(&self, statement: &str, values: Vec<ParameterValue>) -> Result<RowSet, Error> {
        let (columns, stream, in_flight) = self.start(statement, values).await?;
        // No stream before this one keeps the rows from coming.
        let _wanted = self.pressure().want();
        let mut stream = pin!(stream);
        let (mut rows, mut bytes) = (Vec::new(), 0_usize);
        let result = loop {
            match stream.try_next().await {
                Ok(Some(next)) => {
                    bytes = bytes.saturating_add(size(&next));
                    if bytes > ANSWER_BYTES_MAX {
                        // The rest is not read; the server is told to stop.
                        return Err(too_large());
                    }
                    rows.push(row(&next)?);
                }
                Ok(None) => break Ok(RowSet { columns, rows }),
                Err(error) => break Err(errors::query(&error)),
            }
        };
        in_flight.end();
        result
    }
}

fn too_large() -> Error {
    errors::text(format!("the answer has more than {ANSWER_BYTES_MAX} bytes"))
}

/// About how much memory a row takes, in bytes.
fn size(row: &tokio_postgres::Row) -> usize {
    row.raw_size_bytes().saturating_add(row.len() * size_of::<DbValue>())
}

/// Reads the rows and writes them to a guest that reads them as a stream.
async fn forward(stream: RowStream, in_flight: InFlight, writer: Writer<Row, Error>) {
    let mut stream = pin!(stream);
    let result = loop {
        let next = tokio::select! {
            next = stream.next() => next,
            // What is in flight is dropped, so the server is told to stop.
            () = writer.abandoned() => return writer.end(Ok(())),
        };
        let next = match next {
            None => break Ok(()),
            Some(Err(error)) => break Err(errors::query(&error)),
            Some(Ok(next)) => next,
        };
        let bytes = size(&next);
        if bytes > ANSWER_BYTES_MAX {
            return writer.end(Err(too_large()));
        }
        let pushed = match row(&next) {
            Ok(row) => writer.push(row, bytes).await,
            Err(error) => return writer.end(Err(error)),
        };
        match pushed {
            Ok(()) => {}
            Err(Refused::Gone) => return writer.end(Ok(())),
            Err(Refused::Backlog) => {
                return writer.end(Err(errors::text(
                    "the connection was used again while more rows than can be buffered were unread",
                )));
            }
        }
    };
    in_flight.end();
    writer.end(result);
}

impl wit::Host for Connections {}

impl wit::HostConnectionBuilder for Connections {
    fn new(&mut self, address: String) -> wasmtime::Result<Resource<Builder>> {
        Ok(self.table.push(Builder { address, authority: None })?)
    }

    fn set_ca_root(&mut self, builder: Resource<Builder>, certificate: String) -> Result<(), Error> {
        let authority = Authority::from_pem(&certificate)?;
        let builder = self.table.get_mut(&builder).map_err(|error| Error::Other(error.to_string()))?;
        builder.authority = Some(authority);
        Ok(())
    }

    async fn build(&mut self, builder: Resource<Builder>) -> Result<Resource<Client>, Error> {
        let builder = self.table.get(&builder).map_err(|error| Error::Other(error.to_string()))?;
        let grants = self.grants.clone();
        let opening = grants.postgres.open(&grants.outbound, &builder.address, builder.authority.as_ref());
        let client = opening.await?;
        self.push(client)
    }

    fn drop(&mut self, builder: Resource<Builder>) -> wasmtime::Result<()> {
        self.close(builder)
    }
}

impl<T: Send> wit::HostConnectionBuilderWithStore<T> for Postgres {
    async fn build_async(
        accessor: &Accessor<T, Self>,
        builder: Resource<Builder>,
    ) -> Result<Resource<Client>, Error> {
        let (grants, address, authority) = accessor.with(|mut access| {
            let connections = access.get();
            let builder = connections.table.get(&builder).map_err(|error| Error::Other(error.to_string()))?;
            Ok::<_, Error>((connections.grants.clone(), builder.address.clone(), builder.authority.clone()))
        })?;
        let client = grants.postgres.open(&grants.outbound, &address, authority.as_ref()).await?;
        accessor.with(|mut access| access.get().push(client))
    }
}

impl wit::HostConnection for Connections {
    async fn open(&mut self, address: String) -> Result<Resource<Client>, Error> {
        let client = self.grants.postgres.open(&self.grants.outbound, &address, None).await?;
        self.push(client)
    }

    async fn query(
        &mut self,
        client: Resource<Client>,
        statement: String,
        values: Vec<ParameterValue>,
    ) -> Result<RowSet, Error> {
        let client = self.client(&client).map_err(|error| Error::Other(error.to_string()))?;
        client.query(&statement, values).await
    }

    async fn execute(
        &mut self,
        client: Resource<Client>,
        statement: String,
        values: Vec<ParameterValue>,
    ) -> Result<u64, Error> {
        let client = self.client(&client).map_err(|error| Error::Other(error.to_string()))?;
        client.execute(&statement, values).await
    }

    fn drop(&mut self, client: Resource<Client>) -> wasmtime::Result<()> {
        self.close(client)
    }
}

impl<T: Send> wit::HostConnectionWithStore<T> for Postgres {
    async fn open_async(accessor: &Accessor<T, Self>, address: String) -> Result<Resource<Client>, Error> {
        let grants = accessor.with(|mut access| access.get().grants.clone());
        let client = grants.postgres.open(&grants.outbound, &address, None).await?;
        accessor.with(|mut access| access.get().push(client))
    }

    async fn query_async(
        accessor: &Accessor<T, Self>,
        client: Resource<Client>,
        statement: String,
        values: Vec<ParameterValue>,
    ) -> wasmtime::Result<Result<Answer, Error>> {
        let client = accessor.with(|mut access| access.get().client(&client))?;
        let (columns, stream, in_flight) = match client.start(&statement, values).await {
            Ok(started) => started,
            Err(error) => return Ok(Err(error)),
        };
        let (writer, rows, ended) = rows::channel(client.pressure());
        tokio::spawn(forward(stream, in_flight, writer));
        accessor.with(|mut access| {
            // A guest that drops the stream early is told that nothing failed.
            let ended = async { Ok::<_, wasmtime::Error>(ended.await.unwrap_or(Ok(()))) };
            let rows = StreamReader::new(&mut access, rows)?;
            Ok(Ok((columns, rows, FutureReader::new(&mut access, ended)?)))
        })
    }

    async fn execute_async(
        accessor: &Accessor<T, Self>,
        client: Resource<Client>,
        statement: String,
        values: Vec<ParameterValue>,
    ) -> Result<u64, Error> {
        let client = accessor
            .with(|mut access| access.get().client(&client))
            .map_err(|error| Error::Other(error.to_string()))?;
        client.execute(&statement, values).await
    }
}

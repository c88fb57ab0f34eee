//! A client of PostgreSQL that reports errors as Spin does: those of the server by
//! SQLSTATE, all others as a text.

use bytes::BytesMut;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls};
use vwp_storage_sql::{DatabaseError, Row, Statement, Value, classify};

async fn connect(address: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// A client with one connection, made when it is needed.
#[derive(Clone)]
pub(crate) struct Postgres {
    address: Arc<str>,
    client: Arc<Mutex<Option<Arc<Client>>>>,
}

impl Postgres {
    /// A client of a database.
    pub(crate) fn to(server: &crate::server::Server, database: &str) -> Self {
        Self { address: server.url(database).into(), client: Arc::default() }
    }

    fn client(&self) -> MutexGuard<'_, Option<Arc<Client>>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn run(&self, statement: Statement) -> Result<Vec<Row>, DatabaseError> {
        let known = self.client().clone();
        let client = if let Some(client) = known {
            client
        } else {
            let made = connect(&self.address).await;
            let made = made.map_err(|error| DatabaseError::NotApplied(error.to_string()))?;
            self.client().insert(Arc::new(made)).clone()
        };
        let parameters: Vec<_> = statement.parameters.iter().map(Parameter).collect();
        let parameters: Vec<_> = parameters.iter().map(|one| one as &(dyn ToSql + Sync)).collect();
        let rows = client.query(&statement.text, &parameters).await.map_err(|error| {
            if let Some(error) = error.as_db_error() {
                return classify::postgres(error.code().code(), error.message());
            }
            *self.client() = None;
            DatabaseError::Unknown(error.to_string())
        })?;
        Ok(rows.iter().map(row).collect())
    }
}

fn row(row: &tokio_postgres::Row) -> Row {
    let value = |column: usize| match *row.columns()[column].type_() {
        Type::INT8 => row.get::<_, Option<i64>>(column).map(Value::Integer),
        Type::BYTEA => row.get::<_, Option<Vec<u8>>>(column).map(Value::Bytes),
        Type::TEXT => row.get::<_, Option<String>>(column).map(Value::Text),
        ref other => panic!("a column of type {other}"),
    };
    Row((0..row.len()).map(|column| value(column).unwrap_or(Value::Null)).collect())
}

#[derive(Debug)]
struct Parameter<'a>(&'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Integer(value) => value.to_sql(kind, out),
            Value::Bytes(value) => value.to_sql(kind, out),
            Value::Text(value) => value.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::BYTEA | Type::TEXT)
    }

    to_sql_checked!();
}

//! PostgreSQL: `spin:postgres@4.2.0`.
//!
//! A component connects to addresses whose every host its manifest allows. Connections
//! are kept between requests, and are as good as new when another guest gets them: what a
//! guest leaves open is rolled back, and its settings are reset. An address holds a
//! password, so it is never logged and in no error.

mod address;
mod errors;
mod numeric;
mod parameters;
mod pool;
mod ranges;
mod tls;
mod v4;
mod values;

pub use pool::{Client, Pools};
pub use v4::Builder;

use super::{Grants, State};
use std::sync::Arc;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable, ResourceTableError};

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    wasmtime::component::bindgen!({
        inline: "package vwp:host; world postgres { import spin:postgres/postgres@4.2.0; }",
        path: "../wit/deps/spin-postgres@4.2.0",
        imports: {
            "spin:postgres/postgres.[constructor]connection-builder": trappable,
            "spin:postgres/postgres.[method]connection-builder.build": async,
            "spin:postgres/postgres.[static]connection.open": async,
            "spin:postgres/postgres.[method]connection.query": async,
            "spin:postgres/postgres.[method]connection.execute": async,
            "spin:postgres/postgres.[method]connection.query-async": trappable | async | store,
        },
        with: {
            "spin:postgres/postgres.connection": crate::host::postgres::Client,
            "spin:postgres/postgres.connection-builder": crate::host::postgres::Builder,
        },
    });
}

use bindings::spin::postgres::postgres as wit;

/// How many connections and builders one instance may hold at a time.
const OPEN_MAX: usize = 64;

/// Offers the interface to guests.
pub fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wit::add_to_linker::<_, Postgres>(linker, |state| &mut state.postgres)
}

/// Names what the bindings borrow from the state.
pub struct Postgres;

impl HasData for Postgres {
    type Data<'a> = &'a mut Connections;
}

/// The connections that an instance has open, and what it may connect to.
pub struct Connections {
    grants: Arc<Grants>,
    table: ResourceTable,
}

impl Connections {
    pub(super) fn new(grants: Arc<Grants>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(OPEN_MAX);
        Self { grants, table }
    }

    fn push(&mut self, client: Client) -> Result<Resource<Client>, wit::Error> {
        self.table.push(client).map_err(|_| errors::connection("too many connections are open"))
    }

    /// A clone, so that the table is not borrowed while the database works.
    fn client(&self, client: &Resource<Client>) -> Result<Client, ResourceTableError> {
        self.table.get(client).cloned()
    }

    fn close<T: Send + 'static>(&mut self, resource: Resource<T>) -> wasmtime::Result<()> {
        self.table.delete(resource)?;
        Ok(())
    }
}

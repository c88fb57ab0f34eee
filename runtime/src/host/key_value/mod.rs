//! Key-value stores by label: `spin:key-value`, `fermyon:spin/key-value` and
//! `wasi:keyvalue`, three spellings of one grant, over the transactional engine.
//!
//! - [`bucket`]: what a store does, whatever the interface.
//! - [`spin_v3`], [`spin_v2`], [`wasi`]: one file per interface.
//!
//! The store `LABEL` is the part `key-value/LABEL/` of the engine's keys. No component
//! can be granted the space `key-value` itself: the manifest refuses it.

mod bucket;
mod spin_v2;
mod spin_v3;
mod wasi;

pub use bucket::{Bucket, Cas};

use super::{Grants, State};
use bucket::Failure;
use std::sync::Arc;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

/// How many stores and compare-and-swap handles an instance may hold at a time.
const OPEN_MAX: usize = 256;

/// Offers the interfaces to guests.
pub fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    spin_v3::add_to_linker(linker)?;
    spin_v2::add_to_linker(linker)?;
    wasi::add_to_linker(linker)
}

/// Names what the bindings borrow from the state.
pub struct KeyValue;

impl HasData for KeyValue {
    type Data<'a> = &'a mut Stores;
}

/// The stores that an instance has open, and what it may open.
pub struct Stores {
    grants: Arc<Grants>,
    table: ResourceTable,
}

impl Stores {
    pub(super) fn new(grants: Arc<Grants>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(OPEN_MAX);
        Self { grants, table }
    }

    fn open(&mut self, label: &str) -> Result<Resource<Bucket>, Failure> {
        if !self.grants.key_value_stores.contains(label) {
            return Err(Failure::AccessDenied);
        }
        let store = self.grants.own_key_value_stores.get(label).unwrap_or(&self.grants.store);
        self.push(Bucket::new(store.clone(), label))
    }

    /// The engine's handle; a clone, so that the table is not borrowed while it works.
    fn bucket(&self, store: &Resource<Bucket>) -> Result<Bucket, Failure> {
        Ok(self.table.get(store)?.clone())
    }

    fn push<T: Send + 'static>(&mut self, resource: T) -> Result<Resource<T>, Failure> {
        Ok(self.table.push(resource)?)
    }

    fn close<T: Send + 'static>(&mut self, resource: Resource<T>) -> wasmtime::Result<()> {
        self.table.delete(resource)?;
        Ok(())
    }
}

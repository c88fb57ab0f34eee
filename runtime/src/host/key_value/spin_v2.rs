//! `fermyon:spin/key-value@2.0.0`: the same store for components of WASI 0.2.

use super::bucket::{Bucket, Failure};
use super::{KeyValue, State, Stores};
use bindings::fermyon::spin::key_value::{self, Error};
use wasmtime::component::{Linker, Resource};

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    wasmtime::component::bindgen!({
        inline: "package vwp:host; world key-value { import fermyon:spin/key-value@2.0.0; }",
        path: "../wit/deps/fermyon-spin@2.0.0",
        imports: { default: async },
        with: { "fermyon:spin/key-value.store": crate::host::key_value::Bucket },
    });
}

/// How many keys a listing returns at most: they are all in memory at once.
const KEYS_MAX: usize = 100_000;

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    key_value::add_to_linker::<_, KeyValue>(linker, |state| &mut state.key_value)
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TableFull => Self::StoreTableFull,
            Failure::AccessDenied => Self::AccessDenied,
            Failure::Other(text) => Self::Other(text),
        }
    }
}

impl key_value::Host for Stores {}

impl key_value::HostStore for Stores {
    async fn open(&mut self, label: String) -> Result<Resource<Bucket>, Error> {
        Ok(Stores::open(self, &label)?)
    }

    async fn get(&mut self, store: Resource<Bucket>, key: String) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.bucket(&store)?.get(&key).await?)
    }

    async fn set(&mut self, store: Resource<Bucket>, key: String, value: Vec<u8>) -> Result<(), Error> {
        Ok(self.bucket(&store)?.set(&key, value).await?)
    }

    async fn delete(&mut self, store: Resource<Bucket>, key: String) -> Result<(), Error> {
        Ok(self.bucket(&store)?.delete(&key).await?)
    }

    async fn exists(&mut self, store: Resource<Bucket>, key: String) -> Result<bool, Error> {
        Ok(self.bucket(&store)?.exists(&key).await?)
    }

    async fn get_keys(&mut self, store: Resource<Bucket>) -> Result<Vec<String>, Error> {
        let bucket = self.bucket(&store)?;
        let mut rest = Some(bucket.all());
        let mut keys = Vec::new();
        while let Some(range) = rest {
            let page = bucket.keys(range).await?;
            keys.extend(page.keys);
            rest = page.rest;
            if keys.len() > KEYS_MAX {
                return Err(Error::Other(format!("the store has more than {KEYS_MAX} keys")));
            }
        }
        Ok(keys)
    }

    async fn drop(&mut self, store: Resource<Bucket>) -> wasmtime::Result<()> {
        self.close(store)
    }
}

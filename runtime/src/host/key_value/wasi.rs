//! `wasi:keyvalue@0.2.0-draft2`: stores, batches, and atomic operations.

use super::bucket::{Bucket, Cas, Failure};
use super::{KeyValue, State, Stores};
use bindings::wasi::keyvalue::atomics::{self, CasError};
use bindings::wasi::keyvalue::batch;
use bindings::wasi::keyvalue::store::{self, Error, KeyResponse};
use wasmtime::component::{Linker, Resource};

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    wasmtime::component::bindgen!({
        path: "../wit/deps/wasi-keyvalue@0.2.0-draft2",
        world: "wasi:keyvalue/imports",
        imports: { default: async },
        with: {
            "wasi:keyvalue/store.bucket": crate::host::key_value::Bucket,
            "wasi:keyvalue/atomics.cas": crate::host::key_value::Cas,
        },
    });
}

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    store::add_to_linker::<_, KeyValue>(linker, |state| &mut state.key_value)?;
    batch::add_to_linker::<_, KeyValue>(linker, |state| &mut state.key_value)?;
    atomics::add_to_linker::<_, KeyValue>(linker, |state| &mut state.key_value)
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            // The interface has no word for it.
            Failure::TableFull => Self::Other("too many buckets and handles are open".into()),
            Failure::AccessDenied => Self::AccessDenied,
            Failure::Other(text) => Self::Other(text),
        }
    }
}

impl From<Failure> for CasError {
    fn from(failure: Failure) -> Self {
        Self::StoreError(failure.into())
    }
}

impl store::Host for Stores {
    async fn open(&mut self, identifier: String) -> Result<Resource<Bucket>, Error> {
        Ok(Stores::open(self, &identifier)?)
    }
}

impl store::HostBucket for Stores {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.bucket(&bucket)?.get(&key).await?)
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Result<(), Error> {
        Ok(self.bucket(&bucket)?.set(&key, value).await?)
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Result<(), Error> {
        Ok(self.bucket(&bucket)?.delete(&key).await?)
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Result<bool, Error> {
        Ok(self.bucket(&bucket)?.exists(&key).await?)
    }

    /// A cursor is the first key of the next page.
    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Result<KeyResponse, Error> {
        let bucket = self.bucket(&bucket)?;
        let range = cursor.map_or_else(|| Ok(bucket.all()), |key| bucket.from(&key))?;
        let page = bucket.keys(range).await?;
        Ok(KeyResponse { keys: page.keys, cursor: page.rest.map(|rest| bucket.name(&rest.start)) })
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.close(bucket)
    }
}

impl batch::Host for Stores {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<Vec<(String, Option<Vec<u8>>)>, Error> {
        Ok(self.bucket(&bucket)?.get_many(keys).await?)
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        values: Vec<(String, Vec<u8>)>,
    ) -> Result<(), Error> {
        Ok(self.bucket(&bucket)?.set_many(values).await?)
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Result<(), Error> {
        Ok(self.bucket(&bucket)?.delete_many(keys).await?)
    }
}

impl atomics::Host for Stores {
    async fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: i64) -> Result<i64, Error> {
        Ok(self.bucket(&bucket)?.increment(&key, delta).await?)
    }

    async fn swap(&mut self, cas: Resource<Cas>, value: Vec<u8>) -> Result<(), CasError> {
        let cas = self.table.delete(cas).map_err(Failure::from)?;
        match cas.swap(value).await? {
            None => Ok(()),
            Some(fresh) => Err(CasError::CasFailed(self.push(fresh)?)),
        }
    }
}

impl atomics::HostCas for Stores {
    async fn new(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Resource<Cas>, Error> {
        let cas = self.bucket(&bucket)?.compare_and_swap(&key).await?;
        Ok(self.push(cas)?)
    }

    async fn current(&mut self, cas: Resource<Cas>) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.table.get(&cas).map_err(Failure::from)?.current())
    }

    async fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        self.close(cas)
    }
}

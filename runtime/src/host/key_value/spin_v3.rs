//! `spin:key-value@3.0.0`: asynchronous, and keys come as a stream.

use super::bucket::{Bucket, Failure, KeyPage};
use super::{KeyValue, State, Stores};
use bindings::spin::key_value::key_value::{self, Error};
use futures::channel::oneshot;
use futures::future::BoxFuture;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use vwp_storage::kv::KeyRange;
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Accessor, Destination, FutureReader, Linker, Resource, StreamProducer, StreamReader, StreamResult,
    VecBuffer,
};

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    wasmtime::component::bindgen!({
        inline: "package vwp:host; world key-value { import spin:key-value/key-value@3.0.0; }",
        path: "../wit/deps/spin-key-value@3.0.0",
        imports: {
            "spin:key-value/key-value.[method]store.get-keys": trappable | async | store,
        },
        with: { "spin:key-value/key-value.store": crate::host::key_value::Bucket },
    });
}

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

fn bucket<T>(accessor: &Accessor<T, KeyValue>, store: &Resource<Bucket>) -> Result<Bucket, Failure> {
    accessor.with(|mut access| access.get().bucket(store))
}

impl key_value::Host for Stores {}

impl key_value::HostStore for Stores {
    fn drop(&mut self, store: Resource<Bucket>) -> wasmtime::Result<()> {
        self.close(store)
    }
}

impl<T: Send> key_value::HostStoreWithStore<T> for KeyValue {
    async fn open(accessor: &Accessor<T, Self>, label: String) -> Result<Resource<Bucket>, Error> {
        Ok(accessor.with(|mut access| access.get().open(&label))?)
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        store: Resource<Bucket>,
        key: String,
    ) -> Result<Option<Vec<u8>>, Error> {
        Ok(bucket(accessor, &store)?.get(&key).await?)
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        store: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> Result<(), Error> {
        Ok(bucket(accessor, &store)?.set(&key, value).await?)
    }

    async fn delete(accessor: &Accessor<T, Self>, store: Resource<Bucket>, key: String) -> Result<(), Error> {
        Ok(bucket(accessor, &store)?.delete(&key).await?)
    }

    async fn exists(
        accessor: &Accessor<T, Self>,
        store: Resource<Bucket>,
        key: String,
    ) -> Result<bool, Error> {
        Ok(bucket(accessor, &store)?.exists(&key).await?)
    }

    async fn get_keys(
        accessor: &Accessor<T, Self>,
        store: Resource<Bucket>,
    ) -> wasmtime::Result<(StreamReader<String>, FutureReader<Result<(), Error>>)> {
        accessor.with(|mut access| {
            let bucket = access.get().table.get(&store)?.clone();
            let (end, ended) = oneshot::channel();
            let keys = Keys { rest: Some(bucket.all()), bucket, reading: None, end: Some(end) };
            // A guest that drops the stream early is told that nothing failed.
            let ended = async { Ok::<_, wasmtime::Error>(ended.await.unwrap_or(Ok(()))) };
            Ok((StreamReader::new(&mut access, keys)?, FutureReader::new(&mut access, ended)?))
        })
    }
}

/// Lists a store's keys page by page, as the guest reads them.
struct Keys {
    bucket: Bucket,
    /// What is still to be read after the page that is being read.
    rest: Option<KeyRange>,
    reading: Option<BoxFuture<'static, Result<KeyPage, Failure>>>,
    end: Option<oneshot::Sender<Result<(), Error>>>,
}

impl Keys {
    fn finish(&mut self, result: Result<(), Error>) -> StreamResult {
        if let Some(end) = self.end.take() {
            // Who dropped the future does not want to know.
            let _ = end.send(result);
        }
        StreamResult::Dropped
    }
}

impl<D> StreamProducer<D> for Keys {
    type Item = String;
    type Buffer = VecBuffer<String>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, String, VecBuffer<String>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let keys = self.get_mut();
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let Some(range) = keys.rest.clone() else {
            return Poll::Ready(Ok(keys.finish(Ok(()))));
        };
        let bucket = &keys.bucket;
        let reading = keys.reading.get_or_insert_with(|| {
            let bucket = bucket.clone();
            Box::pin(async move { bucket.keys(range).await })
        });
        let page = match reading.as_mut().poll(context) {
            // Reading changes nothing, so a read that is cancelled can be begun again.
            Poll::Pending if finish => {
                keys.reading = None;
                return Poll::Ready(Ok(StreamResult::Cancelled));
            }
            page => ready!(page),
        };
        keys.reading = None;
        Poll::Ready(Ok(match page {
            Ok(page) => {
                keys.rest = page.rest;
                destination.set_buffer(page.keys.into());
                if keys.rest.is_some() { StreamResult::Completed } else { keys.finish(Ok(())) }
            }
            Err(failure) => keys.finish(Err(failure.into())),
        }))
    }
}

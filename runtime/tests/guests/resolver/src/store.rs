//! The store, in the words that the tests use.

use crate::bindings::vwp::storage::kv::{self, Add, Put, Write};
use crate::bindings::vwp::storage::types::Error;

/// How long a wait lasts before it looks again.
const LOOK_MS: u32 = 1000;

pub(crate) async fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    let entries = kv::get_many(vec![key.as_bytes().to_vec()]).await?;
    Ok(entries.into_iter().flatten().next().map(|entry| entry.value))
}

pub(crate) async fn put(key: &str, value: Vec<u8>) -> Result<(), Error> {
    write(Write::Put(Put { key: key.as_bytes().to_vec(), value, expires_at: None })).await
}

pub(crate) async fn delete(key: &str) -> Result<(), Error> {
    write(Write::Delete(key.as_bytes().to_vec())).await
}

pub(crate) async fn add(key: &str) -> Result<(), Error> {
    let key = key.as_bytes().to_vec();
    write(Write::Add(Add { key, delta: 1, minimum: 0, maximum: i64::MAX })).await
}

pub(crate) async fn count(key: &str) -> Result<i64, Error> {
    let value = get(key).await?.unwrap_or_default();
    Ok(value.try_into().map(i64::from_le_bytes).unwrap_or_default())
}

async fn write(write: Write) -> Result<(), Error> {
    kv::commit(Vec::new(), vec![write]).await.map(drop)
}

/// Waits until there is something under the key.
pub(crate) async fn wait_for(key: &str) -> Result<(), Error> {
    while get(key).await?.is_none() {
        // Whatever it is, it is looked at again: what is there may be older than the wait.
        let _ = kv::changes(key.as_bytes().to_vec(), 0, 1, LOOK_MS).await;
    }
    Ok(())
}

/// Takes a while, without computing.
pub(crate) async fn linger() {
    let _ = kv::changes(b"test/never".to_vec(), u64::MAX, 1, LOOK_MS).await;
}

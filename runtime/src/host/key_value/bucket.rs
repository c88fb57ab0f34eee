//! A key-value store as the engine sees it: the keys under one prefix.

use crate::manifest::KEY_VALUE_SPACE;
use std::collections::BTreeMap;
use std::sync::Arc;
use vwp_storage::StorageError;
use vwp_storage::kv::{
    COMMIT_BYTES_MAX, COMMIT_ITEMS_MAX, Check, Direction, Entry, KEY_LENGTH_MAX, Key, KeyRange, Outcome,
    READ_KEYS_MAX, VALUE_LENGTH_MAX, Version, Write,
};
use vwp_store::Engine as StoreEngine;
use wasmtime::component::ResourceTableError;

/// How many keys are read at a time when keys are listed.
const KEYS_PER_PAGE: u32 = 1000;

/// Why a store did not do what was asked. Each interface has its own spelling of these.
#[derive(Debug)]
pub(super) enum Failure {
    TableFull,
    AccessDenied,
    Other(String),
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        tracing::debug!(%error, "a key-value store refused");
        Self::Other(error.to_string())
    }
}

impl From<ResourceTableError> for Failure {
    fn from(error: ResourceTableError) -> Self {
        match error {
            ResourceTableError::Full => Self::TableFull,
            other => Self::Other(other.to_string()),
        }
    }
}

/// One store.
#[derive(Clone)]
pub struct Bucket {
    engine: Arc<dyn StoreEngine>,
    prefix: Arc<str>,
}

/// A compare-and-swap: a key, and what it held when the handle was made.
pub struct Cas {
    bucket: Bucket,
    key: Key,
    seen: Option<Entry>,
}

/// A part of a store's keys.
pub(super) struct KeyPage {
    pub(super) keys: Vec<String>,
    /// What is left to list.
    pub(super) rest: Option<KeyRange>,
}

impl Bucket {
    pub(super) fn new(engine: Arc<dyn StoreEngine>, label: &str) -> Self {
        Self { engine, prefix: format!("{KEY_VALUE_SPACE}/{label}/").into() }
    }

    /// The engine's key, if the guest's is not too long to have one.
    fn key(&self, key: &str) -> Result<Key, Failure> {
        let length_max = KEY_LENGTH_MAX - self.prefix.len();
        if key.len() > length_max {
            let length = key.len();
            return Err(Failure::Other(format!("a key has {length} bytes, more than {length_max}")));
        }
        Ok(format!("{}{key}", self.prefix).into_bytes())
    }

    async fn read(&self, key: Key) -> Result<Option<Entry>, Failure> {
        Ok(self.engine.get_many(vec![key]).await?.pop().flatten())
    }

    async fn write(&self, writes: Vec<Write>) -> Result<(), Failure> {
        match self.engine.commit(Vec::new(), writes).await? {
            Outcome::Committed(_) => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.read(self.key(key)?).await?.map(|entry| entry.value))
    }

    pub(super) async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), Failure> {
        fits(&value)?;
        self.write(vec![Write::put(self.key(key)?, value)]).await
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), Failure> {
        self.write(vec![Write::delete(self.key(key)?)]).await
    }

    pub(super) async fn exists(&self, key: &str) -> Result<bool, Failure> {
        Ok(self.read(self.key(key)?).await?.is_some())
    }

    /// All keys of the store.
    pub(super) fn all(&self) -> KeyRange {
        KeyRange::prefix(self.prefix.as_bytes())
    }

    /// The keys from this one on.
    pub(super) fn from(&self, key: &str) -> Result<KeyRange, Failure> {
        Ok(KeyRange { start: self.key(key)?, end: self.all().end })
    }

    /// The name that guests know an engine's key by.
    pub(super) fn name(&self, key: &[u8]) -> String {
        // Only text is ever put under the prefix, so nothing is lost.
        String::from_utf8_lossy(key.strip_prefix(self.prefix.as_bytes()).unwrap_or_default()).into_owned()
    }

    pub(super) async fn keys(&self, range: KeyRange) -> Result<KeyPage, Failure> {
        let page = self.engine.scan(range, KEYS_PER_PAGE, Direction::Forward).await?;
        let keys = page.items.iter().map(|item| self.name(&item.key)).collect();
        Ok(KeyPage { keys, rest: page.next })
    }

    pub(super) async fn get_many(
        &self,
        names: Vec<String>,
    ) -> Result<Vec<(String, Option<Vec<u8>>)>, Failure> {
        few_enough(names.len())?;
        let keys = names.iter().map(|name| self.key(name)).collect::<Result<Vec<_>, _>>()?;
        let entries = self.engine.get_many(keys).await?;
        Ok(names.into_iter().zip(entries.into_iter().map(|entry| entry.map(|entry| entry.value))).collect())
    }

    /// Puts all of these; of a key that is named twice the last value.
    pub(super) async fn set_many(&self, values: Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
        few_enough(values.len())?;
        let mut puts = BTreeMap::new();
        for (name, value) in values {
            fits(&value)?;
            puts.insert(self.key(&name)?, value);
        }
        self.write_many(puts.into_iter().map(|(key, value)| Write::put(key, value))).await
    }

    pub(super) async fn delete_many(&self, names: Vec<String>) -> Result<(), Failure> {
        few_enough(names.len())?;
        let mut keys = names.iter().map(|name| self.key(name)).collect::<Result<Vec<_>, _>>()?;
        keys.sort_unstable();
        keys.dedup();
        self.write_many(keys.into_iter().map(Write::delete)).await
    }

    /// Writes in as few commits as the engine's bounds allow.
    async fn write_many(&self, writes: impl Iterator<Item = Write>) -> Result<(), Failure> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for write in writes {
            let size = vwp_storage::limits::commit_bytes(&[], std::slice::from_ref(&write));
            if batch.len() >= COMMIT_ITEMS_MAX || bytes + size > COMMIT_BYTES_MAX {
                self.write(std::mem::take(&mut batch)).await?;
                bytes = 0;
            }
            bytes += size;
            batch.push(write);
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.write(batch).await
    }

    /// Adds to a counter, which is eight little-endian bytes, and returns the sum.
    pub(super) async fn increment(&self, key: &str, delta: i64) -> Result<i64, Failure> {
        let key = self.key(key)?;
        let add = Write::Add { key: key.clone(), delta, minimum: i64::MIN, maximum: i64::MAX };
        match self.engine.commit(Vec::new(), vec![add]).await? {
            Outcome::Committed(version) => self.sum(key, version).await,
            Outcome::NotACounter(_) => Err(Failure::Other(
                "the value is not a counter, which has eight bytes; it was not changed".into(),
            )),
            Outcome::OutOfBounds(_) => {
                Err(Failure::Other("the sum would not fit into 64 bits; the counter was not changed".into()))
            }
            other @ Outcome::Conflict(_) => Err(unexpected(&other)),
        }
    }

    /// What the commit of this version made of a counter. The changes say so: by the
    /// time the key were read, another addition could have followed.
    async fn sum(&self, key: Key, version: Version) -> Result<i64, Failure> {
        let changes = self.engine.changes(key.clone(), version - 1, 1, 0).await?;
        changes
            .into_iter()
            .find(|change| change.version == version && change.key == key)
            .and_then(|change| Some(i64::from_le_bytes(change.value?.try_into().ok()?)))
            .ok_or_else(|| Failure::Other("the addition is made, but its sum is no longer known".into()))
    }

    pub(super) async fn compare_and_swap(&self, key: &str) -> Result<Cas, Failure> {
        self.look(self.key(key)?).await
    }

    async fn look(&self, key: Key) -> Result<Cas, Failure> {
        let seen = self.read(key.clone()).await?;
        Ok(Cas { bucket: self.clone(), key, seen })
    }
}

impl Cas {
    /// What the key held when the handle was made: what a swap requires to be still true.
    pub(super) fn current(&self) -> Option<Vec<u8>> {
        self.seen.as_ref().map(|entry| entry.value.clone())
    }

    /// Puts the value if the key has not changed; otherwise returns a handle that has
    /// seen the change.
    pub(super) async fn swap(self, value: Vec<u8>) -> Result<Option<Self>, Failure> {
        fits(&value)?;
        let check = Check::unchanged(self.key.clone(), self.seen.as_ref());
        let put = Write::put(self.key.clone(), value);
        match self.bucket.engine.commit(vec![check], vec![put]).await? {
            Outcome::Committed(_) => Ok(None),
            Outcome::Conflict(_) => Ok(Some(self.bucket.look(self.key).await?)),
            other => Err(unexpected(&other)),
        }
    }
}

/// An outcome that a commit without such checks or writes cannot have.
fn unexpected(outcome: &Outcome) -> Failure {
    tracing::error!(?outcome, "defect: a commit had an outcome that it cannot have");
    Failure::Other("the store refused".into())
}

fn fits(value: &[u8]) -> Result<(), Failure> {
    if value.len() > VALUE_LENGTH_MAX {
        let length = value.len();
        return Err(Failure::Other(format!("a value has {length} bytes, more than {VALUE_LENGTH_MAX}")));
    }
    Ok(())
}

fn few_enough(keys: usize) -> Result<(), Failure> {
    if keys > READ_KEYS_MAX {
        return Err(Failure::Other(format!("the call names {keys} keys, more than {READ_KEYS_MAX}")));
    }
    Ok(())
}

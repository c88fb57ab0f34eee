//! Reading ahead: a request that knows which keys it will read asks for them at once. Each question to
//! the store is a call from a component to its host, which costs more than another key does.

use crate::kv::{Change, Check, Direction, Entry, Key, KeyRange, Outcome, Page, Version, Write};
use crate::{Kv, StorageError};
use std::cell::RefCell;

/// A store that reads ahead ([`Kv::ahead`]), for one request.
///
/// What was read ahead answers one later read of its key, as often as the key was named, and none
/// after a commit. So whoever reads again because a commit did not succeed reads what is there then.
pub struct ReadAhead<'a, S> {
    store: &'a S,
    read: RefCell<Vec<(Key, Option<Entry>)>>,
}

impl<'a, S: Kv> ReadAhead<'a, S> {
    /// Nothing is read yet.
    pub fn new(store: &'a S) -> Self {
        Self { store, read: RefCell::default() }
    }

    /// What was read ahead of these keys, if that is all of them.
    fn take(&self, keys: &[Key]) -> Option<Vec<Option<Entry>>> {
        let mut read = self.read.borrow_mut();
        let is_read = |key: &Key| read.iter().any(|(kept, _)| kept == key);
        if !keys.iter().all(is_read) {
            return None;
        }
        let mut taken = Vec::with_capacity(keys.len());
        for key in keys {
            // One that is named more often than it was read is read anew, with the others.
            let at = read.iter().position(|(kept, _)| kept == key)?;
            taken.push(read.swap_remove(at).1);
        }
        Some(taken)
    }
}

impl<S: Kv> Kv for ReadAhead<'_, S> {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, StorageError> {
        match self.take(keys) {
            Some(entries) => Ok(entries),
            None => self.store.get_many(keys).await,
        }
    }

    async fn scan(&self, range: &KeyRange, limit: u32, direction: Direction) -> Result<Page, StorageError> {
        self.store.scan(range, limit, direction).await
    }

    async fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Outcome, StorageError> {
        self.read.borrow_mut().clear();
        self.store.commit(checks, writes).await
    }

    async fn changes(
        &self,
        prefix: &[u8],
        since: Version,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<Change>, StorageError> {
        self.store.changes(prefix, since, limit, wait_ms).await
    }

    async fn ahead(&self, keys: &[Key]) -> Result<(), StorageError> {
        let entries = self.store.get_many(keys).await?;
        self.read.borrow_mut().extend(keys.iter().cloned().zip(entries));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use futures::executor::block_on;

    /// A store with values of `a` and `b`, and then others after they were read ahead.
    fn changed(names: &[&str], look: impl AsyncFnOnce(&ReadAhead<'_, Memory>)) {
        let store = Memory::default();
        let put = |value: &str| {
            let writes = ["a", "b"].map(|name| Write::put(format!("test/{name}"), value));
            block_on(store.commit(&[], &writes)).unwrap();
        };
        put("before");
        let ahead = ReadAhead::new(&store);
        let keys: Vec<Key> = names.iter().map(|name| format!("test/{name}").into()).collect();
        block_on(ahead.ahead(&keys)).unwrap();
        put("after");
        block_on(look(&ahead));
    }

    async fn value(store: &impl Kv, key: &str) -> String {
        String::from_utf8(store.get(key.as_bytes()).await.unwrap().unwrap().value).unwrap()
    }

    #[test]
    fn what_was_read_ahead_answers_as_often_as_it_was_named() {
        changed(&["a", "a", "b"], async |store| {
            assert_eq!(value(store, "test/a").await, "before");
            assert_eq!(value(store, "test/a").await, "before");
            assert_eq!(value(store, "test/a").await, "after");
            assert_eq!(value(store, "test/b").await, "before");
        });
    }

    #[test]
    fn one_question_is_answered_from_one_snapshot() {
        changed(&["a"], async |store| {
            let keys = [b"test/a".to_vec(), b"test/b".to_vec()];
            let entries = store.get_many(&keys).await.unwrap();
            assert!(entries.into_iter().all(|entry| entry.unwrap().value == b"after"));
        });
    }

    #[test]
    fn nothing_that_was_read_before_a_commit_answers_after_it() {
        changed(&["a", "b"], async |store| {
            store.commit(&[Check::absent("test/a")], &[]).await.unwrap();
            assert_eq!(value(store, "test/a").await, "after");
            assert_eq!(value(store, "test/b").await, "after");
        });
    }
}

//! The store that the host gives this component.

use bindings::vwp::storage::{kv, types};
use vwp_limits::charge::Shared;
use vwp_storage::StorageError;
use vwp_storage::kv::{Check, Entry, Key, Outcome, Write};

mod bindings {
    #![allow(missing_docs, unsafe_code, unreachable_pub, clippy::pedantic, reason = "generated")]
    wit_bindgen::generate!({
        path: "../../../wit/storage",
        inline: "
            package vwp:limits@0.1.0;
            world limits {
                import vwp:storage/kv@0.1.0;
            }
        ",
        world: "vwp:limits/limits",
        generate_all,
    });
}

/// Buckets in `vwp:storage/kv`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Store;

impl Shared for Store {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, StorageError> {
        let entries = kv::get_many(keys.to_vec()).await.map_err(error)?;
        let entry = |entry: kv::Entry| Entry { value: entry.value, version: entry.version };
        Ok(entries.into_iter().map(|found| found.map(entry)).collect())
    }

    async fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Outcome, StorageError> {
        let check = |check: &Check| kv::Check { key: check.key.clone(), version: check.version };
        let checks = checks.iter().map(check).collect();
        let writes = writes.iter().cloned().map(write).collect();
        Ok(match kv::commit(checks, writes).await.map_err(error)? {
            kv::Outcome::Committed(version) => Outcome::Committed(version),
            kv::Outcome::Conflict(keys) => Outcome::Conflict(keys),
            kv::Outcome::OutOfBounds(keys) => Outcome::OutOfBounds(keys),
            kv::Outcome::NotACounter(keys) => Outcome::NotACounter(keys),
        })
    }
}

fn write(write: Write) -> kv::Write {
    match write {
        Write::Put { key, value, expires_at } => kv::Write::Put(kv::Put { key, value, expires_at }),
        Write::Delete { key } => kv::Write::Delete(key),
        Write::Append { prefix, suffix, value } => kv::Write::Append(kv::Append { prefix, suffix, value }),
        Write::Add { key, delta, minimum, maximum } => {
            kv::Write::Add(kv::Add { key, delta, minimum, maximum })
        }
    }
}

fn error(error: types::Error) -> StorageError {
    match error {
        types::Error::Denied(text) => StorageError::Denied(text),
        types::Error::Invalid(text) => StorageError::Invalid(text),
        types::Error::Unavailable(text) => StorageError::Unavailable(text),
        types::Error::Unknown(text) => StorageError::Unknown(text),
    }
}

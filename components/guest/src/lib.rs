//! The bindings that the handler components share: the store as `vwp-storage`'s
//! traits, and one way to serve a request with a natively testable handler.
//!
//! Empty for other targets than WebAssembly: there is no host to bind to.
#![cfg(target_family = "wasm")]

mod bindings {
    #![allow(missing_docs, unsafe_code, clippy::pedantic, reason = "generated")]
    spin_sdk::wit_bindgen::generate!({
        path: "../../wit/storage",
        world: "storage",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
    });
}

mod convert;
mod outbound;
mod serve;
mod settings;

pub use outbound::Network;
pub use serve::{
    Answer, Parts, environment, environment_with, options, serve, serve_apart, serve_streaming, serve_with,
};
pub use spin_sdk::wasip3::exports::http::handler::Guest as HttpHandler;
pub use spin_sdk::wasip3::http::types as http_types;

use bindings::vwp::storage::{kv, replicated};
use vwp_storage::kv::{Change, Check, Direction, Entry, Key, KeyRange, Outcome, Page, Version, Write};
use vwp_storage::machine::{Applied, Head, Leaf, LogEntry, Node};
use vwp_storage::{Kv, Machines, StorageError};
use vwp_tlog::{HASH_LENGTH, Hash, LEAF_LENGTH};

/// The storage that the host gives this component.
#[derive(Debug, Clone, Copy, Default)]
pub struct Store;

impl Kv for Store {
    /// The host gives one store to an instance.
    fn identity(&self) -> Option<u64> {
        Some(0)
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, StorageError> {
        let entries = kv::get_many(keys.to_vec()).await?;
        Ok(entries.into_iter().map(|entry| entry.map(Entry::from)).collect())
    }

    async fn scan(&self, range: &KeyRange, limit: u32, direction: Direction) -> Result<Page, StorageError> {
        Ok(kv::scan(range.clone().into(), limit, direction.into()).await?.into())
    }

    async fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Outcome, StorageError> {
        let checks = checks.iter().cloned().map(Into::into).collect();
        let writes = writes.iter().cloned().map(Into::into).collect();
        Ok(kv::commit(checks, writes).await?.into())
    }

    async fn changes(
        &self,
        prefix: &[u8],
        since: Version,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<Change>, StorageError> {
        let changes = kv::changes(prefix.to_vec(), since, limit, wait_ms).await?;
        Ok(changes.into_iter().map(Change::from).collect())
    }
}

impl Machines for Store {
    async fn submit(&self, machine: &str, command: Vec<u8>) -> Result<Applied, StorageError> {
        Ok(replicated::submit(machine.to_owned(), command).await?.into())
    }

    async fn query(&self, machine: &str, query: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        Ok(replicated::query(machine.to_owned(), query).await?)
    }

    async fn entries(&self, machine: &str, start: u64, limit: u32) -> Result<Vec<LogEntry>, StorageError> {
        let entries = replicated::entries(machine.to_owned(), start, limit).await?;
        Ok(entries.into_iter().map(LogEntry::from).collect())
    }

    async fn tree_head(&self, machine: &str) -> Result<Head, StorageError> {
        let head = replicated::tree_head(machine.to_owned()).await?;
        let root = head.root.try_into().map_err(|_| convert::not_of_a_tree())?;
        Ok(Head { size: head.size, root })
    }

    async fn tree_nodes(&self, machine: &str, nodes: &[Node]) -> Result<Vec<Hash>, StorageError> {
        let named = nodes.iter().map(|node| replicated::TreeNode { level: node.level, index: node.index });
        let bytes = replicated::tree_nodes(machine.to_owned(), named.collect()).await?;
        let (hashes, rest) = bytes.as_chunks::<HASH_LENGTH>();
        let whole = rest.is_empty() && hashes.len() == nodes.len();
        whole.then(|| hashes.to_vec()).ok_or_else(convert::not_of_a_tree)
    }

    async fn tree_leaves(&self, machine: &str, start: u64, limit: u32) -> Result<Vec<Leaf>, StorageError> {
        let bytes = replicated::tree_leaves(machine.to_owned(), start, limit).await?;
        let leaves: Option<Vec<Leaf>> = bytes.chunks(LEAF_LENGTH).map(Leaf::decode).collect();
        leaves.ok_or_else(convert::not_of_a_tree)
    }
}

//! The exports: each call goes to the store of the instance.

use crate::bindings::exports::vwp::storage::{kv, replicated};
use crate::{Adapter, Component};
use vwp_storage::machine::Leaf;
use vwp_storage::{Kv, Machines};

impl<A: Adapter> kv::Guest for Component<A> {
    async fn get_many(keys: Vec<kv::Key>) -> Result<Vec<Option<kv::Entry>>, kv::Error> {
        let entries = A::store().get_many(&keys).await?;
        Ok(entries.into_iter().map(|entry| entry.map(Into::into)).collect())
    }

    async fn scan(range: kv::KeyRange, limit: u32, direction: kv::Direction) -> Result<kv::Page, kv::Error> {
        Ok(A::store().scan(&range.into(), limit, direction.into()).await?.into())
    }

    async fn commit(checks: Vec<kv::Check>, writes: Vec<kv::Write>) -> Result<kv::Outcome, kv::Error> {
        let checks: Vec<_> = checks.into_iter().map(Into::into).collect();
        let writes: Vec<_> = writes.into_iter().map(Into::into).collect();
        Ok(A::store().commit(&checks, &writes).await?.into())
    }

    async fn changes(
        prefix: kv::Key,
        since: kv::Version,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<kv::Change>, kv::Error> {
        let changes = A::store().changes(&prefix, since, limit, wait_ms).await?;
        Ok(changes.into_iter().map(Into::into).collect())
    }
}

impl<A: Adapter> replicated::Guest for Component<A> {
    async fn submit(machine: String, command: Vec<u8>) -> Result<replicated::Applied, replicated::Error> {
        Ok(A::store().submit(&machine, command).await?.into())
    }

    async fn query(machine: String, query: Vec<u8>) -> Result<Vec<u8>, replicated::Error> {
        Ok(A::store().query(&machine, query).await?)
    }

    async fn entries(
        machine: String,
        start: u64,
        limit: u32,
    ) -> Result<Vec<replicated::LogEntry>, replicated::Error> {
        let entries = A::store().entries(&machine, start, limit).await?;
        Ok(entries.into_iter().map(Into::into).collect())
    }

    async fn tree_head(machine: String) -> Result<replicated::LogHead, replicated::Error> {
        Ok(A::store().tree_head(&machine).await?.into())
    }

    async fn tree_nodes(
        machine: String,
        nodes: Vec<replicated::TreeNode>,
    ) -> Result<Vec<u8>, replicated::Error> {
        let nodes: Vec<_> = nodes.into_iter().map(Into::into).collect();
        Ok(A::store().tree_nodes(&machine, &nodes).await?.concat())
    }

    async fn tree_leaves(machine: String, start: u64, limit: u32) -> Result<Vec<u8>, replicated::Error> {
        let leaves = A::store().tree_leaves(&machine, start, limit).await?;
        Ok(leaves.iter().flat_map(Leaf::encode).collect())
    }
}

//! The tree over a machine's log (RFC 9162, section 2.1).
//!
//! A row of the log has the root of the tree over its command's blocks, which whoever appends
//! knows; with the time, which the statement decides, and the length, that is a leaf. So leaves
//! are read without the commands, and an append is still one statement.
//!
//! The hashes of complete nodes follow from the leaves and never change: the table `vwp_tree` has
//! those at levels that 8 divides, so that nobody reads all leaves again. They are computed where
//! they are missing, by whoever needs them, and by the append that completes a tile. Two who write
//! one write the same; one that is lost is computed again. No answer depends on them being there.

use crate::{Database, Host, SqlStore};
use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use vwp_storage::StorageError;
use vwp_storage::limits::PAGE_ITEMS_MAX;
use vwp_storage::machine::{Hash, Head, Leaf, Node, StateMachine};
use vwp_tlog::hash;
use vwp_tlog::node::{Stored, TILE_HEIGHT, TILE_WIDTH};
use vwp_tlog::proof::Plan;

impl<D: Database, H: Host, M: StateMachine> SqlStore<D, H, M> {
    /// How many commands the log has.
    pub(crate) async fn log_size(&self, machine: &str) -> Result<u64, StorageError> {
        let statement = self
            .statement("SELECT coalesce(max(position), 0) FROM vwp_log WHERE position > 0 AND machine = ");
        self.read(statement.text(machine)).await?.pop().map_or(Ok(0), |mut row| row.unsigned(0))
    }

    /// Leaves from an index on: at most `limit`.
    pub(crate) async fn leaves(
        &self,
        machine: &str,
        start: u64,
        limit: u64,
    ) -> Result<Vec<Leaf>, StorageError> {
        let statement = self.statement(
            "SELECT time, CAST(length(command) AS BIGINT), root, position FROM vwp_log WHERE machine = ",
        );
        let statement = statement.text(machine).sql(" AND position > ").integer(start);
        let statement = statement.sql(" AND position > 0 ORDER BY position LIMIT ").integer(limit);
        let mut leaves = Vec::new();
        for mut row in self.read(statement).await? {
            let (time, length) = (row.unsigned(0)?, row.unsigned(1)?);
            let root = row.bytes(2)?.try_into().map_err(|_| broken())?;
            if row.unsigned(3)?.checked_sub(start) != Some(leaves.len() as u64 + 1) {
                return Err(broken());
            }
            leaves.push(Leaf { time, length, root });
        }
        Ok(leaves)
    }

    /// The head of the tree.
    pub(crate) async fn log_head(&self, machine: &str) -> Result<Head, StorageError> {
        let size = self.log_size(machine).await?;
        let Some(plan) = Plan::root(size) else { return Ok(Head { size, root: hash::empty_root() }) };
        let hashes = self.node_hashes(machine, plan.nodes()).await?;
        let root = plan.proof(&hashes).and_then(|roots| roots.first().copied()).ok_or_else(broken)?;
        Ok(Head { size, root })
    }

    /// The hashes of complete nodes.
    pub(crate) async fn node_hashes(&self, machine: &str, nodes: &[Node]) -> Result<Vec<Hash>, StorageError> {
        let wanted: Option<Vec<Stored>> = nodes.iter().map(|node| node.stored()).collect();
        let wanted = wanted.ok_or_else(broken)?;
        // Nodes that are asked for together are often of one tile: it is read once.
        let mut tiles: BTreeMap<(u8, u64), Range<u64>> = BTreeMap::new();
        for stored in &wanted {
            let indices = tiles.entry(tile_of(stored)).or_insert_with(|| stored.indices.clone());
            indices.start = indices.start.min(stored.indices.start);
            indices.end = indices.end.max(stored.indices.end);
        }
        let mut read = BTreeMap::new();
        for (tile, indices) in tiles {
            let hashes = self.kept(machine, Stored { level: tile.0, indices: indices.clone() }).await?;
            read.insert(tile, (indices.start, hashes));
        }
        let hash = |stored: &Stored| {
            let (start, hashes) = read.get(&tile_of(stored))?;
            let within = |index: u64| usize::try_from(index.checked_sub(*start)?).ok();
            Some(hash::root(hashes.get(within(stored.indices.start)?..within(stored.indices.end)?)?))
        };
        wanted.iter().map(hash).collect::<Option<_>>().ok_or_else(broken)
    }

    /// The hashes of complete nodes at a level that 8 divides, within one tile: those that are kept,
    /// and the others computed, and kept from now on.
    fn kept<'a>(
        &'a self,
        machine: &'a str,
        wanted: Stored,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Hash>, StorageError>> + 'a>> {
        Box::pin(async move {
            let count = wanted.indices.end - wanted.indices.start;
            if wanted.level == 0 {
                let leaves = self.leaves(machine, wanted.indices.start, count).await?;
                let whole = leaves.len() as u64 == count;
                return whole.then(|| leaves.iter().map(Leaf::hash).collect()).ok_or_else(broken);
            }
            let mut known = self.known(machine, &wanted).await?.into_iter().peekable();
            let mut hashes = Vec::new();
            for index in wanted.indices.clone() {
                let hash = match known.next_if(|(known, _)| *known == index) {
                    Some((_, hash)) => hash,
                    None => self.computed(machine, Node { level: wanted.level, index }).await?,
                };
                hashes.push(hash);
            }
            Ok(hashes)
        })
    }

    /// The hashes that the table has of these nodes, in order.
    async fn known(&self, machine: &str, wanted: &Stored) -> Result<Vec<(u64, Hash)>, StorageError> {
        let statement = self.statement("SELECT number, hash FROM vwp_tree WHERE machine = ").text(machine);
        let statement = statement.sql(" AND level = ").integer(wanted.level.into());
        let statement = statement.sql(" AND number >= ").integer(wanted.indices.start);
        let statement = statement.sql(" AND number < ").integer(wanted.indices.end).sql(" ORDER BY number");
        let mut known = Vec::new();
        for mut row in self.read(statement).await? {
            known.push((row.unsigned(0)?, row.bytes(1)?.try_into().map_err(|_| broken())?));
        }
        Ok(known)
    }

    /// The hash of a full tile, which is kept from now on if it can be.
    async fn computed(&self, machine: &str, node: Node) -> Result<Hash, StorageError> {
        let start = node.index * TILE_WIDTH;
        let below = Stored { level: node.level - TILE_HEIGHT, indices: start..start + TILE_WIDTH };
        let hash = hash::root(&self.kept(machine, below).await?);
        let statement = self.statement("INSERT INTO vwp_tree (machine, level, number, hash) VALUES (");
        let statement = statement.text(machine).sql(", ").integer(node.level.into()).sql(", ");
        let statement = statement.integer(node.index).sql(", ").bytes(&hash).sql(") ON CONFLICT DO NOTHING");
        // Who needs it next computes it again.
        let _ = self.database.run(statement).await;
        Ok(hash)
    }

    /// Keeps the hash of the tile that the command at this position completed, so that nobody has
    /// to read many tiles at once later. An error is left to who needs it.
    pub(crate) async fn complete_tile(&self, machine: &str, position: u64) {
        if position.is_multiple_of(TILE_WIDTH) {
            let _ =
                self.computed(machine, Node { level: TILE_HEIGHT, index: position / TILE_WIDTH - 1 }).await;
        }
    }

    /// Leaves for who asks by the contract.
    pub(crate) async fn leaf_page(
        &self,
        machine: &str,
        start: u64,
        limit: u32,
    ) -> Result<Vec<Leaf>, StorageError> {
        // An index that no database has is after the end of every log.
        if i64::try_from(start).is_err() {
            return Ok(Vec::new());
        }
        self.leaves(machine, start, limit.min(PAGE_ITEMS_MAX).into()).await
    }
}

/// The tile that nodes are in: its level, and its index there.
fn tile_of(stored: &Stored) -> (u8, u64) {
    (stored.level, stored.indices.start / TILE_WIDTH)
}

/// Only another program that writes to these tables can bring this about.
fn broken() -> StorageError {
    StorageError::Unavailable("the log's tree is not what the log says".to_owned())
}

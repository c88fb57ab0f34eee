//! Where a log comes from.

use super::replay::Differs;
use anyhow::{Context, Result, bail};
use http::Method;
use std::ops::Range;
use std::path::Path;
use vwp_client::ledger::source::Source as Ledger;
use vwp_client::port::Port;
use vwp_store::machine::LogFolder;
use vwp_tlog::checkpoint::Checkpoint;
use vwp_tlog::node::TILE_WIDTH;
use vwp_tlog::note::Verifier;
use vwp_tlog::tile::{Kind, Tile, unbundle};
use vwp_tlog::{Hash, Leaf};
use vwp_transactions::tiles::unframe;

/// A command with the time that it was applied with.
pub(super) struct Logged {
    pub(super) time: u64,
    pub(super) command: Vec<u8>,
}

/// Gives out a log's commands.
pub(super) trait Source {
    /// The commands at these indices, or the first of them: at least one.
    fn read(&mut self, indices: Range<u64>) -> Result<Vec<Logged>>;
}

/// The log of a port.
pub(super) struct Online {
    port: Port,
    ledger: Ledger,
}

impl Online {
    pub(super) fn new(port: Port) -> Self {
        Self { ledger: Ledger::new(port.clone()), port }
    }

    /// The latest checkpoint: the note, and what it says.
    pub(super) fn checkpoint(&self, known: &[Verifier]) -> Result<(String, Checkpoint)> {
        let note =
            String::from_utf8(self.get("/v1/ledger/checkpoint")?).context("the checkpoint is not text")?;
        let checkpoint = Checkpoint::open(&note, known).context("the port's checkpoint")?;
        Ok((note, checkpoint))
    }

    fn get(&self, path: &str) -> Result<Vec<u8>> {
        Ok(self.port.send(&Method::GET, path, None)?.body)
    }

    /// What the port's machine answers to queries, and the sizes of the log before and after.
    pub(super) fn ask(&self, queries: &[&[u8]]) -> Result<(Range<u64>, Vec<Vec<u8>>)> {
        self.ledger.ask(queries)
    }

    /// The leaves of a tile, as the port has them in both of its forms.
    fn leaves(&self, index: u64, width: u16) -> Result<Vec<Leaf>> {
        let tile = |kind| format!("/v1/ledger/tile/{}", Tile { kind, index, width });
        let bundle = self.get(&tile(Kind::Entries))?;
        let leaves: Option<Vec<Leaf>> =
            unbundle(&bundle).and_then(|leaves| leaves.into_iter().map(Leaf::decode).collect());
        let leaves = leaves.filter(|leaves| leaves.len() == usize::from(width));
        let leaves = leaves.with_context(|| format!("the entry bundle {index} is malformed"))?;
        let hashes: Vec<Hash> = self.get(&tile(Kind::Hashes(0)))?.as_chunks().0.to_vec();
        if hashes.len() != leaves.len() {
            bail!("the tile {index} is malformed");
        }
        for ((leaf, hash), position) in leaves.iter().zip(&hashes).zip(index * TILE_WIDTH + 1..) {
            if leaf.hash() != *hash {
                let what =
                    format!("entry {position}: the tile of hashes and the entry bundle are of two logs");
                return Err(Differs(what).into());
            }
        }
        Ok(leaves)
    }
}

impl Source for Online {
    fn read(&mut self, indices: Range<u64>) -> Result<Vec<Logged>> {
        let tile = indices.start / TILE_WIDTH;
        let end = indices.end.min((tile + 1) * TILE_WIDTH);
        let leaves = self.leaves(tile, u16::try_from(end - tile * TILE_WIDTH)?)?;
        let skipped = usize::try_from(indices.start % TILE_WIDTH)?;
        let mut leaves = leaves.into_iter().skip(skipped);
        let mut logged = Vec::new();
        while leaves.len() > 0 {
            let from = indices.start + logged.len() as u64 + 1;
            let framed = self.get(&format!("/v1/ledger/commands?from={from}&limit={}", leaves.len()))?;
            let commands = unframe(&framed).filter(|commands| !commands.is_empty());
            let commands = commands.with_context(|| format!("the port gives no commands from {from} on"))?;
            for ((command, position), leaf) in commands.into_iter().zip(from..).zip(leaves.by_ref()) {
                if Leaf::new(leaf.time, command) != leaf {
                    let what = format!("entry {position}: the command is not the one that is in the tree");
                    return Err(Differs(what).into());
                }
                logged.push(Logged { time: leaf.time, command: command.to_vec() });
            }
        }
        Ok(logged)
    }
}

/// The log of a machine that nobody serves.
pub(super) struct Folder {
    folder: LogFolder,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self> {
        Ok(Self { folder: LogFolder::open(path)? })
    }

    pub(super) fn size(&self) -> u64 {
        self.folder.size()
    }
}

impl Source for Folder {
    fn read(&mut self, indices: Range<u64>) -> Result<Vec<Logged>> {
        let limit = u32::try_from((indices.end - indices.start).min(TILE_WIDTH))?;
        let entries = self.folder.entries(indices.start + 1, limit)?;
        if entries.is_empty() {
            bail!("the log ends before {}", indices.end);
        }
        Ok(entries.into_iter().map(|entry| Logged { time: entry.time, command: entry.command }).collect())
    }
}

//! Machines: one order of commands, time that does not go back, a log to read.

use crate::StorageError;
use crate::kv::Timestamp;
use crate::machine::{Applied, Head, Leaf, LogEntry, Machines, Node, StateMachine};
use futures::future::join_all;
use vwp_tlog::hash::{self, Hash};
use vwp_tlog::proof::{Plan, verify_consistency, verify_inclusion};

/// The name under which the suite expects a [`Tally`].
pub const TALLY: &str = "tally";

/// A machine that remembers everything that it was told, in order: two tallies with
/// the same serialisation were called with the same arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    history: Vec<u8>,
    commands: u64,
}

impl StateMachine for Tally {
    /// Answers each command with its number and the command.
    fn apply(&mut self, position: u64, time: Timestamp, commands: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut answers = Vec::with_capacity(commands.len());
        for (position, command) in (position..).zip(commands) {
            self.commands += 1;
            for part in [position, time, command.len() as u64] {
                self.history.extend_from_slice(&part.to_be_bytes());
            }
            self.history.extend_from_slice(command);
            answers.push([self.commands.to_be_bytes().as_slice(), command].concat());
        }
        answers
    }

    /// Answers with how many commands there were, and the query.
    fn query(&self, query: &[u8]) -> Vec<u8> {
        [self.commands.to_be_bytes().as_slice(), query].concat()
    }

    fn checkpoint(&self, offset: u64, length: u32) -> Vec<u8> {
        let whole = [self.commands.to_be_bytes().as_slice(), &self.history].concat();
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(whole.len());
        let to = from.saturating_add(length as usize).min(whole.len());
        whole.get(from..to).unwrap_or_default().to_vec()
    }

    fn restore(&mut self, part: &[u8]) -> Result<(), String> {
        self.history.extend_from_slice(part);
        if part.is_empty() {
            let (commands, history) = self.history.split_first_chunk::<8>().ok_or("cut short")?;
            (self.commands, self.history) = (u64::from_be_bytes(*commands), history.to_vec());
        }
        Ok(())
    }
}

/// Everything that the contract promises of machines, of a host of a [`Tally`] named
/// [`TALLY`].
pub async fn machine_suite<M: Machines>(make: impl AsyncFn() -> M) {
    commands_are_applied_once_in_one_order(&make().await).await;
    a_query_reflects_what_is_acknowledged(&make().await).await;
    the_log_is_read_from_any_position(&make().await).await;
    the_log_is_a_tree_whose_leaves_are_its_commands(&make().await).await;
    every_complete_node_of_the_tree_is_there(&make().await).await;
    what_breaks_a_bound_is_invalid(&make().await).await;
}

async fn submit(machines: &impl Machines, command: impl Into<Vec<u8>>) -> Applied {
    machines.submit(TALLY, command.into()).await.expect("the command is well formed")
}

async fn commands_are_applied_once_in_one_order(machines: &impl Machines) {
    let commands = (0..100_u32).map(|n| async move { (n, submit(machines, n.to_string()).await) });
    let mut applied = join_all(commands).await;
    applied.sort_by_key(|(_, applied)| applied.position);
    let mut time = 0;
    for (position, (n, applied)) in (1_u64..).zip(&applied) {
        assert_eq!(applied.position, position, "positions have no gaps");
        let expected = [position.to_be_bytes().as_slice(), n.to_string().as_bytes()].concat();
        assert_eq!(applied.answer, expected, "the answer is the machine's, to this command");
        assert!(applied.time >= time, "time does not go back");
        time = applied.time;
    }
    let entries = machines.entries(TALLY, 1, 1000).await.expect("well formed");
    let expected: Vec<_> = applied
        .into_iter()
        .map(|(n, applied)| LogEntry {
            position: applied.position,
            time: applied.time,
            command: n.to_string().into_bytes(),
        })
        .collect();
    assert_eq!(entries, expected, "the log holds what was applied");
}

async fn a_query_reflects_what_is_acknowledged(machines: &impl Machines) {
    for n in 1..=10_u64 {
        submit(machines, "x").await;
        let answer = machines.query(TALLY, b"?".to_vec()).await;
        assert_eq!(answer, Ok([n.to_be_bytes().as_slice(), b"?"].concat()));
    }
}

async fn the_log_is_read_from_any_position(machines: &impl Machines) {
    assert_eq!(machines.entries(TALLY, 1, 10).await, Ok(vec![]));
    for n in 1..=20_u64 {
        submit(machines, n.to_string()).await;
    }
    for (start, limit, expected) in [(1, 5, 1..=5), (7, 3, 7..=9), (18, 1000, 18..=20), (20, 1, 20..=20)] {
        let entries = machines.entries(TALLY, start, limit).await.expect("well formed");
        let positions: Vec<_> = entries.iter().map(|entry| entry.position).collect();
        assert_eq!(positions, expected.collect::<Vec<_>>());
        assert!(entries.iter().all(|entry| entry.command == entry.position.to_string().into_bytes()));
    }
    assert_eq!(machines.entries(TALLY, 21, 1).await, Ok(vec![]));
}

/// The tree of a machine that is not empty begins with what others have told it, so here sizes are
/// what the machine says.
async fn head(machines: &impl Machines) -> Head {
    machines.tree_head(TALLY).await.expect("the machine has a tree")
}

/// The hashes of all leaves.
async fn leaf_hashes(machines: &impl Machines, size: u64) -> Vec<Hash> {
    let mut hashes = Vec::new();
    while (hashes.len() as u64) < size {
        let leaves = machines.tree_leaves(TALLY, hashes.len() as u64, 1000).await.expect("well formed");
        assert!(!leaves.is_empty(), "the tree has {size} leaves");
        hashes.extend(leaves.iter().map(Leaf::hash));
    }
    hashes
}

async fn the_log_is_a_tree_whose_leaves_are_its_commands(machines: &impl Machines) {
    let before = head(machines).await;
    let commands =
        [vec![], b"one".to_vec(), vec![7; 511], vec![7; 512], vec![7; 100_000], vec![8; 1_048_576]];
    let mut leaves = Vec::new();
    for command in commands {
        let applied = submit(machines, command.clone()).await;
        leaves.push(Leaf::new(applied.time, &command));
        let now = head(machines).await;
        assert_eq!(now.size, before.size + leaves.len() as u64, "the tree has what was acknowledged");
    }
    let found = machines.tree_leaves(TALLY, before.size, 1000).await;
    assert_eq!(found, Ok(leaves.clone()));
    assert_eq!(machines.tree_leaves(TALLY, before.size + 2, 1).await, Ok(vec![leaves[2]]));
    let now = head(machines).await;
    assert_eq!(machines.tree_leaves(TALLY, now.size, 1).await, Ok(vec![]));
    let hashes = leaf_hashes(machines, now.size).await;
    assert_eq!(now.root, hash::root(&hashes));
    let path = proof(machines, Plan::inclusion(before.size, now.size)).await;
    assert_eq!(verify_inclusion(before.size, &leaves[0].hash(), now.size, &now.root, &path), Ok(()));
    let path = proof(machines, Plan::consistency(before.size, now.size)).await;
    assert_eq!(verify_consistency(&before, &now, &path), Ok(()));
}

async fn proof(machines: &impl Machines, plan: Option<Plan>) -> Vec<Hash> {
    let plan = plan.expect("the tree has the leaves");
    let hashes = machines.tree_nodes(TALLY, plan.nodes()).await.expect("the tree has the nodes");
    plan.proof(&hashes).expect("as many hashes as nodes")
}

/// More commands than a tile has leaves, so that some of the nodes are above it.
async fn every_complete_node_of_the_tree_is_there(machines: &impl Machines) {
    let commands = (0..600_u32).map(|n| async move { submit(machines, n.to_be_bytes()).await });
    join_all(commands).await;
    let size = head(machines).await.size;
    let hashes = leaf_hashes(machines, size).await;
    assert_eq!(head(machines).await.root, hash::root(&hashes));
    let levels = 0..=u8::try_from(size.ilog2()).expect("a small number");
    let all: Vec<Node> =
        levels.flat_map(|level| (0..size >> level).map(move |index| Node { level, index })).collect();
    for nodes in all.chunks(256) {
        let found = machines.tree_nodes(TALLY, nodes).await.expect("the nodes are complete");
        assert_eq!(found.len(), nodes.len());
        for (node, found) in nodes.iter().zip(found) {
            let leaves = node.leaves().expect("a node of this tree");
            let within = |at| usize::try_from(at).expect("a small number");
            let expected = hash::root(&hashes[within(leaves.start)..within(leaves.end)]);
            assert_eq!(found, expected, "{node:?} of {size} leaves");
        }
    }
    for node in [Node::leaf(size), Node { level: 1, index: size / 2 }, Node { level: 63, index: 0 }] {
        let refused = machines.tree_nodes(TALLY, &[node]).await;
        assert!(matches!(refused, Err(StorageError::Invalid(_))), "{node:?}: {refused:?}");
    }
    let many = machines.tree_nodes(TALLY, &[Node::leaf(0); 257]).await;
    assert!(matches!(many, Err(StorageError::Invalid(_))), "{many:?}");
    for limit in [0, 1001] {
        let refused = machines.tree_leaves(TALLY, 0, limit).await;
        assert!(matches!(refused, Err(StorageError::Invalid(_))), "{limit}: {refused:?}");
    }
}

async fn what_breaks_a_bound_is_invalid(machines: &impl Machines) {
    let long = machines.submit(TALLY, vec![0; 1_048_577]).await;
    assert!(matches!(long, Err(StorageError::Invalid(_))), "a long command: {long:?}");
    let long = machines.query(TALLY, vec![0; 65_537]).await;
    assert!(matches!(long, Err(StorageError::Invalid(_))), "a long query: {long:?}");
    for (start, limit) in [(0, 1), (1, 0), (1, 1001)] {
        let refused = machines.entries(TALLY, start, limit).await;
        assert!(matches!(refused, Err(StorageError::Invalid(_))), "{start}, {limit}: {refused:?}");
    }
    assert_eq!(submit(machines, vec![7; 1_048_576]).await.position, 1, "what is refused is not logged");
}

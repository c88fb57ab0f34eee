//! The ledger's log for who audits it: its tree as tiles (C2SP tlog-tiles), and its commands.
//!
//! Tiles and entry bundles hold hashes, times and lengths, and anybody may read them: that is what
//! makes the log's history one and the same for all. Commands hold the names of owners, memos and
//! amounts, and only the administrator reads them.

use crate::Error;
use crate::ledger::MACHINE;
use vwp_core::Problem;
use vwp_core::caller::Caller;
use vwp_storage::machine::{Leaf, Node};
use vwp_storage::{Machines, StorageError};
use vwp_tlog::tile::{Kind, Tile, bundle};

/// The most commands in one answer.
pub const COMMANDS_MAX: u32 = 1000;
/// The most queries in one request.
pub const QUERIES_MAX: usize = 1000;
/// After this many bytes an answer ends with what it has.
const ANSWER_BYTES: usize = 2 * 1_048_576;

/// The bytes of a tile or an entry bundle, as its path names it.
pub async fn tile(store: &impl Machines, path: &str) -> Result<(Tile, Vec<u8>), Error> {
    let missing = || Error::from(Problem::not_found("the log has no tile of this path, or not yet"));
    let tile: Tile = path.parse().map_err(|_| missing())?;
    let indices = tile.indices().ok_or_else(missing)?;
    let bytes = match tile.kind {
        Kind::Hashes(_) => {
            let nodes: Vec<Node> = indices.map(|index| Node { level: tile.node_level(), index }).collect();
            match store.tree_nodes(MACHINE, &nodes).await {
                Ok(hashes) => hashes.concat(),
                // The tree does not have every one of them.
                Err(StorageError::Invalid(_)) => return Err(missing()),
                Err(error) => return Err(error.into()),
            }
        }
        Kind::Entries => {
            let leaves = store.tree_leaves(MACHINE, indices.start, tile.width.into()).await?;
            if leaves.len() < tile.width.into() {
                return Err(missing());
            }
            bundle(&leaves.iter().flat_map(Leaf::encode).collect::<Vec<u8>>())
        }
    };
    Ok((tile, bytes))
}

/// The bytes of one command.
pub async fn command(store: &impl Machines, caller: &Caller, position: &str) -> Result<Vec<u8>, Error> {
    require_auditor(caller)?;
    let missing = || Error::from(Problem::not_found("the log has no command at this position"));
    let position = position.parse().ok().filter(|position| *position > 0).ok_or_else(missing)?;
    let entry = store.entries(MACHINE, position, 1).await?.pop().ok_or_else(missing)?;
    Ok(entry.command)
}

/// Commands from a position on, at most `limit` (1 to 1,000), fewer if they are long: each after
/// its length in four big-endian bytes.
pub async fn commands(
    store: &impl Machines,
    caller: &Caller,
    from: u64,
    limit: u32,
) -> Result<Vec<u8>, Error> {
    require_auditor(caller)?;
    if from == 0 || !(1..=COMMANDS_MAX).contains(&limit) {
        return Err(Error::Invalid(format!("from is at least 1, and limit 1 to {COMMANDS_MAX}")));
    }
    let mut bytes = Vec::new();
    for entry in store.entries(MACHINE, from, limit).await? {
        if !bytes.is_empty() && bytes.len() + entry.command.len() > ANSWER_BYTES {
            break;
        }
        frame(&mut bytes, &entry.command)?;
    }
    Ok(bytes)
}

/// What the ledger answers to queries in its own format, which come each after its length in four
/// big-endian bytes. The answer begins with the size of the log before the first and after the
/// last of them, in eight bytes each: every answer is of a state in between. Answers follow as the
/// queries came; there are fewer of them if they would be too long together.
pub async fn queries(store: &impl Machines, caller: &Caller, queries: &[u8]) -> Result<Vec<u8>, Error> {
    require_auditor(caller)?;
    let queries = unframe(queries).filter(|queries| queries.len() <= QUERIES_MAX).ok_or_else(|| {
        Error::Invalid(format!("send at most {QUERIES_MAX} queries, each after its length in four bytes"))
    })?;
    let before = store.tree_head(MACHINE).await?.size;
    let mut answers = Vec::new();
    for query in queries {
        frame(&mut answers, &store.query(MACHINE, query.to_vec()).await?)?;
        if answers.len() > ANSWER_BYTES {
            break;
        }
    }
    let after = store.tree_head(MACHINE).await?.size;
    Ok([before.to_be_bytes().as_slice(), &after.to_be_bytes(), &answers].concat())
}

fn frame(bytes: &mut Vec<u8>, part: &[u8]) -> Result<(), Error> {
    bytes.extend(u32::try_from(part.len()).map_err(|_| Problem::internal())?.to_be_bytes());
    bytes.extend(part);
    Ok(())
}

/// Parts that each come after their length in four big-endian bytes; none if they do not.
pub fn unframe(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (part, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        parts.push(part);
        bytes = rest;
    }
    bytes.is_empty().then_some(parts)
}

/// Commands and balances are everybody's: whoever runs the port reads them, and nobody else.
fn require_auditor(caller: &Caller) -> Result<(), Error> {
    match caller {
        Caller::Administrator => Ok(()),
        Caller::Nobody => Err(Problem::unauthorised("send the administrator's token").into()),
        _ => Err(Error::Forbidden("only the administrator reads the log's commands".to_owned())),
    }
}

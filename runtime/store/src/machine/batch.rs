//! A batch of commands, as the log keeps it: the time, then each command's length
//! (four bytes) and bytes. Integers are little-endian.
//!
//! A batch is applied as it was logged, with the same position, time and commands in
//! one call, so that a replay makes exactly the calls that were made.

use crate::log::Record;
use crate::log::format::{u32_at, u64_at};
use vwp_storage::kv::Timestamp;

/// The bytes before the first command.
const TIME_LENGTH: usize = 8;

/// Appends a batch to a payload.
pub(super) fn encode(time: Timestamp, commands: &[Vec<u8>], payload: &mut Vec<u8>) {
    payload.extend_from_slice(&time.to_le_bytes());
    for command in commands {
        // A command is bounded by the contract.
        payload.extend_from_slice(&u32::try_from(command.len()).unwrap_or(u32::MAX).to_le_bytes());
        payload.extend_from_slice(command);
    }
}

/// The time and the commands of a record; none if it does not hold a batch.
pub(super) fn decode(record: &Record<'_>) -> Option<(Timestamp, Vec<Vec<u8>>)> {
    let (time, mut rest) = record.payload.split_at_checked(TIME_LENGTH)?;
    let mut commands = Vec::new();
    for _ in 0..record.count {
        let (length, after) = rest.split_at_checked(4)?;
        let (command, after) = after.split_at_checked(usize::try_from(u32_at(length, 0)).ok()?)?;
        commands.push(command.to_vec());
        rest = after;
    }
    rest.is_empty().then(|| (u64_at(time, 0), commands))
}

//! The state of a machine in this instance: a fold of a snapshot and the log after it.
//!
//! Nothing here awaits. Calls that run interleaved each read what comes next, and apply
//! of it what no other call has applied meanwhile.

use crate::log::LogRow;
use std::collections::HashMap;
use vwp_storage::StorageError;
use vwp_storage::machine::StateMachine;

/// The unique bytes of a command.
pub(crate) type CommandId = [u8; 16];

/// A machine, how far it has come, and who waits for its answers.
pub(crate) struct Fold<M> {
    machine: M,
    /// The machine's name, once it was asked for.
    name: Option<String>,
    /// Whether a snapshot was looked for.
    pub(crate) restored: bool,
    /// Who restores, if somebody does: the others wait instead of reading all of it too.
    pub(crate) restoring: bool,
    /// The position of the last command that was applied.
    applied: u64,
    /// The position of the last snapshot that this instance knows of.
    pub(crate) snapshot: u64,
    /// The commands that calls of this instance have submitted, and their answers.
    waiting: HashMap<CommandId, Option<Vec<u8>>>,
}

impl<M: StateMachine> Fold<M> {
    pub(crate) fn new(machine: M) -> Self {
        Self {
            machine,
            name: None,
            restored: false,
            restoring: false,
            applied: 0,
            snapshot: 0,
            waiting: HashMap::new(),
        }
    }

    /// Makes this the machine of that name; an instance holds one.
    pub(crate) fn claim(&mut self, name: &str) -> Result<(), StorageError> {
        match &self.name {
            Some(known) if known == name => Ok(()),
            Some(known) => Err(StorageError::Denied(format!(
                "machine {name:?}: the component holds one machine, and it is {known:?}"
            ))),
            None => {
                self.name = Some(name.to_owned());
                Ok(())
            }
        }
    }

    /// The position of the last command that was applied.
    pub(crate) fn applied(&self) -> u64 {
        self.applied
    }

    pub(crate) fn machine(&self) -> &M {
        &self.machine
    }

    /// Remembers the answer to this command when it is applied.
    pub(crate) fn expect(&mut self, id: CommandId) {
        self.waiting.insert(id, None);
    }

    /// The answer to an expected command, if it was applied.
    pub(crate) fn answer(&mut self, id: &CommandId) -> Option<Vec<u8>> {
        self.waiting.get_mut(id).and_then(Option::take)
    }

    /// No longer expects an answer.
    pub(crate) fn forget(&mut self, id: &CommandId) {
        self.waiting.remove(id);
    }

    /// Takes the state of a snapshot, if nothing was applied yet.
    pub(crate) fn restore(&mut self, position: u64, parts: &[Vec<u8>]) -> Result<(), String> {
        if self.applied == 0 {
            for part in parts.iter().filter(|part| !part.is_empty()) {
                self.machine.restore(part)?;
            }
            self.machine.restore(&[])?;
            (self.applied, self.snapshot) = (position, position);
        }
        Ok(())
    }

    /// Applies what comes next of these entries of the log, in order. Commands of one
    /// time are applied in one call.
    pub(crate) fn apply(&mut self, rows: Vec<LogRow>) -> Result<(), StorageError> {
        let applied = self.applied;
        let mut rows = rows.into_iter().filter(|row| row.position > applied).peekable();
        while let Some(first) = rows.next() {
            if first.position != self.applied + 1 {
                return Err(broken("the machine's log has a gap"));
            }
            let (position, time) = (first.position, first.time);
            let (mut ids, mut commands) = (vec![first.id], vec![first.command]);
            while let Some(row) = rows.next_if(|row| {
                row.time == time && Some(row.position) == position.checked_add(ids.len() as u64)
            }) {
                ids.push(row.id);
                commands.push(row.command);
            }
            let answers = self.machine.apply(position, time, &commands);
            self.applied += commands.len() as u64;
            if answers.len() != commands.len() {
                return Err(broken("the machine did not answer each command once"));
            }
            for (id, answer) in ids.iter().zip(answers) {
                if let Some(waiting) = self.waiting.get_mut(id) {
                    *waiting = Some(answer);
                }
            }
        }
        Ok(())
    }
}

fn broken(what: &str) -> StorageError {
    StorageError::Unavailable(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vwp_storage::conformance::Tally;

    fn row(position: u64, time: u64) -> LogRow {
        let id = [u8::try_from(position).unwrap_or(0); 16];
        LogRow { position, time, command: position.to_string().into_bytes(), id }
    }

    #[test]
    fn what_was_applied_meanwhile_is_skipped() {
        let (mut once, mut twice) = (Fold::new(Tally::default()), Fold::new(Tally::default()));
        once.apply((1..=6).map(|position| row(position, 7)).collect()).unwrap();
        twice.apply((1..=4).map(|position| row(position, 7)).collect()).unwrap();
        twice.apply((2..=6).map(|position| row(position, 7)).collect()).unwrap();
        assert_eq!(once.machine(), twice.machine());
        assert_eq!(twice.applied(), 6);
    }

    #[test]
    fn a_gap_is_an_error_and_changes_nothing() {
        let mut fold = Fold::new(Tally::default());
        fold.apply(vec![row(1, 1)]).unwrap();
        assert!(fold.apply(vec![row(3, 1)]).is_err());
        assert_eq!(fold.applied(), 1);
    }

    #[test]
    fn only_expected_answers_are_kept() {
        let mut fold = Fold::new(Tally::default());
        fold.expect(row(2, 1).id);
        fold.apply((1..=3).map(|position| row(position, 1)).collect()).unwrap();
        assert_eq!(fold.answer(&row(1, 1).id), None);
        assert_eq!(fold.answer(&row(2, 1).id), Some([2_u64.to_be_bytes().as_slice(), b"2"].concat()));
    }

    #[test]
    fn an_instance_holds_one_machine() {
        let mut fold = Fold::new(Tally::default());
        assert!(fold.claim("ledger").is_ok() && fold.claim("ledger").is_ok());
        assert!(matches!(fold.claim("other"), Err(StorageError::Denied(_))));
    }
}

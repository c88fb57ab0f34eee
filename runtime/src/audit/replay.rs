//! The tree and the machine, built again from the commands.

use super::source::{Logged, Source};
use anyhow::{Result, bail};
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use vwp_store::HostMachine;
use vwp_tlog::proof::Head;
use vwp_tlog::{Edge, Leaf};
use vwp_transactions::audit;

/// How much of a state is read at a time.
const PART_LENGTH: u32 = 1_048_576;

/// The log, or the state, is not what it has to be; the text says where.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Differs(pub(super) String);

/// What was built so far.
pub(super) struct Replay {
    machine: Box<dyn HostMachine>,
    edge: Edge,
    time: u64,
    /// Roots that the log has to have at some sizes, and who says so.
    expected: Vec<(Head, &'static str)>,
    /// What the commands named: queries, and what they are about.
    questions: BTreeMap<Vec<u8>, String>,
}

impl Replay {
    pub(super) fn new(machine: Box<dyn HostMachine>) -> Self {
        Self { machine, edge: Edge::default(), time: 0, expected: Vec::new(), questions: BTreeMap::new() }
    }

    /// Requires a root once the log has this size.
    pub(super) fn expect(&mut self, head: Head, who: &'static str) {
        self.expected.push((head, who));
    }

    pub(super) fn head(&self) -> Head {
        Head { size: self.edge.size(), root: self.edge.root() }
    }

    /// The queries that the commands gave rise to, with what they are about.
    pub(super) fn questions(&self) -> &BTreeMap<Vec<u8>, String> {
        &self.questions
    }

    /// What the machine answers.
    pub(super) fn ask(&mut self, query: &[u8]) -> Result<Vec<u8>> {
        Ok(self.machine.query(query)?)
    }

    /// Builds on until the log has this size.
    pub(super) fn advance(&mut self, source: &mut impl Source, size: u64, bar: &ProgressBar) -> Result<()> {
        self.require_expected()?;
        while self.edge.size() < size {
            let logged = source.read(self.edge.size()..size)?;
            // Commands of one time may be applied in one call: a machine cannot tell.
            for together in logged.chunk_by(|one, next| one.time == next.time) {
                self.apply(together)?;
            }
            bar.set_position(self.edge.size());
        }
        Ok(())
    }

    fn apply(&mut self, logged: &[Logged]) -> Result<()> {
        let Some(time) = logged.first().map(|logged| logged.time) else { return Ok(()) };
        let first = self.edge.size() + 1;
        if time < self.time {
            return Err(
                Differs(format!("entry {first}: the time goes back from {} to {time}", self.time)).into()
            );
        }
        self.time = time;
        let commands: Vec<Vec<u8>> = logged.iter().map(|logged| logged.command.clone()).collect();
        let answers = self.machine.apply(first, time, &commands)?;
        if answers.len() != commands.len() {
            bail!("the machine did not answer every command from {first} on");
        }
        for command in &commands {
            self.edge.push(Leaf::new(time, command).hash(), |_, _| ());
            self.require_expected()?;
            for question in audit::questions(command) {
                // What names an owner says more than what does not.
                let known = self.questions.entry(question.query).or_default();
                if known.len() < question.about.len() {
                    *known = question.about;
                }
            }
        }
        Ok(())
    }

    fn require_expected(&self) -> Result<()> {
        let size = self.edge.size();
        for (head, who) in self.expected.iter().filter(|(head, _)| head.size == size) {
            if self.edge.root() != head.root {
                let what = format!("the first {size} commands do not have the root that is in {who}");
                return Err(Differs(what).into());
            }
        }
        Ok(())
    }

    /// The digest of the machine's state: of its serialisation.
    pub(super) fn state(&mut self) -> Result<Vec<u8>> {
        let (mut digest, mut offset) = (Sha256::new(), 0);
        loop {
            let part = self.machine.checkpoint(offset, PART_LENGTH)?;
            if part.is_empty() {
                return Ok(digest.finalize().to_vec());
            }
            offset += part.len() as u64;
            digest.update(part);
        }
    }
}

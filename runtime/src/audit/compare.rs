//! The port's answers beside those of the machine that was replayed.
//!
//! The port goes on meanwhile. So it says how long its log was before and after its answers: the
//! replay goes on to the first, and what differs there is asked again after each command up to the
//! second, because the answer may be of any state in between. Commands that were not signed yet when
//! the audit began are held against a newer checkpoint at the end.

use super::replay::{Differs, Replay};
use super::source::Online;
use anyhow::{Result, bail};
use indicatif::ProgressBar;
use std::time::Duration;
use vwp_client::output::plain;
use vwp_tlog::note::Verifier;
use vwp_transactions::audit;

/// How many questions are asked at a time.
const QUESTIONS: usize = 500;
/// How many differences are told.
const TOLD: usize = 10;
/// How often a newer checkpoint is waited for.
const CHECKPOINTS: u32 = 20;
/// How long is waited for one at a time: as long as one is the latest.
const CHECKPOINT_PAUSE: Duration = Duration::from_millis(300);

/// A query, and what it is about.
type Question = (Vec<u8>, String);

/// Asks the port about everything that the commands named; says about how many things.
pub(super) fn compare(source: &mut Online, replay: &mut Replay, known: &[Verifier]) -> Result<u64> {
    let asked: Vec<Question> =
        replay.questions().iter().map(|(query, about)| (query.clone(), about.clone())).collect();
    let bar = ProgressBar::hidden();
    let mut different = Vec::new();
    let mut rest = asked.as_slice();
    while !rest.is_empty() && different.len() < TOLD {
        let some = rest.get(..QUESTIONS).unwrap_or(rest);
        let queries: Vec<&[u8]> = some.iter().map(|(query, _)| query.as_slice()).collect();
        let (sizes, answers) = source.ask(&queries)?;
        if answers.is_empty() || answers.len() > some.len() {
            bail!("the port did not answer the queries that it was asked");
        }
        replay.advance(source, sizes.start, &bar)?;
        let mut open: Vec<(&Question, &Vec<u8>)> = some.iter().zip(&answers).collect();
        loop {
            open = still_different(replay, open)?;
            if open.is_empty() || replay.head().size >= sizes.end {
                break;
            }
            replay.advance(source, replay.head().size + 1, &bar)?;
        }
        for ((query, about), answer) in open {
            different.push(told(about, &replay.ask(query)?, answer));
        }
        rest = rest.get(answers.len()..).unwrap_or_default();
    }
    if !different.is_empty() {
        different.truncate(TOLD);
        let what = format!("the port's state is not what its log says:\n  {}", different.join("\n  "));
        return Err(Differs(what).into());
    }
    require_signed(source, replay, known)?;
    Ok(asked.len() as u64)
}

/// The answers that the replayed machine does not give now.
fn still_different<'a>(
    replay: &mut Replay,
    open: Vec<(&'a Question, &'a Vec<u8>)>,
) -> Result<Vec<(&'a Question, &'a Vec<u8>)>> {
    let mut left = Vec::new();
    for (question, answer) in open {
        if replay.ask(&question.0)? != *answer {
            left.push((question, answer));
        }
    }
    Ok(left)
}

/// What is wrong with an answer. The log's texts are those of strangers.
fn told(about: &str, expected: &[u8], answer: &[u8]) -> String {
    let fields = audit::differences(expected, answer);
    let what = if fields.is_empty() { "another answer".to_owned() } else { fields.join(", ") };
    plain(&format!("{about}: {what}"))
}

/// Holds what was replayed since the first checkpoint against one that the port signed later.
fn require_signed(source: &mut Online, replay: &mut Replay, known: &[Verifier]) -> Result<()> {
    for _ in 0..CHECKPOINTS {
        let (_, signed) = source.checkpoint(known)?;
        if signed.head.size >= replay.head().size {
            replay.expect(signed.head, "a later checkpoint");
            return replay.advance(source, signed.head.size, &ProgressBar::hidden());
        }
        std::thread::sleep(CHECKPOINT_PAUSE);
    }
    bail!("the port signed no checkpoint of everything that it answered from");
}

//! How long `vwp up` takes to its first answer, and how much memory it then occupies.

use crate::Bench;
use crate::measure::Figures;
use crate::port::{self, Port};
use crate::report::Row;
use anyhow::Result;

/// Starts, with and without compiled code on disk.
pub(crate) fn rows(bench: &Bench) -> Result<Vec<Row>> {
    let state = port::state(bench.scratch.path());
    let (mut cold, mut warm, mut resident) = (Figures::default(), Figures::default(), Figures::default());
    bench.progress.say("vwp up, compiling everything");
    let first = Port::start(&state.with_file_name("empty"))?;
    cold.push(first.first_answer_ms);
    first.stop()?;
    // What is measured is a state with worlds, which has been used and left in order.
    bench.with_port(|_| Ok(()))?;
    for round in 1..=bench.effort.rounds.max(5) {
        bench.progress.say(&format!("vwp up, warm, round {round}"));
        let port = Port::start(&state)?;
        warm.push(port.first_answer_ms);
        resident.push(port.resident_mb()?);
        port.stop()?;
    }
    Ok(vec![
        Row::quantity("start to first answer, warm cache", "ms", &warm, None, Some(300.0)),
        Row::quantity("start to first answer, empty cache", "ms", &cold, None, None),
        Row::quantity("resident after it", "MB", &resident, None, Some(64.0)),
    ])
}

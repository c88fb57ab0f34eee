//! What it costs to tell: looking up a world in a `vwp up` that tells nothing, in one that counts
//! and is scraped, and in ones that trace besides.

use crate::measure::{Figures, Side, rounds};
use crate::port::Port;
use crate::report::Row;
use crate::{Bench, http, tools};
use anyhow::Result;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What each of them is told, besides what all are: nothing, metrics, and which share of the traces.
const TOLD: [(&str, Option<&str>); 4] = [
    ("nothing", None),
    ("metrics", Some("none")),
    ("1 of 100 traces", Some("0.01")),
    ("all traces", Some("1")),
];

/// All of them in turns.
pub(crate) fn rows(bench: &Bench) -> Result<Vec<Row>> {
    tools::need("wrk", "wrk")?;
    // It takes whatever it is sent.
    let sink = bench.runtime.block_on(http::bare())?;
    let mut started = Vec::new();
    for (at, (name, ratio)) in TOLD.into_iter().enumerate() {
        bench.progress.say(&format!("vwp up that tells {name}"));
        let folder = bench.scratch.path().join(format!("telemetry-{at}"));
        std::fs::create_dir_all(&folder)?;
        let port = Port::start_told(&folder.join("state"), &arguments(sink, ratio))?;
        port.registry().import(&folder, None)?;
        let script = port.registry().script(&folder)?;
        started.push((port, script));
    }
    let cpu: [RefCell<Figures>; TOLD.len()] = Default::default();
    let turn = |at: usize, turn| {
        let (port, script): &(Port, PathBuf) = &started[at];
        let before = port.cpu_seconds()?;
        let load = tools::wrk(&format!("http://{}/", port.http), turn, Some(script))?;
        cpu[at].borrow_mut().push((port.cpu_seconds()? - before) * 1e6 / load.requests);
        Ok(load.per_second)
    };
    let (mut nothing, mut metrics) = (|t| turn(0, t), |t| turn(1, t));
    let (mut some, mut all) = (|t| turn(2, t), |t| turn(3, t));
    let sides = [
        (TOLD[0].0, &mut nothing as Side<'_>),
        (TOLD[1].0, &mut metrics),
        (TOLD[2].0, &mut some),
        (TOLD[3].0, &mut all),
    ];
    let rates = rounds(bench.effort, &bench.progress, sides)?;
    let mut rows = Vec::new();
    let nothing_us = cpu[0].borrow();
    for at in 1..TOLD.len() {
        let (told, _) = TOLD[at];
        let name = format!("world lookup that tells {told}");
        rows.push(Row::rate(name.clone(), "requests", &rates[at], (TOLD[0].0, &rates[0]), None));
        let (us, beside) = (cpu[at].borrow(), Some((TOLD[0].0, &*nothing_us)));
        rows.push(Row::quantity(format!("{name}, processor time"), "us", &us, beside, None));
    }
    drop(nothing_us);
    for (port, _) in started {
        port.stop()?;
    }
    Ok(rows)
}

fn arguments(sink: SocketAddr, ratio: Option<&str>) -> Vec<String> {
    let mut arguments = Vec::new();
    if ratio.is_some() {
        arguments.extend(["--metrics-listen", "127.0.0.1:0"].map(str::to_owned));
    }
    if let Some(ratio) = ratio.filter(|ratio| *ratio != "none") {
        arguments.extend(["--otlp-endpoint".to_owned(), format!("http://{sink}")]);
        arguments.extend(["--otlp-sample-ratio", ratio].map(str::to_owned));
    }
    arguments
}

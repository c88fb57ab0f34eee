//! The ledger's log over HTTP, as whoever runs the port reads it.

use crate::patience::patiently;
use crate::port::{Body, Port, PortError};
use anyhow::{Context, ensure};
use std::ops::Range;
use ureq::http::Method;
use vwp_transactions::tiles::unframe;

/// How many commands are asked for at a time; the port gives fewer if they are long.
const COMMANDS: u32 = 1000;
/// How many queries are sent at a time: together they are no longer than the port reads.
const QUERIES: usize = 500;

/// The log of a port.
#[derive(Debug)]
pub struct Source {
    port: Port,
}

impl Source {
    /// The log of a port, which is told with every request that its administrator asks.
    pub fn new(port: Port) -> Self {
        Self { port }
    }

    /// The commands from a position on: at least one, and as many as come in one answer.
    pub fn commands(&self, from: u64) -> anyhow::Result<Vec<Vec<u8>>> {
        let framed =
            self.send(&Method::GET, &format!("/v1/ledger/commands?from={from}&limit={COMMANDS}"), None)?;
        let commands = unframe(&framed).filter(|commands| !commands.is_empty());
        let commands = commands.with_context(|| format!("the port gives no commands from {from} on"))?;
        Ok(commands.into_iter().map(<[u8]>::to_vec).collect())
    }

    /// What the ledger answers to queries, one answer for each.
    pub fn answers(&self, queries: &[Vec<u8>]) -> anyhow::Result<Vec<Vec<u8>>> {
        let mut answers = Vec::with_capacity(queries.len());
        while let Some(asked) = queries.get(answers.len()..).filter(|asked| !asked.is_empty()) {
            let asked: Vec<&[u8]> = asked.iter().take(QUERIES).map(Vec::as_slice).collect();
            let (_, some) = self.ask(&asked)?;
            ensure!((1..=asked.len()).contains(&some.len()), "the port's answer to queries is malformed");
            answers.extend(some);
        }
        Ok(answers)
    }

    /// What the ledger answers to at most 500 queries, or the first of them, and the sizes of the log before
    /// and after.
    pub fn ask(&self, queries: &[&[u8]]) -> anyhow::Result<(Range<u64>, Vec<Vec<u8>>)> {
        let mut framed = Vec::new();
        for query in queries {
            framed.extend(u32::try_from(query.len())?.to_be_bytes());
            framed.extend(*query);
        }
        let body = Body { media_type: "application/octet-stream", bytes: &framed, coding: None };
        let answer = self.send(&Method::POST, "/v1/ledger/queries", Some(body))?;
        let read = || {
            let (before, rest) = answer.split_first_chunk()?;
            let (after, rest) = rest.split_first_chunk()?;
            let answers = unframe(rest)?.into_iter().map(<[u8]>::to_vec).collect();
            Some((u64::from_be_bytes(*before)..u64::from_be_bytes(*after), answers))
        };
        read().context("the port's answer to queries is malformed")
    }

    /// Nothing here changes anything, so it is harmless to ask twice.
    fn send(&self, method: &Method, path: &str, body: Option<Body<'_>>) -> Result<Vec<u8>, PortError> {
        Ok(patiently(|| self.port.send(method, path, body))?.body)
    }
}

//! Search in a million worlds, over HTTP, through the component in a `vwp up`.
//!
//! The worlds are written into the store before it starts, records and index as registrations
//! would leave them, because a million signed registrations take longer than anybody waits. What
//! is measured asks for words, a filter and a place at once. `--worlds N` makes them fewer.

use crate::Bench;
use crate::measure::Figures;
use crate::port::Port;
use crate::report::Row;
use crate::worlds::{self, Chance};
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;
use vwp_discovery::index::bulk::Builder;
use vwp_discovery::index::facts::Facts;
use vwp_discovery::keys;
use vwp_storage::kv::{COMMIT_BYTES_MAX, COMMIT_ITEMS_MAX, Outcome, Write};
use vwp_storage::limits::commit_bytes;
use vwp_store::{Engine, FjallEngine, FjallOptions};

/// How many commits wait for the store at once.
const COMMITS_AT_ONCE: usize = 8;

/// Fewer of these per second than there are in a turn at the target would measure one question.
const QUESTIONS_MIN: usize = 20;

/// Builds the state, starts, asks.
pub(crate) fn rows(bench: &Bench) -> Result<Vec<Row>> {
    let state = bench.scratch.path().join("search");
    bench.progress.say("making worlds up");
    let built = build(bench, &state.join("store"))?;
    let bytes = size(&state)?;
    bench.progress.say("starting vwp up on them");
    let port = Port::start(&state)?;
    let (mut median, mut p99) = (Figures::default(), Figures::default());
    let mut client = Client::connect(port.http)?;
    let mut chance = Chance::new(0x005E_A7C4);
    for round in 0..=bench.effort.rounds {
        bench.progress.say(&format!("searching, round {round} of {}", bench.effort.rounds));
        let mut times = ask(&mut client, &mut chance, bench.effort.turn)?;
        times.sort_by(f64::total_cmp);
        // The first round reads what the others find in the page cache.
        if round > 0 {
            median.push(times[times.len() / 2]);
            p99.push(times[times.len() * 99 / 100]);
        }
    }
    port.stop()?;
    let one = |figure: f64| {
        let mut figures = Figures::default();
        figures.push(figure);
        figures
    };
    let name = |what: &str| format!("search in {} worlds, {what}", bench.worlds);
    #[allow(clippy::cast_precision_loss, reason = "counts of bytes and worlds")]
    let per_world = bytes as f64 / bench.worlds as f64;
    #[allow(clippy::cast_precision_loss, reason = "counts of bytes and worlds")]
    let index_per_world = built.index_bytes as f64 / bench.worlds as f64;
    Ok(vec![
        Row::quantity(name("words, filter and place, p50"), "ms", &median, None, None),
        Row::quantity(name("words, filter and place, p99"), "ms", &p99, None, Some(20.0)),
        Row::quantity(name("building the index"), "s", &one(built.index_s), None, None),
        Row::quantity(name("index bytes a world"), "B", &one(index_per_world), None, None),
        Row::quantity(name("store bytes a world, without DNS"), "B", &one(per_world), None, None),
    ])
}

/// What it took to build the state.
struct Built {
    /// How long the index took, in seconds.
    index_s: f64,
    /// How many bytes of keys and values it has.
    index_bytes: usize,
}

fn build(bench: &Bench, folder: &Path) -> Result<Built> {
    std::fs::create_dir_all(folder)?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let engine = Arc::new(FjallEngine::open(folder, FjallOptions::default())?);
    let mut sink = Sink { engine, bench, part: Vec::new(), bytes: 0, total: 0, running: JoinSet::new() };
    let (mut builder, mut index_s, mut index_bytes) = (Builder::default(), 0.0, 0);
    for number in 0..bench.worlds {
        if number % 50_000 == 0 {
            bench.progress.say(&format!("made {number} worlds up"));
        }
        let (world, score) = worlds::world(number, now_s);
        sink.put(Write::put(keys::world_text(&world.fields.name), serde_json::to_vec(&world)?))?;
        let start = Instant::now();
        let writes = builder
            .add(&Facts::of(&world), score, now_s * 1000)
            .map_err(|problem| anyhow::anyhow!("{problem:?}"))?;
        index_bytes += commit_bytes(&[], &writes);
        for write in writes {
            sink.put(write)?;
        }
        index_s += start.elapsed().as_secs_f64();
    }
    sink.finish()?;
    bench.progress.say("building the index");
    let start = Instant::now();
    for write in builder.finish() {
        let write = write.map_err(|problem| anyhow::anyhow!("{problem:?}"))?;
        index_bytes += commit_bytes(&[], std::slice::from_ref(&write));
        sink.put(write)?;
    }
    sink.finish()?;
    Ok(Built { index_s: index_s + start.elapsed().as_secs_f64(), index_bytes })
}

/// Commits what is put, some commits at once.
struct Sink<'a> {
    engine: Arc<FjallEngine>,
    bench: &'a Bench,
    part: Vec<Write>,
    bytes: usize,
    total: usize,
    running: JoinSet<Result<()>>,
}

impl Sink<'_> {
    fn put(&mut self, write: Write) -> Result<()> {
        let size = commit_bytes(&[], std::slice::from_ref(&write));
        if self.part.len() == COMMIT_ITEMS_MAX || self.bytes + size > COMMIT_BYTES_MAX {
            self.commit()?;
        }
        self.bytes += size;
        self.part.push(write);
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        let (engine, part) = (self.engine.clone(), std::mem::take(&mut self.part));
        (self.bytes, self.total) = (0, self.total + 1);
        self.bench.runtime.block_on(async {
            while self.running.len() >= COMMITS_AT_ONCE {
                self.running.join_next().await.context("no commit runs")???;
            }
            self.running.spawn(async move {
                let outcome = engine.commit(Vec::new(), part).await?;
                ensure!(matches!(outcome, Outcome::Committed(_)), "a commit was refused: {outcome:?}");
                Ok(())
            });
            Ok(())
        })
    }

    fn finish(&mut self) -> Result<()> {
        self.commit()?;
        self.bench.runtime.block_on(async {
            while let Some(done) = self.running.join_next().await {
                done??;
            }
            Ok(())
        })
    }
}

/// Asks one question after the other for a turn; how long each took, in milliseconds.
fn ask(client: &mut Client, chance: &mut Chance, turn: Duration) -> Result<Vec<f64>> {
    let (start, mut times) = (Instant::now(), Vec::new());
    while start.elapsed() < turn || times.len() < QUESTIONS_MIN {
        let question = question(chance);
        let asked = Instant::now();
        let status = client.get(&question)?;
        times.push(asked.elapsed().as_secs_f64() * 1000.0);
        ensure!(status == "200", "{question} was answered with {status}");
    }
    Ok(times)
}

/// Words, a filter and a place.
fn question(chance: &mut Chance) -> String {
    let word = worlds::word(chance.zipf(worlds::WORDS_DRAWN));
    let other = worlds::word(chance.zipf(worlds::WORDS_DRAWN));
    let tag = worlds::tag(chance.zipf(worlds::TAGS_DRAWN));
    let language = worlds::language(chance.zipf(worlds::LANGUAGES_DRAWN));
    let (latitude, longitude) = worlds::place(chance);
    let near = format!("near={latitude:.3},{longitude:.3}");
    match chance.below(4) {
        0 => format!("/v1/worlds?q={word}&language={language}&{near}&sort=distance"),
        1 => format!("/v1/worlds?q={word}&tag={tag}&{near}&within_km=2000"),
        2 => format!("/v1/worlds?q={word}+{other}&language={language}&{near}&within_km=5000"),
        _ => format!("/v1/worlds?q={word}&rating=12&language={language}&{near}&within_km=500"),
    }
}

/// One connection that is kept.
struct Client {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Client {
    fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), address })
    }

    /// Asks for a document and reads it to its end; the status.
    fn get(&mut self, path: &str) -> Result<String> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        self.stream.get_mut().write_all(request.as_bytes())?;
        let (mut status, mut length, mut line) = (String::new(), None, String::new());
        loop {
            line.clear();
            ensure!(self.stream.read_line(&mut line)? > 0, "the connection was closed");
            let line = line.trim_end();
            if status.is_empty() {
                line.split(' ').nth(1).unwrap_or_default().clone_into(&mut status);
            } else if line.is_empty() {
                break;
            } else if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = Some(value.trim().parse::<u64>()?);
            }
        }
        let length = length.context("the answer has no length")?;
        let read = std::io::copy(&mut self.stream.by_ref().take(length), &mut std::io::sink())?;
        ensure!(read == length, "the answer broke off");
        Ok(status)
    }
}

/// The bytes of all files in a folder.
fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

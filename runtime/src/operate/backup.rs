//! `vwp backup`: all of a deployment's state at one moment, in one file.
//!
//! The process that serves takes the backup, and this one asks for it over its
//! [control socket](super::control). Where none serves, this process opens the store itself.
//! Either way it verifies what it gets while it passes it on, as a restore will, so a backup
//! that was reported as taken can be read. A file appears under its name only then.

use super::chunks::{self, Chunk, ChunkReader, ChunkWriter};
use super::{control, report};
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tokio::net::UnixStream;
use vwp_client::exit::Exit;
use vwp_store::backup::{Contents, Extra};
use vwp_store::{BackupError, Engine, FjallEngine, FjallOptions, StoreError};

/// What stands for the standard output, or input.
pub(super) const STANDARD: &str = "-";

/// What `vwp backup` takes.
#[derive(Debug, clap::Args)]
pub struct Backup {
    /// The file to write, which must not exist; `-` is the standard output
    file: PathBuf,
    /// Where the store and the secrets are kept
    #[arg(long, value_name = "DIR", default_value = "data")]
    state_dir: PathBuf,
    /// Put the secrets in as well, the master key among them: whoever has the file then has
    /// everything. Without them, keep a copy of the secrets elsewhere: nothing opens what they seal
    #[arg(long)]
    with_secrets: bool,
    /// Print what is in the backup as JSON
    #[arg(long)]
    json: bool,
}

impl Backup {
    /// Takes the backup.
    pub fn run(&self) -> Result<()> {
        let to_output = self.file.as_os_str() == STANDARD;
        if to_output && io::stdout().is_terminal() {
            bail!("a backup is not for a terminal: name a file, or redirect the output");
        }
        if !to_output && self.file.exists() {
            bail!("{} exists, and is not replaced", self.file.display());
        }
        if !self.state_dir.join("store").is_dir() {
            return Err(Exit::not_found(format!("there is no store in {}", self.state_dir.display())).into());
        }
        let input = self.taken()?;
        let contents =
            if to_output { verified(input, &mut io::stdout().lock())? } else { self.to_file(input)? };
        for left_out in left_out(&self.state_dir) {
            eprintln!("not in the backup: {}, a database of a component's own", left_out.display());
        }
        let told = if self.json {
            report::json_of(&contents.summary).to_string()
        } else {
            report::text_of(&contents.summary)
        };
        // The standard output may be the backup.
        if to_output {
            eprintln!("{told}");
            return Ok(());
        }
        vwp_client::output::line(&told)
    }

    /// Written beside, for nobody but the user, and renamed when it is whole and durable.
    fn to_file(&self, input: ChunkReader) -> Result<Contents> {
        let shown = self.file.display();
        let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)
            .with_context(|| format!("cannot write in {}", folder.display()))?;
        let contents = verified(input, file.as_file_mut())?;
        file.as_file().sync_all().with_context(|| format!("cannot write {shown}"))?;
        file.persist_noclobber(&self.file)
            .map_err(|error| error.error)
            .with_context(|| format!("cannot write {shown}"))?;
        std::fs::File::open(folder)?.sync_all()?;
        Ok(contents)
    }

    /// The backup, as it is taken.
    fn taken(&self) -> Result<ChunkReader> {
        match std::os::unix::net::UnixStream::connect(control::socket(&self.state_dir)) {
            Ok(stream) => {
                stream.set_nonblocking(true)?;
                let (sender, reader) = chunks::chunks();
                let with_secrets = self.with_secrets;
                std::thread::Builder::new().name("backup".to_owned()).spawn(move || {
                    if let Err(error) = ask(stream, with_secrets, &sender) {
                        // Whoever read has ended for a reason of its own.
                        let _ = sender.send(Err(io::Error::other(Said(error))));
                    }
                })?;
                Ok(reader)
            }
            // No process serves, or one that has not come so far: then the store says so.
            Err(_) => self.taken_here(),
        }
    }

    /// The backup of a store that no process serves.
    fn taken_here(&self) -> Result<ChunkReader> {
        let extras =
            if self.with_secrets { control::secrets(&self.state_dir.join("secrets"))? } else { Vec::new() };
        let engine = open(&self.state_dir)?;
        let (sender, reader) = chunks::chunks();
        std::thread::Builder::new().name("backup".to_owned()).spawn(move || {
            if let Err(error) = write(&engine, &extras, &sender) {
                // Whoever read has ended for a reason of its own.
                let _ = sender.send(Err(io::Error::other(Said(error.into()))));
            }
        })?;
        Ok(reader)
    }
}

/// Opens the store of a state folder, if no process serves from it.
pub(super) fn open(state: &Path) -> Result<FjallEngine> {
    FjallEngine::open(&state.join("store"), FjallOptions::default()).map_err(|error| match error {
        StoreError::Locked { .. } => {
            Exit::try_again(format!("{error}: it is starting or stopping, or serves from elsewhere")).into()
        }
        error => error.into(),
    })
}

fn write(engine: &FjallEngine, extras: &[Extra], sender: &SyncSender<Chunk>) -> Result<(), BackupError> {
    let mut writer = ChunkWriter::new(|chunk| sender.send(Ok(chunk)).is_ok());
    engine.backup()?.write(&mut writer, extras, &mut |_| {}).map(drop)
}

/// Asks the process that serves, and passes on what it answers.
fn ask(stream: std::os::unix::net::UnixStream, with_secrets: bool, sender: &SyncSender<Chunk>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let stream = TokioIo::new(UnixStream::from_std(stream)?);
        let (mut client, connection) = hyper::client::conn::http1::handshake(stream).await?;
        let connection = tokio::spawn(connection);
        let path = if with_secrets { "/backup?secrets=true" } else { "/backup" };
        let request = Request::post(path).header(header::HOST, "localhost").body(Empty::<Bytes>::new())?;
        let mut answer =
            client.send_request(request).await.context("the process that serves did not answer")?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::SERVICE_UNAVAILABLE => {
                return Err(Exit::try_again(
                    "another backup is being taken, or the process stops".to_owned(),
                )
                .into());
            }
            status => bail!("the process that serves answered {status}; its log says why"),
        }
        while let Some(frame) = answer.frame().await {
            let frame = frame.context("the process that serves broke off; its log may say why")?;
            if let Ok(bytes) = frame.into_data()
                && sender.send(Ok(bytes)).is_err()
            {
                break;
            }
        }
        connection.abort();
        Ok(())
    })
}

/// Reads a backup to its end, verifies it, and passes it on.
fn verified(input: ChunkReader, output: &mut dyn Write) -> Result<Contents> {
    let mut passing = Passing { input, output };
    let bar = progress();
    let contents = vwp_store::backup::read(&mut passing, None, &mut |bytes| bar.set_position(bytes));
    bar.finish_and_clear();
    let contents = contents.map_err(plain)?;
    passing.output.flush().context("the backup cannot be written")?;
    Ok(contents)
}

/// Why the other thread passes on nothing more.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
struct Said(anyhow::Error);

/// Finds again what the other thread said.
pub(super) fn plain(error: BackupError) -> anyhow::Error {
    match error {
        BackupError::Input(error) => match error.downcast::<Said>() {
            Ok(Said(error)) => error,
            Err(error) => BackupError::Input(error).into(),
        },
        error => error.into(),
    }
}

struct Passing<'a> {
    input: ChunkReader,
    output: &'a mut dyn Write,
}

impl Read for Passing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.output.write_all(buffer.get(..length).unwrap_or_default())?;
        Ok(length)
    }
}

/// A line on the terminal that counts bytes; nothing where there is no terminal.
pub(super) fn progress() -> ProgressBar {
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {bytes} ({bytes_per_sec})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// How long an SQLite database is in which nothing was ever kept: it is made of its head alone.
const EMPTY_DATABASE_BYTES: u64 = 4096;

/// The databases in the state folder that are no part of the store, and hold something.
fn left_out(state: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(state.join("sqlite")).into_iter().flatten().filter_map(Result::ok);
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let is_used = |path: &PathBuf| {
        let is_database = path.extension().is_some_and(|extension| extension == "db");
        // What was written last is in a file beside it.
        let beside = length(&path.with_extension("db-wal"));
        is_database && (length(path) > EMPTY_DATABASE_BYTES || beside > 0)
    };
    let mut found: Vec<PathBuf> = listed.map(|entry| entry.path()).filter(is_used).collect();
    found.sort();
    found
}

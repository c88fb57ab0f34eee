//! `vwp restore`: a deployment's state from a backup.
//!
//! The store is made beside its place and verified to the backup's last byte before it is moved
//! there with one rename. So the state folder has all of it or nothing, and a store that is there
//! is never touched.

use super::backup::{STANDARD, plain, progress};
use super::report;
use crate::secrets;
use anyhow::{Context, Result, bail};
use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use vwp_client::exit::Exit;
use vwp_store::backup::Extra;

/// What `vwp restore` takes.
#[derive(Debug, clap::Args)]
pub struct Restore {
    /// The backup; `-` is the standard input
    file: PathBuf,
    /// Where the state is to be kept: a folder without a store
    #[arg(long, value_name = "DIR", default_value = "data")]
    state_dir: PathBuf,
    /// Only verify the backup
    #[arg(long)]
    check: bool,
    /// Print what is in the backup as JSON
    #[arg(long)]
    json: bool,
}

impl Restore {
    /// Restores, or verifies.
    pub fn run(&self) -> Result<()> {
        let mut input = self.input()?;
        let bar = progress();
        let mut told = |bytes| bar.set_position(bytes);
        let contents = if self.check {
            vwp_store::backup::read(&mut *input, None, &mut told).map_err(plain)
        } else {
            self.restore(&mut *input, &mut told)
        };
        bar.finish_and_clear();
        let summary = contents?.summary;
        let text = if self.json { report::json_of(&summary).to_string() } else { report::text_of(&summary) };
        vwp_client::output::line(&text)
    }

    fn input(&self) -> Result<Box<dyn Read>> {
        if self.file.as_os_str() == STANDARD {
            return Ok(Box::new(std::io::stdin().lock()));
        }
        match File::open(&self.file) {
            // A frame is read in two parts, of which the first is short.
            Ok(file) => Ok(Box::new(std::io::BufReader::with_capacity(256 * 1024, file))),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(Exit::not_found(format!("there is no file {}", self.file.display())).into())
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", self.file.display())),
        }
    }

    fn restore(
        &self,
        input: &mut dyn Read,
        told: &mut dyn FnMut(u64),
    ) -> Result<vwp_store::backup::Contents> {
        let state = &self.state_dir;
        for name in ["store", "sqlite"] {
            if !is_empty(&state.join(name))? {
                bail!("{} has a state already, in {name}: restore into a new folder", state.display());
            }
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(state);
        made.with_context(|| format!("cannot make {}", state.display()))?;
        // Below the state folder, so that a rename is all that is left to do; it goes with this
        // process if anything fails.
        let beside = tempfile::Builder::new().prefix(".restore-").tempdir_in(state)?;
        let store = beside.path().join("store");
        std::fs::create_dir(&store)?;
        let contents = vwp_store::backup::read(input, Some(&store), told).map_err(plain)?;
        self.secrets(&contents.files)?;
        let place = state.join("store");
        std::fs::rename(&store, &place).with_context(|| format!("cannot make {}", place.display()))?;
        File::open(state)?.sync_all()?;
        Ok(contents)
    }

    /// Secrets come before the store, which would be of no use without them.
    fn secrets(&self, files: &[Extra]) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let folder = self.state_dir.join("secrets");
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        for Extra { name, contents } in files {
            let path = folder.join(name);
            match std::fs::read(&path) {
                // It is the same one, from a restore that was broken off.
                Ok(there) if there == *contents => continue,
                Ok(_) => bail!("{} is there already, and is another one", path.display()),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
            }
            secrets::keep(&folder, name, contents)?;
        }
        Ok(())
    }
}

/// Whether there is nothing at a path, or an empty folder.
fn is_empty(path: &Path) -> Result<bool> {
    match std::fs::read_dir(path) {
        Ok(mut listing) => Ok(listing.next().is_none()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error).with_context(|| format!("cannot list {}", path.display())),
    }
}

//! Compiled code on disk, which is mapped into memory as it is.
//!
//! A start that finds its code neither composes nor compiles anything, and has in memory only the
//! pages that are used. Code is found in two steps: by its *recipe*, the digest of everything that a
//! component is composed of, and by the digest of what was composed. So another build of this program,
//! which may compose otherwise, compiles only what came out otherwise.

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use wasmtime::Engine;
use wasmtime::component::Component;

/// A SHA-256.
pub type Digest = [u8; 32];

/// How much is kept, in bytes; what was not used for longest goes first.
const BYTES_MAX: u64 = 1 << 30;

/// A folder of compiled code.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// What tells this build of the program from others.
    build: Vec<u8>,
    used: Mutex<BTreeSet<PathBuf>>,
}

impl Folder {
    /// Opens it, or makes it for nobody but the user.
    pub fn open(path: &Path) -> Result<Self> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path: path.to_owned(), build: build(), used: Mutex::default() })
    }

    /// The component of a recipe; `compose` makes it where it is not here yet.
    pub fn component(
        &self,
        engine: &Engine,
        recipe: &Digest,
        compose: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<Component> {
        let recipe = self.path.join(name_of(&[recipe, &self.build])).with_extension("recipe");
        if let Ok(name) = std::fs::read_to_string(&recipe)
            && let Some(component) = self.load(engine, &self.code(engine, &name))
        {
            self.use_of(recipe);
            return Ok(component);
        }
        let bytes = compose()?;
        let name = name_of(&[&bytes]);
        let code = self.code(engine, &name);
        let component = match self.load(engine, &code) {
            Some(component) => component,
            None => self.compile(engine, &bytes, &code)?,
        };
        self.write(&recipe, name.as_bytes())?;
        self.use_of(recipe);
        Ok(component)
    }

    /// Removes what was not used for longest, beyond what is kept.
    pub fn tidy(&self) {
        self.tidy_to(BYTES_MAX);
    }

    fn tidy_to(&self, bytes_max: u64) {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(listing) = std::fs::read_dir(&self.path) else { return };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = listing
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let of = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
                Some((of.modified().unwrap_or(UNIX_EPOCH), of.len(), entry.path()))
            })
            .collect();
        files.sort_unstable_by(|one, other| other.cmp(one));
        let mut kept = 0_u64;
        for (_, length, path) in files {
            kept = kept.saturating_add(length);
            if kept > bytes_max && !used.contains(&path) {
                // Another start may have been quicker; and what cannot be removed does no harm.
                let _ = std::fs::remove_file(path);
            }
        }
    }

    fn compile(&self, engine: &Engine, bytes: &[u8], code: &Path) -> Result<Component> {
        let compiled = engine.precompile_component(bytes)?;
        self.write(code, &compiled)?;
        drop(compiled);
        self.load(engine, code)
            .with_context(|| format!("{} was just written, and is no code", code.display()))
    }

    /// What is in a file, if that is code for this engine.
    fn load(&self, engine: &Engine, code: &Path) -> Option<Component> {
        if !code.is_file() {
            return None;
        }
        #[allow(unsafe_code, reason = "whoever can write here can as well replace the program's data")]
        // SAFETY: only this module writes such files: whole, synced, and renamed into a folder that is
        // the user's alone, like the secrets beside it. None is ever changed, so a mapping stays as it
        // is; and code of other versions or settings is refused by its header.
        let component = unsafe { Component::deserialize_file(engine, code) };
        let component = component.ok()?;
        self.use_of(code.to_owned());
        Some(component)
    }

    /// Code of one engine does not run on another, so each has its own file.
    fn code(&self, engine: &Engine, name: &str) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        self.path.join(name_of(&[name.as_bytes(), &hasher.finish().to_be_bytes()])).with_extension("code")
    }

    fn use_of(&self, path: PathBuf) {
        // A file that keeps its old time goes too early, and is made anew.
        if let Ok(file) = File::options().append(true).open(&path) {
            let _ = file.set_modified(SystemTime::now());
        }
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(path);
    }

    /// Writes a file whole or not at all, even if several do so at once.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let context = || format!("cannot write {}", path.display());
        let mut file = tempfile::NamedTempFile::new_in(&self.path).with_context(context)?;
        file.write_all(bytes).and_then(|()| file.as_file().sync_all()).with_context(context)?;
        file.persist(path).map_err(|error| error.error).with_context(context)?;
        Ok(())
    }
}

/// The program's file, by what its next build changes.
fn build() -> Vec<u8> {
    let about = std::env::current_exe().and_then(std::fs::metadata);
    let told = about.and_then(|about| {
        let since = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(format!("{} {}", about.len(), since.as_nanos()))
    });
    told.unwrap_or_default().into_bytes()
}

/// A name for a file, from what it is found by.
fn name_of(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
    }
    let mut name = String::with_capacity(64);
    for byte in digest.finalize() {
        // Writing into a text cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tempfile::TempDir;

    const RECIPE: Digest = [7; 32];

    fn component() -> Vec<u8> {
        wat::parse_str("(component)").expect("a component")
    }

    fn engine() -> Engine {
        crate::engine::engine().expect("an engine")
    }

    #[test]
    fn what_is_on_disk_is_composed_and_compiled_once() {
        let scratch = TempDir::new().expect("a folder");
        let folder = Folder::open(&scratch.path().join("code")).expect("a folder");
        folder.component(&engine(), &RECIPE, || Ok(component())).expect("compiled");
        let again = Folder::open(&scratch.path().join("code")).expect("a folder");
        again.component(&engine(), &RECIPE, || panic!("composed twice")).expect("found");
        let other = again.component(&engine(), &[8; 32], || Ok(component()));
        other.expect("another recipe of the same component");
        let files = std::fs::read_dir(scratch.path().join("code")).expect("a listing");
        assert_eq!(files.count(), 3, "two recipes, and one code");
    }

    #[test]
    fn what_was_not_used_for_longest_goes_and_what_this_start_uses_stays() {
        let scratch = TempDir::new().expect("a folder");
        let folder = Folder::open(scratch.path()).expect("a folder");
        folder.component(&engine(), &RECIPE, || Ok(component())).expect("compiled");
        let leave = |name: &str, days: u64| {
            let path = scratch.path().join(name);
            std::fs::write(&path, [0; 1000]).expect("written");
            let time = SystemTime::now() - Duration::from_hours(24 * days);
            File::options().append(true).open(&path).and_then(|file| file.set_modified(time)).expect("dated");
            path
        };
        let (old, older) = (leave("old", 1), leave("older", 2));
        folder.tidy_to(u64::MAX);
        assert!(old.exists() && older.exists(), "there is room for everything");
        let files = std::fs::read_dir(scratch.path()).expect("a listing");
        let length: u64 = files.map(|entry| entry.and_then(|it| it.metadata()).expect("a file").len()).sum();
        folder.tidy_to(length - 1);
        assert!(old.exists() && !older.exists(), "there is room for all but one");
        folder.tidy_to(0);
        assert!(!old.exists());
        folder.component(&engine(), &RECIPE, || panic!("composed twice")).expect("still there");
    }

    #[test]
    fn code_that_was_damaged_or_is_of_another_engine_is_made_anew() {
        let scratch = TempDir::new().expect("a folder");
        let folder = Folder::open(scratch.path()).expect("a folder");
        folder.component(&engine(), &RECIPE, || Ok(component())).expect("compiled");
        for entry in std::fs::read_dir(scratch.path()).expect("a listing") {
            std::fs::write(entry.expect("an entry").path(), "not code").expect("written");
        }
        folder.component(&engine(), &RECIPE, || Ok(component())).expect("compiled anew");
        folder.component(&engine(), &RECIPE, || panic!("composed again")).expect("found");
        let mut composed = 0;
        let machine = crate::machine::engine().expect("an engine");
        let count = || {
            composed += 1;
            Ok(component())
        };
        folder.component(&machine, &RECIPE, count).expect("compiled for the other engine");
        assert_eq!(composed, 1);
    }
}

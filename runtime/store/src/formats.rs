//! The formats of what is on disk, and the file that says which ones a store has.
//!
//! A store's folder holds a file `FORMAT`: a line `NAME = NUMBER` for each format, and
//! `needs = VERSION`, the oldest version of this software that reads all of them. It is
//! written when a store is made. A store with a newer format, or with one that is not known
//! here, is refused before anything else of it is opened, and the refusal says what can
//! open it. A store without the file was made before there was one; what it holds has the
//! first format of everything.

use crate::StoreError;
use crate::log::{format as log_format, sync_dir};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

/// The oldest version of this software that reads what this one writes.
pub(crate) const NEEDS: &str = "0.1.0";

/// The name of the file.
const NAME: &str = "FORMAT";
/// The longest such file that is read, in bytes.
const LENGTH_MAX: u64 = 4096;
/// How the store's folder is laid out.
const LAYOUT: u32 = 1;
/// What the index keeps under which keys.
pub(crate) const INDEX: u32 = 1;
/// What a checkpoint's file holds.
pub(crate) const CHECKPOINT: u32 = 1;

/// The newest format of each kind that is read here, which is the one that is written.
const KNOWN: [(&str, u32); 4] =
    [("store", LAYOUT), ("log", log_format::VERSION), ("index", INDEX), ("checkpoint", CHECKPOINT)];

/// Refuses a store that is newer than this software, and notes the formats of one that has no
/// note of them or one of older formats, which are written no more.
pub(crate) fn admit(dir: &Path) -> Result<(), StoreError> {
    let path = dir.join(NAME);
    let mut text = String::new();
    match File::open(&path).and_then(|file| file.take(LENGTH_MAX).read_to_string(&mut text)) {
        Ok(_) => {
            check(&path, &text)?;
            if text == note() { Ok(()) } else { write(dir, &path) }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => write(dir, &path),
        Err(error) => Err(StoreError::io(&path, "read")(error)),
    }
}

fn check(path: &Path, text: &str) -> Result<(), StoreError> {
    let entries = || {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(|line| line.split_once('=').map(|(name, value)| (name.trim(), value.trim())))
    };
    let needs = entries().flatten().find(|(name, _)| *name == "needs").map(|(_, value)| plain(value));
    for entry in entries() {
        let Some((name, value)) = entry else {
            return Err(StoreError::corrupt(path, 0, "a line is not NAME = VALUE"));
        };
        if name == "needs" {
            continue;
        }
        let Ok(found) = value.parse::<u32>() else {
            return Err(StoreError::corrupt(path, 0, format!("the format of {} is no number", plain(name))));
        };
        let supported = KNOWN.iter().find(|(known, _)| *known == name).map_or(0, |(_, version)| *version);
        if found > supported {
            let (file, what) = (path.to_owned(), plain(name));
            let needs = needs.unwrap_or_else(|| "a newer version".to_owned());
            return Err(StoreError::NewerStore { file, what, found, supported, needs });
        }
    }
    if !entries().flatten().any(|(name, _)| name == "store") {
        return Err(StoreError::corrupt(path, 0, "it does not say what format the store has"));
    }
    Ok(())
}

/// A word as an error may repeat it.
fn plain(word: &str) -> String {
    word.chars().filter(char::is_ascii_graphic).take(32).collect()
}

/// What the file says.
fn note() -> String {
    let known: Vec<String> = KNOWN.iter().map(|(name, version)| format!("{name} = {version}\n")).collect();
    format!(
        "# The formats of this store. A version of vwp that knows one of them less refuses it.\n\
         {}needs = {NEEDS}\n",
        known.concat()
    )
}

/// Written beside and renamed, so that a crash leaves no half of it.
fn write(dir: &Path, path: &Path) -> Result<(), StoreError> {
    let text = note();
    let temporary = dir.join("FORMAT.tmp");
    let mut file = File::create(&temporary).map_err(StoreError::io(&temporary, "create"))?;
    file.write_all(text.as_bytes()).map_err(StoreError::io(&temporary, "write"))?;
    file.sync_all().map_err(StoreError::io(&temporary, "sync"))?;
    std::fs::rename(&temporary, path).map_err(StoreError::io(path, "rename"))?;
    sync_dir(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        check(Path::new("store/FORMAT"), text).expect_err("refused").to_string()
    }

    #[test]
    fn a_store_notes_its_formats_when_it_is_made_and_is_admitted_from_then_on() {
        let folder = tempfile::tempdir().expect("a folder");
        admit(folder.path()).expect("a new one");
        let text = std::fs::read_to_string(folder.path().join(NAME)).expect("a note");
        assert!(text.contains("log = 1\n") && text.contains("needs = 0.1.0\n"), "{text}");
        admit(folder.path()).expect("the same one");
    }

    #[test]
    fn a_store_of_older_formats_says_so_no_longer_once_this_version_writes_to_it() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(NAME), "store = 1\nlog = 0\nneeds = 0.0.9\n").expect("written");
        admit(folder.path()).expect("an older one");
        assert_eq!(std::fs::read_to_string(folder.path().join(NAME)).expect("a note"), note());
    }

    #[test]
    fn a_newer_store_is_refused_with_the_version_that_reads_it() {
        let said = refused("store = 1\nlog = 2\nneeds = 0.3.0\n");
        assert!(said.contains("store/FORMAT") && said.contains("the log has format 2"), "{said}");
        assert!(said.contains("reads up to 1") && said.contains("vwp 0.3.0"), "{said}");
    }

    #[test]
    fn a_format_that_is_not_known_here_is_newer() {
        let said = refused("store = 1\nproofs = 1\nneeds = 0.2.0");
        assert!(said.contains("the proofs has format 1") && said.contains("vwp 0.2.0"), "{said}");
    }

    #[test]
    fn a_note_that_cannot_be_read_is_damage_and_not_a_guess() {
        assert!(refused("store: 1").contains("NAME = VALUE"));
        assert!(refused("store = one").contains("is no number"));
        assert!(refused("").contains("does not say"));
    }
}

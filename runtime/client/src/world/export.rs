//! `vwp world export`: every world, one JSON object per line.

use super::search;
use crate::connection::PortArguments;
use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;
use std::io::Write;
use std::path::{Path, PathBuf};

/// How many worlds are asked for at once.
const PAGE_LENGTH: usize = 100;

/// What `vwp world export` is given.
#[derive(Debug, Args)]
pub struct ExportArguments {
    #[command(flatten)]
    port: PortArguments,
    /// Where the worlds go; the file appears when all of them are in it
    file: PathBuf,
}

pub(crate) fn run(arguments: &ExportArguments) -> anyhow::Result<()> {
    let port = arguments.port.port();
    let bar = ProgressBar::new_spinner();
    let mut count = 0_usize;
    whole_file(&arguments.file, |file| {
        let mut cursor: Option<String> = None;
        loop {
            let query = form_urlencoded::Serializer::new(String::new());
            let page = search::page(&port, query, PAGE_LENGTH, cursor.as_deref())?;
            count += page.worlds.len();
            bar.set_message(format!("{count} worlds"));
            bar.tick();
            for world in page.worlds {
                writeln!(file, "{world}")?;
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    })?;
    bar.finish_and_clear();
    eprintln!("{count} worlds are in {}", arguments.file.display());
    Ok(())
}

/// Writes a file that appears complete or not at all.
pub(crate) fn whole_file(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let context = || path.display().to_string();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(context)?;
    let mut buffered = std::io::BufWriter::new(&mut file);
    write(&mut buffered)?;
    buffered.flush().with_context(context)?;
    drop(buffered);
    file.as_file().sync_all().with_context(context)?;
    file.persist(path).with_context(context)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_that_breaks_off_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worlds");
        whole_file(&path, |file| Ok(file.write_all(b"old")?)).unwrap();
        let broken = whole_file(&path, |file| {
            file.write_all(b"new")?;
            anyhow::bail!("the port went away")
        });
        assert!(broken.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

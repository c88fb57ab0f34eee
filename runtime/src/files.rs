//! The files that a component may read: collected at start into a folder of their own,
//! which its instances see as `/`, and cannot write to.
//!
//! An entry of `files` is, as in Spin, the path of a file or folder below the manifest's
//! folder, or a pattern of such paths; or a table that says where the guest finds a file or
//! folder. What a link leads to outside of the manifest's folder is refused.

use crate::manifest::{Component, FileMount};
use anyhow::{Context, Result, bail};
use glob::Pattern;
use std::fs;
use std::path::{Component as Part, Path, PathBuf};

/// The most files that a component may have.
const FILES_MAX: usize = 10_000;
/// The most bytes in all of them.
const BYTES_MAX: u64 = 1 << 30;

/// Checks entries of `files`, but not whether the files are there. Fails with the reason.
pub fn check(mounts: &[FileMount]) -> Result<(), String> {
    for mount in mounts {
        match mount {
            FileMount::Pattern(pattern) => {
                let last = pattern.rsplit('/').next().unwrap_or_default();
                if matches!(last, "" | "." | "..") {
                    return Err(format!(
                        "`{pattern}` is no file or pattern; take `{{ source, destination }}`"
                    ));
                }
                if !stays_below(Path::new(pattern)) {
                    return Err(format!("`{pattern}` is not below the manifest's folder"));
                }
                check_patterns(std::slice::from_ref(pattern))?;
            }
            FileMount::Placement { source, destination } => {
                if !stays_below(Path::new(source)) {
                    return Err(format!("source `{source}` is not below the manifest's folder"));
                }
                if !stays_below(Path::new(destination.trim_start_matches('/'))) {
                    return Err(format!("destination `{destination}` leads out of `/`"));
                }
            }
        }
    }
    Ok(())
}

/// Checks that each is a pattern. Fails with the reason.
pub fn check_patterns(patterns: &[String]) -> Result<(), String> {
    for pattern in patterns {
        Pattern::new(pattern).map_err(|error| format!("`{pattern}` is not a pattern: {error}"))?;
    }
    Ok(())
}

/// Collects a component's files below `into`, anew on every start. Returns their folder, or
/// none if the component has no files.
pub fn collect(folder: &Path, component: &Component, into: &Path) -> Result<Option<PathBuf>> {
    if component.files.is_empty() {
        return Ok(None);
    }
    let root = into.join(&component.id);
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("cannot empty {}", root.display()))?;
    }
    fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
    let folder = folder.canonicalize()?;
    let excluded = component.exclude_files.iter().map(|pattern| Pattern::new(pattern));
    let excluded = excluded.collect::<Result<Vec<_>, _>>()?;
    let mut collection = Collection { folder, root, excluded, files: 0, bytes: 0 };
    for mount in &component.files {
        collection.add(mount).with_context(|| format!("component.{}.files", component.id))?;
    }
    Ok(Some(collection.root))
}

struct Collection {
    /// The manifest's folder.
    folder: PathBuf,
    /// Where the files are put.
    root: PathBuf,
    excluded: Vec<Pattern>,
    files: usize,
    bytes: u64,
}

impl Collection {
    fn add(&mut self, mount: &FileMount) -> Result<()> {
        match mount {
            FileMount::Pattern(pattern) => {
                let path = self.folder.join(pattern);
                if path.is_dir() {
                    self.add_all(&format!("{}/**/*", Pattern::escape(pattern)), "", "")
                } else if path.exists() {
                    self.copy(&path, Path::new(pattern))
                } else if Pattern::escape(pattern) == *pattern {
                    bail!("there is no file or folder `{pattern}`")
                } else {
                    self.add_all(pattern, "", "")
                }
            }
            FileMount::Placement { source, destination } => {
                let path = self.folder.join(source);
                let destination = destination.trim_start_matches('/');
                if path.is_dir() {
                    self.add_all(&format!("{}/**/*", Pattern::escape(source)), source, destination)
                } else if path.exists() {
                    self.copy(&path, Path::new(destination))
                } else {
                    bail!("there is no file or folder `{source}`")
                }
            }
        }
    }

    /// Adds what the pattern matches, put below `to` instead of `from`.
    fn add_all(&mut self, pattern: &str, from: &str, to: &str) -> Result<()> {
        let pattern = format!("{}/{pattern}", Pattern::escape(&self.folder.to_string_lossy()));
        for path in glob::glob(&pattern)? {
            let path = path?;
            let Ok(relative) = path.strip_prefix(&self.folder).map(Path::to_owned) else {
                bail!("{} is not below the manifest's folder", path.display());
            };
            if !path.is_file() || self.excluded.iter().any(|pattern| pattern.matches_path(&relative)) {
                continue;
            }
            let rest = relative.strip_prefix(without_dots(from)).unwrap_or(&relative);
            self.copy(&path, &Path::new(to).join(rest))?;
        }
        Ok(())
    }

    fn copy(&mut self, path: &Path, to: &Path) -> Result<()> {
        let real = path.canonicalize().with_context(|| format!("cannot follow {}", path.display()))?;
        if !real.starts_with(&self.folder) {
            bail!("{} leads out of the manifest's folder", path.display());
        }
        self.files += 1;
        self.bytes = self.bytes.saturating_add(fs::metadata(&real)?.len());
        if self.files > FILES_MAX || self.bytes > BYTES_MAX {
            bail!("there are more than {FILES_MAX} files or {BYTES_MAX} bytes");
        }
        let target = self.root.join(to);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        fs::copy(&real, &target)
            .with_context(|| format!("cannot copy {} to `/{}`", path.display(), to.display()))?;
        Ok(())
    }
}

/// Whether a path is relative and never leads out of where it starts.
fn stays_below(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Part::Normal(_) | Part::CurDir))
}

/// The path without `.` in front, which no path that a pattern found has.
fn without_dots(path: &str) -> PathBuf {
    Path::new(path).components().filter(|part| *part != Part::CurDir).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    fn application() -> TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for file in
            ["app/a.txt", "app/site/index.html", "app/site/deep/b.txt", "app/site/c.tmp", "secret.txt"]
        {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, file).expect("a file");
        }
        folder
    }

    fn component(files: &[FileMount], exclude: &[&str]) -> Component {
        Component {
            id: "guest".to_owned(),
            files: files.to_vec(),
            exclude_files: exclude.iter().map(ToString::to_string).collect(),
            ..Component::default()
        }
    }

    fn pattern(pattern: &str) -> FileMount {
        FileMount::Pattern(pattern.to_owned())
    }

    fn placed(source: &str, destination: &str) -> FileMount {
        FileMount::Placement { source: source.to_owned(), destination: destination.to_owned() }
    }

    /// The files that a component with these entries sees.
    fn seen(application: &TempDir, files: &[FileMount], exclude: &[&str]) -> Result<Vec<String>> {
        let into = application.path().join("state");
        let component = component(files, exclude);
        let root = collect(&application.path().join("app"), &component, &into)?.expect("a folder");
        let pattern = format!("{}/**/*", root.display());
        let found = glob::glob(&pattern)?.filter_map(Result::ok).filter(|path| path.is_file());
        let relative = |path: PathBuf| path.strip_prefix(&root).map(|path| path.display().to_string());
        Ok(found.filter_map(|path| relative(path).ok()).collect())
    }

    #[test]
    fn files_are_where_the_manifest_says() {
        let application = application();
        let seen =
            |files: &[FileMount], exclude: &[&str]| seen(&application, files, exclude).expect("collected");
        assert_eq!(seen(&[pattern("a.txt")], &[]), ["a.txt"]);
        assert_eq!(seen(&[pattern("*.txt")], &[]), ["a.txt"]);
        assert_eq!(seen(&[pattern("site")], &["**/*.tmp"]), ["site/deep/b.txt", "site/index.html"]);
        assert_eq!(seen(&[pattern("site/*.html")], &[]), ["site/index.html"]);
        assert_eq!(seen(&[placed("site", "/")], &["**/*.tmp"]), ["deep/b.txt", "index.html"]);
        assert_eq!(seen(&[placed("./site/deep", "/x/y")], &[]), ["x/y/b.txt"]);
        assert_eq!(seen(&[placed("a.txt", "/other.txt")], &[]), ["other.txt"]);
        // What was there on the last start is gone.
        assert_eq!(seen(&[pattern("none/*")], &[]), Vec::<String>::new());
    }

    #[test]
    fn what_leads_out_of_the_folder_is_refused() {
        let application = application();
        let app = application.path().join("app");
        symlink("../secret.txt", app.join("link.txt")).expect("a link");
        symlink("..", app.join("up")).expect("a link");
        for mount in
            [pattern("link.txt"), pattern("*.txt"), placed("link.txt", "/x"), pattern("up/secret.txt")]
        {
            assert!(seen(&application, std::slice::from_ref(&mount), &[]).is_err(), "{mount:?}");
        }
        for mount in [
            pattern("../secret.txt"),
            pattern("/etc/passwd"),
            pattern("."),
            pattern("site/.."),
            pattern("[a"),
            placed("..", "/"),
            placed("/etc", "/"),
            placed("site", "/../x"),
        ] {
            assert!(check(std::slice::from_ref(&mount)).is_err(), "{mount:?}");
        }
        symlink("site/index.html", app.join("inside.html")).expect("a link");
        assert_eq!(seen(&application, &[pattern("inside.html")], &[]).expect("collected"), ["inside.html"]);
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        assert!(seen(&application(), &[pattern("missing.txt")], &[]).is_err());
        assert!(seen(&application(), &[placed("missing", "/")], &[]).is_err());
    }
}

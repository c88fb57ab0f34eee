//! The state folder, its secrets, and room on the disk.

use super::Finding;
use rustix::fs::statvfs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Below this much room the store soon takes no more writes: a segment of a log, and as much for
/// the index and for a machine's log.
const ROOM_BYTES_MIN: u64 = 256 * 1_048_576;
/// Below this much it is time to think of more.
const ROOM_BYTES_FEW: u64 = 2 * 1024 * 1_048_576;
/// What others may do to a file (chmod(2)).
const OTHERS: u32 = 0o077;
/// That others may write to it.
const OTHERS_WRITE: u32 = 0o022;

pub(super) fn look(state: &Path, findings: &mut Vec<Finding>) {
    let check = "state folder";
    let metadata = match std::fs::metadata(state) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => return findings.push(Finding::wrong(check, format!("{} is no folder", state.display()))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let text = format!("{} is not there; the first start makes it", state.display());
            return findings.push(Finding::ok(check, text));
        }
        Err(error) => return findings.push(Finding::wrong(check, format!("{}: {error}", state.display()))),
    };
    let shown = state.display();
    let user = rustix::process::geteuid().as_raw();
    findings.push(if metadata.uid() != user {
        let owner = metadata.uid();
        Finding::wrong(
            check,
            format!("{shown} belongs to user {owner}, and this is user {user}: run as the user that serves"),
        )
    } else if metadata.mode() & OTHERS_WRITE != 0 {
        Finding::wrong(check, format!("others may write in {shown}: run `chmod go-w {shown}`"))
    } else {
        Finding::ok(check, format!("{shown} is this user's alone to write"))
    });
    findings.push(secrets(&state.join("secrets")));
    findings.push(room(state));
}

fn secrets(folder: &Path) -> Finding {
    let check = "secrets";
    let listed = match std::fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Finding::ok(
                check,
                "there are none; the first start makes those that are not given as variables",
            );
        }
        Err(error) => return Finding::wrong(check, format!("{}: {error}", folder.display())),
    };
    let mut open = Vec::new();
    let paths = listed.filter_map(Result::ok).map(|entry| entry.path());
    let mut count = 0;
    for path in paths.chain([folder.to_owned()]) {
        count += 1;
        if std::fs::metadata(&path).is_ok_and(|metadata| metadata.mode() & OTHERS != 0) {
            open.push(path.display().to_string());
        }
    }
    if open.is_empty() {
        return Finding::ok(check, format!("{} files that nobody else may read", count - 1));
    }
    open.sort();
    Finding::wrong(
        check,
        format!("others may read {0}: run `chmod go= {1}`", open.join(", "), open.join(" ")),
    )
}

fn room(state: &Path) -> Finding {
    let check = "disk";
    let Ok(system) = statvfs(state) else {
        return Finding::skipped(check, format!("the file system of {} does not tell", state.display()));
    };
    let (free, total) =
        (system.f_bavail.saturating_mul(system.f_frsize), system.f_blocks.saturating_mul(system.f_frsize));
    let shown = format!("{} of {} are free", mebibytes(free), mebibytes(total));
    if free < ROOM_BYTES_MIN {
        return Finding::wrong(check, format!("{shown}: the store is about to take no more writes"));
    }
    // Some file systems make files without end, and say that there are none.
    if system.f_files > 0 && system.f_favail < 1000 {
        return Finding::wrong(check, format!("there is room for {} files only", system.f_favail));
    }
    if free < ROOM_BYTES_FEW {
        return Finding::warning(
            check,
            format!("{shown}: machines' logs are never pruned, so this will not do for long"),
        );
    }
    Finding::ok(check, shown)
}

/// A number of bytes for people.
pub(super) fn mebibytes(bytes: u64) -> String {
    let mebibytes = bytes / 1_048_576;
    if mebibytes < 10 * 1024 { format!("{mebibytes} MiB") } else { format!("{} GiB", mebibytes / 1024) }
}

//! Secrets that the host makes on first start: random text in a file that only its
//! owner may read.

use anyhow::{Context, Result, bail};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use vwp_core::jose;

/// The secret `name` in `folder`, made now from `length` random bytes if there is none.
pub fn obtain(folder: &Path, name: &str, length: usize) -> Result<String> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let file = folder.join(name);
    if file.exists() {
        return read(&file);
    }
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let secret = jose::encode(&bytes);
    keep(folder, name, secret.as_bytes())?;
    Ok(secret)
}

/// Keeps a secret in `folder`, which is there, under a name that is not. It is written beside and renamed,
/// so that a crash leaves no half of it.
pub(crate) fn keep(folder: &Path, name: &str, secret: &[u8]) -> Result<()> {
    let draft = folder.join(format!(".{name}.new"));
    // One that a crash left may have another mode, or lead elsewhere.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", draft.display()));
        }
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut writer = options.open(&draft).with_context(|| format!("cannot write {}", draft.display()))?;
    writer.write_all(secret)?;
    writer.sync_all()?;
    fs::rename(&draft, folder.join(name))?;
    fs::File::open(folder)?.sync_all()?;
    Ok(())
}

fn read(file: &Path) -> Result<String> {
    let metadata = fs::metadata(file)?;
    if metadata.mode() & 0o077 != 0 {
        bail!("{} may be read by others: run `chmod 600` on it", file.display());
    }
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_is_made_once_and_refused_when_others_may_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = obtain(folder.path(), "key", 32).expect("made");
        assert_eq!(jose::decode(&first).expect("base64url").len(), 32);
        assert_eq!(obtain(folder.path(), "key", 32).expect("read"), first);
        assert_ne!(obtain(folder.path(), "other", 32).expect("made"), first);
        let open = fs::Permissions::from_mode(0o644);
        fs::set_permissions(folder.path().join("key"), open).expect("permissions");
        assert!(obtain(folder.path(), "key", 32).is_err());
    }
}

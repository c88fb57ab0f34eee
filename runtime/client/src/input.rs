//! Reading what a command is given: files, the standard input, and spans of time.

use anyhow::{Context, bail};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The longest text that is read for a signature or a presentation, in bytes.
pub const TEXT_LENGTH_MAX: usize = 1024 * 1024;

/// Now, in whole seconds since the Unix epoch, as JWT claims carry it.
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Now, in milliseconds since the Unix epoch: a sequence number that is ahead of every one that
/// was counted, and of every one that was made like this before.
pub(crate) fn next_number() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// Reads a file of bounded length, or the standard input for `-`.
pub fn read(path: &Path, length_max: usize) -> anyhow::Result<Vec<u8>> {
    if path == Path::new("-") {
        return read_bounded(std::io::stdin().lock(), length_max).context("standard input");
    }
    let file = File::open(path).with_context(|| path.display().to_string())?;
    read_bounded(file, length_max).with_context(|| path.display().to_string())
}

/// Reads a text of bounded length, without the white space around it.
pub fn read_text(path: &Path) -> anyhow::Result<String> {
    let text = String::from_utf8(read(path, TEXT_LENGTH_MAX)?)
        .with_context(|| format!("{} is not text", path.display()))?;
    Ok(text.trim().to_owned())
}

fn read_bounded(source: impl Read, length_max: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than the bound tells a longer input from one that just fits.
    source.take(length_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > length_max {
        bail!("longer than {length_max} bytes");
    }
    Ok(bytes)
}

/// Reads a span of time: a whole number and `s`, `m`, `h` or `d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let refused = || "a span of time is a whole number and s, m, h or d, such as 30d".to_owned();
    vwp_core::duration::parse(text).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_longer_than_its_bound_is_refused() {
        assert_eq!(read_bounded(&b"four"[..], 4).unwrap(), b"four");
        assert!(read_bounded(&b"fives"[..], 4).is_err());
    }
}

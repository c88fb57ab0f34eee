//! How much memory there is, and how much of it the store's cache may take.

/// The part of the memory that the cache takes, at most. It grows with what is read, so that a
/// small store never fills it.
const PARTS: u64 = 16;
/// What it may take on the smallest machine, in bytes.
const CACHE_BYTES_MIN: u64 = 16 * 1_048_576;
/// What it may take on the largest one, in bytes.
const CACHE_BYTES_MAX: u64 = 1024 * 1_048_576;

/// How much memory caches what the store has on disk, in bytes.
pub(crate) fn store_cache_bytes() -> u64 {
    share(available_bytes().unwrap_or_default())
}

fn share(available_bytes: u64) -> u64 {
    (available_bytes / PARTS).clamp(CACHE_BYTES_MIN, CACHE_BYTES_MAX)
}

/// The machine's memory or, in a container, the most that its control group may use (Linux's
/// control groups, version 2), where that is known.
#[cfg(target_os = "linux")]
pub(crate) fn available_bytes() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_bytes(&text))?;
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max");
    // Without a bound the file says `max`.
    let bound = group.ok().and_then(|text| text.trim().parse().ok());
    Some(bound.map_or(machine, |bound: u64| bound.min(machine)))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn available_bytes() -> Option<u64> {
    None
}

/// The total in what `/proc/meminfo` says (proc(5)).
#[cfg(any(target_os = "linux", test))]
fn total_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_takes_a_part_of_the_memory_within_bounds() {
        assert_eq!(share(0), CACHE_BYTES_MIN);
        assert_eq!(share(8 * 1024 * 1_048_576), 512 * 1_048_576);
        assert_eq!(share(u64::MAX), CACHE_BYTES_MAX);
    }

    #[test]
    fn the_total_is_read_as_the_kernel_writes_it() {
        assert_eq!(total_bytes("MemTotal:       24683920 kB\nMemFree: 1 kB\n"), Some(24_683_920 * 1024));
        for text in ["", "MemTotal: much kB", "MemTotal: 5"] {
            assert_eq!(total_bytes(text), None, "{text}");
        }
    }
}

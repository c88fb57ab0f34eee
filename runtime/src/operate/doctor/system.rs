//! Descriptors, the clock, memory, and ports.

use super::Finding;
use super::files::mebibytes;
use crate::manifest::App;
use crate::memory;
use rustix::process::{Resource, getrlimit};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Fewer descriptors than this leave no room for connections beside the store's files.
const DESCRIPTORS_MIN: u64 = 2048;
/// With this many, the limit on connections is the one that the host sets itself.
const DESCRIPTORS_ENOUGH: u64 = 8192;
/// How far ahead of the clock the time of a file may be.
const AHEAD_MAX: Duration = Duration::from_secs(5);
/// What the host itself takes, about: code, connections and buffers.
const HOST_BYTES: u64 = 64 * 1_048_576;
/// How long a connection to a port of this machine may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The first port that needs no privilege, unless the system says otherwise.
const UNPRIVILEGED: u16 = 1024;

pub(super) fn descriptors() -> Finding {
    let check = "descriptors";
    // The host raises its own limit to the hard one.
    let Some(limit) = getrlimit(Resource::Nofile).maximum else {
        return Finding::ok(check, "there is no limit to open files");
    };
    let text = format!("{limit} files may be open at once");
    let how = "raise the limit (systemd: LimitNOFILE=, a shell: `ulimit -Hn`)";
    match limit {
        0..DESCRIPTORS_MIN => Finding::wrong(check, format!("only {text}: {how}")),
        DESCRIPTORS_MIN..DESCRIPTORS_ENOUGH => {
            Finding::warning(check, format!("{text}, which bounds connections: {how}"))
        }
        _ => Finding::ok(check, text),
    }
}

/// A clock that goes wrong makes statements expire or last; one that was set back makes them
/// both. What is on disk was written by this clock.
pub(super) fn clock(state: &Path, findings: &mut Vec<Finding>) {
    let check = "clock";
    let now = SystemTime::now();
    let newest = newest(&state.join("store"), 4);
    if let Some(ahead) =
        newest.and_then(|newest| newest.duration_since(now).ok()).filter(|ahead| *ahead > AHEAD_MAX)
    {
        let text = format!(
            "the store was written {} s in the future: the clock was set back, or is wrong",
            ahead.as_secs()
        );
        return findings.push(Finding::wrong(check, text));
    }
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let shown = super::super::report::time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    let timesync = Path::new("/run/systemd/timesync");
    findings.push(if timesync.is_dir() && !timesync.join("synchronized").exists() {
        Finding::warning(check, format!("it is {shown} here, and systemd-timesyncd has not synchronised yet"))
    } else {
        Finding::ok(check, format!("it is {shown} here, after everything in the store"))
    });
}

/// When a file in the folder was last written, as many folders deep.
fn newest(folder: &Path, depth: usize) -> Option<SystemTime> {
    let times = std::fs::read_dir(folder).ok()?.filter_map(Result::ok).filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        if metadata.is_dir() {
            return newest(&entry.path(), depth.checked_sub(1)?);
        }
        metadata.modified().ok()
    });
    times.max()
}

/// Whether the components' limits fit into the memory that there is.
pub(super) fn memory(app: &App) -> Finding {
    let check = "memory";
    let Some(available) = memory::available_bytes() else {
        return Finding::skipped(check, "this system does not tell how much there is");
    };
    let cache = app.store_cache_bytes.unwrap_or_else(memory::store_cache_bytes);
    let bytes = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let caches = cache.saturating_add(app.dns.cache_bytes_max).saturating_add(app.http_cache_bytes);
    let instances = |count: fn(&crate::manifest::Component) -> usize| {
        let sizes = app.components.values();
        sizes.fold(0_u64, |sum, component| {
            sum.saturating_add(bytes(component.memory_bytes_max).saturating_mul(bytes(count(component))))
        })
    };
    let fixed = HOST_BYTES.saturating_add(caches);
    let least = fixed.saturating_add(instances(|_| 1));
    let most = fixed.saturating_add(instances(|component| component.limits.requests_max));
    let shown = format!(
        "{} here; caches and an instance of each component take up to {}, all instances up to {}",
        mebibytes(available),
        mebibytes(least),
        mebibytes(most)
    );
    if least > available {
        return Finding::wrong(
            check,
            format!(
                "{shown}: give it more, or lower memory_bytes_max, store_cache_bytes_max and http_cache_bytes_max"
            ),
        );
    }
    Finding::ok(check, shown)
}

/// Whether a port can be bound, or is answered at by the process that serves.
pub(super) fn port((what, address, with_udp): (&str, SocketAddr, bool), is_serving: bool) -> Finding {
    let check = format!("port of {what}");
    if is_serving {
        let answered = TcpStream::connect_timeout(&reachable(address), CONNECT_TIMEOUT).is_ok();
        return if answered {
            Finding::ok(check, format!("{address} is answered at"))
        } else {
            Finding::wrong(
                check,
                format!("a process serves, and nothing answers at {address}: does it serve elsewhere?"),
            )
        };
    }
    let bound = TcpListener::bind(address)
        .map(drop)
        .and_then(|()| if with_udp { UdpSocket::bind(address).map(drop) } else { Ok(()) });
    match bound {
        Ok(()) => Finding::ok(check, format!("{address} is free")),
        Err(error) => {
            let how = match error.kind() {
                ErrorKind::AddrInUse => ": another process has it",
                ErrorKind::PermissionDenied if address.port() < UNPRIVILEGED => {
                    ": a port below 1024 takes CAP_NET_BIND_SERVICE, a passed socket, or a rule that forwards it"
                }
                ErrorKind::AddrNotAvailable => ": this machine has no such address",
                _ => "",
            };
            Finding::wrong(check, format!("{address} cannot be bound ({error}){how}"))
        }
    }
}

/// Where a socket that listens at all addresses is reached from here.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

//! The manifest: `spin.toml`, version 2, as Spin defines it.
//!
//! [`schema`] is the file's shape; unknown keys are refused there. [`resolve`] turns it
//! into an [`App`] or refuses it with file, key and reason: what this host cannot
//! honour is an error at start, never ignored and never a trap at run time.

mod dns;
mod outbound;
mod resolve;
mod schema;
mod template;

pub use dns::DnsLimits;
pub use outbound::OutboundLimits;
pub use resolve::{MEMORY_BYTES_MAX, load};
pub use template::fill;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The space of the engine's keys that holds the key-value stores with labels. The host
/// alone writes it, so no component can be granted it.
pub const KEY_VALUE_SPACE: &str = "key-value";

/// Why a manifest was refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("{file}: {source}")]
    Unreadable {
        /// The manifest.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is not a manifest of version 2, or has a key that is not known.
    #[error("{file}: {reason}")]
    Malformed {
        /// The manifest.
        file: PathBuf,
        /// What is wrong and where.
        reason: String,
    },
    /// The manifest asks for something that this host does not do.
    #[error("{file}: {key}: {reason}")]
    Refused {
        /// The manifest.
        file: PathBuf,
        /// The key, as a path in the file.
        key: String,
        /// Why it is refused.
        reason: String,
    },
}

/// How a manifest is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// With what this host adds under `tool.vwp`.
    Full,
    /// As Spin reads it: without machines, resolver, spaces and builds of our own, and with
    /// `vwp:storage` from the dependencies. Secrets are made all the same, so that an
    /// application starts without being given any.
    Portable,
}

impl Mode {
    /// Portable or not.
    pub fn portable(portable: bool) -> Self {
        if portable { Self::Portable } else { Self::Full }
    }
}

/// An application, resolved: every reference is followed and every path absolute.
#[derive(Debug, Clone)]
pub struct App {
    /// The manifest it came from.
    pub file: PathBuf,
    /// The application's name.
    pub name: String,
    /// Its variables.
    pub variables: BTreeMap<String, Variable>,
    /// The secrets that the host makes on first start: name and length in bytes.
    pub generated_secrets: BTreeMap<String, usize>,
    /// The variable that holds the URL at which the application is served, if any.
    pub served_url_variable: Option<String>,
    /// Its HTTP routes, in the manifest's order.
    pub routes: Vec<Route>,
    /// Its components by id.
    pub components: BTreeMap<String, Component>,
    /// Its state machines: name, and the component that is one.
    pub machines: BTreeMap<String, String>,
    /// The component that answers DNS messages, if any.
    pub resolver: Option<String>,
    /// What bounds the DNS service.
    pub dns: DnsLimits,
    /// The components with scheduled work.
    pub scheduled: Vec<String>,
    /// How long a request waits for its turn before it is refused.
    pub wait: Duration,
    /// How much memory caches what the store has on disk; none: what suits the machine.
    pub store_cache_bytes: Option<u64>,
    /// How much memory keeps answers for others; 0 if no route has them kept.
    pub http_cache_bytes: u64,
}

impl App {
    /// The folder that the manifest is in.
    pub fn folder(&self) -> PathBuf {
        match self.file.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        }
    }
}

/// An application variable.
#[derive(Debug, Clone)]
pub struct Variable {
    /// The value if none is supplied; none means that one must be.
    pub default: Option<String>,
    /// Whether it must never be shown.
    pub secret: bool,
}

/// An HTTP route and what answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Which paths it takes; none if only other components of the application may call it.
    pub pattern: Option<Pattern>,
    /// The component that answers.
    pub component: String,
    /// The middleware in front of it, outermost first.
    pub middleware: Vec<Dependency>,
    /// What is bounded besides what bounds the component.
    pub limits: RouteLimits,
    /// Whether its answers are kept for others, as far as they say that they may be (RFC 9111).
    pub cache: bool,
}

/// What bounds the requests of a route, beside what bounds those of its component. The default is
/// nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RouteLimits {
    /// How many of them run at once; others wait for their turn.
    pub requests_max: Option<usize>,
    /// How long a request waits before it is refused, if not as long as everywhere.
    pub wait: Option<Duration>,
}

/// The paths of a route, in Spin's syntax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The pattern's segments before any final wildcard.
    pub segments: Vec<Segment>,
    /// Whether it ends in `/...`.
    pub wildcard: bool,
}

/// A segment of a route's pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Exactly this text.
    Literal(String),
    /// Any one segment: `:name`.
    Any,
}

/// A component that is composed into another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Where its binary is.
    pub source: PathBuf,
    /// The export that satisfies the import, if it has another name.
    pub export: Option<String>,
    /// What it may use of what its parent was granted.
    pub inherit: Inherit,
}

/// What a dependency may use of what its parent was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inherit {
    /// Everything.
    All,
    /// These kinds of configuration only; an empty list is nothing at all.
    Some(Vec<String>),
}

/// Files that a component may read; paths are below the manifest's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileMount {
    /// A file, a folder, or a pattern; the guest finds each where it is below the folder.
    Pattern(String),
    /// A file or folder that the guest finds elsewhere.
    Placement {
        /// Where it is.
        source: String,
        /// Where the guest finds it.
        destination: String,
    },
}

/// A component and what it was granted. The default is one that was granted nothing.
#[derive(Debug, Clone, Default)]
pub struct Component {
    /// Its id.
    pub id: String,
    /// Where its binary is.
    pub source: PathBuf,
    /// Its variables: name and template.
    pub variables: BTreeMap<String, String>,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// The files that it may read.
    pub files: Vec<FileMount>,
    /// The files among them that it may not, as patterns.
    pub exclude_files: Vec<String>,
    /// The hosts that it may reach: what `crate::hosts` reads.
    pub allowed_outbound_hosts: Vec<String>,
    /// The key-value stores that it may open.
    pub key_value_stores: Vec<String>,
    /// The SQLite databases that it may open.
    pub sqlite_databases: Vec<String>,
    /// What is composed into it: the import's name and what satisfies it.
    pub dependencies: BTreeMap<String, Dependency>,
    /// The spaces of `vwp:storage/kv` that it may write.
    pub write_spaces: Vec<String>,
    /// The spaces that it may only read.
    pub read_spaces: Vec<String>,
    /// The machines that it may use.
    pub machines: Vec<String>,
    /// How much memory one instance may have, in bytes.
    pub memory_bytes_max: usize,
    /// How long one request may take, in milliseconds.
    pub request_ms_max: u64,
    /// What else is bounded.
    pub limits: Limits,
    /// How it reaches other hosts.
    pub outbound: OutboundLimits,
}

/// How much a component may do, beyond its memory and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How many of its requests run at once; others wait for their turn.
    pub requests_max: usize,
    /// How many requests one instance serves before it is replaced.
    pub requests_per_instance_max: usize,
    /// How long a guest may go on after it answered, with the rest of the body and with
    /// what it does besides, in milliseconds.
    pub response_ms_max: u64,
    /// The longest body of a request, in bytes; none means that bodies are streamed
    /// without a bound, and the component bounds what it keeps.
    pub request_body_bytes_max: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_max: crate::admission::REQUESTS_MAX,
            requests_per_instance_max: 100_000,
            response_ms_max: 30_000,
            request_body_bytes_max: None,
        }
    }
}

impl std::fmt::Display for Pattern {
    /// As it stands in a manifest, but for the names of parameters.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(literal) => write!(f, "/{literal}")?,
                Segment::Any => f.write_str("/:any")?,
            }
        }
        f.write_str(if self.wildcard {
            "/..."
        } else if self.segments.is_empty() {
            "/"
        } else {
            ""
        })
    }
}

impl Pattern {
    /// Reads a route: an absolute path, `:name` for any segment, a final `/...` for the rest.
    pub fn parse(route: &str) -> Result<Self, String> {
        let path = route.strip_prefix('/').ok_or("a route starts with /")?;
        let (path, wildcard) = match path.strip_suffix("...") {
            Some("") => ("", true),
            Some(rest) if rest.ends_with('/') => (&rest[..rest.len() - 1], true),
            Some(_) => return Err("... stands alone at the end, after a /".into()),
            None => (path, false),
        };
        let mut segments = Vec::new();
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            segments.push(match segment.strip_prefix(':') {
                Some("") => return Err("a parameter needs a name".into()),
                Some(_) => Segment::Any,
                None if segment.contains("...") => return Err("... stands only at the end".into()),
                None => Segment::Literal(segment.to_owned()),
            });
        }
        Ok(Self { segments, wildcard })
    }

    /// How exactly the pattern matches a path: higher is more exact; none is not at all.
    /// As in Spin, literals win over parameters and longer patterns over wildcards.
    pub fn matches(&self, path: &str) -> Option<Vec<u8>> {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let mut exactness = Vec::with_capacity(self.segments.len() + 1);
        for segment in &self.segments {
            let part = parts.next()?;
            match segment {
                Segment::Literal(literal) if literal == part => exactness.push(2),
                Segment::Literal(_) => return None,
                Segment::Any => exactness.push(1),
            }
        }
        match (parts.next(), self.wildcard) {
            (Some(_), false) => None,
            (None, false) => {
                exactness.push(3);
                Some(exactness)
            }
            (_, true) => {
                exactness.push(0);
                Some(exactness)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(routes: &[&str], path: &str) -> Option<usize> {
        let patterns = routes.iter().map(|route| Pattern::parse(route).expect("a valid route"));
        let matched = patterns.enumerate().filter_map(|(at, pattern)| Some((pattern.matches(path)?, at)));
        matched.max().map(|(_, at)| at)
    }

    #[test]
    fn the_most_exact_route_wins() {
        let routes = ["/...", "/v1/worlds/...", "/v1/worlds/:name", "/v1/worlds/mine", "/v1/worlds"];
        assert_eq!(best(&routes, "/"), Some(0));
        assert_eq!(best(&routes, "/other/path"), Some(0));
        assert_eq!(best(&routes, "/v1/worlds"), Some(4));
        assert_eq!(best(&routes, "/v1/worlds/a/b"), Some(1));
        assert_eq!(best(&routes, "/v1/worlds/a"), Some(2));
        assert_eq!(best(&routes, "/v1/worlds/mine"), Some(3));
        assert_eq!(best(&routes[1..], "/v1"), None);
    }

    #[test]
    fn a_route_is_shown_as_it_was_written_but_for_names() {
        for route in ["/", "/...", "/v1/worlds/...", "/v1/worlds/mine"] {
            assert_eq!(Pattern::parse(route).expect("a valid route").to_string(), route);
        }
        assert_eq!(Pattern::parse("/v1/:name/x").expect("a valid route").to_string(), "/v1/:any/x");
    }

    #[test]
    fn a_malformed_route_is_refused() {
        for route in ["", "v1", "/a...", "/a/.../b", "/:"] {
            assert!(Pattern::parse(route).is_err(), "{route}");
        }
    }
}

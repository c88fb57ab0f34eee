//! DNS messages as they come in and go out, without looking at any zone.
//!
//! What one asker adds to a question, and what an answer owes to that asker alone, is taken
//! off and put on here: the id, the case of the letters, EDNS (RFC 6891) with its options,
//! the size of a datagram. What is left is the same for everybody who asks the same: the
//! *plain* query, which an answer can be kept under.
//!
//! 1. [`Query::read`] reads a message, or says how it is refused.
//! 2. [`Query::form`] says what it is: answered already, a plain query, or something that
//!    has to be handed on whole.
//! 3. [`finish`] makes the asker's answer of the plain query's.
//!
//! Nothing here does I/O, so that a host can do all of it in front of its cache, and a
//! component by itself.

mod cookie;
mod finish;
mod form;
mod opt;
mod read;
mod stale;

pub use cookie::{COOKIE_SECRET_LENGTH, CookieState};
pub use finish::{demand_cookie, finish};
pub use form::{Form, refuse};
pub use opt::{COMPACT_OK, append_opt};
pub use read::{Edns, Query, Refusal};
pub use stale::{STALE_TTL_S, is_failure};

pub use domain::base::iana::{ExtendedErrorCode, Opcode, OptRcode, Rtype};

use std::net::IpAddr;
use std::time::Duration;

/// The largest datagram that is sent and asked for: what crosses the Internet without
/// fragments (RFC 9715, section 3).
pub const UDP_LENGTH_MAX: u16 = 1232;
/// The largest datagram without EDNS (RFC 1035, section 2.3.4).
pub const UDP_LENGTH_PLAIN: u16 = 512;
/// The longest answer before an asker's options are put on. The rest of what a stream
/// carries in one message is for those.
pub const PLAIN_LENGTH_MAX: usize = 64_000;
/// The longest name of a server that is told (RFC 5001), so that a refusal always fits a datagram.
pub const NSID_LENGTH_MAX: usize = 128;

/// How a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// One datagram, with its bounds.
    Udp,
    /// A stream.
    Tcp,
    /// A stream over TLS (RFC 7858).
    Tls,
    /// An HTTP exchange (RFC 8484).
    Https,
}

impl Transport {
    /// Whether nobody on the way can read along.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::Https)
    }
}

/// What a server adds to its answers, and what it knows of the asker.
#[derive(Debug, Clone, Copy, Default)]
pub struct Service<'a> {
    /// The server's name for those who ask for it (RFC 5001), at most [`NSID_LENGTH_MAX`]
    /// bytes; empty: none.
    pub nsid: &'a [u8],
    /// The secret of the server's cookies (RFC 9018); none: no cookies.
    pub cookie_secret: Option<&'a [u8; COOKIE_SECRET_LENGTH]>,
    /// The time in seconds since the Unix epoch, which cookies carry.
    pub now_s: u64,
    /// Who asks, which cookies are bound to; none: no cookies.
    pub client_address: Option<IpAddr>,
    /// How long the connection may idle, for those who ask (RFC 7828).
    pub keepalive: Option<Duration>,
    /// A reason to add to the answer's own (RFC 8914).
    pub ede: Option<ExtendedErrorCode>,
    /// Whether the answer is older than it should be (RFC 8767).
    pub is_stale: bool,
    /// How many bytes are put on the answer afterwards: those of a signature.
    pub reserved: usize,
}

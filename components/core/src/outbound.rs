//! Requests to others over HTTP, as far as a component may send them. The domain says what
//! to ask and how much of an answer it wants; whoever has a network does it.

use http::{Request, Response};
use std::future::Future;
use std::time::Duration;

/// How much an answer may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of its body; a longer answer is a failure, not a part of one.
    pub body_bytes_max: usize,
    /// How long everything may take, from the connection to the body's last byte.
    pub time_max: Duration,
}

/// Why there is no answer. The text is for the log, and for an administrator: it says what
/// the network did, which is nobody else's business.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// The host does not let this component go there.
    #[error("the host does not allow requests to {0}")]
    Denied(String),
    /// The answer took too long, or is longer than wanted.
    #[error("the answer is more than was asked for: {0}")]
    Exceeded(&'static str),
    /// The network, or the other side, failed.
    #[error("the request failed: {0}")]
    Failed(String),
}

/// A network that requests can be sent into.
pub trait Outbound {
    /// Sends one request to its absolute URL. Redirects are answers and are not followed.
    fn send(
        &self,
        request: Request<Vec<u8>>,
        limits: Limits,
    ) -> impl Future<Output = Result<Response<Vec<u8>>, OutboundError>>;
}

/// A network that leads nowhere: for handlers that never ask anybody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Offline;

impl Outbound for Offline {
    async fn send(&self, request: Request<Vec<u8>>, _: Limits) -> Result<Response<Vec<u8>>, OutboundError> {
        Err(OutboundError::Denied(request.uri().host().unwrap_or_default().to_owned()))
    }
}

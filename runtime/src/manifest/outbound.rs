//! What `component.ID.tool.vwp.outbound` says: how a component reaches other hosts.

/// The limits of a component's requests to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundLimits {
    /// How many of them are under way at once; the others wait for their turn.
    pub requests_max: usize,
    /// How many requests in a row a host may leave unanswered before it is left alone; 0 is no
    /// limit.
    pub failures_max: u32,
    /// For how long it then is, in milliseconds.
    pub pause_ms: u64,
    /// How many requests of a hundred the host may send again, when a kept connection proves dead.
    pub retries_per_hundred_max: u32,
}

impl Default for OutboundLimits {
    fn default() -> Self {
        Self { requests_max: 128, failures_max: 10, pause_ms: 5000, retries_per_hundred_max: 10 }
    }
}

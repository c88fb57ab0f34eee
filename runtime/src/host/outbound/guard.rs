//! What one component may have of the network, whichever instance asks: how many requests at once,
//! which hosts are left alone, and how many requests are sent again.

use super::breaker::{Breakers, Pass};
use super::budget::Budget;
use crate::hosts::default_port;
use crate::manifest::OutboundLimits;
use crate::telemetry::metrics::{Component, OutboundRefused, Retry};
use http::Uri;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;
use wasmtime_wasi_http::Error;

/// The guard of a component's requests to others.
pub struct Guard {
    /// As many permits as requests may be under way.
    pub(super) running: Arc<Semaphore>,
    breakers: Arc<Breakers>,
    budget: Budget,
    metrics: Option<Arc<Component>>,
}

impl Guard {
    /// Of a component with these limits.
    pub fn new(component: &str, limits: &OutboundLimits, metrics: Option<Arc<Component>>) -> Self {
        Self {
            running: Arc::new(Semaphore::new(limits.requests_max)),
            breakers: Breakers::new(component, limits, metrics.clone()),
            budget: Budget::new(limits.retries_per_hundred_max),
            metrics,
        }
    }

    /// Lets a request to a URL's host through, unless that is left alone.
    pub(super) fn pass(&self, url: &Uri) -> Result<Pass, Error> {
        let pass = self.breakers.pass(host(url), Instant::now());
        pass.ok_or_else(|| self.refuse(OutboundRefused::CircuitOpen, Error::DestinationUnavailable))
    }

    /// Counts a refusal.
    pub(super) fn refuse(&self, reason: OutboundRefused, error: Error) -> Error {
        if let Some(metrics) = &self.metrics {
            metrics.outbound.refused(reason);
        }
        error
    }

    /// A request is sent, which earns a share of a retry.
    pub(super) fn sent(&self) {
        self.budget.earn();
    }

    /// Whether a request may be sent again.
    pub(super) fn retries(&self) -> bool {
        let may = self.budget.spend();
        if let Some(metrics) = &self.metrics {
            metrics.outbound.retried(if may { Retry::Sent } else { Retry::Refused });
        }
        may
    }
}

/// What a breaker is for: the scheme, the host and the port of a URL.
fn host(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or_default();
    let port = url.port_u16().or_else(|| default_port(scheme)).unwrap_or_default();
    format!("{scheme}://{}:{port}", url.host().unwrap_or_default().to_ascii_lowercase())
}

/// Whether an error says that the host cannot be reached or does not answer, and not that the guest
/// asked for what it may not have.
pub(super) fn is_of_the_host(error: &Error) -> bool {
    !matches!(
        error,
        Error::HttpRequestDenied
            | Error::HttpRequestLengthRequired
            | Error::HttpRequestBodySize(_)
            | Error::HttpRequestMethodInvalid
            | Error::HttpRequestUriInvalid
            | Error::HttpRequestUriTooLong
            | Error::HttpRequestHeaderSectionSize(_)
            | Error::HttpRequestHeaderSize { .. }
            | Error::HttpRequestTrailerSectionSize(_)
            | Error::HttpRequestTrailerSize { .. }
            | Error::DestinationIpProhibited
            | Error::ConnectionLimitReached
            | Error::ConfigurationError
            | Error::InternalError(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_one_however_its_url_is_written() {
        let of = |url: &str| host(&url.parse().expect("a URL"));
        assert_eq!(of("http://A.test/x?y"), "http://a.test:80");
        assert_eq!(of("http://a.test:80"), "http://a.test:80");
        assert_eq!(of("https://[::1]/"), "https://[::1]:443");
        assert_ne!(of("https://a.test"), of("http://a.test"));
    }
}

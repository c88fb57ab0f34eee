//! Outbound HTTP, for guests of WASI 0.2 and 0.3: a component may reach only the hosts
//! that the manifest allows.
//!
//! - [`guard`]: how many requests a component has under way, which hosts are left alone
//!   ([`breaker`]), and which requests are sent again ([`budget`]).
//! - [`web`]: requests that leave the process, over pooled connections ([`connection`]).
//! - [`crate::chain`]: requests to the application itself, which never leave it.
//! - [`body`]: the answer's body, which keeps its place until it has ended.
//! - [`failure`]: what the guest is told when a request fails.
//! - [`told`]: the span and the time of a request.
//! - [`relative`]: requests without a host, which mean the application itself.
//!
//! Redirects are answers like any other: the host follows none.

mod body;
mod breaker;
mod budget;
mod connection;
mod failure;
mod guard;
pub(super) mod relative;
mod told;
mod web;

pub use guard::Guard;
pub(crate) use web::{Connector, client};

use super::Grants;
use crate::chain::{Chain, HOPS_MAX, Target};
use crate::handler::Origin;
use crate::hosts::{self, AllowedHosts};
use crate::networks::BlockedNetworks;
use crate::settle;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::OutboundRefused;
use body::{Guarded, Permits};
use http::{Method, Request, Response, header};
use http_body_util::BodyExt;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use told::Sent;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};
use web::Web;

/// How many requests of all components together are under way at once.
pub const REQUESTS_MAX: usize = 256;
/// How many of those one instance may have.
const RUNNING_PER_INSTANCE_MAX: usize = 32;
/// How long a connection may take to be made, and a request to wait for its turn.
const CONNECT: Limit = Limit { default: Duration::from_secs(10), max: Duration::from_mins(1) };
/// How long the head of an answer may take.
const FIRST_BYTE: Limit = Limit { default: Duration::from_mins(1), max: Duration::from_mins(10) };
/// How long an answer's body may pause.
const BETWEEN_BYTES: Limit = Limit { default: Duration::from_mins(1), max: Duration::from_mins(10) };

type Transfer = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sending = Box<dyn Future<Output = Result<(Response<WasiBody>, Transfer), Error>> + Send>;

/// What all components share to reach others.
pub struct Network {
    web: Web,
    running: Arc<Semaphore>,
    /// The application itself, once it is ready. Weak, because its handlers lead back here.
    application: OnceLock<Weak<Chain>>,
}

impl Network {
    /// A network without the addresses that are blocked, whose connections are counted there.
    pub fn new(blocked: BlockedNetworks, metrics: Option<Arc<Metrics>>) -> Self {
        Self {
            web: Web::new(blocked, metrics),
            running: Arc::new(Semaphore::new(REQUESTS_MAX)),
            application: OnceLock::new(),
        }
    }

    /// Lets requests reach the application itself. Only the first call counts.
    pub fn attach(&self, application: &Arc<Chain>) {
        let _ = self.application.set(Arc::downgrade(application));
    }
}

/// Sends the requests of one instance.
pub(super) struct Outbound {
    grants: Arc<Grants>,
    running: Arc<Semaphore>,
    /// What led to the request that is answered.
    pub(super) origin: Origin,
}

impl Outbound {
    pub(super) fn new(grants: Arc<Grants>) -> Self {
        Self {
            grants,
            running: Arc::new(Semaphore::new(RUNNING_PER_INSTANCE_MAX)),
            origin: Origin::default(),
        }
    }
}

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Transfer,
    ) -> Sending {
        let (grants, running, origin) = (self.grants.clone(), self.running.clone(), self.origin.clone());
        Box::new(async move {
            let (sent, origin) = Sent::begin(&grants, origin, &request);
            let sender = Sender { grants, running, origin };
            let response = sender.send(request, &Timeouts::new(options)).await;
            sent.ended(&response);
            let response = response?;
            // Connections are driven by tasks of their own, so there is nothing left to do.
            let done: Transfer = Box::new(async { Ok(()) });
            Ok((response, done))
        })
    }
}

/// A time that a guest may choose.
struct Limit {
    default: Duration,
    max: Duration,
}

impl Limit {
    fn of(&self, chosen: Option<Duration>) -> Duration {
        chosen.unwrap_or(self.default).min(self.max)
    }
}

struct Timeouts {
    connect: Duration,
    first_byte: Duration,
    between_bytes: Duration,
}

impl Timeouts {
    fn new(options: Option<RequestOptions>) -> Self {
        let options = options.unwrap_or_default();
        Self {
            connect: CONNECT.of(options.connect_timeout),
            first_byte: FIRST_BYTE.of(options.first_byte_timeout),
            between_bytes: BETWEEN_BYTES.of(options.between_bytes_timeout),
        }
    }
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
enum Destination {
    Application(Target),
    Web,
}

struct Sender {
    grants: Arc<Grants>,
    running: Arc<Semaphore>,
    /// What the request comes from, with its own span if it has one.
    origin: Origin,
}

impl Sender {
    async fn send(
        &self,
        mut request: Request<WasiBody>,
        timeouts: &Timeouts,
    ) -> Result<Response<WasiBody>, Error> {
        let guard = &self.grants.guard;
        let destination = destination(&self.grants.outbound, &request).map_err(|error| {
            let host = request.uri().host().unwrap_or_default();
            let component = &*self.grants.component;
            tracing::warn!(component, "not in allowed_outbound_hosts: {host}");
            guard.refuse(OutboundRefused::Denied, error)
        })?;
        // Before it waits for a turn: that is what a host that does not answer would cost.
        let pass = match destination {
            Destination::Web => Some(guard.pass(request.uri())?),
            Destination::Application(_) => None,
        };
        let permits = self.permits(timeouts.connect).await?;
        // It is made anew from the URL (RFC 9112, section 3.2), so that both always agree.
        request.headers_mut().remove(header::HOST);
        if let (Some(tracing), Some(span)) = (&self.grants.observed.tracing, &self.origin.span) {
            tracing.inject(span, request.headers_mut());
        }
        let (head, body) = request.into_parts();
        let request = Request::from_parts(head, settle::settle_body(body).await?);
        let sending = async {
            match destination {
                Destination::Web => self.grants.network.web.send(request, timeouts.connect, guard).await,
                Destination::Application(target) => self.chain(target, request).await,
            }
        };
        let response = tokio::time::timeout(timeouts.first_byte, sending).await;
        let response = response.unwrap_or(Err(Error::ConnectionReadTimeout));
        match (pass, &response) {
            (Some(pass), Ok(_)) => pass.answered(),
            (Some(pass), Err(error)) if guard::is_of_the_host(error) => pass.failed(Instant::now()),
            _ => {}
        }
        Ok(response?.map(|body| Guarded::new(body, timeouts.between_bytes, permits).boxed_unsync()))
    }

    async fn chain(&self, target: Target, request: Request<WasiBody>) -> Result<Response<WasiBody>, Error> {
        if self.origin.hops >= HOPS_MAX {
            let component = &*self.grants.component;
            tracing::warn!(component, "{HOPS_MAX} components called one another; there may be a loop");
            return Err(Error::LoopDetected);
        }
        let application = self.grants.network.application.get().and_then(Weak::upgrade);
        let application = application.ok_or(Error::DestinationUnavailable)?;
        let origin = Origin { hops: self.origin.hops + 1, span: self.origin.span.clone() };
        application.send(&target, request, origin).await
    }

    /// Waits for a turn, of the instance, of the component and of the process.
    async fn permits(&self, patience: Duration) -> Result<Permits, Error> {
        let guard = &self.grants.guard;
        let all = async {
            let own = self.running.clone().acquire_owned().await.ok()?;
            let component = guard.running.clone().acquire_owned().await.ok()?;
            let shared = self.grants.network.running.clone().acquire_owned().await.ok()?;
            Some([own, component, shared])
        };
        let permits = tokio::time::timeout(patience, all).await;
        permits
            .ok()
            .flatten()
            .ok_or_else(|| guard.refuse(OutboundRefused::Busy, Error::ConnectionLimitReached))
    }
}

/// Where a request goes, if the component may go there.
fn destination(allowed: &AllowedHosts, request: &Request<WasiBody>) -> Result<Destination, Error> {
    let url = request.uri();
    let host = url.host().ok_or(Error::HttpRequestUriInvalid)?;
    // A tunnel is no request, and would carry whatever the guest likes.
    if request.method() == Method::CONNECT {
        return Err(Error::HttpRequestMethodInvalid);
    }
    if hosts::is_self(host) {
        let own = Destination::Application(Target::Routes);
        return if allowed.permits_self() { Ok(own) } else { Err(Error::HttpRequestDenied) };
    }
    if !allowed.permits_url(url) {
        return Err(Error::HttpRequestDenied);
    }
    Ok(match hosts::chained_component(host) {
        Some(id) => Destination::Application(Target::Component(id.to_owned())),
        None => Destination::Web,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn goes(allowed: &[&str], method: Method, url: &str) -> Result<Destination, String> {
        let entries: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        let allowed = AllowedHosts::parse(&entries, &BTreeMap::new()).expect("valid entries");
        let body = http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync();
        let request = Request::builder().method(method).uri(url).body(body).expect("a request");
        destination(&allowed, &request).map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn a_request_goes_where_its_host_says_if_that_is_allowed() {
        let component = Destination::Application(Target::Component("ledger".to_owned()));
        let chained = "http://ledger.spin.internal/accounts";
        assert_eq!(goes(&["http://*.spin.internal"], Method::GET, chained), Ok(component));
        let own = Destination::Application(Target::Routes);
        assert_eq!(goes(&["http://self"], Method::GET, "http://self.alt/x"), Ok(own));
        assert_eq!(goes(&["https://a.test"], Method::GET, "https://a.test/x"), Ok(Destination::Web));
        for url in [chained, "http://self/x", "https://b.test", "http://a.test"] {
            let refused = goes(&["https://a.test"], Method::GET, url);
            assert_eq!(refused, Err("HttpRequestDenied".to_owned()), "{url}");
        }
        assert!(goes(&["*://*:*"], Method::CONNECT, "http://a.test").is_err());
    }

    #[test]
    fn a_guest_may_choose_a_time_up_to_the_most() {
        assert_eq!(CONNECT.of(None), CONNECT.default);
        assert_eq!(CONNECT.of(Some(Duration::from_millis(5))), Duration::from_millis(5));
        assert_eq!(CONNECT.of(Some(Duration::MAX)), CONNECT.max);
    }
}

//! What the API's description lists is there.

use crate::support::{API, Port};
use futures::executor::block_on;
use vwp_auth::http::handle;
use vwp_openapi::check;

#[test]
fn every_operation_that_is_described_is_served() {
    let port = Port::new();
    // Where a provider sends browsers back to is there only if the port knows that provider.
    let is_always_there = |path: &str| !path.starts_with("/signin/upstream/");
    for request in check::probes(&API).into_iter().filter(|request| is_always_there(request.uri().path())) {
        let response = block_on(handle(&port.store, &port.environment(), request.clone()));
        check::assert_routed(&API, &request, &response);
    }
}

//! What the API's description lists is there.

use crate::support::{API, Port};
use futures::executor::block_on;
use vwp_openapi::check;
use vwp_policy::http::handle;

#[test]
fn every_operation_that_is_described_is_served() {
    let port = Port::new();
    for request in check::probes(&API) {
        let response = block_on(handle(&port.store, &port.environment(), request.clone()));
        check::assert_routed(&API, &request, &response);
    }
}

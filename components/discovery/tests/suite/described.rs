//! What the API's description lists is there.

use crate::support::{API, Port};
use futures::executor::block_on;
use vwp_core::outbound::Offline;
use vwp_discovery::http::handle;
use vwp_openapi::check;

#[test]
fn every_operation_that_is_described_is_served() {
    let port = Port::new();
    for request in check::probes(&API) {
        let response = block_on(handle(&port.store, &Offline, &port.environment(), request.clone()));
        check::assert_routed(&API, &request, &response);
    }
}

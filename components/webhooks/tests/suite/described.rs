//! What the API's description lists is there.

use crate::support::{API, Port};
use futures::executor::block_on;
use vwp_openapi::check;

#[test]
fn every_operation_that_is_described_is_served() {
    let port = Port::new();
    for request in check::probes(&API) {
        check::assert_routed(&API, &request, &block_on(port.handle(request.clone())));
    }
}

#[test]
fn an_endpoint_for_every_type_of_event_is_described() {
    let port = Port::new();
    let types: Vec<_> = vwp_core::outbox::TYPES.to_vec();
    let made = port.register(1, &serde_json::json!({ "types": types }));
    assert_eq!(made["types"].as_array().unwrap().len(), types.len());
}

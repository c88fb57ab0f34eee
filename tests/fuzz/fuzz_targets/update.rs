//! An update (RFC 2136) from somebody who may change every name: it is done or refused.

#![no_main]

use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use vwp_discovery::update;

/// The bytes of a header (RFC 1035, section 4.1.1).
const HEADER_LENGTH: usize = 12;

thread_local! {
    static PORT: vwp_fuzz::Port = vwp_fuzz::Port::new();
}

fuzz_target!(|input: &[u8]| {
    if input.len() < HEADER_LENGTH || input.len() > 4096 {
        return;
    }
    PORT.with(|port| {
        let mut message = input.to_vec();
        // A request with the opcode of an update (RFC 2136, section 2.2).
        message[2] = 0x28;
        port.sign(&mut message);
        let environment = vwp_fuzz::environment(&port.settings);
        let answer = block_on(update::answer(&port.store, &environment, &message));
        let answer = answer.expect("the store works");
        assert!(answer.is_empty() || answer[..2] == input[..2]);
    });
});

//! A DNS message: any bytes get an answer that is a response, or silence.

#![no_main]

use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use vwp_discovery::dns;
use vwp_dns::edge::Transport;

thread_local! {
    static PORT: vwp_fuzz::Port = vwp_fuzz::Port::new();
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, message)) = input.split_first() else { return };
    let transport = match choice % 4 {
        0 => Transport::Udp,
        1 => Transport::Tcp,
        2 => Transport::Tls,
        _ => Transport::Https,
    };
    PORT.with(|port| {
        let environment = vwp_fuzz::environment(&port.settings);
        let reply = block_on(dns::answer(&port.store, &environment, message, transport));
        for answer in reply.messages {
            // RFC 1035, section 4.1.1: the same id, and the bit that says it is a response.
            assert_eq!(answer.get(..2), message.get(..2));
            assert_eq!(answer.get(2).map(|flags| flags & 0x80), Some(0x80));
        }
    });
});

//! A world record's payload: any bytes are a record that can be shown again, or a refusal.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vwp_discovery::record::Record;

fuzz_target!(|payload: &[u8]| {
    let settings = vwp_fuzz::settings();
    let _ = Record::parse(payload, &vwp_fuzz::environment(&settings));
});

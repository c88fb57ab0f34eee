//! A master file (RFC 1035, section 5): any text is read into names of the zone, or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vwp_dns::master::import;
use vwp_dns::zone::Zone;

fuzz_target!(|text: &str| {
    let zone = Zone::new("vwp.test").expect("a zone");
    if let Ok(imported) = import::read(text, &zone) {
        assert!(imported.edit.keys().all(|name| name.to_name(zone.apex()).is_some()));
    }
});

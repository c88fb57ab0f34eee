//! What the fuzz targets share: a port with nothing random in it.

#![deny(missing_docs)]

use std::collections::BTreeMap;
use vwp_core::Environment;
use vwp_core::environment::{Random, Settings};

/// When everything happens, in milliseconds since the Unix epoch.
pub const NOW_MS: u64 = 1_800_000_000_000;

/// Bytes that everybody can guess, so that an input always does the same.
#[derive(Debug)]
pub struct Fixed;

impl Random for Fixed {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

/// The settings of a port.
pub fn settings() -> Settings {
    Settings {
        zone: "vwp.test".into(),
        issuer: "https://port.example".into(),
        master_key: [7; 32],
        admin_token: "not a secret".into(),
        options: BTreeMap::new(),
    }
}

/// The environment of every call.
pub fn environment(settings: &Settings) -> Environment<'_> {
    Environment { now: NOW_MS, random: &Fixed, settings }
}

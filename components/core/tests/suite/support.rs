//! Settings, a clock and numbers that are the same in every run.

use p256::ecdsa::SigningKey;
use std::sync::atomic::{AtomicU64, Ordering};
use vwp_core::Environment;
use vwp_core::environment::{Random, Settings};
use vwp_core::jose;

pub(crate) const ISSUER: &str = "https://port.example";
pub(crate) const NOW_S: u64 = 1_800_000_000;

pub(crate) struct Seeded(AtomicU64);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed.wrapping_mul(0xd134_2543_de82_ef95)))
    }
}

impl Random for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            let mixed = (state ^ (state >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            *byte = (mixed >> 56) as u8;
        }
    }
}

pub(crate) fn key(seed: u64) -> SigningKey {
    jose::generate_key(&Seeded::new(seed))
}

pub(crate) fn settings() -> Settings {
    Settings {
        zone: "vwp.test".into(),
        issuer: ISSUER.into(),
        master_key: [7; 32],
        master_key_previous: None,
        admin_token: "admin-secret".into(),
        options: std::collections::BTreeMap::new(),
    }
}

pub(crate) fn environment<'a>(settings: &'a Settings, random: &'a Seeded) -> Environment<'a> {
    Environment { now: NOW_S * 1000, random, settings }
}

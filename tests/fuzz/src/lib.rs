//! What the fuzz targets share: a port with one world, and nothing random in it.

#![deny(missing_docs)]

use futures::executor::block_on;
use std::collections::BTreeMap;
use vwp_core::Environment;
use vwp_core::environment::{Random, Settings};
use vwp_core::jose;
use vwp_core::outbound::Offline;
use vwp_discovery::record::{self, Endpoint, Record, Texts};
use vwp_discovery::registry;
use vwp_dns::tsig::Signer;
use vwp_dns::tsig::keys::{self, NewKey, TsigKey};
use vwp_storage::memory::Memory;

/// When everything happens, in milliseconds since the Unix epoch.
pub const NOW_MS: u64 = 1_800_000_000_000;
/// The name of the key that may change every name.
const KEY: &str = "everything.example";

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
        master_key_previous: None,
        admin_token: "not a secret".into(),
        options: BTreeMap::new(),
    }
}

/// The environment of every call.
pub fn environment(settings: &Settings) -> Environment<'_> {
    Environment { now: NOW_MS, random: &Fixed, settings }
}

/// A port that has a world, and a key for updates.
pub struct Port {
    /// Its store.
    pub store: Memory,
    /// Its settings.
    pub settings: Settings,
    key: TsigKey,
}

impl Port {
    /// A port with the world `arena`.
    pub fn new() -> Self {
        let (store, settings) = (Memory::new(|| NOW_MS), settings());
        let key = block_on(async {
            let environment = environment(&settings);
            let signed = record::sign(&arena(&settings), &jose::generate_key(&Fixed));
            registry::register(&store, &Offline, &environment, &signed).await.expect("a registration");
            let update = vec!["*".to_owned()];
            let new = NewKey { name: KEY.into(), algorithm: None, secret: None, transfer: true, update };
            keys::create(&store, &environment, new).await.expect("a key");
            let name = KEY.parse().expect("a name");
            keys::find(&store, &environment, &name).await.expect("a read").expect("the key")
        });
        Self { store, settings, key }
    }

    /// Signs a message with the key that may do everything.
    pub fn sign(&self, message: &mut Vec<u8>) {
        Signer::sign_request(&self.key.key, message, NOW_MS / 1000);
    }
}

impl Default for Port {
    fn default() -> Self {
        Self::new()
    }
}

fn arena(settings: &Settings) -> Record {
    Record {
        name: "arena".into(),
        title: Texts::one("en", "Arena"),
        endpoints: vec![Endpoint::new("minecraft", "play.arena.example", 25565)],
        seq: 1,
        iat: NOW_MS / 1000,
        exp: NOW_MS / 1000 + 86_400,
        aud: settings.issuer.clone(),
        uuid: record::uuid_of("fuzz", &"arena".parse().expect("a name")),
        ..Record::default()
    }
}

//! A zone in a store, a clock that the test moves, and contents for names.

use domain::base::iana::Rtype as Type;
use domain::base::{Name, Ttl};
use domain::rdata::{A, Cname, Mx, Ns, Txt};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use vwp_core::Environment;
use vwp_core::environment::{Random, Settings};
use vwp_dns::edit::{self, Content, Edit, Plan};
use vwp_dns::name::{OrderedName, OwnName};
use vwp_dns::node::{Glue, Set};
use vwp_dns::zone::{Policy, Zone};
use vwp_dns::{DnsError, keys, publish, refresh};
use vwp_storage::kv::{Change, Check, Direction, Entry, Key, KeyRange, Outcome, Page, Version, Write};
use vwp_storage::memory::Memory;
use vwp_storage::{Kv, StorageError};

pub(crate) const NOW_S: u64 = 1_800_000_000;

struct Seeded(AtomicU64);

impl Random for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            let mixed = (state ^ (state >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            *byte = (mixed >> 56) as u8;
        }
    }
}

/// A store in which others have their turn before every call, as over a network: futures that
/// are polled together come between each other's reads and writes.
#[derive(Default)]
pub(crate) struct Shared(Memory);

/// Lets whoever is polled beside this go first.
async fn others() {
    let mut is_first = true;
    std::future::poll_fn(|context| {
        if std::mem::take(&mut is_first) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

impl Kv for Shared {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, StorageError> {
        others().await;
        self.0.get_many(keys).await
    }

    async fn scan(&self, range: &KeyRange, limit: u32, direction: Direction) -> Result<Page, StorageError> {
        others().await;
        self.0.scan(range, limit, direction).await
    }

    async fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Outcome, StorageError> {
        others().await;
        self.0.commit(checks, writes).await
    }

    async fn changes(
        &self,
        prefix: &[u8],
        since: Version,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<Change>, StorageError> {
        self.0.changes(prefix, since, limit, wait_ms).await
    }
}

/// A zone with what it is kept by.
pub(crate) struct Port {
    pub(crate) store: Shared,
    pub(crate) zone: Zone,
    pub(crate) policy: Policy,
    pub(crate) settings: Settings,
    pub(crate) now_ms: u64,
    random: Seeded,
}

impl Port {
    pub(crate) fn new() -> Self {
        Self {
            store: Shared::default(),
            zone: Zone::new("vwp.test").expect("a zone"),
            policy: Policy::new(vec![own("ns1.Example"), own("ns2.example")], own("hostmaster.vwp.test")),
            settings: Settings {
                zone: "vwp.test".into(),
                issuer: "https://port.example".into(),
                master_key: [7; 32],
                master_key_previous: None,
                admin_token: "admin-secret".into(),
                options: std::collections::BTreeMap::new(),
            },
            now_ms: NOW_S * 1000,
            random: Seeded(AtomicU64::new(1)),
        }
    }

    pub(crate) fn environment(&self) -> Environment<'_> {
        Environment { now: self.now_ms, random: &self.random, settings: &self.settings }
    }

    pub(crate) fn now_s(&self) -> u64 {
        self.now_ms / 1000
    }

    pub(crate) async fn plan(&self, edit: &Edit) -> Result<Plan, DnsError> {
        let environment = self.environment();
        let signer = if self.policy.is_signed {
            Some(keys::signer(&self.store, &self.zone, &self.policy, &environment).await?)
        } else {
            None
        };
        edit::plan(&self.store, &self.zone, &self.policy, signer.as_ref(), edit, self.now_s()).await
    }

    pub(crate) async fn edit(&self, edit: &Edit) -> Result<(), DnsError> {
        self.plan(edit).await?.commit(&self.store).await.map(|_| ())
    }

    /// Edits as a caller does, who starts over when others change the same names.
    pub(crate) async fn edit_among_others(&self, edit: &Edit) -> Result<(), DnsError> {
        loop {
            match self.edit(edit).await {
                Err(DnsError::Conflict) => {}
                outcome => return outcome,
            }
        }
    }

    pub(crate) async fn publish(&self) -> publish::Head {
        let published = publish::publish(&self.store, &self.zone, &self.policy, &self.environment()).await;
        published.expect("published")
    }

    /// Does all that is due now.
    pub(crate) async fn maintain(&self) {
        let environment = self.environment();
        for _ in 0..1000 {
            let pause = refresh::maintain(&self.store, &self.zone, &self.policy, &environment).await;
            if pause.expect("maintained") > 10 {
                return;
            }
        }
        panic!("what is due has no end");
    }
}

pub(crate) fn own(text: &str) -> OwnName {
    Name::vec_from_str(text).expect("a name")
}

/// A name in the zone, by its labels from the apex downwards.
pub(crate) fn at(labels: &[&str]) -> OrderedName {
    labels.iter().fold(OrderedName::apex(), |name, label| name.child(label.as_bytes()))
}

pub(crate) fn address(last: u8) -> Set {
    let address = A::from(Ipv4Addr::new(192, 0, 2, last));
    Set::from_records(Type::A, Ttl::from_secs(60), [&address]).expect("a set")
}

pub(crate) fn text(text: &str) -> Set {
    let text: Txt<Vec<u8>> = Txt::build_from_slice(text.as_bytes()).expect("a text");
    Set::from_records(Type::TXT, Ttl::from_secs(60), [&text]).expect("a set")
}

pub(crate) fn mail(host: &str) -> Set {
    let (first, second) = (Mx::new(10, own(host)), Mx::new(5, own("Mail.example")));
    Set::from_records(Type::MX, Ttl::from_secs(120), [&first, &second]).expect("a set")
}

pub(crate) fn alias() -> Set {
    Set::from_records(Type::CNAME, Ttl::from_secs(60), [&Cname::new(own("Other.example"))]).expect("a set")
}

#[allow(clippy::unnecessary_wraps, reason = "an edit takes what a name is to hold, or nothing")]
pub(crate) fn content(sets: Vec<Set>) -> Option<Content> {
    Some(Content { sets, glue: Vec::new() })
}

/// A delegation, with an address of its name server if its name is given.
#[allow(clippy::unnecessary_wraps, reason = "an edit takes what a name is to hold, or nothing")]
pub(crate) fn delegation(glue: Option<&OwnName>, is_secure: bool) -> Option<Content> {
    let server = Ns::new(glue.cloned().unwrap_or_else(|| own("ns.Example")));
    let mut sets = vec![Set::from_records(Type::NS, Ttl::from_secs(300), [&server]).expect("a set")];
    if is_secure {
        sets.push(Set::new(Type::DS, 300, vec![[&[0, 1, 13, 2][..], &[9; 32]].concat()]));
    }
    let glue = glue.map(|name| Glue { name: name.as_slice().to_vec(), set: address(53) });
    Some(Content { sets, glue: glue.into_iter().collect() })
}

pub(crate) fn edit<const N: usize>(changes: [(OrderedName, Option<Content>); N]) -> Edit {
    changes.into()
}

//! Keys: whatever resolvers have cached while keys come and go, what they see verifies.

use crate::support::{Port, address, at, content, edit, text};
use crate::verify::{Seen, verify};
use futures::executor::block_on;
use std::collections::BTreeSet;
use vwp_dns::DnsError;
use vwp_dns::edit::Edit;
use vwp_dns::keys::{self, Role, State};
use vwp_dns::zone::{KeyScheme, Zone};
use vwp_dns::{publish, refresh, tsig};
use vwp_storage::Kv;
use vwp_storage::kv::{Outcome, Write};

const STEP_S: u64 = 10;

/// A port whose times are short, and the parent of its zone, which does what it is asked to.
struct Simulation {
    port: Port,
    /// The key that the parent names.
    ds: u16,
    /// When the parent looks again, and the administrator after it.
    looks_s: u64,
    /// What was seen, with the time.
    past: Vec<(u64, u16, Seen)>,
}

impl Simulation {
    async fn new(scheme: KeyScheme) -> Self {
        let mut port = Port::new();
        port.policy.scheme = scheme;
        port.policy.apex_ttl_s = 50;
        port.policy.record_ttl_max_s = 40;
        port.policy.key_publish_s = 60;
        port.policy.key_lifetime_s = 1000;
        port.policy.signature_s = 900;
        port.policy.renew_before_s = 300;
        let many: Edit = (0..30)
            .map(|number| (at(&[&format!("w{number}")]), content(vec![address(1), text("a world")])))
            .collect();
        port.edit(&many).await.expect("an edit");
        let head = port.publish().await;
        let seen = verify(&port, &head).await;
        let ds = seen.asked;
        let (now_s, past) = (port.now_s(), vec![(port.now_s(), ds, seen)]);
        Self { port, ds, looks_s: now_s, past }
    }

    /// Lets time go by: somebody changes something, what is due is done, and everything is
    /// looked at with what resolvers may still have of it.
    async fn step(&mut self) {
        self.port.now_ms += STEP_S * 1000;
        let now_s = self.port.now_s();
        let world = at(&[&format!("w{}", now_s / STEP_S % 80)]);
        let change = edit([(world, content(vec![text(&now_s.to_string())]))]);
        self.port.edit(&change).await.expect("an edit");
        self.port.maintain().await;
        let head = publish::head(&self.port.store, &self.port.zone).await.expect("read").expect("a head");
        let seen = verify(&self.port, &head).await;
        if seen.asked != self.ds && now_s >= self.looks_s {
            self.ds = seen.asked;
            self.looks_s = now_s + 200;
            let port = &self.port;
            keys::ds_seen(&port.store, &port.zone, &port.policy, &port.environment(), self.ds)
                .await
                .expect("noted");
        }
        self.past.push((now_s, self.ds, seen));
        self.assert_valid_from_caches(now_s);
    }

    fn assert_valid_from_caches(&self, now_s: u64) {
        let since = |age_s: u64| self.past.iter().filter(move |(at, ..)| at + age_s >= now_s);
        let (_, _, seen) = self.past.last().expect("now");
        for (_, _, old) in since(u64::from(self.port.policy.apex_ttl_s)) {
            assert!(seen.zone_signers.is_subset(&old.keys), "a resolver has keys without the one that signs");
        }
        for (_, _, old) in
            since(u64::from(self.port.policy.record_ttl_max_s.max(self.port.policy.apex_ttl_s)))
        {
            assert!(
                old.zone_signers.is_subset(&seen.keys),
                "a resolver has signatures of a key that is gone"
            );
        }
        // The parent's answer may be as old as a record may be.
        for (_, ds, _) in since(u64::from(self.port.policy.record_ttl_max_s)) {
            for (_, _, old) in since(u64::from(self.port.policy.apex_ttl_s)) {
                assert!(
                    old.keys.contains(ds) && old.key_signers.contains(ds),
                    "the parent names no key there is"
                );
            }
        }
    }

    async fn roles(&self) -> Vec<(Role, State)> {
        let keys = keys::list(&self.port.store, &self.port.zone).await.expect("keys");
        keys.iter().map(|key| (key.role, key.state)).collect()
    }
}

#[test]
fn every_validator_stays_green_while_a_single_key_rolls() {
    block_on(async {
        let mut simulation = Simulation::new(KeyScheme::Combined).await;
        let first = simulation.past[0].2.keys.clone();
        for _ in 0..230 {
            simulation.step().await;
        }
        let (_, ds, last) = simulation.past.last().expect("now");
        assert!(last.keys.is_disjoint(&first), "the first key has left");
        assert!(last.keys.contains(ds) && !first.contains(ds), "the parent has followed");
        let all: BTreeSet<u16> = simulation.past.iter().flat_map(|(_, _, seen)| seen.keys.clone()).collect();
        assert!((3..=5).contains(&all.len()), "a key in about a thousand seconds, not {}", all.len());
    });
}

#[test]
fn every_validator_stays_green_while_two_keys_roll() {
    block_on(async {
        let mut simulation = Simulation::new(KeyScheme::Split).await;
        let first = simulation.past[0].2.keys.clone();
        for step in 0..230 {
            if step == 50 {
                let port = &simulation.port;
                let environment = port.environment();
                let roll = |role| keys::roll(&port.store, &port.zone, &port.policy, &environment, role);
                let info = |key: keys::KeyInfo| (key.role, key.state);
                assert_eq!(roll(Role::Ksk).await.map(info), Ok((Role::Ksk, State::Published)));
                assert!(matches!(roll(Role::Ksk).await, Err(DnsError::Refused(_))), "one at a time");
                assert!(matches!(roll(Role::Csk).await, Err(DnsError::Refused(_))), "not in this zone");
            }
            simulation.step().await;
        }
        let (_, _, last) = simulation.past.last().expect("now");
        assert!(last.keys.is_disjoint(&first), "the first keys have left");
    });
}

#[test]
fn a_zone_can_go_from_one_key_to_two_and_back() {
    block_on(async {
        let mut simulation = Simulation::new(KeyScheme::Combined).await;
        simulation.port.policy.scheme = KeyScheme::Split;
        for _ in 0..60 {
            simulation.step().await;
        }
        assert_eq!(simulation.roles().await, [(Role::Ksk, State::Active), (Role::Zsk, State::Active)]);
        simulation.port.policy.scheme = KeyScheme::Combined;
        for _ in 0..60 {
            simulation.step().await;
        }
        assert_eq!(simulation.roles().await, [(Role::Csk, State::Active)]);
    });
}

#[test]
fn a_key_that_the_parent_is_not_seen_to_name_does_not_replace_the_one_it_names() {
    block_on(async {
        let mut simulation = Simulation::new(KeyScheme::Combined).await;
        // The parent never looks.
        simulation.looks_s = u64::MAX;
        for _ in 0..250 {
            simulation.step().await;
        }
        assert_eq!(simulation.roles().await, [(Role::Csk, State::Active), (Role::Csk, State::Active)]);
        let port = &simulation.port;
        let noted = keys::ds_seen(&port.store, &port.zone, &port.policy, &port.environment(), 0).await;
        assert!(matches!(noted, Err(DnsError::Refused(_))), "no key has this tag");
    });
}

#[test]
fn signatures_of_a_quiet_zone_are_renewed_before_they_end() {
    block_on(async {
        let mut port = Port::new();
        port.policy.key_lifetime_s = 0;
        // More than one portion.
        for part in ["a", "b", "c", "d"] {
            let name = |number: u32| at(&[part, &number.to_string()]);
            let many: Edit = (0..60).map(|number| (name(number), content(vec![address(1)]))).collect();
            port.edit(&many).await.expect("an edit");
        }
        let first = port.publish().await;
        for _ in 0..25 {
            port.now_ms += 2 * 24 * 3_600_000;
            port.maintain().await;
            let head = publish::head(&port.store, &port.zone).await.expect("read").expect("a head");
            verify(&port, &head).await;
        }
        assert!(port.publish().await.serial > first.serial);
        assert_eq!(keys::list(&port.store, &port.zone).await.expect("keys").len(), 1, "no key was rolled");
    });
}

#[test]
fn two_hosts_that_care_for_a_zone_at_once_do_no_harm() {
    block_on(async {
        let mut simulation = Simulation::new(KeyScheme::Combined).await;
        for _ in 0..130 {
            let port = &simulation.port;
            futures::join!(port.maintain(), port.maintain(), port.maintain());
            simulation.step().await;
        }
        assert!(simulation.past.iter().all(|(_, _, seen)| seen.keys.len() <= 2), "no key was made twice");
    });
}

#[test]
fn a_commit_that_was_signed_with_a_retired_key_is_not_applied() {
    block_on(async {
        let mut simulation = Simulation::new(KeyScheme::Combined).await;
        let change = edit([(at(&["late"]), content(vec![address(1)]))]);
        let plan = simulation.port.plan(&change).await.expect("a plan");
        for _ in 0..110 {
            simulation.step().await;
        }
        let outcome = simulation.port.store.commit(&plan.checks, &plan.writes).await;
        let keys = simulation.port.zone.keys().into_bytes();
        assert!(matches!(outcome, Ok(Outcome::Conflict(changed)) if changed.contains(&keys)));
    });
}

async fn is_refused(port: &Port, zone: &Zone) -> bool {
    let signer = keys::signer(&port.store, zone, &port.policy, &port.environment()).await;
    matches!(signer, Err(DnsError::Keys(problem)) if problem.slug == "keyring-sealed")
}

#[test]
fn a_sealed_key_opens_only_untouched_in_its_own_zone_under_its_own_master_key() {
    block_on(async {
        let mut port = Port::new();
        let path = port.zone.keys().into_bytes();
        port.publish().await;
        let entry = port.store.get(&path).await.expect("read").expect("keys");
        let mut ring: serde_json::Value = serde_json::from_slice(&entry.value).expect("JSON");
        assert!(!is_refused(&port, &port.zone).await);
        let other = Zone::new("other.test").expect("a zone");
        let copy = Write::put(other.keys(), entry.value.clone());
        port.store.commit(&[], &[copy]).await.expect("a commit");
        assert!(is_refused(&port, &other).await, "moved to another zone");
        port.settings.master_key = [8; 32];
        assert!(is_refused(&port, &port.zone).await, "another master key");
        port.settings.master_key = [7; 32];
        let sealed = ring["keys"][0]["sealed"].as_str().expect("a sealed key").to_owned();
        let tampered = if sealed.starts_with('A') { "B" } else { "A" };
        ring["keys"][0]["sealed"] = format!("{tampered}{}", &sealed[1..]).into();
        let write = Write::put(path, serde_json::to_vec(&ring).expect("JSON"));
        port.store.commit(&[], &[write]).await.expect("a commit");
        assert!(is_refused(&port, &port.zone).await, "tampered with");
    });
}

#[test]
fn a_new_master_key_seals_the_zones_keys_and_shared_secrets_anew() {
    let mut port = Port::new();
    let maintain = |port: &Port| {
        block_on(refresh::maintain(&port.store, &port.zone, &port.policy, &port.environment())).unwrap();
        block_on(tsig::keys::reseal(&port.store, &port.environment())).unwrap();
    };
    maintain(&port);
    let new = tsig::keys::NewKey {
        name: "ns1.example".into(),
        algorithm: None,
        secret: None,
        transfer: true,
        update: Vec::new(),
    };
    block_on(tsig::keys::create(&port.store, &port.environment(), new)).unwrap();
    port.settings.master_key_previous = Some(port.settings.master_key);
    port.settings.master_key = [9; 32];
    maintain(&port);
    port.settings.master_key_previous = None;
    let signer = block_on(keys::signer(&port.store, &port.zone, &port.policy, &port.environment()));
    assert!(signer.is_ok(), "the previous master key is no longer needed");
    let name = "ns1.example".parse().unwrap();
    assert!(block_on(tsig::keys::find(&port.store, &port.environment(), &name)).unwrap().is_some());
}

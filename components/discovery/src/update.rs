//! Dynamic updates (RFC 2136): who may change which names, and the one commit that does.
//!
//! A request is signed, in one of two ways:
//!
//! - with TSIG, and a key that the administrator made. The key says which names it may update.
//! - with SIG(0) (RFC 2931), and a key of the operator's. The signer's name is that of a world;
//!   the operator is the one who holds it, and the key one of those that are registered for
//!   that operator. It may then update the names at and under every world that the operator
//!   holds.
//!
//! Nobody changes what a world's signed record says: whoever wants that, registers a newer
//! record. Delegations and signatures are the registry's, too.
//!
//! A request that arrives a second time, because its answer was lost or because somebody sends
//! it again, is answered as it was the first time, and changes nothing. That is noted in the
//! same commit, for as long as the signature is valid.

use crate::registry::{World, read_world};
use crate::{keys, projection, secondaries};
use domain::base::Rtype;
use domain::base::iana::Rcode;
use p256::ecdsa::VerifyingKey;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use vwp_core::directory::{self, Operator};
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem};
use vwp_dns::authority::Authority;
use vwp_dns::name::{OrderedName, OwnName};
use vwp_dns::refusal::refuse;
use vwp_dns::tsig::{self, Signer, keys::TsigKey};
use vwp_dns::update::request::{Change, Request};
use vwp_dns::update::{self, Planned};
use vwp_dns::zone::Zone;
use vwp_dns::{keys as zone_keys, sig0, trailer};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Key, Outcome, Write};

/// How often an update is tried when others change the same names.
const ATTEMPTS_MAX: usize = 16;
/// How long a request is remembered after its signature has ended, in milliseconds: as far as
/// clocks may be apart.
const MARGIN_MS: u64 = 300_000;

/// A request that is known to come from somebody.
struct Requester {
    who: Who,
    /// The request without its signature.
    request: Vec<u8>,
    /// Where it is noted that the request was carried out.
    once: Key,
    /// Until when that is noted, in milliseconds since the Unix epoch.
    until: u64,
    /// Signs the answer, if the requester can verify that.
    signer: Option<Signer>,
}

enum Who {
    /// Somebody with a key of the administrator's.
    Key(TsigKey),
    /// An operator.
    Operator(String),
}

/// A world that a request is about.
struct Held {
    /// The world, if it is served.
    world: Option<World>,
    /// Who holds it.
    operator: Option<String>,
    /// That both are still so.
    checks: Vec<Check>,
}

/// Carries out an update, and answers it.
pub async fn answer<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    bytes: &[u8],
) -> Result<Vec<u8>, Problem> {
    let authority = secondaries::authority(environment)?;
    let mut requester = match identify(store, environment, &authority, bytes).await? {
        Ok(requester) => requester,
        Err(answer) => return Ok(answer),
    };
    let rcode = match Request::read(&requester.request) {
        Ok(request) => carry_out(store, environment, &authority, &request, &requester).await?,
        Err(rcode) => rcode,
    };
    let mut answer = refuse(&requester.request, rcode, None);
    if let Some(signer) = &mut requester.signer {
        signer.sign(&mut answer, environment.now_seconds());
    }
    Ok(answer)
}

/// Finds out who sent a request, or how it is refused.
async fn identify<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    authority: &Authority,
    bytes: &[u8],
) -> Result<Result<Requester, Vec<u8>>, Problem> {
    let refused = |rcode| Ok(Err(refuse(bytes, rcode, None)));
    match trailer::find(bytes) {
        Err(_) => refused(Rcode::FORMERR),
        // RFC 3007, section 3: who sends an update shows who it is.
        Ok(None) => refused(Rcode::REFUSED),
        Ok(Some(trailer)) if trailer.rtype == Rtype::TSIG => match tsig::Signature::read(trailer) {
            Some(signature) => with_key(store, environment, signature).await,
            None => refused(Rcode::FORMERR),
        },
        Ok(Some(trailer)) => match sig0::Signature::read(trailer) {
            Some(signature) => match operator(store, environment, authority, signature).await? {
                Some(requester) => Ok(Ok(requester)),
                None => refused(Rcode::REFUSED),
            },
            None => refused(Rcode::FORMERR),
        },
    }
}

async fn with_key<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    signature: tsig::Signature,
) -> Result<Result<Requester, Vec<u8>>, Problem> {
    let found = tsig::keys::find(store, environment, signature.key_name()).await?;
    let key = found.as_ref().map(|found| found.key.clone());
    let verified = match signature.verify(key, environment.now_seconds()) {
        Ok(verified) => verified,
        Err(refusal) => return Ok(Err(refusal.0)),
    };
    let key = found.ok_or_else(Problem::internal)?;
    Ok(Ok(Requester {
        who: Who::Key(key),
        request: verified.request,
        once: once(&verified.mac),
        until: verified.valid_until_s.saturating_mul(1000).saturating_add(MARGIN_MS),
        signer: Some(verified.signer),
    }))
}

async fn operator<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    authority: &Authority,
    signature: sig0::Signature,
) -> Result<Option<Requester>, Problem> {
    let now_s = environment.now_seconds();
    if !signature.is_current(now_s) {
        return Ok(None);
    }
    let Some(name) = world_of(store, authority, signature.signer()).await? else {
        return Ok(None);
    };
    let held = Held::read(store, environment, &name).await?;
    let Some(id) = held.operator else {
        return Ok(None);
    };
    let Some(entry) = store.get(&directory::operator_key(&id)).await? else {
        return Ok(None);
    };
    let registered: Operator = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    let keys: Vec<VerifyingKey> = registered.keys.iter().filter_map(|key| key.to_key().ok()).collect();
    if !keys.iter().any(|key| signature.verify(key)) {
        return Ok(None);
    }
    Ok(Some(Requester {
        who: Who::Operator(id),
        once: once(&signature.bytes()),
        until: signature.valid_until_s(now_s).saturating_mul(1000).saturating_add(MARGIN_MS),
        request: signature.into_request(),
        signer: None,
    }))
}

/// Carries out a request in one commit, once.
async fn carry_out<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    authority: &Authority,
    request: &Request,
    requester: &Requester,
) -> Result<Rcode, Problem> {
    let Some(zone) = authority.zone_at(store, &request.zone).await? else {
        return Ok(Rcode::NOTAUTH);
    };
    if zone == *authority.catalog() {
        return Ok(Rcode::REFUSED);
    }
    for _ in 0..ATTEMPTS_MAX {
        if store.get(&requester.once).await?.is_some() {
            return Ok(Rcode::NOERROR);
        }
        let held = worlds(store, environment, authority, &zone, request).await?;
        if !request.changes.iter().all(|change| requester.may_change(authority, &zone, change, &held)) {
            return Ok(Rcode::REFUSED);
        }
        let policy = authority.policy(&zone);
        let signer = zone_keys::signer(store, &zone, policy, environment).await?;
        let permit = |name: &OrderedName, rtype| is_given(authority, &zone, name, rtype, &held);
        let planned =
            update::plan(store, &zone, policy, Some(&signer), request, permit, environment.now_seconds());
        let mut plan = match planned.await? {
            Planned::Answer(rcode) => return Ok(rcode),
            Planned::Commit(plan) => plan,
        };
        plan.checks.extend(held.into_values().flat_map(|held| held.checks));
        plan.checks.push(Check::absent(requester.once.clone()));
        let expires_at = Some(requester.until);
        plan.writes.push(Write::Put { key: requester.once.clone(), value: Vec::new(), expires_at });
        match store.commit(&plan.checks, &plan.writes).await? {
            Outcome::Committed(_) => return Ok(Rcode::NOERROR),
            Outcome::Conflict(_) => {}
            Outcome::OutOfBounds(_) | Outcome::NotACounter(_) => return Err(Problem::internal()),
        }
    }
    // RFC 2136, section 3.8: an update that cannot be made now is tried again by its sender.
    Ok(Rcode::SERVFAIL)
}

/// The worlds at whose names, or under them, a request changes something.
async fn worlds<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    authority: &Authority,
    zone: &Zone,
    request: &Request,
) -> Result<BTreeMap<WorldName, Held>, Problem> {
    let mut worlds = BTreeMap::new();
    for name in request.changes.iter().filter_map(|change| world_at(authority, zone, change.name())) {
        if let std::collections::btree_map::Entry::Vacant(place) = worlds.entry(name) {
            let held = Held::read(store, environment, place.key()).await?;
            place.insert(held);
        }
    }
    Ok(worlds)
}

impl Held {
    async fn read<S: Kv>(
        store: &S,
        environment: &Environment<'_>,
        name: &WorldName,
    ) -> Result<Self, Problem> {
        let wanted = [directory::world_key(name), keys::world(name)];
        let entries = store.get_many(&wanted).await?;
        let [holder, world] = entries.as_slice() else {
            return Err(Problem::internal());
        };
        let checks =
            wanted.into_iter().zip(&entries).map(|(key, entry)| Check::unchanged(key, entry.as_ref()));
        let holder = holder.as_ref().map(read_holder).transpose()?;
        let world = match world {
            Some(entry) => read_world(entry, environment)?,
            None => None,
        };
        Ok(Self { world, operator: holder.map(|holder| holder.operator), checks: checks.collect() })
    }
}

fn read_holder(entry: &Entry) -> Result<directory::World, Problem> {
    serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())
}

impl Requester {
    /// Whether a change is at a name that the requester may change at all.
    fn may_change(
        &self,
        authority: &Authority,
        zone: &Zone,
        change: &Change,
        held: &BTreeMap<WorldName, Held>,
    ) -> bool {
        let name = change.name();
        match &self.who {
            Who::Key(key) => name.to_name(zone.apex()).is_some_and(|name| key.info.may_update(&name)),
            Who::Operator(id) => {
                let held = world_at(authority, zone, name).and_then(|world| held.get(&world));
                // A world that is not served has no names.
                held.is_some_and(|held| held.world.is_some() && held.operator.as_ref() == Some(id))
            }
        }
    }
}

/// Whether a set is one that is given by hand, and not one that the registry makes.
fn is_given(
    authority: &Authority,
    zone: &Zone,
    name: &OrderedName,
    rtype: Rtype,
    held: &BTreeMap<WorldName, Held>,
) -> bool {
    let is_registrys = matches!(rtype, Rtype::NS | Rtype::DS);
    let world = world_at(authority, zone, name).and_then(|world| held.get(&world)?.world.as_ref());
    let is_recorded = world.is_some_and(|world| projection::owns(world, zone, name, rtype));
    !is_registrys && !is_recorded && !is_browsing(name)
}

/// Whether a name is one of those by which worlds are browsed (RFC 6763, sections 4 and 11).
pub(crate) fn is_browsing(name: &OrderedName) -> bool {
    let labels = name.labels();
    let starts = |with: [&[u8]; 2]| labels.iter().map(Vec::as_slice).take(2).eq(with);
    starts([projection::TCP, projection::SERVICE]) || starts([b"_udp", b"_dns-sd"])
}

/// The world whose name is in the zone at or above a name; none if no world can have one.
pub(crate) fn world_at(authority: &Authority, zone: &Zone, name: &OrderedName) -> Option<WorldName> {
    if zone == authority.main() {
        let label = name.labels().into_iter().next()?;
        let name: WorldName = std::str::from_utf8(&label).ok()?.parse().ok()?;
        // A label may have a dot in it, and is then no world's.
        return (!name.is_domain()).then_some(name);
    }
    zone.apex().to_string().parse().ok()
}

/// The world at or above a name of any zone.
async fn world_of<S: Kv>(
    store: &S,
    authority: &Authority,
    name: &OwnName,
) -> Result<Option<WorldName>, Problem> {
    let Some(zone) = vwp_dns::zones::find(store, authority.main(), name).await?.zone else {
        return Ok(None);
    };
    Ok(OrderedName::of(name, zone.apex()).and_then(|name| world_at(authority, &zone, &name)))
}

/// Where it is noted that a request was carried out: under its signature, of which there is
/// one.
fn once(signature: &[u8]) -> Key {
    [b"discovery/updated/", &Sha256::digest(signature)[..]].concat()
}

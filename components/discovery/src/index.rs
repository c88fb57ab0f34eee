//! Temporary: the words, until the index lands.
use crate::keys;
use crate::registry::World;
use crate::terms;
use vwp_core::{Environment, Problem};
use vwp_dns::edit::Plan;
use vwp_storage::Kv;
use vwp_storage::kv::Write;

/// Plans.
#[expect(clippy::unused_async, reason = "temporary")]
pub async fn plan<S: Kv>(
    _store: &S,
    _environment: &Environment<'_>,
    name: &str,
    before: Option<&World>,
    after: Option<&World>,
) -> Result<Plan, Problem> {
    let words =
        |world: Option<&World>| world.map(|world| terms::of_record(&world.fields)).unwrap_or_default();
    let (before, after) = (words(before), words(after));
    let mut plan = Plan::default();
    plan.writes.extend(before.difference(&after).map(|word| Write::delete(keys::term(word, name))));
    plan.writes.extend(after.difference(&before).map(|word| Write::put(keys::term(word, name), Vec::new())));
    Ok(plan)
}

/// Observes.
#[expect(clippy::unused_async, reason = "temporary")]
pub async fn observe<S: Kv>(
    _store: &S,
    _environment: &Environment<'_>,
    _world: &World,
    _users: u64,
) -> Result<Plan, Problem> {
    Ok(Plan::default())
}

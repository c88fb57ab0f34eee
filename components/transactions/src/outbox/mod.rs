//! What happens, for worlds' operators and the administrator, if they want to be told of it (docs/webhooks.md).
//!
//! What changes in the key-value store is told in the commit that changes it ([`records`]). What moves in the
//! ledger is in the ledger's log, which says it already: it is read from where the last one stopped, and the
//! new place is committed with what was found before it ([`log`]). So each event is written once, whatever breaks
//! off where, and whoever else does the same at that time. An event is for those only who could read what it says,
//! and is written only if they listen ([`vwp_core::outbox`]).
//!
//! - [`log`]: the ledger's log, from where the last one stopped.
//! - `moves`: what a transfer of the log means to those who listen.
//! - [`records`]: what a change of a payment, a payout or a schedule means to them.

pub mod log;
mod moves;
pub(crate) mod records;

use crate::reference::Owner;
use crate::{Error, authority};
use std::collections::BTreeMap;
use vwp_core::outbox;
use vwp_storage::Kv;

/// Who is to be told of what happens on accounts, each looked up once.
#[derive(Debug, Default)]
struct Audience(BTreeMap<String, Option<String>>);

impl Audience {
    /// Who is to be told of what happens on an account; none if nobody listens.
    async fn of(&mut self, store: &impl Kv, account: &str) -> Result<Option<String>, Error> {
        if let Some(known) = self.0.get(account) {
            return Ok(known.clone());
        }
        let found = match account.parse() {
            Ok(owner) => listener(store, &owner).await?,
            // An account whose owner nobody has named yet.
            Err(_) => None,
        };
        self.0.insert(account.to_owned(), found.clone());
        Ok(found)
    }
}

async fn listener(store: &impl Kv, owner: &Owner) -> Result<Option<String>, Error> {
    let reader = authority::reader_of(store, owner).await?;
    let Some(name) = reader.as_ref().and_then(outbox::owner_of) else { return Ok(None) };
    Ok(outbox::is_listening(store, &name).await?.then_some(name))
}

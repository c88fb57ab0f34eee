//! What every way of signing in ends with: a session, what is remembered of the device and the
//! network, and what the traveller has to be told.

use crate::devices::{self, Source};
use crate::error::AuthError;
use crate::limits::Client;
use crate::sessions::{self, Session};
use crate::{audit, keys, passkeys, recovery};
use vwp_core::Environment;
use vwp_storage::Kv;
use vwp_storage::kv::{Key, Write};

/// A sign-in that succeeded, as soon as its writes are committed.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The session that was opened.
    pub session: Session,
    /// What the device shows from now on, if it was not known.
    pub device: Option<String>,
}

/// Makes a session and all that goes with it. The caller adds what its method changes, and commits.
pub(crate) async fn open(
    kv: &impl Kv,
    traveller: &str,
    client: &Client,
    source: &Source,
    environment: &Environment<'_>,
) -> Result<(SignedIn, Vec<Write>), AuthError> {
    let (mut session, mut writes) = sessions::open(kv, traveller, environment).await?;
    session.notices.extend(recovery::delayed::notice(kv, traveller, environment).await?);
    session.notices.extend(passkeys::store::notices(kv, traveller).await?);
    let (device, remembered) = devices::remember(client, source, traveller, environment);
    writes.extend(remembered);
    Ok((SignedIn { session, device }, writes))
}

/// What a sign-in reads from [`source`] on, up to the entry in the log.
pub(crate) fn to_read(client: &Client, traveller: &str) -> Vec<Key> {
    let mut reads = devices::keys(client, traveller).to_vec();
    let notices = [recovery::delayed::pending_key(traveller), passkeys::store::key(traveller)];
    reads.extend(notices);
    reads.extend([keys::KEYRING.into(), audit::head_of(traveller)]);
    reads
}

/// Who a client is to a traveller who proved otherwise who they are.
pub(crate) async fn source(kv: &impl Kv, client: &Client, traveller: &str) -> Result<Source, AuthError> {
    let seen = kv.get_many(&devices::keys(client, traveller)).await?;
    let [has_device, has_network] = [0, 1].map(|index| seen.get(index).is_some_and(Option::is_some));
    Ok(devices::source(client, has_device, has_network))
}

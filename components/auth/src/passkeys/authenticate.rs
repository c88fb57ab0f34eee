//! Signing in with a passkey (Web Authentication Level 3, section 7.2). The passkey says whose it
//! is, so nobody has to.

use super::ceremony::{self, Ceremony, Purpose};
use super::store::Passkeys;
use super::{PasskeyError, relying_party, store};
use crate::audit::{self, Event, Kind};
use crate::error::AuthError;
use crate::limits::Client;
use crate::sign_ins::{self, SignedIn};
use serde_json::{Value, json};
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::Outcome;
use webauthn_rs::prelude::{
    AuthenticationResult, DiscoverableAuthentication, DiscoverableKey, PublicKeyCredential,
};

/// How often a sign-in is tried when the same traveller signs in elsewhere at the same time.
const TRIES_MAX: usize = 4;

/// Begins: what to give to `navigator.credentials.get`, and the ceremony's name.
pub async fn begin(kv: &impl Kv, environment: &Environment<'_>) -> Result<Value, AuthError> {
    let (options, state) =
        relying_party(environment)?.start_discoverable_authentication().map_err(PasskeyError::from)?;
    let ceremony = ceremony::begin(kv, Purpose::SignIn, state, environment).await?;
    Ok(json!({ "ceremony": ceremony, "publicKey": options.public_key }))
}

/// Ends: believes the passkey, and opens a session for its traveller.
pub async fn finish(
    kv: &impl Kv,
    ceremony: &str,
    credential: &PublicKeyCredential,
    client: &Client,
    environment: &Environment<'_>,
) -> Result<SignedIn, AuthError> {
    let owner = owner(credential);
    for _ in 0..TRIES_MAX {
        if let Some(traveller) = &owner {
            read_ahead(kv, ceremony, traveller, client).await?;
        }
        let ceremony: Ceremony<DiscoverableAuthentication> =
            ceremony::find(kv, ceremony, environment).await?;
        if ceremony.purpose != Purpose::SignIn {
            return Err(PasskeyError::CeremonyEnded.into());
        }
        let Some(traveller) = &owner else {
            return Err(ceremony.refuse(kv, PasskeyError::Unknown).await);
        };
        let mut passkeys = Passkeys::read(kv, traveller).await?;
        let unchanged = passkeys.check();
        let mut kept = passkeys.records.iter_mut();
        let Some(record) = kept.find(|kept| *kept.passkey.cred_id() == credential.raw_id) else {
            return Err(ceremony.refuse(kv, PasskeyError::Unknown).await);
        };
        let key = DiscoverableKey::from(&record.passkey);
        let believed = relying_party(environment)?
            .finish_discoverable_authentication_v2(credential, ceremony.state.clone(), key)
            .map_err(PasskeyError::from)
            .and_then(|result| verified(&result).map(|()| result));
        let checks = [ceremony.check.clone(), unchanged];
        let result = match believed {
            Ok(result) => result,
            // A copy of the passkey may be in use. The owner is told at every sign-in from now on.
            Err(PasskeyError::Counter) => {
                record.regressed_at = Some(environment.now);
                let event = Event::traveller(Kind::SignInFailed, traveller).with("method", "passkey");
                let event = event.with("why", "counter");
                let writes = [ceremony.end, passkeys.put()?];
                return match audit::commit(kv, &event, &checks, &writes, environment).await? {
                    Outcome::Committed(_) => Err(PasskeyError::Counter.into()),
                    _ => Err(PasskeyError::CeremonyEnded.into()),
                };
            }
            Err(why) => return Err(ceremony.refuse(kv, why).await),
        };
        record.passkey.update_credential(&result);
        record.last_used_at = Some(environment.now);
        let source = sign_ins::source(kv, client, traveller).await?;
        let (signed_in, mut writes) = sign_ins::open(kv, traveller, client, &source, environment).await?;
        writes.extend([ceremony.end, passkeys.put()?]);
        let event = Event::traveller(Kind::SignedIn, traveller).with("method", "passkey");
        if let Outcome::Committed(_) = audit::commit(kv, &event, &checks, &writes, environment).await? {
            return Ok(signed_in);
        }
        // Either the challenge was used, which the next round finds, or the passkeys were.
    }
    Err(Problem::unavailable("the passkeys are in use elsewhere").into())
}

/// Reads all that a sign-in looks at, if it succeeds.
async fn read_ahead(kv: &impl Kv, ceremony: &str, traveller: &str, client: &Client) -> Result<(), AuthError> {
    let mut keys = sign_ins::to_read(client, traveller);
    keys.extend([ceremony::key(ceremony), store::key(traveller)]);
    Ok(kv.ahead(&keys).await?)
}

/// The traveller whom a discoverable passkey names: its user handle, which is the traveller's id.
fn owner(credential: &PublicKeyCredential) -> Option<String> {
    let handle = credential.get_user_unique_id()?;
    (handle.len() == 16).then(|| jose::encode(handle))
}

/// Verified by the crate as the state requires; here again, because everything rests on it.
fn verified(result: &AuthenticationResult) -> Result<(), PasskeyError> {
    if result.user_verified() { Ok(()) } else { Err(PasskeyError::UserNotVerified) }
}

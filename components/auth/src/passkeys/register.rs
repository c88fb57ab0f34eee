//! Linking a passkey to a traveller (Web Authentication Level 3, section 7.1).

use super::ceremony::{self, Purpose};
use super::store::{self, Listed, Passkeys, Record};
use super::{PasskeyError, relying_party};
use crate::audit::{self, Event, Kind};
use crate::error::AuthError;
use crate::{accounts, sessions};
use serde_json::{Value, json};
use uuid::Uuid;
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::Outcome;
use webauthn_rs::prelude::{
    COSEAlgorithm, CredentialID, Passkey, PasskeyRegistration, RegisterPublicKeyCredential,
};

/// Begins: what to give to `navigator.credentials.create`, and the ceremony's name.
pub async fn begin(
    kv: &impl Kv,
    traveller: &str,
    session: &str,
    name: &str,
    environment: &Environment<'_>,
) -> Result<Value, AuthError> {
    sessions::require_recent(kv, session, environment).await?;
    let name = store::checked_name(name)?;
    let relying_party = relying_party(environment)?;
    let account = accounts::traveller(kv, traveller).await?;
    let passkeys = Passkeys::read(kv, traveller).await?;
    if passkeys.records.len() >= store::PASSKEYS_MAX {
        return Err(PasskeyError::TooMany.into());
    }
    let ids: Vec<CredentialID> = passkeys.records.iter().map(|kept| kept.passkey.cred_id().clone()).collect();
    let user = user_handle(traveller)?;
    let (options, state) = relying_party
        .start_passkey_registration(user, &account.handle, &account.handle, Some(ids))
        .map_err(PasskeyError::from)?;
    let purpose = Purpose::Register { traveller: traveller.to_owned(), name };
    let ceremony = ceremony::begin(kv, purpose, state, environment).await?;
    let mut public_key = serde_json::to_value(options.public_key).map_err(|_| Problem::internal())?;
    // Discoverable, so that signing in needs no handle; and ES256 alone. That the passkey is so is
    // checked when it is there.
    public_key["authenticatorSelection"]["residentKey"] = "required".into();
    public_key["authenticatorSelection"]["requireResidentKey"] = true.into();
    public_key["pubKeyCredParams"] = json!([{ "type": "public-key", "alg": COSEAlgorithm::ES256 as i64 }]);
    Ok(json!({ "ceremony": ceremony, "publicKey": public_key }))
}

/// Ends: believes the passkey, and keeps it.
pub async fn finish(
    kv: &impl Kv,
    traveller: &str,
    session: &str,
    ceremony: &str,
    credential: &RegisterPublicKeyCredential,
    environment: &Environment<'_>,
) -> Result<Listed, AuthError> {
    sessions::require_recent(kv, session, environment).await?;
    let ceremony = ceremony::find::<PasskeyRegistration>(kv, ceremony, environment).await?;
    let name = match &ceremony.purpose {
        Purpose::Register { traveller: owner, name } if owner == traveller => name.clone(),
        _ => return Err(PasskeyError::CeremonyEnded.into()),
    };
    let passkey = match believe(credential, &ceremony.state, environment) {
        Ok(passkey) => passkey,
        Err(why) => return Err(ceremony.refuse(kv, why).await),
    };
    let mut passkeys = Passkeys::read(kv, traveller).await?;
    let unchanged = passkeys.check();
    let record = Record::new(name, passkey, environment);
    let id = record.id();
    let (is_nobodys, owned) = passkeys.add(record)?;
    let taken = is_nobodys.key.clone();
    let checks = [ceremony.check, unchanged, is_nobodys];
    let event = Event::traveller(Kind::MethodAdded, traveller).with("method", "passkey");
    let writes = [ceremony.end, passkeys.put()?, owned];
    match audit::commit(kv, &event, &checks, &writes, environment).await? {
        Outcome::Committed(_) => {
            let listed = store::list(kv, traveller).await?;
            listed.into_iter().find(|passkey| passkey.id == id).ok_or_else(|| Problem::internal().into())
        }
        Outcome::Conflict(keys) if keys.contains(&taken) => Err(PasskeyError::Registered.into()),
        _ => Err(PasskeyError::CeremonyEnded.into()),
    }
}

fn believe(
    credential: &RegisterPublicKeyCredential,
    state: &PasskeyRegistration,
    environment: &Environment<'_>,
) -> Result<Passkey, PasskeyError> {
    let passkey = relying_party(environment)?.finish_passkey_registration(credential, state)?;
    if *passkey.cred_algorithm() != COSEAlgorithm::ES256 {
        return Err(PasskeyError::Algorithm);
    }
    Ok(passkey)
}

/// The user handle: the traveller's id, which is 16 random bytes and says nothing about the person
/// (Web Authentication Level 3, section 14.6.1).
fn user_handle(traveller: &str) -> Result<Uuid, Problem> {
    let bytes = jose::decode(traveller).map_err(|_| Problem::internal())?;
    Uuid::from_slice(&bytes).map_err(|_| Problem::internal())
}

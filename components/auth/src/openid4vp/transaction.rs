//! What is kept while an answer is awaited, and until the world has fetched it: one record, which is
//! answered once and fetched once.
//!
//! It is found by its state, which is derived from the transaction's id. So the record has neither of
//! them, and whoever has a request, which may be a picture on a wall, cannot fetch the result.

use super::certificate::Certified;
use super::encryption::RequestKey;
use super::identity;
use crate::error::AuthError;
use crate::provider::error::OauthError;
use crate::provider::{clients, hashed, secret};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vwp_core::environment::Timestamp;
use vwp_core::seal::{self, Sealed};
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Write};

/// How long a wallet may take, in milliseconds.
pub(super) const AWAITED_MS: u64 = 4 * 60 * 1000;
/// How long a transaction is kept, in milliseconds: what is answered last can still be fetched.
const LIFETIME_MS: u64 = 5 * 60 * 1000;
/// The longest id, state or name that is looked up, in bytes.
const LENGTH_MAX: usize = 64;

/// A transaction as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Transaction {
    /// The client that began it, and alone gets the result.
    pub(super) client: String,
    /// The world that the client is of.
    pub(super) world: String,
    /// What the client is called.
    pub(super) client_name: String,
    /// The query, as the client sent it.
    pub(super) query: String,
    /// What the answer is bound to, beside the client identifier.
    pub(super) nonce: String,
    /// The client identifier, if it is that of a certificate: which one, because another may be given to the port
    /// while an answer is awaited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) certificate: Option<String>,
    /// Where a browser goes on, if the wallet is on the same device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) redirect_uri: Option<String>,
    /// What the answer is encrypted to, if the client asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) encryption: Option<RequestKey>,
    /// When no answer is taken any more.
    awaited_until: Timestamp,
    /// When it ends.
    expires_at: Timestamp,
    /// Whose passports were shown, so that an erasure finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traveller: Option<String>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<Outcome>,
}

/// What came of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// What was asked for was presented and believed.
    Presented {
        /// What the world is told, sealed.
        credentials: Sealed,
        /// The hash of the code that a browser brought to the world.
        response_code: Option<String>,
    },
    /// What was presented was not believed.
    Refused {
        /// Why, as it stands in a problem's type.
        reason: String,
        /// For which credential query.
        credential: Option<String>,
    },
    /// The wallet said no.
    Declined {
        /// Its word for it (section 8.5).
        error: String,
        /// The hash of the code that a browser brought to the world.
        response_code: Option<String>,
    },
}

/// A transaction with where it is kept and as it was read.
pub(super) struct Found {
    pub(super) transaction: Transaction,
    pub(super) key: Vec<u8>,
    entry: Entry,
}

impl Found {
    /// Requires that nobody else has answered or fetched it meanwhile.
    pub(super) fn unchanged(&self) -> Check {
        Check::unchanged(self.key.clone(), Some(&self.entry))
    }

    /// The write that keeps what came of it, and whose passports were shown.
    pub(super) fn concluded(self, outcome: Outcome, traveller: Option<String>) -> Result<Write, Problem> {
        // The query has served, and so has the key. Without the query there is room for the outcome, and
        // without the key nobody can read the answer any more.
        let (query, encryption) = (String::new(), None);
        let outcome = Some(outcome);
        let transaction = Transaction { query, encryption, traveller, outcome, ..self.transaction };
        transaction.put(self.key)
    }

    /// Seals what a world is told.
    pub(super) fn seal(&self, told: &Value, environment: &Environment<'_>) -> Result<Sealed, Problem> {
        seal::seal(&self.purpose(), told.to_string().as_bytes(), environment)
    }

    /// Opens it again.
    pub(super) fn unseal(&self, sealed: &Sealed, environment: &Environment<'_>) -> Result<Value, Problem> {
        let told = seal::unseal(&self.purpose(), sealed, environment)?;
        serde_json::from_slice(&told).map_err(|_| Problem::internal())
    }

    fn purpose(&self) -> String {
        String::from_utf8_lossy(&self.key).into_owned()
    }
}

impl Transaction {
    /// A new one of a client of a world.
    pub(super) fn new(
        client: clients::Client,
        world: String,
        (query, redirect_uri): (&str, Option<&str>),
        environment: &Environment<'_>,
    ) -> Self {
        Self {
            client: client.client_id,
            world,
            client_name: client.client_name,
            query: query.to_owned(),
            nonce: jose::encode(environment.random_bytes::<32>()),
            certificate: None,
            redirect_uri: redirect_uri.map(str::to_owned),
            encryption: None,
            awaited_until: environment.now.saturating_add(AWAITED_MS),
            expires_at: environment.now.saturating_add(LIFETIME_MS),
            traveller: None,
            outcome: None,
        }
    }

    /// The same, with an answer that is encrypted to a key.
    pub(super) fn encrypted_to(self, key: Option<RequestKey>) -> Self {
        Self { encryption: key, ..self }
    }

    /// The same, asked for under a certificate.
    pub(super) fn asked_under(self, certified: Option<&Certified>) -> Self {
        Self { certificate: certified.map(|found| found.client_id().to_owned()), ..self }
    }

    /// The client identifier that it is asked for under, which is the audience of the answer.
    pub(super) fn client_id(&self, environment: &Environment<'_>) -> Result<String, Problem> {
        match &self.certificate {
            Some(client_id) => Ok(client_id.clone()),
            None => identity::client_id(&self.world, environment),
        }
    }

    /// When no answer is taken any more.
    pub(super) fn awaited_until(&self) -> Timestamp {
        self.awaited_until
    }

    /// The write that keeps it.
    pub(super) fn put(&self, key: Vec<u8>) -> Result<Write, Problem> {
        let value = serde_json::to_vec(self).map_err(|_| Problem::internal())?;
        Ok(Write::Put { key, value, expires_at: Some(self.expires_at) })
    }
}

/// The transaction with a state, if an answer is awaited.
pub(super) async fn awaited(
    kv: &impl Kv,
    state: &str,
    environment: &Environment<'_>,
) -> Result<Option<Found>, OauthError> {
    if state.len() > LENGTH_MAX {
        return Ok(None);
    }
    awaited_as(kv, &name(state), environment).await
}

/// The same by the name of a transaction.
pub(super) async fn awaited_as(
    kv: &impl Kv,
    name: &str,
    environment: &Environment<'_>,
) -> Result<Option<Found>, OauthError> {
    let Some(found) = named(kv, name, environment).await? else { return Ok(None) };
    let Transaction { outcome, awaited_until, client, .. } = &found.transaction;
    if outcome.is_some() || *awaited_until <= environment.now {
        return Ok(None);
    }
    // A client that was ended, or whose world changed hands, asks for nothing.
    let is_good = clients::find(kv, client).await?.is_some();
    Ok(Some(found).filter(|_| is_good))
}

/// The transaction with an id, if the client began it.
pub(super) async fn of_client(
    kv: &impl Kv,
    client: &clients::Client,
    id: &str,
    environment: &Environment<'_>,
) -> Result<Option<Found>, OauthError> {
    if id.len() > LENGTH_MAX {
        return Ok(None);
    }
    let state = state_of(kv, id, environment).await?;
    let found = named(kv, &name(&state), environment).await?;
    Ok(found.filter(|found| found.transaction.client == client.client_id))
}

async fn named(kv: &impl Kv, name: &str, environment: &Environment<'_>) -> Result<Option<Found>, OauthError> {
    if name.len() > LENGTH_MAX {
        return Ok(None);
    }
    let key = key(name);
    let Some(entry) = kv.get(&key).await? else { return Ok(None) };
    let transaction: Transaction = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    Ok(Some(Found { transaction, key, entry }).filter(|found| found.transaction.expires_at > environment.now))
}

/// The state that belongs to an id.
pub(super) async fn state_of(
    kv: &impl Kv,
    id: &str,
    environment: &Environment<'_>,
) -> Result<String, AuthError> {
    let mac = secret::mac(kv, "openid4vp-state", &[id.as_bytes()], environment).await;
    Ok(jose::encode(mac.map_err(OauthError::shared)?))
}

/// The name of the transaction with a state, which everybody may know: no state follows from it.
pub(super) fn name(state: &str) -> String {
    hashed(state)
}

/// Where the transaction of a name is kept.
pub(super) fn key(name: &str) -> Vec<u8> {
    format!("auth/openid4vp/transaction/{name}").into_bytes()
}

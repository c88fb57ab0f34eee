//! Connections to servers, kept between requests.

use super::super::rows::Pressure;
use super::tls::{self, Authority};
use super::wit::Error;
use super::{address, errors};
use crate::hosts::AllowedHosts;
use crate::networks::BlockedNetworks;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How many connections to one address guests may have at a time.
const CONNECTIONS_MAX: usize = 64;
/// How many addresses connections are kept for.
const ADDRESSES_MAX: usize = 16;
/// How long a guest waits for a connection that others have.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How long a login may take, with all hosts of the address.
const LOGIN_MAX: Duration = Duration::from_secs(10);
/// How long a connection that was used last is taken to be alive, without asking it.
const FRESH: Duration = Duration::from_secs(1);
/// How long a server may take to answer that it is there, or to clean a connection.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Makes a connection as good as new. It is what DISCARD ALL does, which cannot be sent
/// together with anything else, but keeps statements, which the driver has for itself.
const CLEAN: &str = "ROLLBACK; CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; \
                     SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES";

/// What connections are kept by. The address holds the password, so there is no `Debug`.
#[derive(PartialEq, Eq, Hash, Clone)]
struct Key {
    address: String,
    authority: Option<[u8; 32]>,
}

/// All connections of an application.
pub struct Pools {
    by_address: Mutex<HashMap<Key, Arc<Pool>>>,
    /// Bounds the connections to all addresses together.
    connections: Arc<Semaphore>,
    blocked: Arc<BlockedNetworks>,
}

struct Pool {
    config: Config,
    blocked: Arc<BlockedNetworks>,
    tls: MakeRustlsConnect,
    idle: Mutex<Vec<Idle>>,
    connections: Arc<Semaphore>,
}

struct Idle {
    client: tokio_postgres::Client,
    since: Instant,
}

/// A connection that a guest has open. Clones are the same connection.
#[derive(Clone)]
pub struct Client {
    lease: Arc<Lease>,
}

struct Lease {
    /// None only while it is given back.
    client: Option<tokio_postgres::Client>,
    pool: Arc<Pool>,
    pressure: Arc<Pressure>,
    /// Whether a query was given up, so that the server may still be at it.
    is_abandoned: AtomicBool,
    permits: Option<[OwnedSemaphorePermit; 2]>,
}

/// A query that the server is at. If it is dropped before it is told that the query has
/// ended, the connection is not used again.
pub(super) struct InFlight {
    client: Client,
    has_ended: bool,
}

impl Default for Pools {
    fn default() -> Self {
        Self::new(None, BlockedNetworks::default())
    }
}

impl Pools {
    /// No connections yet, never more than this at a time, and none to a blocked network.
    pub fn new(connections_max: Option<usize>, blocked: BlockedNetworks) -> Self {
        let connections = connections_max.unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS);
        Self {
            by_address: Mutex::default(),
            connections: Arc::new(Semaphore::new(connections)),
            blocked: Arc::new(blocked),
        }
    }

    /// A connection to an address, if its hosts are allowed.
    pub(super) async fn open(
        &self,
        allowed: &AllowedHosts,
        address: &str,
        authority: Option<&Authority>,
    ) -> Result<Client, Error> {
        let config = address::parse(address, allowed)?;
        let key = Key { address: address.to_owned(), authority: authority.map(|it| it.digest) };
        let pool = self.pool(key, config, authority)?;
        let permits = async {
            let any = self.connections.clone().acquire_owned().await;
            let of_address = pool.connections.clone().acquire_owned().await;
            Some([any.ok()?, of_address.ok()?])
        };
        let Ok(Some(permits)) = tokio::time::timeout(WAIT_MAX, permits).await else {
            return Err(errors::connection("too many connections"));
        };
        let client = match pool.kept().await {
            Some(client) => client,
            None => pool.connect().await?,
        };
        let lease = Lease {
            client: Some(client),
            pool,
            pressure: Arc::default(),
            is_abandoned: AtomicBool::new(false),
            permits: Some(permits),
        };
        Ok(Client { lease: Arc::new(lease) })
    }

    fn pool(&self, key: Key, config: Config, authority: Option<&Authority>) -> Result<Arc<Pool>, Error> {
        let mut pools = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(&key) {
            return Ok(pool.clone());
        }
        if pools.len() >= ADDRESSES_MAX {
            // One that nobody uses makes room; its idle connections are closed.
            let unused = pools.iter().find(|(_, pool)| Arc::strong_count(pool) == 1);
            let Some(unused) = unused.map(|(key, _)| key.clone()) else {
                return Err(errors::connection("too many addresses are in use"));
            };
            pools.remove(&unused);
        }
        let pool = Arc::new(Pool {
            config,
            blocked: self.blocked.clone(),
            tls: tls::connector(authority).map_err(errors::connection)?,
            idle: Mutex::default(),
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        });
        pools.insert(key, pool.clone());
        Ok(pool)
    }
}

impl Pool {
    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that was kept and is still alive.
    async fn kept(&self) -> Option<tokio_postgres::Client> {
        loop {
            let idle = self.idle().pop()?;
            if idle.client.is_closed() {
                continue;
            }
            if idle.since.elapsed() < FRESH {
                return Some(idle.client);
            }
            let answer = tokio::time::timeout(ANSWER_MAX, idle.client.check_connection()).await;
            if matches!(answer, Ok(Ok(()))) {
                return Some(idle.client);
            }
        }
    }

    async fn connect(&self) -> Result<tokio_postgres::Client, Error> {
        let connecting = async {
            let config = address::unblocked(&self.config, &self.blocked).await?;
            Ok(config.connect(self.tls.clone()).await)
        };
        let Ok(connected) = tokio::time::timeout(LOGIN_MAX, connecting).await else {
            return Err(errors::connection("the server did not answer in time"));
        };
        let (client, connection) = connected?.map_err(|error| errors::connection(errors::chain(&error)))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("a connection to PostgreSQL ended: {}", errors::chain(&error));
            }
        });
        Ok(client)
    }
}

impl Client {
    /// The driver's connection, which is there until the last clone is dropped.
    pub(super) fn get(&self) -> Result<&tokio_postgres::Client, Error> {
        self.lease.client.as_ref().ok_or_else(|| errors::connection("the connection is closed"))
    }

    pub(super) fn pressure(&self) -> &Arc<Pressure> {
        &self.lease.pressure
    }

    /// Says that the server is given a query.
    pub(super) fn begin(&self) -> InFlight {
        InFlight { client: self.clone(), has_ended: false }
    }
}

impl InFlight {
    /// Says that the server has answered.
    pub(super) fn end(mut self) {
        self.has_ended = true;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.has_ended {
            self.client.lease.is_abandoned.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (Some(client), permits) = (self.client.take(), self.permits.take()) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if client.is_closed() {
            return;
        }
        let pool = self.pool.clone();
        let is_abandoned = *self.is_abandoned.get_mut();
        runtime.spawn(async move {
            if is_abandoned {
                // Or the server would go on with it, and hold its locks.
                let cancelling = client.cancel_token();
                let cancelled = tokio::time::timeout(ANSWER_MAX, cancelling.cancel_query(pool.tls.clone()));
                if !matches!(cancelled.await, Ok(Ok(()))) {
                    tracing::debug!("a query that was given up could not be cancelled");
                }
            } else {
                let cleaned = tokio::time::timeout(ANSWER_MAX, client.batch_execute(CLEAN)).await;
                if matches!(cleaned, Ok(Ok(()))) {
                    pool.idle().push(Idle { client, since: Instant::now() });
                }
            }
            drop(permits);
        });
    }
}

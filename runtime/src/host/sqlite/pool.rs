//! A database, and the connections to it that are not in use.

use super::session::Session;
use super::{Failure, LOCKED};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many connections to one database guests may have at a time.
const CONNECTIONS_MAX: usize = 128;
/// How many connections are kept open for the next guest.
const IDLE_MAX: usize = 32;

/// Where a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In memory: each connection has a database of its own, which ends with it.
    Memory,
    /// In this file.
    File(PathBuf),
}

/// A database that components were granted.
pub struct Database {
    location: Location,
    idle: Mutex<Vec<Session>>,
    connections: Arc<Semaphore>,
    /// SQLite has one writer at a time. Others wait here, in turn: SQLite itself lets them
    /// try again after a while, and some would never have their turn.
    writer: Arc<Semaphore>,
}

/// A connection that a guest has, until it is given back.
pub(super) struct Lease {
    pub(super) session: Session,
    /// Held from the first write of a transaction until its end.
    pub(super) writing: Option<OwnedSemaphorePermit>,
    database: Arc<Database>,
    _connection: OwnedSemaphorePermit,
}

impl Database {
    /// Opens a database; makes it, and the folder that it is in, if there is none.
    pub fn open(location: Location) -> anyhow::Result<Arc<Self>> {
        if let Location::File(path) = &location
            && let Some(folder) = path.parent()
        {
            // What is in it is for the operator's eyes only.
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let session = Session::open(&location)?;
        Ok(Arc::new(Self {
            idle: Mutex::new(if location == Location::Memory { Vec::new() } else { vec![session] }),
            location,
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            writer: Arc::new(Semaphore::new(1)),
        }))
    }

    /// A connection for a guest, once there is one.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, Failure> {
        let permit = tokio::time::timeout(LOCKED, self.connections.clone().acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(Failure::Other("too many connections to this database are open".to_owned()));
        };
        let idle = self.idle().pop();
        let session = match idle {
            Some(session) => session,
            None => {
                let location = self.location.clone();
                let opened = tokio::task::spawn_blocking(move || Session::open(&location)).await;
                match opened {
                    Ok(Ok(session)) => session,
                    Ok(Err(error)) => {
                        // It names the file, which is none of the guest's business.
                        tracing::error!(%error, "a database cannot be opened");
                        return Err(Failure::Other("the database cannot be opened".to_owned()));
                    }
                    Err(_) => return Err(Failure::Other("the host stops".to_owned())),
                }
            }
        };
        Ok(Lease { session, writing: None, database: self.clone(), _connection: permit })
    }

    /// Where writers wait for their turn.
    pub(super) fn writer(&self) -> Arc<Semaphore> {
        self.writer.clone()
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// Ends a transaction that the guest left open, and keeps the connection for the next.
    pub(super) fn give_back(self) {
        if self.session.is_clean() && self.database.idle().len() < IDLE_MAX {
            self.keep();
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // A rollback and a close touch files.
            runtime.spawn_blocking(move || self.clean());
        } else {
            self.clean();
        }
    }

    fn clean(self) {
        if !self.session.sqlite.is_autocommit()
            && let Err(error) = self.session.sqlite.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "a rollback failed; closing the connection rolls back, too");
        }
        if self.session.is_clean() && self.database.idle().len() < IDLE_MAX {
            self.keep();
        }
    }

    fn keep(self) {
        let Self { session, database, .. } = self;
        session.watch.inserted.store(false, std::sync::atomic::Ordering::Relaxed);
        if database.location != Location::Memory {
            database.idle().push(session);
        }
    }
}

//! `vwp:storage` over a SQL database, for hosts that offer SQL and no store of ours.
//!
//! The rule that everything here follows: *every commit, and every append to a
//! machine's log, is one SQL statement that either applies or does not.* There are no
//! transactions of several statements, because a host may share and pool connections.
//!
//! - [`database`]: what is asked of a database: running one statement, and telling an
//!   error after which nothing has changed from one that says nothing.
//! - [`dialect`]: the few expressions in which SQLite and PostgreSQL differ.
//! - [`classify`]: errors by SQLite's texts and by SQLSTATE.
//! - [`schema`]: the tables.
//! - [`store`]: the store itself, and how an attempt is repeated.
//! - `resolve`: what became of a statement whose reply was lost.
//! - `rows`, `reads`, `commit`, `changes`, `maintain`: the key-value half.
//! - `log`, `tree`, `fold`, `snapshot`, `machines`: the half of the state machines.
//!
//! # Why commits are strictly serialisable
//!
//! The table of keys is append-only: a commit inserts new rows, and the newest row of
//! a key is its value. With its rows every commit inserts a *head row* under the empty
//! key, which no user's key is, at the version that follows the highest head row that
//! its statement sees.
//!
//! *Claim:* a statement that applies as version n+1 has seen all commits up to n, and
//! none after. *Base:* the first commit sees no head row; if another commit came first,
//! both want the head row of version 1, and the primary key admits one. *Step:* a
//! statement that saw head n as the highest has a snapshot from after commit n became
//! visible; commit n saw, by induction, all before it, so each of them was visible
//! earlier still, and snapshots never lose what was visible. If any commit applied after
//! that snapshot, it holds head n+1, the primary key collides, and the whole statement
//! is undone. So the commits that apply do so one after the other, and each evaluated
//! its checks on exactly its predecessor's state. A read is one statement with one
//! snapshot, taken after the call began, so it sees what was acknowledged before. ∎
//!
//! PostgreSQL's READ COMMITTED gives each statement one snapshot, which is all that is
//! used; SQLite has one writer at a time. A database that detects conflicts itself
//! (40001 of CockroachDB and YugabyteDB) only retries earlier. Reading from replicas
//! that lag is not supported. The log of a machine follows the same argument, with
//! positions for versions.
//!
//! # Lost replies
//!
//! A commit carries 16 random bytes, unique in the table. If a reply is lost, the commit
//! is looked up by them. If it is not there it may still be on its way, so a *fence* is
//! inserted: a row with the same bytes, at a negative version. If the fence is accepted
//! the commit can never apply, and is safely tried again; if it collides the commit was
//! there first. Only if the database stays unreachable is the outcome `unknown`.
//!
//! # Bounds, and what these databases do not give
//!
//! - A commit is bound by one round trip and one sync of the database, and commits of
//!   all hosts come one after the other: more hosts give more reads, not more commits.
//! - Each instance of a component folds the machine's state by itself: it restores the
//!   newest snapshot and reads the log from there. So an instance's memory and its first
//!   answer grow with the machine's state, and that is what bounds a machine's size.
//!   Measured natively by this crate's benchmark: a ledger of 10,000 accounts and transfers
//!   has a snapshot of 3.2 MB, restored in 9 ms; one of 100,000 has 32 MB, restored in 97 ms.
//!   The snapshot is also held in memory once more while it is written or restored.
//! - A snapshot is written by the call whose command made it due, which takes longer then.
//! - Superseded values are kept for [`store::KEPT_COMMITS`] commits, for `changes`.
//! - There are no spaces and no grants: any component that is given the database sees
//!   all of it.
//! - Expiry uses the host's clock. Hosts that share a database need clocks in sync. A
//!   machine's time never goes back, whichever host appends.

pub mod classify;
pub mod database;
pub mod dialect;
pub mod schema;
pub mod store;

mod changes;
mod commit;
mod fold;
mod log;
mod machines;
mod maintain;
mod reads;
mod resolve;
mod rows;
mod snapshot;
mod tree;

pub use database::{Database, DatabaseError, Host, Row, Value};
pub use dialect::{Dialect, Statement};
pub use store::SqlStore;

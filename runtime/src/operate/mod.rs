//! What whoever runs a deployment needs besides serving.
//!
//! - [`health`]: whether the host lives and is ready, for orchestrators, on a listener of its own.
//! - [`probes`]: the listeners of who watches the host.
//! - [`control`]: what the process that serves does for others of the same user, over a socket in
//!   the state folder.
//! - [`activation`]: sockets that a service manager holds, and what it is told.
//! - [`backup`] and [`restore`]: the commands; what a backup is stands in `vwp_store::backup`.
//! - [`doctor`]: what is wrong with a deployment, in plain words.

pub mod activation;
pub mod backup;
mod chunks;
pub mod control;
pub mod doctor;
pub mod health;
pub mod probes;
mod report;
pub mod restore;

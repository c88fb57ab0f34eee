//! What users of the discovery component can rely on, on the storage model.

mod acting;
mod actions;
mod api;
mod delegations;
mod dns;
mod domains;
mod leases;
mod operators;
mod packets;
mod refusals;
mod registration;
mod search;
mod support;

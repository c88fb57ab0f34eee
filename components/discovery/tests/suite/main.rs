//! What users of the discovery component can rely on, on the storage model.

mod acting;
mod actions;
mod api;
mod browsing;
mod changes;
mod delegations;
mod described;
mod dns;
mod document;
mod doh;
mod domains;
mod fields;
mod leases;
mod live;
mod operators;
mod packets;
mod projection;
mod refusals;
mod registration;
mod search;
mod search_model;
mod search_near;
mod support;
mod updates;
mod zone;

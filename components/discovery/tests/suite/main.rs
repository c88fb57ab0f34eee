//! What users of the discovery component can rely on, on the storage model.

mod api;
mod changes;
mod dns;
mod packets;
mod refusals;
mod registration;
mod search;
mod search_model;
mod support;

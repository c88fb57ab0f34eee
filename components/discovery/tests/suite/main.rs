//! What users of the discovery component can rely on, on the storage model.

mod api;
mod browsing;
mod dns;
mod document;
mod fields;
mod live;
mod packets;
mod projection;
mod refusals;
mod registration;
mod search;
mod support;

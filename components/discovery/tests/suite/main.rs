//! What users of the discovery component can rely on, on the storage model.

mod api;
mod browsing;
mod changes;
mod dns;
mod document;
mod doh;
mod fields;
mod live;
mod packets;
mod projection;
mod refusals;
mod registration;
mod search;
mod search_model;
mod support;
mod updates;
mod zone;

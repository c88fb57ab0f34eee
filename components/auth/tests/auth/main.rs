//! What travellers, worlds and the administrator can rely on, over the HTTP resources
//! and the functions behind them, on the model of the store.

mod accounts;
mod audit;
mod authenticator;
mod bans;
mod clients;
mod copies;
mod data;
mod described;
mod dids;
mod keys;
mod limits;
mod passkeys;
mod passports;
mod presentations;
mod profiles;
mod proofs;
mod provider;
mod recovery;
mod rfc9901;
mod sessions;
mod statuses;
mod support;
mod tickets;
mod travel;
mod uniform;
mod upstream;
mod webs;

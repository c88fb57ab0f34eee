//! What travellers, worlds and the administrator can rely on, over the HTTP resources
//! and the functions behind them, on the model of the store.

mod accounts;
mod keys;
mod passports;
mod presentations;
mod proofs;
mod provider;
mod rfc9901;
mod sessions;
mod support;

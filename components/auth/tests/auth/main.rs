//! What travellers, worlds and the administrator can rely on, over the HTTP resources
//! and the functions behind them, on the model of the store.

mod accounts;
mod audit;
mod data;
mod keys;
mod passports;
mod presentations;
mod proofs;
mod rfc9901;
mod sessions;
mod support;

//! HTTP middleware that limits how often clients may ask: token buckets in `vwp:storage/kv`, so that all
//! instances and hosts over one store count together.
//!
//! - [`settings`]: the rules, and which of them a request is charged to.
//! - [`client`]: the network that a request comes from.
//! - [`bucket`]: how often something may happen, as the generic cell rate algorithm.
//! - [`lease`]: uses that an instance has taken from a bucket beforehand, so that it need not write for each.
//! - [`charge`]: one request, charged to all its rules or to none.
//! - [`answer`]: what answers say of limits (draft-ietf-httpapi-ratelimit-headers-10).
//!
//! A bucket is one time, when its subject would have used nothing any more; it expires then. A commit is synced
//! before it answers, and one for each request would make it the store's speed. Therefore an instance that
//! somebody asks again within a second takes twice as many uses at a time as before, up to a sixteenth
//! of the quota, and gives up within a second what is left of them. Nothing is ever let through that was not
//! taken from the bucket first.
//!
//! All of it is natively tested; the component beside this crate passes requests and answers on.

pub mod answer;
pub mod bucket;
pub mod charge;
pub mod client;
pub mod lease;
pub mod settings;

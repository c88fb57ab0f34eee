//! The core of a signed zone, on the model of the store: whatever is edited, by whomever at the
//! same time, and whichever keys come and go, the zone is whole. Signatures are verified with
//! hickory-proto and ring, which have nothing in common with what made them.

mod chain;
mod journal;
mod keys;
mod publish;
mod support;
mod verify;

//! What components can rely on in what they share.

mod caller;
mod jose;
mod keyring;
mod name;
mod problem;
mod seal;
mod support;

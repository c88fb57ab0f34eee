//! Signing in with an account at another OpenID provider.

mod id_tokens;
mod keys;
mod linking;
mod settings;
mod signing_in;
mod support;

//! Travellers, how they sign in, their passports and tickets, and the OAuth provider. Beside
//! `components/auth/src/http.rs` and the `http.rs` of its parts.
//!
//! - [`accounts`]: travellers, sessions, the log of what happened, keys.
//! - [`sign_in`]: passkeys, recovery, DIDs and accounts of other providers.
//! - [`passports`]: passports, status lists, offers to wallets.
//! - [`tickets`]: tickets, doors, bans and entitlements.
//! - [`oauth`]: what OAuth and OpenID clients talk to.
//! - [`pages`]: what people see.

mod accounts;
mod oauth;
mod pages;
mod passports;
mod sign_in;
mod tickets;

use crate::Api;
use crate::document::key_schemas;
use crate::operation::{Operation, Refusal, tagged};
use crate::schema::{Schema, list, member, object, refer, text};

/// The longest body with a handle and a password, in bytes.
const CREDENTIALS: u64 = 8192;

/// What anything may be refused for that is limited per network.
const LIMITED: &[Refusal] = &[(429, "throttled")];
/// What every way of signing in may be refused for.
const SIGN_IN: &[Refusal] = &[(429, "throttled"), (429, "too-many-attempts")];

/// The table.
pub fn api() -> Api {
    let mut operations = tagged("Travellers", accounts::travellers());
    operations.extend(tagged("Sessions", accounts::sessions()));
    operations.extend(tagged("Sessions", sign_in::passkeys()));
    operations.extend(tagged("Sessions", sign_in::recovery()));
    operations.extend(tagged("Sessions", sign_in::dids()));
    operations.extend(tagged("Sessions", sign_in::upstream()));
    operations.extend(tagged("Passports", passports::operations()));
    operations.extend(tagged("Passports", passports::wallets()));
    operations.extend(tagged("Tickets", tickets::operations()));
    operations.extend(tagged("Clients", oauth::clients()));
    operations.extend(tagged("OAuth and OpenID", oauth::operations()));
    operations.extend(tagged("OAuth and OpenID", oauth::presentations()));
    operations.extend(tagged("Pages", pages::operations()));
    operations.extend(tagged("The audit log", accounts::audit()));
    operations.extend(tagged("Running the port", accounts::keys()));
    let operations = operations.into_iter().map(limited).collect();
    let mut schemas = accounts::schemas();
    schemas.extend(sign_in::schemas());
    schemas.extend(passports::schemas());
    schemas.extend(tickets::schemas());
    schemas.extend(oauth::schemas());
    schemas.extend(key_schemas());
    let about =
        "Travellers, how they sign in, their passports and tickets, and the OAuth and OpenID provider.";
    Api { name: "auth", about, operations, schemas }
}

/// Whatever changes something is limited per network (`components/auth/src/limits/guard.rs`).
fn limited(operation: Operation) -> Operation {
    if operation.method == "GET" { operation } else { operation.refuses(LIMITED) }
}

/// A list under a name.
fn listed(name: &'static str, of: &'static str) -> Schema {
    object([member(name, list(refer(of)))])
}

/// An id of 128 bits or more, base64url.
fn id() -> Schema {
    text().length(1, 64)
}

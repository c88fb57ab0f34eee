//! What a world needs to believe travellers who come from elsewhere: no network, no storage
//! and no clock. What was fetched before, the time, and what is expected come in as values,
//! so that it runs in a game server, in a browser and at an edge alike.
//!
//! - [`verify`]: presentations of passports (SD-JWT VC with key binding).
//! - [`dcql`]: asking for presentations, and what a wallet answers (OpenID4VP 1.0).
//! - [`status`]: whether a passport was revoked (Token Status List).
//! - [`remembering`]: both, with what comes again verified once.
//! - [`ticket`]: travel tickets, and every way to refuse a traveller.
//! - [`gate`]: a bounded memory of what was shown already.
//! - [`trust`]: whose keys are believed, pinned in advance and never taken from a token.
//! - [`keys`]: an issuer's public keys.
//! - [`sd_jwt`] and [`strict_json`]: the format of passports.

pub mod dcql;
pub mod gate;
pub mod keys;
pub mod remembering;
pub mod sd_jwt;
pub mod status;
pub mod strict_json;
pub mod ticket;
pub mod trust;
pub mod verify;

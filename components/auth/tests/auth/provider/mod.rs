//! The port as an OpenID provider, as clients, browsers and devices see it.

mod authorizing;
mod browsers;
mod certified;
mod clients;
mod devices;
mod dpop;
mod encrypted;
mod offers;
mod pages;
mod presentations;
mod races;
mod refreshing;
mod resources;
mod support;
mod tokens;
mod told;
mod wallets;

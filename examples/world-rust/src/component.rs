//! The arena as a component: requests of travellers on one side, the port's interfaces on the other.
#![allow(unsafe_code, reason = "the export macros generate it")]

use crate::rules::{self, Hold, State};
use crate::settings::{NAMES, Settings};
use crate::statements::Statements;
use bindings::vwp::auth::types::Expectation;
use bindings::vwp::auth::verifier;
use bindings::vwp::discovery::registry;
use bindings::vwp::discovery::types::{Error as DiscoveryError, RegisteredWorld};
use bindings::vwp::transactions::ledger::{self, Instruction, Kind, Receipt};
use bindings::vwp::transactions::types::{Credential, Error as LedgerError, Novelty};
use http_body_util::{BodyExt, Full, Limited};
use serde::Deserialize;
use serde_json::{Value, json};
use spin_sdk::http::{BoxBody, Request, Response, StatusCode, box_body};
use spin_sdk::http_service;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};
use vwp_core::{Problem, reply};

mod bindings {
    #![allow(missing_docs, unsafe_code, unreachable_pub, clippy::pedantic, reason = "generated")]
    spin_sdk::wit_bindgen::generate!({
        inline: "
            package vwp:world-rust@0.1.0;
            world arena {
                import vwp:discovery/registry@0.1.0;
                import vwp:auth/verifier@0.1.0;
                import vwp:transactions/ledger@0.1.0;
            }
        ",
        path: ["../../wit/timer", "../../wit/discovery", "../../wit/auth", "../../wit/transactions"],
        world: "vwp:world-rust/arena",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
    });
}

/// Where the manifest has the arena.
const ROUTE: &str = "/arena";
/// The port's keys, from the component of the same application that has them: public, and replaced from
/// time to time.
const KEYS: &str = "http://auth.spin.internal/.well-known/jwks.json";
/// The longest body that is read, in bytes: a presentation has at most 32,768.
const BODY_LENGTH_MAX: usize = 65_536;
/// The longest key set that is read, in bytes: the longest that the verifier takes.
const KEYS_LENGTH_MAX: usize = 524_288;

#[http_service]
async fn handle(request: Request) -> Response<BoxBody> {
    let answer = answer(request).await.unwrap_or_else(Problem::into_response);
    answer.map(|body| box_body(Full::new(body.into())))
}

async fn answer(request: Request) -> Result<Response<Vec<u8>>, Problem> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_LENGTH_MAX).collect().await;
    let body = body.map_err(|error| Problem::bad_request(error.to_string()))?.to_bytes();
    let arena = Arena::at_work().await?;
    let path = head.uri.path().strip_prefix(ROUTE).unwrap_or_default().trim_end_matches('/');
    match (head.method.as_str(), path) {
        ("GET", "") => arena.describe().await,
        ("POST", "/open") => arena.open().await,
        ("POST", "/entries") => arena.enter(reply::read_json(&head.headers, &body, BODY_LENGTH_MAX)?).await,
        ("POST", "/duels") => arena.fight(reply::read_json(&head.headers, &body, BODY_LENGTH_MAX)?).await,
        ("GET", other) => match other.strip_prefix("/gates/") {
            Some(world) => gate(world).await,
            None => Err(Problem::not_found("the arena has no such place")),
        },
        _ => Err(Problem::not_found("the arena has no such place")),
    }
}

/// A traveller who wants to enter.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entrant {
    /// The hold of the fee, which is the nonce of the presentation too: it serves for one entry.
    hold: String,
    /// The passport, presented to the arena.
    presentation: String,
}

/// A traveller who is in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fighter {
    /// The hold of the fee.
    hold: String,
}

/// The arena at one moment.
struct Arena {
    settings: Settings,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    now: u64,
}

impl Arena {
    async fn at_work() -> Result<Self, Problem> {
        let mut values = BTreeMap::new();
        for name in NAMES {
            if let Ok(value) = spin_sdk::variables::get(name).await {
                values.insert(name, value);
            }
        }
        let settings = Settings::read(|name| values.get(name).cloned()).map_err(internal)?;
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self { settings, now: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX) })
    }

    fn statements(&self) -> Statements<'_> {
        Statements::new(&self.settings, self.now / 1000)
    }

    fn credential(&self) -> Credential {
        Credential::Token(self.statements().assertion())
    }

    /// Registers the arena if it has to be, and creates its coins. Doing it again changes nothing, so
    /// anybody may.
    async fn open(&self) -> Result<Response<Vec<u8>>, Problem> {
        let settings = &self.settings;
        let known = registry::lookup(settings.world.clone()).await.map_err(of_discovery)?;
        let record = known.as_ref().map(|world| (world.expires_at, world.signed.as_str()));
        let due = rules::is_registration_due(settings, record, self.now / 1000);
        if due {
            registry::register(self.statements().record()).await.map_err(of_discovery)?;
        }
        ledger::create_asset(self.statements().asset()).await.map_err(of_ledger)?;
        transfer(self.statements().founding()).await?;
        let status = if due { StatusCode::CREATED } else { StatusCode::OK };
        Ok(reply::json(status, &json!({ "world": settings.world, "asset": settings.asset() })))
    }

    async fn describe(&self) -> Result<Response<Vec<u8>>, Problem> {
        let settings = &self.settings;
        let world = look_up(&settings.world).await?;
        let fee = json!({
            "to": settings.account(), "asset": settings.asset(), "amount": settings.fee.to_string(),
        });
        let prize = settings.prize.to_string();
        Ok(reply::json(StatusCode::OK, &json!({ "world": shown(&world), "fee": fee, "prize": prize })))
    }

    /// Lets in who has a passport and holds the fee, and takes it.
    async fn enter(&self, entrant: Entrant) -> Result<Response<Vec<u8>>, Problem> {
        let hold = self.hold(&entrant.hold).await?;
        rules::admit(&self.settings, &hold)?;
        let expectation = Expectation {
            issuer: self.settings.issuer.clone(),
            audience: self.settings.world.clone(),
            nonce: entrant.hold.clone(),
            now: self.now,
        };
        let passport = verifier::verify(&entrant.presentation, &keys().await?, &expectation);
        let passport = passport.map_err(|refusal| refused(&refusal.reason, &refusal.detail))?;
        let subject = passport.subject.ok_or_else(|| {
            refused("passport-not-pairwise", "present a copy that was issued for this world")
        })?;
        let (receipt, novelty) = transfer(self.statements().take_fee(&entrant.hold)).await?;
        let paid = json!({ "transfer_id": receipt.transfer_id, "amount": receipt.amount });
        let status = if novelty == Novelty::Created { StatusCode::CREATED } else { StatusCode::OK };
        Ok(reply::json(status, &json!({ "subject": subject, "paid": paid })))
    }

    /// Has who is in fight the champion, and pays who wins. One entry is one duel, however often it is
    /// asked for.
    async fn fight(&self, fighter: Fighter) -> Result<Response<Vec<u8>>, Problem> {
        let hold = self.hold(&fighter.hold).await?;
        rules::require_inside(&self.settings, &hold)?;
        if !self.settings.key.draws(&fighter.hold) {
            return Ok(reply::json(StatusCode::OK, &json!({ "won": false })));
        }
        let (receipt, _) = transfer(self.statements().pay_prize(&fighter.hold, &hold.payer)).await?;
        let prize = json!({
            "transfer_id": receipt.transfer_id, "to": receipt.to, "amount": receipt.amount,
        });
        Ok(reply::json(StatusCode::OK, &json!({ "won": true, "prize": prize })))
    }

    /// A hold, as the ledger knows it. The arena may read what is for its account.
    async fn hold(&self, id: &str) -> Result<Hold, Problem> {
        let receipt = ledger::get_transfer(self.credential(), id.to_owned()).await;
        let receipt = receipt.map_err(|error| match error {
            LedgerError::UnknownTransfer | LedgerError::Forbidden(_) | LedgerError::Invalid(_) => {
                rules::not_the_fee("nothing with this id is held for the arena")
            }
            other => of_ledger(other),
        })?;
        let state = match (receipt.kind, &receipt.hold) {
            (Kind::Pending, Some(ledger::Hold::Open)) => State::Open,
            (Kind::Pending, Some(ledger::Hold::Posted(_))) => State::Taken,
            (Kind::Pending, _) => State::Gone,
            _ => return Err(rules::not_the_fee("the transfer is no hold")),
        };
        Ok(Hold {
            payer: receipt.from,
            payee: receipt.to,
            asset: receipt.asset,
            amount: receipt.amount,
            state,
        })
    }
}

/// Where a traveller goes on to: another world, as it is registered.
async fn gate(world: &str) -> Result<Response<Vec<u8>>, Problem> {
    Ok(reply::json(StatusCode::OK, &shown(&look_up(world).await?)))
}

async fn look_up(world: &str) -> Result<RegisteredWorld, Problem> {
    let found = registry::lookup(world.to_owned()).await.map_err(of_discovery)?;
    found.ok_or_else(|| Problem::not_found("no world is registered under this name"))
}

fn shown(world: &RegisteredWorld) -> Value {
    let title: BTreeMap<_, _> = world.title.iter().map(|title| (&title.language, &title.text)).collect();
    let endpoint = |endpoint: &bindings::vwp::discovery::types::Endpoint| json!({ "transport": endpoint.transport, "host": endpoint.host, "port": endpoint.port });
    let endpoints: Vec<Value> = world.endpoints.iter().map(endpoint).collect();
    json!({ "name": world.name, "fqdn": world.fqdn, "title": title, "endpoints": endpoints })
}

async fn transfer(signed: String) -> Result<(Receipt, Novelty), Problem> {
    ledger::transfer(Instruction::Operator(signed)).await.map_err(of_ledger)
}

/// The port's public keys.
async fn keys() -> Result<String, Problem> {
    let answer = spin_sdk::http::get(KEYS).await.map_err(|error| internal(format!("{KEYS}: {error}")))?;
    if answer.status() != StatusCode::OK {
        return Err(internal(format!("{KEYS} answered {}", answer.status())));
    }
    let body = Limited::new(answer.into_body(), KEYS_LENGTH_MAX).collect().await;
    let body = body.map_err(|error| internal(format!("{KEYS}: {error}")))?;
    String::from_utf8(body.to_bytes().into()).map_err(|_| internal(format!("{KEYS} is no text")))
}

/// The problem that an error of the registry is for who asked.
fn of_discovery(error: DiscoveryError) -> Problem {
    match error {
        DiscoveryError::Refused(refusal) => Problem::bad_request(refusal.detail),
        // Whether it is registered is seen at the next look, so the same request may come again.
        DiscoveryError::Unavailable(detail) | DiscoveryError::Unknown(detail) => Problem::unavailable(detail),
        DiscoveryError::Internal => internal("the registry failed; its log says why"),
    }
}

/// The problem that an error of the ledger is for who asked.
fn of_ledger(error: LedgerError) -> Problem {
    match error {
        // Every transfer of the arena has a key of its own, so the same request may come again.
        LedgerError::Unavailable(detail) => Problem::unavailable(detail),
        LedgerError::OutcomeUnknown => Problem::unavailable("the outcome is not known yet; ask again"),
        LedgerError::NotPending(detail) => rules::not_the_fee(detail),
        LedgerError::InsufficientFunds => Problem::unavailable("the arena has nothing left to pay with"),
        other => internal(format!("the ledger refused: {other:?}")),
    }
}

fn refused(reason: &str, detail: &str) -> Problem {
    let title = "The passport is not believed";
    Problem::new(StatusCode::UNAUTHORIZED, "passport-refused", title, detail).with("reason", reason)
}

/// A fault of the arena's. Its cause is for the log alone.
fn internal(cause: impl std::fmt::Display) -> Problem {
    eprintln!("{cause}");
    Problem::internal()
}

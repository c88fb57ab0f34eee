//! What an integrator writes: a handler that calls the port's components by their typed
//! interfaces, without HTTP in between. A path ends in `/INTERFACE/FUNCTION`; the body is
//! a JSON array of the arguments, the answer the call's result: `{"Ok": …}` or
//! `{"Err": …}`, with the error's case by its name.

mod bindings {
    spin_sdk::wit_bindgen::generate!({
        inline: "
            package vwp:typed-test;
            world integrator {
                import vwp:discovery/registry@0.1.0;
                import vwp:auth/accounts@0.1.0;
                import vwp:auth/verifier@0.1.0;
                import vwp:transactions/ledger@0.1.0;
                import vwp:transactions/escrows@0.1.0;
            }
        ",
        path: ["../../../wit/timer", "../../../wit/discovery", "../../../wit/auth", "../../../wit/transactions"],
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        additional_derives: [serde::Serialize, serde::Deserialize],
        generate_all,
    });
}

use bindings::vwp::auth::{accounts, verifier};
use bindings::vwp::discovery::registry;
use bindings::vwp::transactions::{escrows, ledger};
use http_body_util::BodyExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use spin_sdk::http::{IntoResponse, Request, StatusCode};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let path = request.uri().path().to_owned();
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error:?}")),
    };
    match call(&path, &body).await {
        Ok(answer) => (StatusCode::OK, answer),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
    }
}

/// Calls the function that the path ends in.
async fn call(path: &str, body: &[u8]) -> serde_json::Result<String> {
    let mut parts = path.rsplit('/');
    let function = parts.next().unwrap_or_default();
    match parts.next().unwrap_or_default() {
        "registry" => of_registry(function, body).await,
        "accounts" => of_accounts(function, body).await,
        "verifier" => of_verifier(function, body),
        "ledger" => of_ledger(function, body).await,
        "escrows" => of_escrows(function, body).await,
        _ => Err(unknown()),
    }
}

async fn of_registry(function: &str, body: &[u8]) -> serde_json::Result<String> {
    match function {
        "register" => {
            let (signed,) = arguments(body)?;
            answer(registry::register(signed).await)
        }
        "lookup" => {
            let (name,) = arguments(body)?;
            answer(registry::lookup(name).await)
        }
        "search" => {
            let (text, limit, cursor) = arguments(body)?;
            answer(registry::search(text, limit, cursor).await)
        }
        _ => Err(unknown()),
    }
}

async fn of_accounts(function: &str, body: &[u8]) -> serde_json::Result<String> {
    match function {
        "sign-up" => {
            let (credentials,) = arguments(body)?;
            answer(accounts::sign_up(credentials).await)
        }
        "sign-in" => {
            let (credentials,) = arguments(body)?;
            answer(accounts::sign_in(credentials).await)
        }
        "sign-out" => {
            let (access_token,) = arguments(body)?;
            answer(accounts::sign_out(access_token).await)
        }
        _ => Err(unknown()),
    }
}

fn of_verifier(function: &str, body: &[u8]) -> serde_json::Result<String> {
    match function {
        "verify" => {
            let (presentation, keys, expectation): (String, String, _) = arguments(body)?;
            answer(verifier::verify(&presentation, &keys, &expectation))
        }
        _ => Err(unknown()),
    }
}

async fn of_ledger(function: &str, body: &[u8]) -> serde_json::Result<String> {
    match function {
        "create-asset" => {
            let (signed,) = arguments(body)?;
            answer(ledger::create_asset(signed).await)
        }
        "transfer" => {
            let (instruction,) = arguments(body)?;
            answer(ledger::transfer(instruction).await)
        }
        "transfer-bulk" => {
            let (instruction,) = arguments(body)?;
            answer(ledger::transfer_bulk(instruction).await)
        }
        "get-account" => {
            let (credential, owner, asset) = arguments(body)?;
            answer(ledger::get_account(credential, owner, asset).await)
        }
        "list-transfers" => {
            let (credential, owner, asset, page) = arguments(body)?;
            answer(ledger::list_transfers(credential, owner, asset, page).await)
        }
        _ => Err(unknown()),
    }
}

async fn of_escrows(function: &str, body: &[u8]) -> serde_json::Result<String> {
    match function {
        "create" => {
            let (instruction,) = arguments(body)?;
            answer(escrows::create(instruction).await)
        }
        "get" => {
            let (credential, id) = arguments(body)?;
            answer(escrows::get(credential, id).await)
        }
        "release" => {
            let (demand, id) = arguments(body)?;
            answer(escrows::release(demand, id).await)
        }
        "refund" => {
            let (demand, id) = arguments(body)?;
            answer(escrows::refund(demand, id).await)
        }
        "dispute" => {
            let (credential, id) = arguments(body)?;
            answer(escrows::dispute(credential, id).await)
        }
        _ => Err(unknown()),
    }
}

fn unknown() -> serde_json::Error {
    serde::de::Error::custom("no such function")
}

fn arguments<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(body)
}

fn answer<T: Serialize, E: Serialize>(result: Result<T, E>) -> serde_json::Result<String> {
    serde_json::to_string(&result)
}

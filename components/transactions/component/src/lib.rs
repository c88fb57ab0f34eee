//! The ledger's functions as a component: `vwp-transactions` on the interfaces of `vwp:transactions`
//! on HTTP, and on the timer.
//!
//! A crate of its own, so that what tests and programs link has no exports, and so that a component
//! is optimised as one program with all that it links.
//!
//! Empty for other targets than WebAssembly.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, reason = "the export macros generate it")]

use bindings::exports::vwp::timer::scheduled;
use bindings::exports::vwp::transactions::{escrows as escrows_api, ledger as api};
use bindings::vwp::transactions::types;
use convert::{novelty, token};
use vwp_core::{Environment, Problem, reply};
use vwp_guest::http_types::{ErrorCode, Request, Response};
use vwp_guest::{HttpHandler, Network, Store};
use vwp_processor::Adapters;
use vwp_transactions::escrows::actions::{self, Actor, DISPUTE_BODY};
use vwp_transactions::escrows::approval;
use vwp_transactions::escrows::terms::Terms;
use vwp_transactions::escrows::votes::Decision;
use vwp_transactions::payments::OPTIONS;
use vwp_transactions::{
    Error, accounts, assets, authority, bulk, history, http, receipts, transfers, upkeep,
};

mod convert;

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    spin_sdk::wit_bindgen::generate!({
        path: ["../../../wit/timer", "../../../wit/transactions"],
        world: "vwp:transactions/transactions",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
    });
}

struct Component;
bindings::export!(Component with_types_in bindings);

spin_sdk::wasip3::http::service::export!(Component);

impl HttpHandler for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        vwp_guest::serve_with(OPTIONS, request, async |environment, request| {
            http::handle(&Store, &Adapters(Network), environment, request).await
        })
        .await
    }
}

/// Runs a call with the settings; a fault of the settings is the call's error.
async fn call<T>(call: impl AsyncFnOnce(&Environment<'_>) -> Result<T, Error>) -> Result<T, types::Error> {
    let answer = vwp_guest::environment_with(OPTIONS, async |environment| Ok(call(environment).await)).await;
    Ok(answer.map_err(Error::from).flatten()?)
}

impl api::Guest for Component {
    async fn create_asset(signed: String) -> Result<(api::Asset, api::Novelty), types::Error> {
        let made = call(async |environment| assets::create_asset(&Store, environment, &signed).await).await?;
        Ok((made.info.into(), novelty(made.repeated)))
    }

    async fn transfer(instruction: api::Instruction) -> Result<(api::Receipt, api::Novelty), types::Error> {
        let made = call(async |environment| match instruction {
            api::Instruction::Traveller(keyed) => {
                let caller = authority::caller_of(&Store, environment, token(&keyed.credential)).await?;
                let order = keyed.order.try_into()?;
                transfers::transfer(&Store, &caller, &keyed.idempotency_key, order).await
            }
            api::Instruction::Operator(signed) => {
                transfers::transfer_signed(&Store, environment, &signed).await
            }
        })
        .await?;
        Ok((made.receipt.into(), novelty(made.repeated)))
    }

    async fn transfer_bulk(instruction: api::BulkInstruction) -> Result<Vec<api::Outcome>, types::Error> {
        let settled = call(async |environment| match instruction {
            api::BulkInstruction::Traveller(wanted) => {
                let caller = authority::traveller_of(&Store, environment, token(&wanted.credential)).await?;
                bulk::transfer_bulk(&Store, &caller, &convert::bulk_orders(wanted.transfers)?).await
            }
            api::BulkInstruction::Operator(types::Asserted { assertion, body }) => {
                let (caller, wanted): (_, bulk::Bulk) =
                    authority::asserted(&Store, environment, &assertion, &body, reply::BODY_LENGTH_MAX)
                        .await?;
                bulk::transfer_bulk(&Store, &caller, &wanted.transfers).await
            }
        })
        .await?;
        Ok(settled.into_iter().map(Into::into).collect())
    }

    async fn get_transfer(
        credential: types::Credential,
        transfer_id: String,
    ) -> Result<api::Receipt, types::Error> {
        let receipt = call(async |environment| {
            let caller = authority::caller_of(&Store, environment, token(&credential)).await?;
            transfers::get_transfer(&Store, &caller, &transfer_id).await
        })
        .await?;
        Ok(receipt.into())
    }

    async fn prove_transfer(
        credential: types::Credential,
        transfer_id: String,
    ) -> Result<String, types::Error> {
        call(async |environment| {
            let caller = authority::caller_of(&Store, environment, token(&credential)).await?;
            let receipt = receipts::prove_transfer(&Store, environment, &caller, &transfer_id).await?;
            Ok(serde_json::to_string(&receipt).map_err(|_| Problem::internal())?)
        })
        .await
    }

    async fn get_account(
        credential: types::Credential,
        owner: String,
        asset: String,
    ) -> Result<api::Account, types::Error> {
        let account = call(async |environment| {
            let caller = authority::caller_of(&Store, environment, token(&credential)).await?;
            accounts::get_account(&Store, &caller, &owner, &asset).await
        })
        .await?;
        Ok(account.into())
    }

    async fn list_transfers(
        credential: types::Credential,
        owner: String,
        asset: String,
        page: api::Page,
    ) -> Result<api::History, types::Error> {
        let history = call(async |environment| {
            let caller = authority::caller_of(&Store, environment, token(&credential)).await?;
            history::transfers(&Store, &caller, (&owner, &asset), page.into()).await
        })
        .await?;
        Ok(history.into())
    }

    async fn get_asset(asset: String) -> Result<api::Asset, types::Error> {
        Ok(call(async |_| assets::get_asset(&Store, &asset).await).await?.into())
    }
}

impl escrows_api::Guest for Component {
    async fn create(
        instruction: escrows_api::Instruction,
    ) -> Result<(escrows_api::Escrow, types::Novelty), types::Error> {
        let (info, repeated) = call(async |environment| {
            let (caller, terms): (_, Terms) = match instruction {
                escrows_api::Instruction::Traveller(keyed) => {
                    let token = token(&keyed.credential);
                    (authority::traveller_of(&Store, environment, token).await?, keyed.try_into()?)
                }
                escrows_api::Instruction::Operator(types::Asserted { assertion, body }) => {
                    authority::asserted(&Store, environment, &assertion, &body, http::BODY_LENGTH_MAX).await?
                }
            };
            actions::create(&Store, environment, &caller, terms).await
        })
        .await?;
        Ok((info.into(), novelty(repeated)))
    }

    async fn get(
        credential: types::Credential,
        escrow_id: String,
    ) -> Result<escrows_api::Escrow, types::Error> {
        let info = call(async |environment| {
            let caller = authority::caller_of(&Store, environment, token(&credential)).await?;
            actions::get(&Store, environment, &caller, &escrow_id).await
        })
        .await?;
        Ok(info.into())
    }

    async fn release(
        demand: escrows_api::Demand,
        escrow_id: String,
    ) -> Result<escrows_api::Escrow, types::Error> {
        decide(demand, &escrow_id, Decision::Release).await
    }

    async fn refund(
        demand: escrows_api::Demand,
        escrow_id: String,
    ) -> Result<escrows_api::Escrow, types::Error> {
        decide(demand, &escrow_id, Decision::Refund).await
    }

    async fn dispute(
        credential: types::Credential,
        escrow_id: String,
    ) -> Result<escrows_api::Escrow, types::Error> {
        let info = call(async |environment| {
            let (token, body) = (token(&credential), DISPUTE_BODY.as_bytes());
            let caller = authority::asker_of(&Store, environment, token, body).await?;
            actions::dispute(&Store, environment, &caller, &escrow_id).await
        })
        .await?;
        Ok(info.into())
    }
}

/// Does with milestones what who asks may decide.
async fn decide(
    demand: escrows_api::Demand,
    escrow_id: &str,
    decision: Decision,
) -> Result<escrows_api::Escrow, types::Error> {
    let info = call(async |environment| {
        let (caller, choice) = match demand {
            escrows_api::Demand::Traveller(choice) => {
                let token = token(&choice.credential);
                (authority::traveller_of(&Store, environment, token).await?, choice.into())
            }
            escrows_api::Demand::Operator(types::Asserted { assertion, body }) => {
                authority::asserted(&Store, environment, &assertion, &body, http::BODY_LENGTH_MAX).await?
            }
            escrows_api::Demand::Approver(vote) => {
                return approval::decide_signed(&Store, environment, &vote, escrow_id, decision).await;
            }
        };
        actions::decide(&Store, environment, &Actor::Caller(caller), escrow_id, decision, &choice).await
    })
    .await?;
    Ok(info.into())
}

impl scheduled::Guest for Component {
    async fn run() -> Result<u32, String> {
        let run = async |environment: &Environment<'_>| Ok(upkeep::run(&Store, environment).await);
        let report = vwp_guest::environment_with(OPTIONS, run).await.map_err(Error::from).flatten();
        report.map(|report| report.next_ms).map_err(|error| error.to_string())
    }
}

//! Assets, accounts and transfers over the ledger.
//!
//! - [`http`]: the functions as HTTP resources.
//! - [`assets`], [`transfers`], [`accounts`], [`entries`]: the functions themselves.
//! - [`receipts`], [`checkpoints`], [`tiles`], [`log_keys`]: the ledger's log as a tree, what is
//!   signed of it and proved with it; [`log`]: as HTTP resources.
//! - [`audit`]: what an auditor asks the ledger.
//! - [`reference`]: how accounts are named, and the ids that follow from names.
//! - [`amount`]: amounts as text.
//! - [`authority`]: which accounts a caller may debit and read.
//! - [`signed`]: bodies that an operator signed.
//! - `reconciliations`: what banks say beside what the ledger says, for `vwp-reconciliation`.
//! - [`ledger`]: asking the ledger, and what to do when its answer is lost.
//! - [`error`]: every refusal, and the problem that it becomes.

pub mod accounts;
pub mod amount;
pub mod assets;
pub mod audit;
pub mod authority;
pub mod checkpoints;
pub mod entries;
pub mod error;
pub mod http;
pub mod ledger;
pub mod log;
pub mod log_keys;
pub mod receipts;
mod reconciliations;
pub mod reference;
pub mod signed;
pub mod tiles;
pub mod transfers;

pub use error::Error;

#[cfg(target_family = "wasm")]
mod component {
    #![allow(unsafe_code, reason = "the export macros generate it")]

    use crate::{Error, accounts, assets, authority, http, receipts, transfers};
    use bindings::exports::vwp::transactions::ledger as api;
    use bindings::vwp::transactions::types;
    use vwp_core::{Environment, Problem};
    use vwp_guest::http_types::{ErrorCode, Request, Response};
    use vwp_guest::{HttpHandler, Store};

    mod bindings {
        #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
        spin_sdk::wit_bindgen::generate!({
            path: "../../wit/transactions",
            world: "transactions",
            runtime_path: "::spin_sdk::wit_bindgen::rt",
            generate_all,
        });
    }

    struct Component;
    bindings::export!(Component with_types_in bindings);

    spin_sdk::wasip3::http::service::export!(Component);

    impl HttpHandler for Component {
        async fn handle(request: Request) -> Result<Response, ErrorCode> {
            vwp_guest::serve(request, async |environment, request| {
                http::handle(&Store, environment, request).await
            })
            .await
        }
    }

    /// Runs a call with the settings; a fault of the settings is the call's error.
    async fn call<T>(
        call: impl AsyncFnOnce(&Environment<'_>) -> Result<T, Error>,
    ) -> Result<T, types::Error> {
        let answer = vwp_guest::environment(async |environment| Ok(call(environment).await)).await;
        Ok(answer.map_err(Error::from).flatten()?)
    }

    fn token(credential: &types::Credential) -> Option<&str> {
        match credential {
            types::Credential::None => None,
            types::Credential::Token(token) => Some(token),
        }
    }

    fn novelty(repeated: bool) -> api::Novelty {
        if repeated { api::Novelty::Repeated } else { api::Novelty::Created }
    }

    impl api::Guest for Component {
        async fn create_asset(signed: String) -> Result<(api::Asset, api::Novelty), types::Error> {
            let made =
                call(async |environment| assets::create_asset(&Store, environment, &signed).await).await?;
            Ok((made.info.into(), novelty(made.repeated)))
        }

        async fn transfer(
            instruction: api::Instruction,
        ) -> Result<(api::Receipt, api::Novelty), types::Error> {
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
            Ok(api::Account {
                owner: account.owner,
                asset: account.asset,
                balance: account.balance.to_string(),
                debits: account.debits.to_string(),
                credits: account.credits.to_string(),
            })
        }

        async fn get_asset(asset: String) -> Result<api::Asset, types::Error> {
            Ok(call(async |_| assets::get_asset(&Store, &asset).await).await?.into())
        }
    }

    impl From<assets::AssetInfo> for api::Asset {
        fn from(info: assets::AssetInfo) -> Self {
            Self {
                name: info.asset,
                scale: info.scale,
                cap: info.cap.map(|cap| cap.to_string()),
                title: info.title,
                issuer: info.issuer,
                supply: info.supply.to_string(),
                position: info.position,
                time: info.time,
            }
        }
    }

    impl TryFrom<api::Order> for transfers::Order {
        type Error = Error;

        fn try_from(order: api::Order) -> Result<Self, Error> {
            let amount = order.amount.parse();
            let amount =
                amount.map_err(|error: crate::amount::AmountError| Error::Invalid(error.to_string()))?;
            Ok(Self { from: order.from, to: order.to, asset: order.asset, amount, memo: order.memo })
        }
    }

    impl From<transfers::Receipt> for api::Receipt {
        fn from(receipt: transfers::Receipt) -> Self {
            Self {
                transfer_id: receipt.transfer_id,
                position: receipt.position,
                time: receipt.time,
                from: receipt.from,
                to: receipt.to,
                asset: receipt.asset,
                amount: receipt.amount.to_string(),
                memo: receipt.memo,
            }
        }
    }

    impl From<Error> for types::Error {
        fn from(error: Error) -> Self {
            match error {
                Error::Invalid(text) => Self::Invalid(text),
                Error::IdempotencyKeyMissing => Self::IdempotencyKeyMissing,
                Error::ClockSkew => Self::ClockSkew,
                Error::WrongAudience => Self::WrongAudience,
                Error::Forbidden(text) => Self::Forbidden(text),
                Error::UnknownWorld(world) => Self::UnknownWorld(world),
                Error::UnknownTraveller(id) => Self::UnknownTraveller(id),
                Error::UnknownAsset(asset) => Self::UnknownAsset(asset),
                Error::UnknownTransfer => Self::UnknownTransfer,
                Error::AssetExists => Self::AssetExists,
                Error::IdempotencyKeyReused => Self::IdempotencyKeyReused,
                Error::InsufficientFunds => Self::InsufficientFunds,
                Error::ExceedsCap => Self::ExceedsCap,
                Error::Overflow => Self::Overflow,
                Error::ZeroAmount => Self::ZeroAmount,
                Error::SameAccount => Self::SameAccount,
                Error::LedgerFull => Self::LedgerFull,
                Error::OutcomeUnknown => Self::OutcomeUnknown,
                Error::Shared(problem) => shared(problem),
            }
        }
    }

    fn shared(problem: Problem) -> types::Error {
        match problem.status.as_u16() {
            401 => types::Error::Unauthorised(problem.detail),
            403 => types::Error::Forbidden(problem.detail),
            503 if problem.slug == "outcome-unknown" => types::Error::OutcomeUnknown,
            503 => types::Error::Unavailable(problem.detail),
            500.. => types::Error::Internal,
            _ => types::Error::Invalid(problem.detail),
        }
    }
}

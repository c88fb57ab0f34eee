//! Runs the storage contract's own suites inside WebAssembly, against the storage that
//! the host or a composed adapter supplies.
//!
//! - `POST /kv/PART` and `POST /machine` run a suite; what differs from the contract is a
//!   panic, which the host answers for and logs. Expiry by a clock that the test moves
//!   is left to the native tests, because the clock is the host's here.
//! - `POST /count` adds one to a counter, `GET /count` reads it; `POST /submit` submits a
//!   command: for clients that do so at once.

mod machine;

use spin_sdk::http::{IntoResponse, Method, Request, StatusCode};
use spin_sdk::http_service;
use vwp_guest::Store;
use vwp_storage::conformance::{self, TALLY};
use vwp_storage::kv::{Direction, KeyRange, Kv, Write};
use vwp_storage::{Machines, StorageError};

/// The counter that clients add to.
const COUNTER: &[u8] = b"count/n";

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    match answer(request.method(), request.uri().path()).await {
        Ok(Some(text)) => (StatusCode::OK, text),
        Ok(None) => (StatusCode::NOT_FOUND, String::new()),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn answer(method: &Method, path: &str) -> Result<Option<String>, StorageError> {
    let part = conformance::KV_PARTS.into_iter().find(|part| path.strip_prefix("/kv/") == Some(part));
    if let (&Method::POST, Some(part)) = (method, part) {
        conformance::kv_part(part, &async || cleared().await).await;
        return Ok(Some("passed".to_owned()));
    }
    Ok(Some(match (method, path) {
        (&Method::POST, "/machine") => {
            conformance::machine_suite(machine::fresh).await;
            "passed".to_owned()
        }
        (&Method::POST, "/count") => {
            let add = Write::Add { key: COUNTER.to_vec(), delta: 1, minimum: 0, maximum: i64::MAX };
            format!("{:?}", Store.commit(&[], &[add]).await?)
        }
        (&Method::GET, "/count") => {
            let seen = Store.get(COUNTER).await?.map_or(Ok([0; 8]), |entry| entry.value.try_into());
            i64::from_le_bytes(seen.unwrap_or([0xff; 8])).to_string()
        }
        (&Method::POST, "/submit") => Store.submit(TALLY, b"x".to_vec()).await?.position.to_string(),
        _ => return Ok(None),
    }))
}

/// The store, with nothing in it but what clients count.
async fn cleared() -> Store {
    for space in ["log/", "p", "r/", "s", "t/"] {
        let mut rest = Some(KeyRange::prefix(space));
        while let Some(range) = rest {
            let page = Store.scan(&range, 256, Direction::Forward).await.expect("the store can be read");
            let removals: Vec<_> = page.items.into_iter().map(|item| Write::delete(item.key)).collect();
            Store.commit(&[], &removals).await.expect("the store can be written");
            rest = page.next;
        }
    }
    Store
}

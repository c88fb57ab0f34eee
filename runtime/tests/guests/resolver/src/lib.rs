//! The guest that the tests of the host's DNS service run. Over HTTP its store is read and
//! written: a path is `/OPERATION/KEY`, the body is the value. What it then answers over
//! DNS comes from the store.

mod messages;
mod resolver;
mod store;

mod bindings {
    spin_sdk::wit_bindgen::generate!({
        inline: "
            package vwp:resolver-test;
            world fixture {
                import vwp:storage/kv@0.1.0;
                export vwp:discovery/resolver@0.1.0;
                export vwp:timer/scheduled@0.1.0;
            }
        ",
        path: ["../../../../wit/storage", "../../../../wit/timer", "../../../../wit/discovery"],
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
    });
}

use bindings::exports::vwp::timer::scheduled;
use http_body_util::BodyExt;
use spin_sdk::http::{IntoResponse, Request, StatusCode};
use spin_sdk::http_service;

struct Component;
bindings::export!(Component with_types_in bindings);

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let (operation, key) = path.split_once('/').unwrap_or((&path, ""));
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes().to_vec(),
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error:?}")),
    };
    let answer = match operation {
        "put" => store::put(key, body).await.map(|()| "put".to_owned()),
        "delete" => store::delete(key).await.map(|()| "deleted".to_owned()),
        "count" => store::count(key).await.map(|count| count.to_string()),
        _ => return (StatusCode::NOT_FOUND, "no such operation".to_owned()),
    };
    match answer {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:?}")),
    }
}

impl scheduled::Guest for Component {
    /// Counts itself, and does what the store says of it.
    async fn run() -> Result<u32, String> {
        let done = async {
            store::add("test/runs").await?;
            store::get("test/timer").await
        };
        match done.await {
            Ok(Some(wish)) if wish == b"fail" => Err("the test wants it so".to_owned()),
            Ok(Some(wish)) if wish == b"trap" => panic!("the test wants it so"),
            Ok(Some(wish)) if wish == b"wait" => {
                println!("scheduled work waits");
                store::linger().await;
                println!("scheduled work is done");
                Ok(60_000)
            }
            Ok(_) => Ok(20),
            Err(error) => Err(format!("{error:?}")),
        }
    }
}

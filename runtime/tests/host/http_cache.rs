//! Answers that everybody may have: made once, for all who ask.

use crate::metrics::{COUNTING, counted};
use crate::support::{Body, Host, Start, folder, within};
use bytes::Bytes;
use futures::future::join_all;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::collections::BTreeSet;

const REQUESTS: &str = "vwp_http_server_cache_requests_total";

const MANIFEST: &str = r#"
    spin_manifest_version = 2
    [application]
    name = "kept"
    [application.tool.vwp]
    routes."/kept/..." = { cache = true, requests_max = 1 }
    [[trigger.http]]
    route = "/..."
    component = "edges"
    [[trigger.http]]
    route = "/kept/..."
    component = "edges"
    [component.edges]
    source = "EDGES"
"#;

async fn start() -> Host {
    Host::start_with(folder(MANIFEST), &Start::with(&COUNTING)).await
}

/// Asks over a connection of its own.
async fn get(host: &Host, path: &str, fields: &[(&str, &str)]) -> Response<Bytes> {
    let request = Request::get(format!("{}{path}", host.url()));
    let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let request = request.body(Empty::<Bytes>::new()).expect("a request");
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (head, body) = within(client.request(request)).await.expect("an answer").into_parts();
    let body = within(body.collect()).await.expect("a whole answer").to_bytes();
    Response::from_parts(head, body)
}

async fn results(host: &Host) -> [u64; 4] {
    let mut results = [0; 4];
    for (count, result) in results.iter_mut().zip(["hit", "collapsed", "miss", "bypass"]) {
        *count = counted(host, REQUESTS, &["route=\"/kept/...\"", &format!("result=\"{result}\"")]).await;
    }
    results
}

#[tokio::test]
async fn many_who_ask_at_once_cost_one_call_and_no_turn() {
    let host = start().await;
    // Alone they would be refused: the route has one turn, and each takes a fifth of a second of it.
    let answers = join_all((0..100).map(|_| get(&host, "/kept/page", &[]))).await;
    assert!(answers.iter().all(|answer| answer.status() == StatusCode::OK));
    let bodies: BTreeSet<_> = answers.iter().map(Response::body).collect();
    assert_eq!(bodies.len(), 1, "all have the same answer");
    let [hit, collapsed, miss, bypass] = results(&host).await;
    assert_eq!((miss, bypass, hit + collapsed), (1, 0, 99));
    let said = |status: &str| {
        let statuses = answers.iter().map(|answer| &answer.headers()["cache-status"]);
        statuses.filter(|said| said.as_bytes() == status.as_bytes()).count()
    };
    assert_eq!(said("vwp; fwd=miss; stored"), 1);
    assert_eq!(said("vwp; fwd=miss; collapsed") as u64, collapsed);
    let later = get(&host, "/kept/page", &[]).await;
    assert!(later.headers().contains_key("age") && later.headers()["cache-control"] == "public, max-age=600");
    assert_eq!(Some(later.body()), bodies.first().copied());
    let known = get(&host, "/kept/page", &[("if-none-match", "\"v1\"")]).await;
    assert_eq!((known.status(), known.body().len()), (StatusCode::NOT_MODIFIED, 0));
}

#[tokio::test]
async fn what_differs_is_asked_for_and_what_changed_is_asked_for_again() {
    let host = start().await;
    let plain = get(&host, "/kept/page", &[]).await.into_body();
    for (path, fields) in [
        ("/kept/page?a", &[][..]),
        ("/kept/other", &[]),
        ("/kept/page", &[("accept-language", "de")]),
        ("/kept/page", &[("host", "other.test")]),
        ("/kept/page", &[("authorization", "Bearer a")]),
        ("/kept/page", &[("cache-control", "no-store"), ("cookie", "a=b")]),
    ] {
        assert_ne!(get(&host, path, fields).await.into_body(), plain, "{path} {fields:?}");
    }
    assert_eq!(get(&host, "/kept/page", &[]).await.into_body(), plain);
    assert_eq!(host.send(Method::POST, "/kept/page", Body::default()).await.status(), StatusCode::OK);
    assert_ne!(get(&host, "/kept/page", &[]).await.into_body(), plain);
    // Beside it nothing is kept.
    assert!(!get(&host, "/hello", &[]).await.headers().contains_key("cache-status"));
    assert_eq!(results(&host).await, [1, 0, 6, 3]);
}

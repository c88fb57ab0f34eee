//! HTTP/1.1 as clients speak it, well and badly.

use crate::raw::Raw;
use crate::support::{Host, Start, folder};

/// A handler of WASI 0.3, one with limits, and one of WASI 0.2.
pub(crate) const MANIFEST: &str = r#"
    spin_manifest_version = 2
    [application]
    name = "edges"
    [[trigger.http]]
    route = "/..."
    component = "edges"
    [[trigger.http]]
    route = "/:what/bounded"
    component = "bounded"
    [[trigger.http]]
    route = "/wasi02/..."
    component = "wasi02"
    [component.edges]
    source = "EDGES"
    [component.bounded]
    source = "EDGES"
    tool.vwp.request_body_bytes_max = 10
    [component.wasi02]
    source = "EDGES-WASI02"
"#;

pub(crate) async fn start(manifest: &str) -> Host {
    Host::start_with(folder(manifest), &Start::default()).await
}

#[tokio::test]
async fn requests_may_follow_each_other_without_waiting_for_answers() {
    let host = start(MANIFEST).await;
    let mut client = Raw::connect(&host).await;
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: host.test\r\n\r\n");
    client.send(request("/about/1") + &request("/nowhere") + &request("/about/2")).await;
    assert_eq!(client.answer().await, (200, "Some(Scheme::Http) host.test /about/1".into()));
    assert_eq!(client.answer().await, (404, "no such edge".into()));
    assert_eq!(client.answer().await, (200, "Some(Scheme::Http) host.test /about/2".into()));
    client.get("/hello").await;
    assert_eq!(client.answer().await, (200, "hello".into()), "the connection is still good");
}

#[tokio::test]
async fn a_connection_is_kept_unless_the_client_does_not_want_it() {
    let host = start(MANIFEST).await;
    for last in [
        "GET /hello HTTP/1.1\r\nHost: host.test\r\nConnection: close\r\n\r\n",
        "GET /hello HTTP/1.0\r\nHost: host.test\r\n\r\n",
    ] {
        let mut client = Raw::connect(&host).await;
        for _ in 0..3 {
            client.get("/hello").await;
            assert_eq!(client.answer().await, (200, "hello".into()));
        }
        client.send(last).await;
        assert_eq!(client.answer().await, (200, "hello".into()));
        client.ended().await;
    }
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_and_the_next_one_is_whole() {
    let host = start(MANIFEST).await;
    let mut client = Raw::connect(&host).await;
    for path in ["/hello", "/endless", "/nowhere"] {
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: host.test\r\n\r\n")).await;
        let head = client.head().await.expect("an answer");
        assert_eq!(head.status, if path == "/nowhere" { 404 } else { 200 });
        client.get("/hello").await;
        assert_eq!(client.answer().await, (200, "hello".into()), "after HEAD {path}");
    }
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on_or_not_to() {
    let host = start(MANIFEST).await;
    let mut client = Raw::connect(&host).await;
    client.post("/read", &["Content-Length: 5", "Expect: 100-continue"]).await;
    assert_eq!(client.head().await.expect("an answer").status, 100);
    client.send("hello").await;
    assert_eq!(client.answer().await, (200, "read 5 bytes and 0 trailers".into()));
    // Refused before anything is sent: no 100 comes, and no body is waited for.
    client.post("/read/bounded", &["Content-Length: 11", "Expect: 100-continue"]).await;
    assert_eq!(client.head().await.expect("an answer").status, 413);
    let mut client = Raw::connect(&host).await;
    client.post("/hello", &["Content-Length: 5", "Expect: 100-continue"]).await;
    assert_eq!(client.answer().await, (200, "hello".into()), "the guest did not want the body");
}

#[tokio::test]
async fn a_body_is_streamed_both_ways_with_its_trailers() {
    let host = start(MANIFEST).await;
    let mut client = Raw::connect(&host).await;
    let fields = ["Transfer-Encoding: chunked", "TE: trailers", "Trailer: x-check"];
    client.post("/echo", &fields).await;
    client.chunk(b"part 0").await;
    let head = client.head().await.expect("an answer before the request's end");
    assert_eq!(head.status, 200);
    assert_eq!(client.read_chunk().await, b"part 0");
    for at in 1..200 {
        let part = format!("part {at}");
        client.chunk(part.as_bytes()).await;
        assert_eq!(client.read_chunk().await, part.as_bytes());
    }
    client.send("0\r\nx-check: sound\r\n\r\n").await;
    assert!(client.read_chunk().await.is_empty());
    assert_eq!(client.bytes(18).await, b"x-check: sound\r\n\r\n");
    let mut client = Raw::connect(&host).await;
    client.post("/read", &["Transfer-Encoding: chunked", "Trailer: x-check"]).await;
    client.chunk(b"123").await;
    client.send("0\r\nx-check: sound\r\n\r\n").await;
    assert_eq!(client.answer().await, (200, "read 3 bytes and 1 trailers".into()));
}

#[tokio::test]
async fn a_handler_of_wasi_02_streams_too() {
    let host = start(&MANIFEST.replace("/wasi02/...", "/echo")).await;
    let mut client = Raw::connect(&host).await;
    client.post("/echo", &["Transfer-Encoding: chunked"]).await;
    client.chunk(b"first").await;
    assert_eq!(client.head().await.expect("an answer").status, 200);
    assert_eq!(client.read_chunk().await, b"first");
    client.chunk(b"second").await;
    assert_eq!(client.read_chunk().await, b"second");
    client.send("0\r\n\r\n").await;
    assert!(client.read_chunk().await.is_empty());
}

#[tokio::test]
async fn a_request_that_could_mean_two_things_is_refused_and_its_connection_ended() {
    let host = start(MANIFEST).await;
    let smuggled = "0\r\n\r\nGET /hello HTTP/1.1\r\nHost: host.test\r\n\r\n";
    let two_lengths = [
        "Host: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked",
        "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4",
    ];
    for fields in two_lengths {
        let mut client = Raw::connect(&host).await;
        client.send(format!("POST /read HTTP/1.1\r\n{fields}\r\n\r\n{smuggled}")).await;
        assert_eq!(client.answer().await, (200, "read 0 bytes and 0 trailers".into()));
        assert!(client.head().await.is_none(), "{fields:?}: what follows is not answered");
    }
    let ambiguous = [
        "Host: a\r\nContent-Length: 4\r\nContent-Length: 5",
        "Host: a\r\nContent-Length: 4, 5",
        "Host: a\r\nContent-Length: +4",
        "Host: a\r\nContent-Length: -4",
        "Host: a\r\nContent-Length: 0x4",
        "Host: a\r\nContent-Length: 99999999999999999999",
        "Host: a\r\nTransfer-Encoding: xchunked",
        "Host: a\r\nTransfer-Encoding: chunked, identity",
        "Host: a\r\nTransfer-Encoding : chunked",
        "Host: a\r\nTransfer-Encoding: chunked\r\n x: y",
    ];
    for fields in ambiguous {
        let mut client = Raw::connect(&host).await;
        client.send(format!("POST /hello HTTP/1.1\r\n{fields}\r\n\r\n{smuggled}")).await;
        let (status, _) = client.answer().await;
        assert_eq!(status, 400, "{fields:?}");
        assert!(client.head().await.is_none(), "{fields:?}: what follows is not answered");
    }
    let malformed = [
        "GET /hello HTTP/1.1\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /hel lo HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\nx\0y: z\r\n\r\n",
        "GET /hello HTTP/4.2\r\nHost: a\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\r\n\r\n",
    ];
    for request in malformed {
        let mut client = Raw::connect(&host).await;
        client.send(request).await;
        assert_eq!(client.answer().await.0, 400, "{request:?}");
    }
    let mut client = Raw::connect(&host).await;
    client.send("CONNECT host.test:443 HTTP/1.1\r\nHost: host.test:443\r\n\r\n").await;
    assert_eq!(client.answer().await.0, 501);
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let host = start(MANIFEST).await;
    let long = "x".repeat(200_000);
    let many = "x: y\r\n".repeat(200);
    let heads = [
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), [414, 431]),
        (format!("GET /hello HTTP/1.1\r\nHost: a\r\nx: {long}\r\n\r\n"), [431, 431]),
        (format!("GET /hello HTTP/1.1\r\nHost: a\r\n{many}\r\n"), [431, 431]),
    ];
    for (head, statuses) in heads {
        let mut client = Raw::connect(&host).await;
        client.send(&head).await;
        let (status, _) = client.answer().await;
        assert!(statuses.contains(&status), "{status} for {}...", &head[..40]);
        client.ended().await;
    }
    assert_eq!(host.call("/hello", "").await, "hello");
}

#[tokio::test]
async fn a_body_beyond_the_components_bound_is_refused() {
    let host = start(MANIFEST).await;
    let mut client = Raw::connect(&host).await;
    client.post("/read/bounded", &["Content-Length: 10"]).await;
    client.send("0123456789").await;
    assert_eq!(client.answer().await, (200, "read 10 bytes and 0 trailers".into()));
    client.post("/read/bounded", &["Transfer-Encoding: chunked"]).await;
    for _ in 0..3 {
        client.chunk(b"0123").await;
    }
    let (status, problem) = client.answer().await;
    assert_eq!(status, 413, "{problem}");
    assert!(problem.contains("at most 10 bytes"), "{problem}");
    let mut client = Raw::connect(&host).await;
    client.post("/read", &["Content-Length: 1000000"]).await;
    client.send(vec![0; 1_000_000]).await;
    assert_eq!(client.answer().await.0, 200, "without a bound there is none");
}

#[tokio::test]
async fn a_client_that_is_slow_with_its_head_is_ended_and_holds_up_nobody() {
    let host = start(MANIFEST).await;
    let mut slow = Vec::new();
    for begun in ["", "GET", "GET /hello HTTP/1.1\r\nHost: host.test\r\nx-slow: "] {
        for _ in 0..20 {
            let mut client = Raw::connect(&host).await;
            client.send(begun).await;
            slow.push(client);
        }
    }
    for _ in 0..20 {
        assert_eq!(host.call("/hello", "").await, "hello");
    }
    for client in slow {
        client.ended().await;
    }
}

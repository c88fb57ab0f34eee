//! PostgreSQL, against a real server.

use crate::postgres_server::{PASSWORD, Server};
use crate::support::{Host, MANIFEST, within};
use bytes::Bytes;
use futures::future::join_all;
use http::Method;
use http_body_util::{BodyExt, Full};

const INTERFACES: [&str; 2] = ["sync", "async"];

/// A host whose guest may reach the server.
async fn host(server: &Server) -> Host {
    host_for(server, MANIFEST).await
}

async fn host_for(server: &Server, manifest: &str) -> Host {
    let allowed =
        format!("allowed_outbound_hosts = [\"postgres://127.0.0.1:{}\"]\n    sqlite", server.port());
    Host::start(&manifest.replacen("sqlite", &allowed, 1)).await
}

/// Calls the guest with the server's address and these lines.
async fn ask(host: &Host, server: &Server, operation: &str, lines: &str) -> String {
    host.call(&format!("/postgres/{operation}"), format!("{}\n{lines}", server.address(PASSWORD))).await
}

#[tokio::test]
async fn a_value_of_each_type_comes_back_as_it_was() {
    let Some(server) = Server::start() else { return };
    let host = host(&server).await;
    let answer = ask(&host, &server, "types", "").await;
    let expected = [
        "boolean DbDataType::Boolean [[DbValue::Boolean(true)]]",
        "\"char\" DbDataType::Other(\"char\") [[DbValue::Unsupported([65])]]",
        "int2 DbDataType::Int16 [[DbValue::Int16(-32768)]]",
        "int4 DbDataType::Int32 [[DbValue::Int32(2147483647)]]",
        "int8 DbDataType::Int64 [[DbValue::Int64(-9223372036854775808)]]",
        "float4 DbDataType::Floating32 [[DbValue::Floating32(1.5)]]",
        "float8 DbDataType::Floating64 [[DbValue::Floating64(-0.1)]]",
        "text DbDataType::Str [[DbValue::Str(\"grüße\")]]",
        "varchar DbDataType::Str [[DbValue::Str(\"v\")]]",
        "bytea DbDataType::Binary [[DbValue::Binary([0, 255])]]",
        "date DbDataType::Date [[DbValue::Date((1969, 7, 20))]]",
        "time DbDataType::Time [[DbValue::Time((23, 59, 59, 999999000))]]",
        "timestamp DbDataType::Datetime [[DbValue::Datetime((2026, 11, 22, 1, 2, 3, 4000))]]",
        "timestamptz DbDataType::Datetime [[DbValue::Datetime((2026, 11, 22, 1, 2, 3, 4000))]]",
        "timestamptz DbDataType::Datetime [[DbValue::Datetime((1970, 1, 2, 0, 0, 0, 0))]]",
        "timestamp DbDataType::Datetime [[DbValue::Datetime((1969, 12, 31, 0, 0, 0, 0))]]",
        "uuid DbDataType::Uuid [[DbValue::Uuid(\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\")]]",
        "jsonb DbDataType::Jsonb [[DbValue::Jsonb([123, 34, 97, 34, 58, 32, 91, 49, 44, 32, 110, 117, 108, 108, 93, 125])]]",
        "numeric DbDataType::Decimal [[DbValue::Decimal(\"-123456789012345678901234567890.000000000000000000001\")]]",
        "numeric DbDataType::Decimal [[DbValue::Decimal(\"NaN\")]]",
        "int4range DbDataType::RangeInt32 [[DbValue::RangeInt32((Some((1, RangeBoundKind::Inclusive)), Some((5, RangeBoundKind::Exclusive))))]]",
        "int8range DbDataType::RangeInt64 [[DbValue::RangeInt64((None, Some((7, RangeBoundKind::Exclusive))))]]",
        "numrange DbDataType::RangeDecimal [[DbValue::RangeDecimal((Some((\"1.5\", RangeBoundKind::Exclusive)), Some((\"2\", RangeBoundKind::Inclusive))))]]",
        "int4[] DbDataType::ArrayInt32 [[DbValue::ArrayInt32([Some(1), None])]]",
        "int8[] DbDataType::ArrayInt64 [[DbValue::ArrayInt64([Some(-1), None])]]",
        "numeric[] DbDataType::ArrayDecimal [[DbValue::ArrayDecimal([Some(\"0.10\"), None])]]",
        "text[] DbDataType::ArrayStr [[DbValue::ArrayStr([Some(\"a\"), None])]]",
        "interval DbDataType::Interval [[DbValue::Interval(Interval { micros: 1, days: 2, months: 3 })]]",
        "int4 DbDataType::Int32 [[DbValue::DbNull]]",
        "jsonb DbDataType::Jsonb [[DbValue::DbNull]]",
    ];
    for (line, expected) in answer.lines().zip(expected) {
        assert_eq!(line, expected);
    }
    assert_eq!(answer.lines().count(), expected.len());
}

#[tokio::test]
async fn statements_answer_with_rows_counts_or_what_is_wrong() {
    let Some(server) = Server::start() else { return };
    let host = host(&server).await;
    ask(&host, &server, "sync", "!CREATE TABLE t (id int4 PRIMARY KEY, name text NOT NULL)").await;
    for interface in INTERFACES {
        let answer = ask(&host, &server, interface, "!DELETE FROM t\n!INSERT INTO t VALUES (1, 'a'), (2, 'b')\nSELECT id, name FROM t WHERE false\nSELECT name FROM t ORDER BY id").await;
        let lines: Vec<_> = answer.lines().skip(1).collect();
        assert_eq!(
            lines,
            ["2", "id,name []", "name [[DbValue::Str(\"a\")], [DbValue::Str(\"b\")]]"],
            "{interface}"
        );
        for (statement, says) in [
            ("!INSERT INTO t VALUES (1, 'c')", &["23505", "t_pkey", "Key (id)=(1) already exists"][..]),
            ("INSERT INTO t VALUES (3, NULL)", &["23502", "name"]),
            ("SELEC 1", &["42601", "syntax error"]),
            ("SELECT * FROM missing", &["42P01", "missing"]),
            ("SELECT 1 / 0", &["22012", "division by zero"]),
            ("SELECT $1::int4", &["expected 1 parameters but got 0"]),
            ("SELECT 'empty'::int4range", &["ValueConversionFailed", "empty range"]),
        ] {
            let answer = ask(&host, &server, interface, statement).await;
            assert!(answer.starts_with("error "), "{interface} {statement}: {answer}");
            for text in says {
                assert!(answer.contains(text), "{interface} {statement} does not say `{text}`: {answer}");
            }
        }
    }
}

#[tokio::test]
async fn ten_thousand_rows_are_streamed_and_the_connection_is_free_for_more() {
    let Some(server) = Server::start() else { return };
    let host = host(&server).await;
    let many = "SELECT i, repeat('x', 100) FROM generate_series(1, 10000) AS i";
    assert_eq!(ask(&host, &server, "count", many).await, "10000 rows");
    let some = "SELECT i, repeat('x', 1000) FROM generate_series(1, 500) AS i";
    assert_eq!(ask(&host, &server, "each", some).await, "500 rows");
    let answer = ask(&host, &server, "first", many).await;
    assert!(answer.contains("Int32(1)") && answer.ends_with("[[DbValue::Int32(2)]]"), "{answer}");
}

#[tokio::test]
async fn only_hosts_that_the_manifest_allows_are_reached() {
    let Some(server) = Server::start() else { return };
    let host = host(&server).await;
    for address in [
        format!("postgres://port:hush@localhost:{}/postgres", server.port()),
        "postgres://port:hush@127.0.0.1:1/postgres".to_owned(),
        "host=/tmp user=port password=hush".to_owned(),
        format!("host=127.0.0.1 hostaddr=127.0.0.2 port={} user=port password=hush", server.port()),
        "hush".to_owned(),
    ] {
        for interface in ["sync", "async", "trusting"] {
            let answer = host.call(&format!("/postgres/{interface}"), address.clone()).await;
            assert!(answer.starts_with("error "), "{address}: {answer}");
            assert!(!answer.contains("hush"), "{answer}");
        }
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_repeated() {
    let Some(server) = Server::start() else { return };
    let host = host(&server).await;
    for interface in INTERFACES {
        let answer = host.call(&format!("/postgres/{interface}"), server.address("battery staple")).await;
        assert!(
            answer.contains("ConnectionFailed") && answer.contains("password authentication failed"),
            "{answer}"
        );
        assert!(!answer.contains("staple"), "{answer}");
    }
}

#[tokio::test]
async fn what_a_guest_leaves_behind_is_undone() {
    let Some(server) = Server::start() else { return };
    let host = host(&server).await;
    ask(&host, &server, "sync", "!CREATE TABLE t (id int4)").await;
    for _ in 0..3 {
        let left =
            "!BEGIN\n!INSERT INTO t VALUES (1)\n!SET search_path = nowhere\n!CREATE TEMP TABLE mine (a int4)";
        ask(&host, &server, "abandon", left).await;
        let answer = ask(
            &host,
            &server,
            "sync",
            "SELECT count(*) FROM public.t\nSHOW search_path\nSELECT * FROM mine",
        )
        .await;
        assert!(
            answer.contains("Int64(0)") && answer.contains("public") && answer.contains("42P01"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn connections_are_made_anew_after_the_server_was_away() {
    let Some(mut server) = Server::start() else { return };
    let host = host(&server).await;
    let one = "[[DbValue::Int32(1)]]";
    for answer in join_all((0..10).map(|_| ask(&host, &server, "async", "SELECT 1"))).await {
        assert!(answer.ends_with(one), "{answer}");
    }
    server.crash();
    let answer = ask(&host, &server, "async", "SELECT 1").await;
    assert!(answer.contains("ConnectionFailed"), "{answer}");
    server.run(&[]);
    for answer in join_all((0..10).map(|_| ask(&host, &server, "async", "SELECT 1"))).await {
        assert!(answer.ends_with(one), "{answer}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_an_error_and_the_next_one_works() {
    let Some(server) = Server::start() else { return };
    let host = host(&server).await;
    for interface in INTERFACES {
        let answer =
            ask(&host, &server, interface, "SELECT pg_terminate_backend(pg_backend_pid())\nSELECT 1").await;
        assert!(
            answer
                .lines()
                .all(|line| line.starts_with("error QueryFailed")
                    || line.starts_with("error Error::QueryFailed")),
            "{answer}"
        );
        let answer = ask(&host, &server, interface, "SELECT 1").await;
        assert!(answer.ends_with("[[DbValue::Int32(1)]]"), "{answer}");
    }
}

#[tokio::test]
async fn a_server_is_trusted_if_its_authority_is_named() {
    let Some(mut server) = Server::start() else { return };
    let authority = server.secure();
    let host = host(&server).await;
    let address = format!("{}?sslmode=require", server.address(PASSWORD));
    let answer = host.call("/postgres/trusting", format!("{address}\n{authority}")).await;
    assert_eq!(answer, "[[DbValue::Boolean(true)]] [[DbValue::Boolean(true)]]");
    let answer = host.call("/postgres/sync", format!("{address}\nSELECT 1")).await;
    assert!(answer.contains("ConnectionFailed") && answer.contains("TLS"), "{answer}");
    for nonsense in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"] {
        let answer = host.call("/postgres/trusting", format!("{address}\n{nonsense}")).await;
        assert!(answer.contains("invalid root certificate"), "{nonsense}: {answer}");
    }
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_cancelled_at_the_server() {
    let Some(server) = Server::start() else { return };
    let manifest = format!("{MANIFEST}\n[component.guest.tool.vwp]\nrequest_ms_max = 2000");
    let host = host_for(&server, &manifest).await;
    for interface in INTERFACES {
        let body = format!("{}\nSELECT pg_sleep(3600)", server.address(PASSWORD));
        let path = format!("/postgres/{interface}");
        let answer = host.send(Method::POST, &path, Full::new(Bytes::from(body)).boxed()).await;
        assert!(answer.status().is_server_error(), "{}", answer.status());
    }
    let running =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)' AND state = 'active'";
    // The server is told in the background.
    within(async { while !ask(&host, &server, "sync", running).await.ends_with("[[DbValue::Int64(0)]]") {} })
        .await;
}

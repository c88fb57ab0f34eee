//! SQLite databases, through each of the interfaces that guests know them by.

use crate::support::{Body, Host, MANIFEST, folder, within};
use bytes::Bytes;
use futures::channel::mpsc::{UnboundedSender, unbounded};
use futures::{StreamExt, future::join_all};
use http::{Method, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use std::convert::Infallible;
use tokio::task::JoinHandle;

const INTERFACES: [&str; 3] = ["v2", "sync", "async"];
/// A statement that never ends.
const ENDLESS: &str =
    "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";
/// The numbers from 1 to 10,000, and a text of 100 bytes each.
const MANY: &str = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 10000) \
                    SELECT x, printf('%100d', x) FROM c";

/// A request whose body a test sends line by line.
struct Dialogue {
    lines: UnboundedSender<String>,
    answer: JoinHandle<Response<Bytes>>,
}

impl Dialogue {
    fn start(host: &Host) -> Self {
        let (lines, sent) = unbounded();
        let frames = sent.map(|line: String| Ok::<_, Infallible>(Frame::data(Bytes::from(line))));
        let body: Body = BodyExt::boxed(StreamBody::new(frames));
        Self { lines, answer: host.send_apart(Method::POST, "/dialogue/default", body) }
    }

    /// Sends a statement and waits until the guest has run it.
    async fn say(&self, host: &mut Host, line: &str) {
        self.lines.unbounded_send(line.to_owned()).expect("the guest listens");
        host.logged(&format!("did {line}")).await;
    }

    async fn end(self) -> String {
        drop(self.lines);
        let answer = within(self.answer).await.expect("an answer");
        String::from_utf8_lossy(answer.body()).into_owned()
    }
}

#[tokio::test]
async fn a_value_of_each_type_comes_back_as_it_was() {
    let host = Host::start(MANIFEST).await;
    for interface in INTERFACES {
        let path = format!("/sqlite/{interface}/default");
        let answer = host
            .call(
                &path,
                "SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e\ti-9223372036854775808\tr0.1\ttgrüße\tbx\tn",
            )
            .await;
        assert_eq!(
            answer,
            "a,b,c,d,e [[Integer(-9223372036854775808), Real(0.1), Text(\"grüße\"), Blob([120]), Null]]",
            "{interface}"
        );
        assert_eq!(host.call(&path, "SELECT 1 AS a WHERE 0").await, "a []", "{interface}");
    }
}

#[tokio::test]
async fn every_interface_and_a_restarted_host_see_what_was_written() {
    let host = Host::start(MANIFEST).await;
    host.call("/sqlite/sync/default", "CREATE TABLE t (a)").await;
    for interface in INTERFACES {
        host.call(&format!("/sqlite/{interface}/default"), "INSERT INTO t VALUES (?)\ti1").await;
    }
    assert!(host.folder().join("state/sqlite/default.db").exists());
    let host = host.restart().await;
    for interface in INTERFACES {
        let sum = host.call(&format!("/sqlite/{interface}/default"), "SELECT sum(a) AS s FROM t").await;
        assert_eq!(sum, "s [[Integer(3)]]", "{interface}");
    }
}

#[tokio::test]
async fn errors_say_what_is_wrong() {
    let host = Host::start(MANIFEST).await;
    host.call("/sqlite/sync/default", "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE)").await;
    for interface in INTERFACES {
        let path = format!("/sqlite/{interface}/default");
        for (statements, says) in [
            ("SELEC 1", "syntax error"),
            ("SELECT a FROM missing", "no such table: missing"),
            ("INSERT OR ROLLBACK INTO t VALUES (1, 'a'), (2, 'a')", "UNIQUE constraint failed: t.name"),
            ("SELECT ?, ?\ti1", "Got 1, needed 2"),
            ("SELECT 1\ti1", "Got 1, needed 0"),
            ("SELECT 1; SELECT 2", "Multiple statements"),
            ("SELECT CAST(x'ff' AS TEXT)", "not UTF-8"),
            ("SELECT zeroblob(100000000)", "too big"),
        ] {
            let answer = host.call(&path, statements).await;
            assert!(
                answer.starts_with("error ") && answer.contains(says),
                "{interface} {statements}: {answer}"
            );
        }
        for label in ["other", "..", ""] {
            let answer = host.call(&format!("/sqlite/{interface}/{label}"), "SELECT 1").await;
            assert!(answer.contains("AccessDenied"), "{interface} {label}: {answer}");
        }
    }
}

#[tokio::test]
async fn ten_thousand_rows_are_streamed() {
    let host = Host::start(MANIFEST).await;
    assert_eq!(host.call("/sqlite/count/default", MANY).await, "10000 rows, sum 50005000");
}

#[tokio::test]
async fn a_guest_may_stop_reading_and_use_the_connection_again() {
    let host = Host::start(MANIFEST).await;
    for _ in 0..3 {
        let answer = host.call("/sqlite/first/default", MANY).await;
        assert!(answer.contains("Integer(1)") && answer.ends_with("'again' [[Text(\"again\")]]"), "{answer}");
    }
}

#[tokio::test]
async fn a_connection_may_be_used_while_rows_are_read_from_it() {
    let host = Host::start(MANIFEST).await;
    host.call("/sqlite/sync/default", "CREATE TABLE seen (number)\nINSERT INTO seen VALUES (0)").await;
    // More rows than are buffered, but few writes, each of which is synced.
    let rows = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 50) \
                SELECT x, zeroblob(10000) FROM c";
    assert_eq!(host.call("/sqlite/each/default", rows).await, "50; number [[Integer(50)]]");
}

#[tokio::test]
async fn the_rows_that_a_statement_changed_are_counted() {
    let host = Host::start(MANIFEST).await;
    let numbers = async |statements: &str| host.call("/sqlite/numbers/default", statements.to_owned()).await;
    assert_eq!(numbers("CREATE TABLE t (id INTEGER PRIMARY KEY, a)").await, "(0, 0)");
    assert_eq!(numbers("INSERT INTO t VALUES (7, 1), (9, 1)").await, "(2, 9)");
    assert_eq!(numbers("UPDATE t SET a = 2\nSELECT 1").await, "(2, 0)");
    assert_eq!(numbers("INSERT INTO t VALUES (11, 1)\nDELETE FROM t WHERE id = 0").await, "(0, 11)");
    // A new connection knows nothing of what was done through another.
    assert_eq!(numbers("CREATE TABLE u (a)").await, "(0, 0)");
}

#[tokio::test]
async fn transactions_of_two_requests_do_not_mix() {
    let mut host = Host::start(MANIFEST).await;
    host.call("/sqlite/sync/default", "CREATE TABLE t (a)").await;
    let count = async |host: &Host| host.call("/sqlite/sync/default", "SELECT count(*) AS n FROM t").await;
    let one = Dialogue::start(&host);
    one.say(&mut host, "BEGIN").await;
    one.say(&mut host, "INSERT INTO t VALUES (1)").await;
    assert_eq!(count(&host).await, "n [[Integer(0)]]");
    // A second writer waits for the first.
    let waiting = host.send_apart(
        Method::POST,
        "/sqlite/sync/default",
        Full::new(Bytes::from("INSERT INTO t VALUES (2)")).boxed(),
    );
    one.say(&mut host, "INSERT INTO t VALUES (3)").await;
    one.say(&mut host, "COMMIT").await;
    assert_eq!(one.end().await, " []\n []\n []\n []");
    let answer = within(waiting).await.expect("an answer");
    assert_eq!(answer.body(), " []");
    assert_eq!(count(&host).await, "n [[Integer(3)]]");
}

#[tokio::test]
async fn a_transaction_that_is_left_open_is_rolled_back() {
    let host = Host::start(MANIFEST).await;
    host.call("/sqlite/sync/default", "CREATE TABLE t (a)").await;
    for interface in INTERFACES {
        let path = format!("/sqlite/{interface}/default");
        host.call(&path, "BEGIN IMMEDIATE\nINSERT INTO t VALUES (1)\nCREATE TEMP TABLE mine (a)").await;
        let answer = host.call(&path, "BEGIN\nSELECT count(*) AS n FROM t\nSELECT a FROM mine").await;
        assert!(answer.contains("n [[Integer(0)]]") && answer.contains("no such table: mine"), "{answer}");
    }
}

#[tokio::test]
async fn of_many_writers_at_once_none_is_lost() {
    let host = Host::start(MANIFEST).await;
    host.call("/sqlite/sync/default", "CREATE TABLE t (a)\nINSERT INTO t VALUES (0)").await;
    let add = || host.call("/sqlite/async/default", "UPDATE t SET a = a + 1 RETURNING a");
    for answer in join_all((0..100).map(|_| add())).await {
        assert!(answer.starts_with("a [[Integer("), "{answer}");
    }
    assert_eq!(host.call("/sqlite/sync/default", "SELECT a FROM t").await, "a [[Integer(100)]]");
}

#[tokio::test]
async fn a_guest_reaches_no_file_but_its_own_database() {
    let host = Host::start(MANIFEST).await;
    let outside = host.folder().join("outside.db").display().to_string();
    for interface in INTERFACES {
        let path = format!("/sqlite/{interface}/default");
        for statement in [
            format!("ATTACH '{outside}' AS other"),
            format!("ATTACH '{outside}' || '' AS other"),
            "ATTACH ? AS other\tt/etc/passwd".to_owned(),
            "ATTACH ':memory:' AS other".to_owned(),
            format!("VACUUM INTO '{outside}'"),
            "SELECT load_extension('libc.so.6')".to_owned(),
            "SELECT readfile('/etc/passwd')".to_owned(),
            "PRAGMA database_list".to_owned(),
            "SELECT * FROM pragma_database_list".to_owned(),
            "PRAGMA temp_store_directory = '/tmp'".to_owned(),
            "PRAGMA data_store_directory = '/tmp'".to_owned(),
            "PRAGMA journal_mode = OFF".to_owned(),
            "PRAGMA synchronous = OFF".to_owned(),
            "PRAGMA writable_schema = ON".to_owned(),
            "PRAGMA mmap_size = 1000000000".to_owned(),
            "PRAGMA page_size = 512".to_owned(),
        ] {
            let answer = host.call(&path, statement.clone()).await;
            assert!(answer.starts_with("error "), "{interface} {statement}: {answer}");
        }
        for statement in [
            "PRAGMA table_info(t)",
            "PRAGMA journal_mode",
            "PRAGMA user_version = 3",
            "PRAGMA synchronous = FULL",
        ] {
            let answer = host.call(&path, statement).await;
            assert!(!answer.starts_with("error "), "{interface} {statement}: {answer}");
        }
    }
    assert!(!host.folder().join("outside.db").exists());
}

#[tokio::test]
async fn the_number_of_open_connections_is_bounded_and_closing_them_helps() {
    let host = Host::start(MANIFEST).await;
    for _ in 0..2 {
        let answer = host.call("/sqlite/open-many/default", "").await;
        assert!(answer.contains("too many connections") && answer.ends_with("after 64"), "{answer}");
    }
}

#[tokio::test]
async fn endless_statements_are_interrupted_and_hold_up_nobody() {
    let manifest = format!("{MANIFEST}\n[component.guest.tool.vwp]\nrequest_ms_max = 5000");
    let host = Host::start_in(folder(&manifest)).await;
    host.call("/sqlite/sync/default", "CREATE TABLE t (a)").await;
    for interface in INTERFACES {
        let ask = || {
            let body = Full::new(Bytes::from(ENDLESS)).boxed();
            host.send_apart(Method::POST, &format!("/sqlite/{interface}/default"), body)
        };
        let endless: Vec<_> = (0..8).map(|_| ask()).collect();
        assert_eq!(host.call("/hello", "").await, "hello");
        assert_eq!(host.call("/sqlite/sync/default", "INSERT INTO t VALUES (1)").await, " []");
        for answer in join_all(endless).await {
            let answer = answer.expect("an answer");
            let text = String::from_utf8_lossy(answer.body());
            // The guest is told, if it has a moment left to be told.
            let late = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::INTERNAL_SERVER_ERROR];
            assert!(text.contains("interrupted") || late.contains(&answer.status()), "{text}");
        }
    }
    assert_eq!(host.call("/sqlite/sync/default", "SELECT count(*) AS n FROM t").await, "n [[Integer(3)]]");
}

//! A server of PostgreSQL for the length of a test, and a client that reports errors as
//! Spin does: those of the server by SQLSTATE, all others as a text.

use bytes::BytesMut;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tempfile::TempDir;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls};
use vwp_storage_sql::{DatabaseError, Row, Statement, Value, classify};

/// The Debian package that brings the server.
const PACKAGE: &str = "postgresql-15";

/// A running server, which ends with its owner.
pub(crate) struct Server {
    port: u16,
    data: PathBuf,
    binaries: PathBuf,
    _folder: TempDir,
}

impl Server {
    /// The server of the tests that run now; none if there is no PostgreSQL here, which
    /// fails under `CI=true`.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Some(running);
        }
        let server = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    fn start() -> Option<Self> {
        let Some(binaries) = binaries() else {
            let why = format!("PostgreSQL is not installed; it comes with the Debian package {PACKAGE}");
            let nothing_is_skipped = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!nothing_is_skipped, "it cannot be tested: {why}");
            // Straight to the terminal: the test runner hides what a passing test prints.
            let line = format!("\n*** SKIPPED: storage over PostgreSQL: {why} ***\n");
            let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder can be made");
        let data = folder.path().join("data");
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = port.expect("a port is free").port();
        if is_root() {
            // The server refuses to run as root; Debian's package brings a user for it.
            done(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        let initdb = ["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C"];
        done(unprivileged(&binaries.join("initdb")).args(initdb).arg("-D").arg(&data));
        // What is tested is the algorithm, not the disk.
        let options = format!("-p {port} -k '' -h 127.0.0.1 -F -c max_connections=200");
        done(
            pg_ctl(&binaries, &data).args(["-w", "-l"]).arg(data.join("log")).args(["-o", &options, "start"]),
        );
        Some(Self { port, data, binaries, _folder: folder })
    }

    /// Makes a database.
    pub(crate) async fn create(&self, name: &str) {
        let client = connect(&self.address("postgres")).await.expect("the server was started");
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("the name is new");
    }

    fn address(&self, database: &str) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname={database}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = pg_ctl(&self.binaries, &self.data).args(["-m", "immediate", "stop"]).output();
    }
}

fn pg_ctl(binaries: &Path, data: &Path) -> Command {
    let mut command = unprivileged(&binaries.join("pg_ctl"));
    command.arg("-D").arg(data);
    // The server inherits these, and whoever waits for their end would wait for the server's.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Where the server's programs are, after installing them if that is possible.
fn binaries() -> Option<PathBuf> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _guard = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = installed() {
        return Some(found);
    }
    if is_root() {
        for arguments in [&["update", "-qq"][..], &["install", "-y", "-qq", PACKAGE][..]] {
            let mut apt = Command::new("apt-get");
            let _ =
                apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).output();
        }
    }
    installed()
}

fn installed() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = debian.map(|version| version.path().join("bin")).collect();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH")?));
    folders.into_iter().find(|folder| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// A program as the server's user, if this is root.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command.current_dir("/");
    command
}

#[track_caller]
fn done(command: &mut Command) {
    let output = command.output().expect("the program is there");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
}

async fn connect(address: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// A client with one connection, made when it is needed.
#[derive(Clone)]
pub(crate) struct Postgres {
    address: Arc<str>,
    client: Arc<Mutex<Option<Arc<Client>>>>,
}

impl Postgres {
    /// A client of a database.
    pub(crate) fn to(server: &Server, database: &str) -> Self {
        Self { address: server.address(database).into(), client: Arc::default() }
    }

    fn client(&self) -> MutexGuard<'_, Option<Arc<Client>>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn run(&self, statement: Statement) -> Result<Vec<Row>, DatabaseError> {
        let known = self.client().clone();
        let client = match known {
            Some(client) => client,
            None => {
                let made = connect(&self.address).await;
                let made = made.map_err(|error| DatabaseError::NotApplied(error.to_string()))?;
                self.client().insert(Arc::new(made)).clone()
            }
        };
        let parameters: Vec<_> = statement.parameters.iter().map(Parameter).collect();
        let parameters: Vec<_> = parameters.iter().map(|one| one as &(dyn ToSql + Sync)).collect();
        let rows = client.query(&statement.text, &parameters).await.map_err(|error| {
            if let Some(error) = error.as_db_error() {
                return classify::postgres(error.code().code(), error.message());
            }
            *self.client() = None;
            DatabaseError::Unknown(error.to_string())
        })?;
        Ok(rows.iter().map(row).collect())
    }
}

fn row(row: &tokio_postgres::Row) -> Row {
    let value = |column: usize| match *row.columns()[column].type_() {
        Type::INT8 => row.get::<_, Option<i64>>(column).map(Value::Integer),
        Type::BYTEA => row.get::<_, Option<Vec<u8>>>(column).map(Value::Bytes),
        Type::TEXT => row.get::<_, Option<String>>(column).map(Value::Text),
        ref other => panic!("a column of type {other}"),
    };
    Row((0..row.len()).map(|column| value(column).unwrap_or(Value::Null)).collect())
}

#[derive(Debug)]
struct Parameter<'a>(&'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Integer(value) => value.to_sql(kind, out),
            Value::Bytes(value) => value.to_sql(kind, out),
            Value::Text(value) => value.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::BYTEA | Type::TEXT)
    }

    to_sql_checked!();
}

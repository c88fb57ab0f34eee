//! What the suites share: a host for the store, and how a test is run.

use std::sync::Arc;
use std::time::{Duration, SystemTime};
use vwp_storage::conformance::ManualClock;
use vwp_storage::machine::StateMachine;
use vwp_storage_sql::{Database, DatabaseError, Dialect, Host, Row, SqlStore, Statement};

/// A source of the time.
type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The surroundings of a store in a test.
#[derive(Clone)]
pub(crate) struct TestHost {
    clock: Clock,
    /// Whether sleeps are over at once.
    hurried: bool,
}

impl TestHost {
    /// With the time of the machine.
    pub(crate) fn real() -> Self {
        let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { clock: Arc::new(move || u64::try_from(now().as_millis()).unwrap_or(u64::MAX)), hurried: false }
    }

    /// With the time of the machine, and no patience: sleeps are over at once.
    pub(crate) fn hurried() -> Self {
        Self { hurried: true, ..Self::real() }
    }

    /// With a clock that the test moves.
    pub(crate) fn manual(clock: &ManualClock) -> Self {
        let clock = clock.clone();
        Self { clock: Arc::new(move || clock.now()), hurried: false }
    }
}

impl Host for TestHost {
    fn now(&self) -> u64 {
        (self.clock)()
    }

    fn random(&self) -> [u8; 16] {
        let mut random = [0; 16];
        getrandom::fill(&mut random).expect("the system gives randomness");
        random
    }

    async fn sleep(&self, milliseconds: u32) {
        if self.hurried {
            return tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(milliseconds.into())).await;
    }
}

/// Either database.
#[derive(Clone)]
pub(crate) enum Either {
    Sqlite(crate::sqlite::Sqlite),
    Postgres(crate::postgres::Postgres),
}

impl Database for Either {
    fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    async fn run(&self, statement: Statement) -> Result<Vec<Row>, DatabaseError> {
        match self {
            Self::Sqlite(database) => database.run(&statement),
            Self::Postgres(database) => database.run(statement).await,
        }
    }
}

/// Where databases are made: a folder, or a server.
#[derive(Clone)]
pub(crate) enum Place {
    Sqlite(Arc<tempfile::TempDir>),
    Postgres(Arc<crate::server::Server>),
}

impl Place {
    /// A folder for SQLite.
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(Arc::new(tempfile::tempdir().expect("a folder can be made")))
    }

    /// A server of PostgreSQL, if there is one to be had.
    pub(crate) fn postgres() -> Option<Self> {
        crate::server::Server::shared().map(Self::Postgres)
    }

    /// Both, or only the one that can be had.
    pub(crate) fn all() -> Vec<Self> {
        std::iter::once(Self::sqlite()).chain(Self::postgres()).collect()
    }

    /// The name of a database that is new.
    pub(crate) fn create(&self) -> String {
        let random = TestHost::real().random();
        let name = random.iter().fold("d".to_owned(), |name, byte| format!("{name}{byte:02x}"));
        if let Self::Postgres(server) = self {
            server.create(&name);
        }
        name
    }

    /// A connection of its own to a database.
    pub(crate) fn connect(&self, name: &str) -> Either {
        match self {
            Self::Sqlite(folder) => Either::Sqlite(crate::sqlite::Sqlite::open(&folder.path().join(name))),
            Self::Postgres(server) => Either::Postgres(crate::postgres::Postgres::to(server, name)),
        }
    }

    /// A store over a database that is new.
    pub(crate) fn store<M: StateMachine>(&self, host: TestHost, machine: M) -> SqlStore<Either, TestHost, M> {
        SqlStore::new(self.connect(&self.create()), host, machine)
    }
}

/// Runs a test to its end on a thread that has a timer and sockets.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be built").block_on(test)
}

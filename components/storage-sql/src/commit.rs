//! A commit: one insertion of all its rows, if no check fails.

use crate::resolve::{Inserted, Insertion};
use crate::rows::Live;
use crate::store::{ATTEMPTS_MAX, Backoff};
use crate::{Database, Host, SqlStore, Statement};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use vwp_storage::counter::{self, Sum};
use vwp_storage::kv::{Check, Key, Outcome, Timestamp, Version, Write};
use vwp_storage::machine::StateMachine;
use vwp_storage::{StorageError, limits};

/// How often a call looks whether it is its turn to add to counters.
const TURN_WAITS_MAX: u32 = 200;

/// Lets the next call add to counters when it is dropped.
struct Turn<'a>(&'a Cell<bool>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// What has to be true of a key for a commit to apply.
pub(crate) struct Guard<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) version: Option<Version>,
    /// Whether the newest row counts as it is; otherwise one that is expired or empty
    /// counts as absent.
    pub(crate) raw: bool,
}

/// A row to insert, at the commit's version.
struct NewRow<'a> {
    /// The key, or what it starts with if there is a suffix.
    key: &'a [u8],
    suffix: Option<&'a [u8]>,
    value: Option<Vec<u8>>,
    expires_at: Option<Timestamp>,
}

/// Why an attempt did not commit.
enum Refusal {
    Outcome(Outcome),
    Error(StorageError),
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        Self::Error(error)
    }
}

impl<D: Database, H: Host, M: StateMachine> SqlStore<D, H, M> {
    /// Applies all writes or none, if every check still holds.
    pub(crate) async fn commit_all(
        &self,
        checks: &[Check],
        writes: &[Write],
    ) -> Result<Outcome, StorageError> {
        let mut backoff = Backoff::default();
        let _turn = if counters(writes).is_empty() { None } else { self.turn().await };
        let version = loop {
            let cause = match self.attempt(checks, writes).await {
                Ok(Ok(version)) => break version,
                Ok(Err(cause)) => cause,
                Err(Refusal::Outcome(outcome)) => return Ok(outcome),
                Err(Refusal::Error(error)) => return Err(error),
            };
            if let Some(refusal) = self.diagnose(checks, writes).await? {
                return match refusal {
                    Refusal::Outcome(outcome) => Ok(outcome),
                    Refusal::Error(error) => Err(error),
                };
            }
            if backoff.attempt() >= ATTEMPTS_MAX {
                return Err(StorageError::Unavailable(cause));
            }
            backoff.wait(&self.host).await;
        };
        self.maintain(version).await;
        Ok(Outcome::Committed(version))
    }

    /// Waits until no other call of this instance adds to counters: of many that read the
    /// same counter and then insert, one would succeed, and the others do it all again. It
    /// only saves work, so a call that has waited long enough goes ahead.
    async fn turn(&self) -> Option<Turn<'_>> {
        for _ in 0..TURN_WAITS_MAX {
            if !self.adding.replace(true) {
                return Some(Turn(&self.adding));
            }
            let random = self.host.random().first().copied().unwrap_or(0);
            self.host.sleep(1 + u32::from(random % 4)).await;
        }
        None
    }

    /// Reads what counters hold, and inserts. The inner error is a reason to try again.
    async fn attempt(&self, checks: &[Check], writes: &[Write]) -> Result<Result<Version, String>, Refusal> {
        let now = self.host.now();
        let counters = counters(writes);
        let seen = if counters.is_empty() {
            BTreeMap::new()
        } else {
            // With the checked keys, so that an answer about counters is about a state
            // in which the checks hold.
            let checked = checks.iter().map(|check| check.key.as_slice());
            let seen = self.live(counters.iter().copied().chain(checked), now).await?;
            if let Some(refusal) = conflict(checks, &seen) {
                return Err(refusal);
            }
            seen
        };
        let rows = match new_rows(writes, &seen) {
            Ok(rows) => rows,
            // A commit that is malformed is so whatever its counters hold.
            Err(outcome) => {
                return Err(self.meeting_appends(writes).await?.unwrap_or(Refusal::Outcome(outcome)));
            }
        };
        let version = |key: &[u8]| seen.get(key).map(|live| live.entry.version);
        let guards: Vec<_> = checks
            .iter()
            .map(|check| Guard { key: &check.key, version: check.version, raw: false })
            .chain(counters.iter().map(|key| Guard { key, version: version(key), raw: false }))
            .collect();
        Ok(self.insert_rows(&rows, &guards, now).await?)
    }

    /// Removes keys whose newest rows are still these, as one commit.
    pub(crate) async fn remove(&self, rows: &[(Key, Version)]) -> Result<(), StorageError> {
        let guards: Vec<_> =
            rows.iter().map(|(key, version)| Guard { key, version: Some(*version), raw: true }).collect();
        let removals: Vec<_> =
            rows.iter().map(|(key, _)| NewRow { key, suffix: None, value: None, expires_at: None }).collect();
        let _ = self.insert_rows(&removals, &guards, self.host.now()).await?;
        Ok(())
    }

    async fn insert_rows(
        &self,
        rows: &[NewRow<'_>],
        guards: &[Guard<'_>],
        now: Timestamp,
    ) -> Result<Result<Version, String>, StorageError> {
        let id = self.host.random();
        let dialect = self.database.dialect();
        let insertion = Insertion {
            statement: insertion(self.statement(""), rows, guards, &id, now),
            lookup: self.statement("SELECT version FROM vwp_kv WHERE commit_id = ").bytes(&id),
            fence: self
                .statement("INSERT INTO vwp_kv (key, version, value, commit_id, made_at) VALUES (")
                .sql(dialect.no_bytes())
                .sql(", ")
                .signed(self.fence_number())
                .sql(&format!(", {}, ", dialect.no_bytes()))
                .bytes(&id)
                .sql(", ")
                .integer(now)
                .sql(")"),
        };
        match self.insert(insertion).await? {
            Inserted::Ran(rows) => match rows.into_iter().next() {
                Some(mut row) => Ok(Ok(row.unsigned(0)?)),
                None => Ok(Err("too many writers of the same keys".to_owned())),
            },
            Inserted::NotApplied(cause) => Ok(Err(cause)),
        }
    }

    /// Why an attempt did not apply, if it was not by chance: a check that does not hold
    /// any more, or appends that meet in one key.
    async fn diagnose(&self, checks: &[Check], writes: &[Write]) -> Result<Option<Refusal>, StorageError> {
        if !checks.is_empty() {
            let keys = checks.iter().map(|check| check.key.as_slice());
            let seen = self.live(keys, self.host.now()).await?;
            if let Some(refusal) = conflict(checks, &seen) {
                return Ok(Some(refusal));
            }
        }
        self.meeting_appends(writes).await
    }

    /// The refusal of a commit that would change a key twice through an append.
    async fn meeting_appends(&self, writes: &[Write]) -> Result<Option<Refusal>, StorageError> {
        if !writes.iter().any(|write| matches!(write, Write::Append { .. })) {
            return Ok(None);
        }
        let next = self.head().await?.0 + 1;
        Ok(appends_meet(writes, next).then(|| Refusal::Error(limits::appended_twice())))
    }
}

/// The keys whose checks do not hold.
fn conflict(checks: &[Check], seen: &BTreeMap<Key, Live>) -> Option<Refusal> {
    let holds = |check: &&Check| seen.get(&check.key).map(|live| live.entry.version) == check.version;
    let changed: BTreeSet<&Key> =
        checks.iter().filter(|check| !holds(check)).map(|check| &check.key).collect();
    let changed: Vec<Key> = changed.into_iter().cloned().collect();
    (!changed.is_empty()).then_some(Refusal::Outcome(Outcome::Conflict(changed)))
}

/// The keys of the counters that writes add to.
fn counters(writes: &[Write]) -> Vec<&[u8]> {
    let mut keys = Vec::new();
    for write in writes {
        if let Write::Add { key, .. } = write {
            keys.push(key.as_slice());
        }
    }
    keys
}

/// Whether two writes change one key in the commit of this version.
fn appends_meet(writes: &[Write], version: Version) -> bool {
    let mut keys = BTreeSet::new();
    writes.iter().any(|write| !keys.insert(limits::changed_key(write, version)))
}

/// The rows of the writes, where counters hold what was seen.
fn new_rows<'a>(writes: &'a [Write], seen: &BTreeMap<Key, Live>) -> Result<Vec<NewRow<'a>>, Outcome> {
    let (mut not_counters, mut out_of_bounds) = (Vec::new(), Vec::new());
    let mut rows = Vec::with_capacity(writes.len());
    for write in writes {
        rows.push(match write {
            Write::Put { key, value, expires_at } => {
                NewRow { key, suffix: None, value: Some(value.clone()), expires_at: *expires_at }
            }
            Write::Delete { key } => NewRow { key, suffix: None, value: None, expires_at: None },
            Write::Append { prefix, suffix, value } => {
                NewRow { key: prefix, suffix: Some(suffix), value: Some(value.clone()), expires_at: None }
            }
            Write::Add { key, delta, minimum, maximum } => {
                let seen = seen.get(key);
                let held = seen.map(|live| live.entry.value.as_slice());
                let sum = match counter::add(held, *delta, *minimum, *maximum) {
                    Sum::Within(sum) => sum,
                    Sum::OutOfBounds => {
                        out_of_bounds.push(key.clone());
                        continue;
                    }
                    Sum::NotACounter => {
                        not_counters.push(key.clone());
                        continue;
                    }
                };
                let expires_at = seen.and_then(|live| live.expires_at);
                NewRow { key, suffix: None, value: Some(sum.to_le_bytes().to_vec()), expires_at }
            }
        });
    }
    if !not_counters.is_empty() {
        return Err(Outcome::NotACounter(not_counters));
    }
    if out_of_bounds.is_empty() { Ok(rows) } else { Err(Outcome::OutOfBounds(out_of_bounds)) }
}

/// The one statement of a commit. It returns the commit's version, once per row, and
/// nothing if a guard fails. A removal of what is not there inserts nothing.
fn insertion(
    statement: Statement,
    rows: &[NewRow<'_>],
    guards: &[Guard<'_>],
    id: &[u8; 16],
    now: Timestamp,
) -> Statement {
    let dialect = statement.dialect();
    let none = dialect.no_bytes();
    let mut statement = statement
        .sql(&format!(
            "WITH head (version) AS (SELECT coalesce((SELECT version FROM vwp_kv WHERE key = {none} \
             AND version > 0 ORDER BY version DESC LIMIT 1), 0) + 1), \
             w (n, key, suffix, value, expires_at, commit_id, made_at) AS (VALUES (0, {none}, "
        ))
        .bytes_or_null(None)
        .sql(&format!(", {none}, "))
        .integer_or_null(None)
        .sql(", ")
        .bytes(id)
        .sql(", ")
        .integer(now)
        .sql(")");
    for (n, row) in (1..).zip(rows) {
        statement = statement.sql(&format!(", ({n}, ")).bytes(row.key).sql(", ").bytes_or_null(row.suffix);
        statement = statement.sql(", ").bytes_or_null(row.value.as_deref()).sql(", ");
        statement = statement.integer_or_null(row.expires_at).sql(", NULL, NULL)");
    }
    statement = statement.sql(")");
    if !guards.is_empty() {
        statement = guard_table(statement, guards);
    }
    let key = dialect.joined("w.key", "head.version", "w.suffix");
    statement = statement.sql(&format!(
        " INSERT INTO vwp_kv (key, version, value, expires_at, commit_id, made_at) \
         SELECT CASE WHEN w.suffix IS NULL THEN w.key ELSE {key} END, head.version, w.value, \
         w.expires_at, w.commit_id, w.made_at FROM head CROSS JOIN w WHERE (w.value IS NOT NULL \
         OR (SELECT k.value IS NOT NULL FROM vwp_kv k WHERE k.key = w.key ORDER BY k.version DESC LIMIT 1))"
    ));
    if !guards.is_empty() {
        statement = statement
            .sql(
                " AND NOT EXISTS (SELECT 1 FROM c WHERE (SELECT CASE WHEN c.raw = 0 \
                 AND (k.value IS NULL OR k.expires_at <= ",
            )
            .integer(now)
            .sql(
                ") THEN NULL ELSE k.version END FROM vwp_kv k WHERE k.key = c.key \
                 ORDER BY k.version DESC LIMIT 1) IS DISTINCT FROM c.version)",
            );
    }
    statement.sql(&dialect.insertion_order("w.n")).sql(" RETURNING version")
}

fn guard_table(mut statement: Statement, guards: &[Guard<'_>]) -> Statement {
    statement = statement.sql(", c (key, version, raw) AS (VALUES ");
    for (n, guard) in guards.iter().enumerate() {
        statement = statement.sql(if n == 0 { "(" } else { ", (" }).bytes(guard.key).sql(", ");
        let raw = if guard.raw { ", 1)" } else { ", 0)" };
        statement = statement.integer_or_null(guard.version).sql(raw);
    }
    statement.sql(")")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dialect;

    #[test]
    fn a_commit_is_one_statement_with_its_head_row_first() {
        let rows = [NewRow { key: b"s/a", suffix: None, value: Some(b"1".to_vec()), expires_at: None }];
        let guards = [Guard { key: b"s/b", version: Some(7), raw: false }];
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let statement = insertion(Statement::new(dialect, ""), &rows, &guards, &[1; 16], 5);
            assert_eq!(statement.text.matches("INSERT INTO").count(), 1);
            assert!(!statement.text.contains(';'), "{}", statement.text);
            assert!(statement.text.contains("(VALUES (0, "), "the head row comes first");
            let places = statement.parameters.len();
            let place = if dialect == Dialect::Sqlite { "?" } else { "$" };
            assert_eq!(statement.text.matches(place).count(), places, "each parameter has one place");
        }
    }

    #[test]
    fn appends_meet_where_the_version_completes_the_same_key() {
        let append = |prefix: &str, suffix: &str| Write::Append {
            prefix: prefix.into(),
            suffix: suffix.into(),
            value: vec![],
        };
        assert!(appends_meet(&[append("s/", "x"), append("s/", "x")], 1));
        assert!(!appends_meet(&[append("s/", "x"), append("s/", "y")], 1));
        let put = Write::put(limits::appended_key(b"s/", 9, b""), "");
        assert!(appends_meet(&[append("s/", ""), put.clone()], 9));
        assert!(!appends_meet(&[append("s/", ""), put], 8));
    }
}

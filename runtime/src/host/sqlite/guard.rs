//! What a guest's SQL may do: everything inside of its own database, and nothing outside.
//!
//! SQL can name files (`ATTACH`, `VACUUM INTO`), load code (`load_extension`) and switch
//! off what makes a commit durable (`PRAGMA synchronous = OFF`). Each action of a statement
//! is shown to an authorizer before it is compiled; what is not known to be harmless is
//! denied (<https://www.sqlite.org/c3ref/set_authorizer.html>).

use super::session::Watch;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{Action, AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The longest text, blob or record, in bytes.
pub(super) const VALUE_BYTES_MAX: i32 = 16 * 1024 * 1024;
/// The longest statement, in bytes.
const STATEMENT_BYTES_MAX: i32 = 1024 * 1024;
/// How many parameters a statement may have.
const PARAMETERS_MAX: i32 = 32_766;
/// How many instructions of SQLite's machine run between two looks at the clock: a few tens
/// of microseconds.
const STEPS_PER_LOOK: i32 = 4000;
/// How much memory a connection's page cache may take, in KiB.
const CACHE_KIB: i32 = 1024;

/// Pragmas that only tell something about the database's own content.
const TELLING: [&str; 22] = [
    "application_id",
    "collation_list",
    "compile_options",
    "data_version",
    "encoding",
    "foreign_key_check",
    "foreign_key_list",
    "freelist_count",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "module_list",
    "page_count",
    "page_size",
    "pragma_list",
    "quick_check",
    "schema_version",
    "table_info",
    "table_list",
    "table_xinfo",
];
/// Those of them whose argument is what they tell about; any other's would change something.
const TELLING_ABOUT: [&str; 9] = [
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_xinfo",
];
/// Pragmas that change how this connection behaves, and nothing else.
const SETTING: [&str; 7] = [
    "case_sensitive_like",
    "defer_foreign_keys",
    "foreign_keys",
    "ignore_check_constraints",
    "query_only",
    "recursive_triggers",
    "reverse_unordered_selects",
];

/// Bounds a new connection, and sets it up.
pub(super) fn harden(sqlite: &mut Connection, watch: &Arc<Watch>) -> rusqlite::Result<()> {
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, STATEMENT_BYTES_MAX),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, PARAMETERS_MAX),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 10_000),
        (Limit::SQLITE_LIMIT_VDBE_OP, 1_000_000),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 100),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
    ] {
        sqlite.set_limit(limit, value)?;
    }
    // A database that came from elsewhere may hold a schema that does harm when it is used.
    sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // Readers and a writer do not wait for each other in WAL mode, and with FULL each commit
    // is synced before it is acknowledged; NORMAL would lose the last ones in a power cut.
    sqlite.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    sqlite.pragma_update(None, "synchronous", "FULL")?;
    sqlite.pragma_update(None, "cache_size", -CACHE_KIB)?;
    let inserting = watch.clone();
    sqlite.update_hook(Some(move |action: Action, _: &str, _: &str, _: i64| {
        if action == Action::SQLITE_INSERT {
            inserting.inserted.store(true, Ordering::Relaxed);
        }
    }))?;
    let looking = watch.clone();
    sqlite.progress_handler(STEPS_PER_LOOK, Some(move || looking.is_over()))?;
    let altering = watch.clone();
    sqlite.authorizer(Some(move |context: AuthContext<'_>| authorize(&altering, &context)))
}

fn authorize(watch: &Watch, context: &AuthContext<'_>) -> Authorization {
    let is_allowed = match context.action {
        AuthAction::Pragma { pragma_name, pragma_value } => {
            is_setting(pragma_name, pragma_value, watch) || is_telling(pragma_name, pragma_value)
        }
        // SQLite denies it by itself; this is the second lock.
        AuthAction::Function { function_name } => !function_name.eq_ignore_ascii_case("load_extension"),
        AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. }
        | AuthAction::DropTempIndex { .. }
        | AuthAction::DropTempTable { .. }
        | AuthAction::DropTempTrigger { .. }
        | AuthAction::DropTempView { .. } => {
            watch.altered.store(true, Ordering::Relaxed);
            true
        }
        AuthAction::CreateIndex { .. }
        | AuthAction::CreateTable { .. }
        | AuthAction::CreateTrigger { .. }
        | AuthAction::CreateView { .. }
        | AuthAction::CreateVtable { .. }
        | AuthAction::DropIndex { .. }
        | AuthAction::DropTable { .. }
        | AuthAction::DropTrigger { .. }
        | AuthAction::DropView { .. }
        | AuthAction::DropVtable { .. }
        | AuthAction::AlterTable { .. }
        | AuthAction::Delete { .. }
        | AuthAction::Insert { .. }
        | AuthAction::Update { .. }
        | AuthAction::Read { .. }
        | AuthAction::Select
        | AuthAction::Recursive
        | AuthAction::Transaction { .. }
        | AuthAction::Savepoint { .. }
        | AuthAction::Reindex { .. }
        | AuthAction::Analyze { .. } => true,
        // ATTACH and DETACH; also VACUUM, which attaches the copy that it makes. An ATTACH
        // whose file is an expression arrives as an unknown action.
        _ => false,
    };
    if is_allowed { Authorization::Allow } else { Authorization::Deny }
}

fn is_telling(name: &str, value: Option<&str>) -> bool {
    let is = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    let says = |values: &[&str]| {
        value.is_none_or(|value| values.iter().any(|known| known.eq_ignore_ascii_case(value)))
    };
    match name.to_ascii_lowercase().as_str() {
        // What the host has set may be asked for and said again.
        "journal_mode" => says(&["wal"]),
        "synchronous" => says(&["full", "extra", "2", "3"]),
        "busy_timeout" | "cache_size" | "temp_store" | "max_page_count" => value.is_none(),
        // A number of the application's own, in the database's header.
        "user_version" => true,
        "optimize" => true,
        _ => is(&TELLING_ABOUT) || (is(&TELLING) && value.is_none()),
    }
}

fn is_setting(name: &str, value: Option<&str>, watch: &Watch) -> bool {
    let is_known = SETTING.iter().any(|known| known.eq_ignore_ascii_case(name));
    // Foreign keys are enforced unless a guest says otherwise.
    let is_default = name.eq_ignore_ascii_case("foreign_keys")
        && value.is_some_and(|value| ["1", "on", "true", "yes"].contains(&&*value.to_ascii_lowercase()));
    if is_known && value.is_some() && !is_default {
        watch.altered.store(true, Ordering::Relaxed);
    }
    is_known
}

//! Reading a range.

use crate::{Database, Host, SqlStore, Statement};
use vwp_storage::StorageError;
use vwp_storage::kv::{Direction, Entry, Item, KeyRange, Page, Timestamp};
use vwp_storage::limits::{self, PAGE_BYTES_MAX};
use vwp_storage::machine::StateMachine;

impl<D: Database, H: Host, M: StateMachine> SqlStore<D, H, M> {
    /// One page of a range, in one snapshot.
    pub(crate) async fn page(
        &self,
        range: &KeyRange,
        limit: u32,
        direction: Direction,
    ) -> Result<Page, StorageError> {
        if range.start >= range.end {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let statement = scan(self.statement(""), range, limit, direction, self.host.now());
        let item = |row: &mut crate::Row| {
            let entry = Entry { version: row.unsigned(1)?, value: row.bytes(2)? };
            Ok(Item { key: row.bytes(0)?, entry })
        };
        let rows = self.read(statement).await?;
        limits::page(rows.into_iter().map(|mut row| item(&mut row)), range, limit, direction)
    }
}

/// Steps from key to key by the primary key, so that the versions which a key has left
/// behind are not read. One item more than the page holds is asked for, and none after
/// those that fill its bytes.
fn scan(
    statement: Statement,
    range: &KeyRange,
    limit: u32,
    direction: Direction,
    now: Timestamp,
) -> Statement {
    let (beyond, order) = match direction {
        Direction::Forward => (">", "ASC"),
        Direction::Backward => ("<", "DESC"),
    };
    let within = |statement: Statement| {
        let statement = statement.sql(" AND key >= ").bytes(&range.start).sql(" AND key < ");
        statement.bytes(&range.end).sql(&format!(" ORDER BY key {order} LIMIT 1)"))
    };
    let statement =
        within(statement.sql("WITH RECURSIVE k (key) AS (SELECT (SELECT key FROM vwp_kv WHERE version > 0"));
    let statement = within(
        statement.sql(&format!(" UNION ALL SELECT (SELECT n.key FROM vwp_kv n WHERE n.key {beyond} k.key")),
    );
    let newest = statement.dialect().with_newest("k");
    let statement = statement.sql(&format!(
        " FROM k WHERE k.key IS NOT NULL), live AS (SELECT v.key, v.version, v.value FROM {newest} \
         WHERE v.value IS NOT NULL AND (v.expires_at IS NULL OR v.expires_at > "
    ));
    let statement = statement.integer(now).sql(") LIMIT ").integer(u64::from(limit) + 1);
    let own = "(length(key) + length(value))";
    statement.sql(&format!(
        ") SELECT key, version, value FROM (SELECT key, version, value, \
         sum({own}) OVER (ORDER BY key {order}) - {own} AS bytes_before FROM live) AS paged \
         WHERE bytes_before <= {PAGE_BYTES_MAX} ORDER BY key {order}"
    ))
}

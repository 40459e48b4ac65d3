//! The advisory lock that makes one worker the relay.

use std::time::Duration;

use sqlx::{PgConnection, Row};

use super::errors::store_error;
use super::response::{RESPONSE_TIMEOUT, within};
use crate::service_layer::{RelayHolder, StoreError};

/// A session-level lock, one per schema of a database; released when the session ends.
const TRY_LOCK: &str =
    "select pg_try_advisory_lock(hashtext('order-worker relay'), hashtext(current_schema()))";

/// `pg_locks` shows both keys as unsigned numbers. Without the privilege to see other sessions, a
/// role gets only the process id of the holder.
const HOLDER: &str = "
    select a.pid, a.application_name, host(a.client_addr) as client,
           extract(epoch from clock_timestamp() - a.state_change)::bigint as idle_seconds
    from pg_locks l join pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'advisory' and l.granted
      and l.database = (select oid from pg_database where datname = current_database())
      and l.classid::bigint = hashtext('order-worker relay')::bigint & 4294967295
      and l.objid::bigint = hashtext(current_schema())::bigint & 4294967295
    limit 1";

pub(super) async fn try_lock(connection: &mut PgConnection) -> Result<bool, StoreError> {
    within(RESPONSE_TIMEOUT, sqlx::query_scalar(TRY_LOCK).fetch_one(connection)).await
}

/// The session that holds the lock; `None` when it was released meanwhile.
pub(super) async fn holder(
    connection: &mut PgConnection,
) -> Result<Option<RelayHolder>, StoreError> {
    let found = within(RESPONSE_TIMEOUT, sqlx::query(HOLDER).fetch_optional(connection)).await?;
    let Some(row) = found else { return Ok(None) };
    let read = || -> Result<RelayHolder, sqlx::Error> {
        let client: Option<String> = row.try_get("client")?;
        let application: Option<String> = row.try_get("application_name")?;
        let idle_seconds: Option<i64> = row.try_get("idle_seconds")?;
        Ok(RelayHolder {
            session: row.try_get("pid")?,
            application: application.unwrap_or_default(),
            client: client.unwrap_or_else(|| "local".to_owned()),
            idle: Duration::from_secs(idle_seconds.and_then(|s| s.try_into().ok()).unwrap_or(0)),
        })
    };
    read().map(Some).map_err(|error| store_error(&error))
}

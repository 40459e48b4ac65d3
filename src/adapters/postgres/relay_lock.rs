//! The lock of the one relay.

use std::time::Duration;

use sqlx::{PgConnection, Row};

use super::errors::store_error;
use super::session::{ANSWER_TIMEOUT, within};
use crate::service_layer::{RelayHolder, StoreError};

/// Held as long as the session lives; one for each schema of a database.
const TRY_LOCK: &str =
    "select pg_try_advisory_lock(hashtext('order-worker relay'), hashtext(current_schema()))";

/// Both keys of the lock are shown as unsigned numbers. A role that may not see the holder's session
/// sees its process id only.
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
    within(ANSWER_TIMEOUT, sqlx::query_scalar(TRY_LOCK).fetch_one(connection)).await
}

/// Whose session has the lock; none, when it has just been let go.
pub(super) async fn holder(
    connection: &mut PgConnection,
) -> Result<Option<RelayHolder>, StoreError> {
    let found = within(ANSWER_TIMEOUT, sqlx::query(HOLDER).fetch_optional(connection)).await?;
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

//! Facts about the server, for the [doctor](crate::service_layer::doctor).

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, Row};

use super::PgDatabase;
use super::errors::store_error;
use super::relay_lock::holder;
use super::response::{READ_TIMEOUT, within};
use crate::adapters::clock::SystemClock;
use crate::service_layer::doctor::ServerFacts;
use crate::service_layer::{Clock, StoreError};

/// `idle_session_timeout` needs it.
const OLDEST_VERSION: i32 = 140_000;

const SERVER: &str = "
    select current_setting('server_version') as version,
           current_setting('server_version_num')::int as number,
           pg_is_in_recovery() as is_standby,
           current_setting('transaction_read_only') = 'on' as is_read_only";

/// The privileges on tables that a running worker needs: the grants to `orders_worker` in
/// `deploy/postgres/grants.sql`. Those on the tables of schema versions are missed by the check of the
/// schema.
pub const WORKER_PRIVILEGES: [(&str, &[&str]); 8] = [
    ("orders", &["select", "insert", "update"]),
    ("order_items", &["select", "insert"]),
    ("order_history", &["select", "insert", "delete"]),
    ("handled_messages", &["select", "insert", "delete"]),
    // Update, because published rows are locked before they are deleted.
    ("outbox", &["select", "insert", "update", "delete"]),
    ("dead_letters", &["select", "insert", "update", "delete"]),
    ("dead_letter_actions", &["select", "insert", "delete"]),
    ("email_disclosures", &["select", "insert"]),
];

/// Of these privileges, those that the user lacks. Grants on columns suffice, except for delete, which has
/// none.
const MISSING_PRIVILEGES: &str = "
    select privilege || ' on ' || name as missing
    from unnest($1::text[], $2::text[]) as needed (name, privilege)
    where to_regclass(name) is not null
      and not case privilege
              when 'delete' then has_table_privilege(to_regclass(name), privilege)
              else has_any_column_privilege(to_regclass(name), privilege)
              end
    union all
    select 'usage on order_numbers'
    where to_regclass('order_numbers') is not null
      and not has_sequence_privilege(to_regclass('order_numbers'), 'usage')";

impl PgDatabase {
    /// # Errors
    /// When the database is unavailable.
    pub async fn server_facts(&self) -> Result<ServerFacts, StoreError> {
        let mut session = self.readers.session().await?;
        let server = within(READ_TIMEOUT, sqlx::query(SERVER).fetch_one(&mut *session)).await?;
        let needed = WORKER_PRIVILEGES.iter().flat_map(|(table, privileges)| {
            privileges.iter().map(|privilege| (*table, *privilege))
        });
        let (tables, privileges): (Vec<&str>, Vec<&str>) = needed.unzip();
        let missing = sqlx::query_scalar(MISSING_PRIVILEGES)
            .bind(tables)
            .bind(privileges)
            .fetch_all(&mut *session);
        let missing_privileges = within(READ_TIMEOUT, missing).await?;
        let read = || -> Result<_, sqlx::Error> {
            let (version, number): (String, i32) =
                (server.try_get("version")?, server.try_get("number")?);
            Ok((version, number, server.try_get("is_standby")?, server.try_get("is_read_only")?))
        };
        let (version, number, is_standby, is_read_only) =
            read().map_err(|error| store_error(&error))?;
        Ok(ServerFacts {
            version: format!("PostgreSQL {version}"),
            is_supported: number >= OLDEST_VERSION,
            read_only: match (is_standby, is_read_only) {
                (true, _) => Some("no: the server is a standby".to_owned()),
                (false, true) => Some("no: default_transaction_read_only is on".to_owned()),
                (false, false) => None,
            },
            clock_offset: clock_offset(&mut session).await?,
            missing_privileges,
            relay: holder(&mut session).await?,
            has_relay_lock: true,
        })
    }
}

/// By how much the server's clock is ahead, at least: the time that the statement took is left out.
async fn clock_offset(session: &mut PgConnection) -> Result<TimeDelta, StoreError> {
    let before = SystemClock.now();
    let now = sqlx::query_scalar("select clock_timestamp()").fetch_one(session);
    let now: DateTime<Utc> = within(READ_TIMEOUT, now).await?;
    let after = SystemClock.now();
    Ok((now - after).max(TimeDelta::zero()) + (now - before).min(TimeDelta::zero()))
}

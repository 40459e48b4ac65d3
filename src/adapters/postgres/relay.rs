//! The outbox as the relay reads it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;

use super::connection::{ANSWER_TIMEOUT, connect, within};
use super::write;
use crate::service_layer::{OutboxKey, Outgoing, RelayStore, StoreError};

/// Held as long as the connection lives; one for each schema of a database.
const TRY_LOCK: &str =
    "select pg_try_advisory_lock(hashtext('order-worker relay'), hashtext(current_schema()))";

/// The relay's session with PostgreSQL.
#[derive(Debug)]
pub struct PgRelayStore {
    options: PgConnectOptions,
    /// A connection that holds the relay's lock.
    connection: Option<PgConnection>,
}

impl PgRelayStore {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self { options, connection: None }
    }

    /// The connection with the lock, taken out until its use has ended well.
    fn locked(&mut self) -> Result<PgConnection, StoreError> {
        self.connection
            .take()
            .ok_or_else(|| StoreError::Unavailable("the relay has lost its connection".to_owned()))
    }
}

impl RelayStore for PgRelayStore {
    async fn try_become_relay(&mut self) -> Result<bool, StoreError> {
        if let Some(mut connection) = self.connection.take() {
            within(ANSWER_TIMEOUT, sqlx::query("select 1").execute(&mut connection)).await?;
            self.connection = Some(connection);
            return Ok(true);
        }
        let mut connection = connect(&self.options).await?;
        let lock = sqlx::query_scalar(TRY_LOCK);
        let locked: bool = within(ANSWER_TIMEOUT, lock.fetch_one(&mut connection)).await?;
        self.connection = locked.then_some(connection);
        Ok(locked)
    }

    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        let mut connection = self.locked()?;
        let now = sqlx::query_scalar("select now()").fetch_one(&mut connection);
        let now = within(ANSWER_TIMEOUT, now).await?;
        self.connection = Some(connection);
        Ok(now)
    }

    async fn waiting(
        &mut self,
        committed_until: DateTime<Utc>,
        after: Option<&OutboxKey>,
        limit: usize,
    ) -> Result<Vec<Outgoing>, StoreError> {
        let statement = format!(
            "select {} from outbox
             where committed_at <= $1
               and ($2::text is null or (order_id, version, event_id) > ($2, $3, $4))
             order by order_id, version, event_id limit $5",
            write::OUTGOING_COLUMNS
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(committed_until)
            .bind(after.map(|key| key.order_id.as_str()))
            .bind(after.map(|key| key.version))
            .bind(after.map(|key| key.event_id))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let mut connection = self.locked()?;
        let rows = within(ANSWER_TIMEOUT, query.fetch_all(&mut connection)).await?;
        self.connection = Some(connection);
        rows.iter().map(write::outgoing_from).collect()
    }

    async fn remove(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        let mut connection = self.locked()?;
        write::remove_published(&mut connection, published).await?;
        self.connection = Some(connection);
        Ok(())
    }
}

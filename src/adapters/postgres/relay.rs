//! The outbox as the relay reads it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinHandle;

use super::relay_lock::{holder, try_lock};
use super::session::{ANSWER_TIMEOUT, connect, is_writable, within};
use super::write;
use crate::service_layer::{
    OutboxKey, OutboxRow, RawOutboxKey, RelayHolder, RelayStore, StoreError,
};

/// How often the session with the lock says something while the relay does something else. The
/// server ends a session that was silent for four times as long, and with it the lock: the machine
/// that had it may have vanished.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// A connection that holds the relay's lock; empty while it is in use.
type Place = Arc<Mutex<Option<PgConnection>>>;

/// The relay's session with PostgreSQL.
#[derive(Debug)]
pub struct PgRelayStore {
    options: PgConnectOptions,
    place: Place,
    signs_of_life: Option<JoinHandle<()>>,
    holder: Option<RelayHolder>,
}

impl PgRelayStore {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self { options, place: Place::default(), signs_of_life: None, holder: None }
    }

    /// The place of the connection with the lock, and the connection, taken out until its use has
    /// ended well.
    async fn locked(
        &self,
    ) -> Result<(MutexGuard<'_, Option<PgConnection>>, PgConnection), StoreError> {
        let mut place = self.place.lock().await;
        let connection = place
            .take()
            .ok_or_else(|| StoreError::Unavailable("the relay has lost its session".to_owned()))?;
        Ok((place, connection))
    }
}

impl Drop for PgRelayStore {
    fn drop(&mut self) {
        if let Some(signs_of_life) = &self.signs_of_life {
            signs_of_life.abort();
        }
    }
}

#[async_trait]
impl RelayStore for PgRelayStore {
    async fn try_become_relay(&mut self) -> Result<bool, StoreError> {
        let mut place = self.place.lock().await;
        if let Some(mut connection) = place.take()
            && is_writable(&mut connection).await
        {
            *place = Some(connection);
            return Ok(true);
        }
        let mut connection = connect(&self.options).await?;
        if !try_lock(&mut connection).await? {
            self.holder = holder(&mut connection).await?;
            return Ok(false);
        }
        *place = Some(connection);
        drop(place);
        self.holder = None;
        let place = self.place.clone();
        self.signs_of_life.get_or_insert_with(|| tokio::spawn(give_signs_of_life(place)));
        Ok(true)
    }

    fn holder(&self) -> Option<RelayHolder> {
        self.holder.clone()
    }

    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        let (mut place, mut connection) = self.locked().await?;
        let now = sqlx::query_scalar("select now()").fetch_one(&mut connection);
        let now = within(ANSWER_TIMEOUT, now).await?;
        *place = Some(connection);
        Ok(now)
    }

    async fn waiting(
        &mut self,
        committed_until: DateTime<Utc>,
        after: Option<&RawOutboxKey>,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let statement = format!(
            "select {} from outbox
             where committed_at <= $1
               and ($2::text is null or (order_id, version, event_id) > ($2, $3, $4::uuid))
             order by order_id, version, event_id limit $5",
            write::OUTGOING_COLUMNS
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(committed_until)
            .bind(after.map(|key| key.order_id.as_str()))
            .bind(after.map(|key| key.version))
            .bind(after.map(|key| key.event_id.as_str()))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let (mut place, mut connection) = self.locked().await?;
        let rows = within(ANSWER_TIMEOUT, query.fetch_all(&mut connection)).await?;
        *place = Some(connection);
        rows.iter().map(write::outbox_row).collect()
    }

    async fn remove(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        let (mut place, mut connection) = self.locked().await?;
        write::remove_published(&mut connection, published).await?;
        *place = Some(connection);
        Ok(())
    }
}

/// Keeps the session alive between the statements of the relay, which may wait for the broker for
/// long. Gives up a session that has gone silent, or whose server takes no writes any more.
async fn give_signs_of_life(place: Place) {
    loop {
        tokio::time::sleep(SIGN_OF_LIFE).await;
        let mut place = place.lock().await;
        if let Some(mut connection) = place.take()
            && is_writable(&mut connection).await
        {
            *place = Some(connection);
        }
    }
}

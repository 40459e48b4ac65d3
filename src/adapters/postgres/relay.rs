//! The relay's view of the outbox, on a session that holds the relay lock.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinHandle;

use super::relay_lock::{holder, try_lock};
use super::response::{RESPONSE_TIMEOUT, is_writable, within};
use super::servers::Servers;
use super::session::connect;
use super::write;
use crate::messages::{OutboxKey, OutboxRow, RawOutboxKey};
use crate::service_layer::{RelayHolder, RelayStore, StoreError};

/// How often to send a statement on the session with the lock while the relay is busy elsewhere.
/// The server ends a session that was silent for four times as long (`idle_session_timeout`), so
/// that the lock of a vanished machine is released.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// The connection that holds the relay lock; `None` while it is in use or after it was lost.
type ConnectionSlot = Arc<Mutex<Option<PgConnection>>>;

/// The relay's session.
#[derive(Debug)]
pub struct PgRelayStore {
    servers: Servers,
    slot: ConnectionSlot,
    keepalive: Option<JoinHandle<()>>,
    holder: Option<RelayHolder>,
}

impl PgRelayStore {
    pub(super) fn new(servers: Servers) -> Self {
        Self { servers, slot: ConnectionSlot::default(), keepalive: None, holder: None }
    }

    /// Takes the connection with the lock out of its slot. The caller puts it back after success;
    /// after an error it is dropped, and the lock with it.
    async fn locked(
        &self,
    ) -> Result<(MutexGuard<'_, Option<PgConnection>>, PgConnection), StoreError> {
        let mut slot = self.slot.lock().await;
        let connection = slot
            .take()
            .ok_or_else(|| StoreError::Unavailable("the relay's session is lost".to_owned()))?;
        Ok((slot, connection))
    }
}

impl Drop for PgRelayStore {
    fn drop(&mut self) {
        if let Some(keepalive) = &self.keepalive {
            keepalive.abort();
        }
    }
}

#[async_trait]
impl RelayStore for PgRelayStore {
    async fn try_become_relay(&mut self) -> Result<bool, StoreError> {
        let mut slot = self.slot.lock().await;
        if let Some(mut connection) = slot.take()
            && is_writable(&mut connection).await
        {
            *slot = Some(connection);
            return Ok(true);
        }
        let mut connection = connect(&self.servers).await?;
        if !try_lock(&mut connection).await? {
            self.holder = holder(&mut connection).await?;
            return Ok(false);
        }
        *slot = Some(connection);
        drop(slot);
        self.holder = None;
        let slot = self.slot.clone();
        self.keepalive.get_or_insert_with(|| tokio::spawn(keep_alive(slot)));
        Ok(true)
    }

    fn holder(&self) -> Option<RelayHolder> {
        self.holder.clone()
    }

    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        let (mut slot, mut connection) = self.locked().await?;
        let now = sqlx::query_scalar("select now()").fetch_one(&mut connection);
        let now = within(RESPONSE_TIMEOUT, now).await?;
        *slot = Some(connection);
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
            write::OUTBOX_COLUMNS
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(committed_until)
            .bind(after.map(|key| key.order_id.as_str()))
            .bind(after.map(|key| key.version))
            .bind(after.map(|key| key.event_id.as_str()))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let (mut slot, mut connection) = self.locked().await?;
        let rows = within(RESPONSE_TIMEOUT, query.fetch_all(&mut connection)).await?;
        *slot = Some(connection);
        rows.iter().map(write::outbox_row).collect()
    }

    async fn remove(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        let (mut slot, mut connection) = self.locked().await?;
        write::remove_published(&mut connection, published).await?;
        *slot = Some(connection);
        Ok(())
    }
}

/// Keeps the session alive between statements of the relay, which may wait long for the broker.
/// Drops a session whose server does not respond or has become read-only.
async fn keep_alive(slot: ConnectionSlot) {
    loop {
        tokio::time::sleep(KEEPALIVE_INTERVAL).await;
        let mut slot = slot.lock().await;
        if let Some(mut connection) = slot.take()
            && is_writable(&mut connection).await
        {
            *slot = Some(connection);
        }
    }
}
